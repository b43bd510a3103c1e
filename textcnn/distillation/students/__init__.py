"""The choice of a student for a budget: sizes, speed, tokenizer."""
