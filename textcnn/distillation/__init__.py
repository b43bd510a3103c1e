"""Distillation: teachers, the texts they label, students of a wanted size."""
