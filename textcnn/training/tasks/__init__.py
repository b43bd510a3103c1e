"""Training tasks, one objective a file: each is its loss."""
