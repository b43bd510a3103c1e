"""Fold a trained network into look-up tables, and quantize them."""
