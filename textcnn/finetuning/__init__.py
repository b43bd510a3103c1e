"""Work with transformers: contextual token vectors, adaptation to text, fine-tuning of teachers."""
