"""Changed copies of texts, for a teacher to label."""
