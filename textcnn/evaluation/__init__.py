"""How good a model is, and whether its probabilities mean what they say: calibration, scores, the report."""
