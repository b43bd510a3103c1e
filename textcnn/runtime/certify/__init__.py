"""Certificates of answers: how far a logit can move if any k tokens of a text are replaced.

`bounds.py` bounds the margins of texts, `replacements.py` looks up the worst replacement of each token.
"""

from .bounds import Guarantees, guarantee

__all__ = ["Guarantees", "guarantee"]
