"""Classifiers that textcnn is compared with, one file each: they fit, give scores, are saved and opened again."""

from __future__ import annotations

import importlib

from .base import Peer, Resources

# Name: module and class. The order is that of tables.
PEERS = {
    "textcnn": ("textcnn", "TextCNN"),
    "tfidf_logistic": ("tfidf", "TfidfLogistic"),
    "tfidf_svm": ("tfidf", "TfidfSVM"),
    "nbsvm": ("nbsvm", "NaiveBayesSVM"),
    "fasttext": ("fasttext", "FastText"),
    "model2vec": ("model2vec", "Model2Vec"),
    "model2vec_tuned": ("model2vec", "Model2VecTuned"),
    "sentence_encoder": ("sentence_encoder", "SentenceEncoder"),
    "setfit": ("setfit", "SetFit"),
    "transformer": ("transformer", "Transformer"),
}

__all__ = ["PEERS", "Peer", "Resources", "peer_class"]


def peer_class(name: str) -> type[Peer]:
    """Return the class of a peer; imports nothing of its package."""
    module, attribute = PEERS[name]
    found: type[Peer] = getattr(importlib.import_module(f".{module}", __name__), attribute)
    return found
