"""Evaluation of a model: scores, calibration, the report."""
