"""Explanations of answers: the n-gram that wins each filter, and what it adds to a logit.

`winners.py` finds the winning windows of many texts, `ngrams.py` adds up what filters contribute through the same
tokens, `explanation.py` puts both into words and `views.py` prints them. These work on `Tables`, the compiled core's;
`occlusion.py` asks any classifier.
"""

from .explanation import Contribution, Explanation, TokenShare, explain_ids
from .occlusion import explain_by_occlusion
from .winners import Winners, find_winners

__all__ = [
    "Contribution",
    "Explanation",
    "TokenShare",
    "Winners",
    "explain_by_occlusion",
    "explain_ids",
    "find_winners",
]
