"""Explanations of answers: the n-gram that wins each filter, and what it adds to a logit.

`winners.py` finds the winning windows of many texts, `ngrams.py` adds up what filters contribute through the same
tokens, `explanation.py` puts both into words and `views.py` prints them. All work on `Tables`, the compiled core's.
"""

from .explanation import Contribution, Explanation, TokenShare, explain_ids
from .winners import Winners, find_winners

__all__ = ["Contribution", "Explanation", "TokenShare", "Winners", "explain_ids", "find_winners"]
