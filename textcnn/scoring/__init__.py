"""Files of any size: rows in, the same rows with labels and probabilities out, in constant memory."""
