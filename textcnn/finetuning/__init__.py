"""Work with transformers: contextual token vectors, continued pretraining, fine-tuning of teachers."""
