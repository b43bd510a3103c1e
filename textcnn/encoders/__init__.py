"""Sentence encoders: transformers that turn texts into vectors, and what every checkpoint needs to be opened."""
