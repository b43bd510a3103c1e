"""Heads: the answers of one model to several questions about a text, from one pass over it.

Each head is a slice of the outputs of the network, with a task, labels, temperature, thresholds and abstention of its
own, and cut points where its labels are ordered levels. In config.json they are the entry `heads`, in the order of the
outputs, and `id2label` names every label "head: label". The logits of the whole model are its outputs, those before any
temperature and any cut point.

Shapes: `N` texts, `C` outputs of all heads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import listed, nearest
from .capabilities import size_in_words
from .checks import check_config
from .classifier import TextClassifier
from .decisions import Answers, Array
from .head_outputs import head_slices

if TYPE_CHECKING:
    from .explain import Explanation

HeadAnswers = dict[str, Answers]
# The entries of config.json that a head has for itself.
_OWN = ("problem_type", "cut_points", "temperature", "thresholds", "abstention")


def config_of_head(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the config.json that a head would have as a model of its own.

    Raises:
        ValueError: there is no such head; the nearest is named.
    """
    head = next((head for head in config.get("heads") or () if head["name"] == name), None)
    if head is None:
        raise ValueError(unknown_head(config, name))
    labels = [str(label) for label in head["labels"]]
    return {
        **{key: value for key, value in config.items() if key not in ("heads", "digests")},
        **{key: head[key] for key in _OWN if head.get(key) is not None},
        "label_column": name,
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
    }


def unknown_head(config: Mapping[str, Any], name: str | None) -> str:
    """Return the message for a head that a model does not have, or that is missing."""
    names = list(head_slices(config))
    if not names:
        return f"head: got {name!r} for a model with one task; expected none; leave it out"
    return f"head: got {name!r}; expected one of {listed(names)}{nearest(str(name), names) if name else ''}"


class Heads:
    """The heads of a model that decide, each from its slice of the outputs [N, C] of all.

    Args:
        config: The model's config.json.

    Raises:
        ValueError: the model has one task, or an entry of config.json cannot be used.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        check_config(config)
        self.config = dict(config)
        self.slices = head_slices(config)
        if not self.slices:
            raise ValueError("heads: got a model with one task; expected several heads; use it as it is")
        self.deciders = {name: TextClassifier(config_of_head(config, name)) for name in self.slices}
        names = {int(index): str(name) for index, name in config["id2label"].items()}
        self.labels: list[str] = [names[index] for index in range(len(names))]

    @property
    def label_columns(self) -> dict[str, bool]:
        """Output columns of labels, by name: True where a text may have several."""
        return {
            f"{name}_{column}": several
            for name, head in self.deciders.items()
            for column, several in head.label_columns.items()
        }

    @property
    def counts_filters(self) -> bool:
        """True where a head abstains by the number of filters that fired."""
        heads = self.deciders.values()
        return any(head.abstention is not None and head.abstention.score == "fired" for head in heads)

    def logits_of(self, name: str, logits: Array) -> Array:
        """Return the logits of a head, divided by its temperature: outputs of all heads [N, C] -> [N, its labels]."""
        decider = self.deciders[name]
        return decider.of_levels(logits[:, self.slices[name]] / np.float32(decider.temperature))

    def answer_of(self, logits: Array, fired: NDArray[np.int64] | None = None) -> HeadAnswers:
        """Return the answers of each head, from the outputs [N, C] of all and the number of filters that fired [N]."""
        return {name: head.answer_of(self.logits_of(name, logits), fired) for name, head in self.deciders.items()}

    def decide(self, answers: HeadAnswers) -> dict[str, Any]:
        """Return the labels of answers, as `TextClassifier.predict` does, by head."""
        return {name: self.deciders[name].decide(own) for name, own in answers.items()}

    def columns(self, answers: HeadAnswers, joined: bool = False, every_class: bool = True) -> dict[str, list[Any]]:
        """Return the output columns of scored rows, of all heads, each name after that of its head.

        Example:
            >>> list(model.columns(model.answer(["a text"]), every_class=False))
            ['topic_predicted_label', 'topic_probability', 'tone_predicted_label', 'tone_probability']
        """
        return {
            f"{name}_{column}": values
            for name, own in answers.items()
            for column, values in self.deciders[name].columns(own, joined, every_class).items()
        }


class HeadsClassifier(Heads):
    """A model with several heads, which answers all of their questions in one pass over the texts.

    `textcnn.load` returns it for a model that was trained with `label_columns`.

    Args:
        model: The classifier whose logits are the outputs of all heads.

    Attributes:
        model: As given.
        heads: Each head as a classifier of its own, by name: with `explain`, `certify` and all other methods.

    Example:
        >>> model = textcnn.load("runs/posts")
        >>> model.predict(["free entry, call now"])
        {'topic': array(['advert'], dtype='<U6'), 'tone': array(['loud'], dtype='<U5')}
        >>> model.heads["topic"].explain("free entry, call now").label
        'advert'
    """

    def __init__(self, model: TextClassifier) -> None:
        super().__init__(model.config)
        self.model = model
        self.heads: Mapping[str, TextClassifier] = _Opened(self)

    def __repr__(self) -> str:
        heads = ", ".join(f"{name}: {len(head.labels)} labels" for name, head in self.deciders.items())
        return f"{type(self).__name__}({', '.join([heads, *size_in_words(self.config), self.precision])})"

    @property
    def precision(self) -> str:
        """Type of the numbers that answers are computed from."""
        return self.model.precision

    @property
    def from_tables(self) -> bool:
        """True where answers come from look-up tables, in microseconds a text."""
        return self.model.from_tables

    @property
    def metadata(self) -> dict[str, str]:
        """Measurements of folding or export, of all heads."""
        return dict(getattr(self.model, "metadata", {}))

    @property
    def capabilities(self) -> frozenset[str]:
        """Capabilities of the heads beyond their answers, as of a TextClassifier."""
        return self.model.capabilities

    @property
    def threads(self) -> int:
        """Threads that work on the texts of one call; may be set at any time where the model has tables."""
        return int(getattr(self.model, "threads", 1))

    @threads.setter
    def threads(self, threads: int) -> None:
        self.model.threads = threads  # type: ignore[attr-defined]

    @property
    def tokens_of(self) -> str | None:
        """Content of the tokenizer whose ids `logits_of_ids` takes; None where token ids alone do not answer."""
        return None if self.counts_filters else self.model.tokens_of

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the token ids of texts and the offsets between them, where `tokens_of` is not None."""
        return self.model.encode(texts)

    def logits_of_ids(self, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> Array:
        """Return the outputs [N, C] of all heads for token ids, where `tokens_of` is not None."""
        return self.model.logits_of_ids(ids, offsets)

    def demand_labels(self, verb: str) -> None:
        """Raise ValueError where a verb needs labels and every head has numbers."""
        if all(head.regression for head in self.deciders.values()):
            next(iter(self.deciders.values())).demand_labels(verb)

    def predict(self, texts: Iterable[str], abstain: bool = True) -> dict[str, Any]:
        """Return the labels of each text by head, as `TextClassifier.predict` returns them.

        Args:
            texts: Any iterable of strings.
            abstain: False gives every text a label in each head.

        Raises:
            TypeError: `texts` is one string or a table, or holds something that is no string.
        """
        logits, fired = self._logits(texts, abstain and self.counts_filters)
        return {
            name: head.predict_of(self.logits_of(name, logits), fired, abstain) for name, head in self.deciders.items()
        }

    def predict_proba(self, texts: Iterable[str]) -> dict[str, Array]:
        """Return the probabilities of each text by head, of those that have labels: [N, its labels] float32."""
        answers = self.answer(texts)
        return {name: own.probabilities for name, own in answers.items() if not self.deciders[name].regression}

    def expected_level(self, texts: Iterable[str]) -> dict[str, NDArray[np.float64]]:
        """Return the expected value of the level of each text [N], by head of ordered levels.

        Raises:
            ValueError: no head has ordered levels.
        """
        answers = self.answer(texts)
        found = {
            name: head.levels.expected(answers[name].probabilities)
            for name, head in self.deciders.items()
            if head.levels is not None
        }
        if not found:
            raise ValueError("expected_level: got heads without order; expected one of problem_type ordinal")
        return found

    def answer(self, texts: Iterable[str]) -> HeadAnswers:
        """Return the probabilities of each text by head and, where it abstains, its score."""
        return self.answer_of(*self._logits(texts, self.counts_filters))

    def explain(self, text: str, label: str | None = None, head: str | None = None) -> Explanation:
        """Return the n-grams of a text that make a logit of a head; see `TextClassifier.explain`.

        Raises:
            ValueError: there is no such head or label.
        """
        if head is None:
            raise ValueError(unknown_head(self.config, head))
        return self.heads[head].explain(text, label)

    def _logits(self, texts: Iterable[str], with_fired: bool) -> tuple[Array, NDArray[np.int64] | None]:
        return self.model.logits_and_fired(texts) if with_fired else (self.model.logits(texts), None)


class _Opened(Mapping[str, TextClassifier]):
    """The heads as classifiers of their own, each made when it is first used."""

    def __init__(self, owner: HeadsClassifier) -> None:
        self._owner = owner
        self._opened: dict[str, TextClassifier] = {}

    def __getitem__(self, name: str) -> TextClassifier:
        if name not in self._owner.slices:
            raise ValueError(unknown_head(self._owner.config, name))
        if name not in self._opened:
            self._opened[name] = alone(self._owner.model, name)
        return self._opened[name]

    def __contains__(self, name: object) -> bool:
        return name in self._owner.slices

    def __iter__(self) -> Iterator[str]:
        return iter(self._owner.slices)

    def __len__(self) -> int:
        return len(self._owner.slices)


def alone(model: TextClassifier, name: str) -> TextClassifier:
    """Return a head as a classifier of its own, with the rest of the model shared.

    Raises:
        ValueError: there is no such head.
    """
    config = config_of_head(model.config, name)
    return model.of_head(config, head_slices(model.config)[name])


def with_heads(model: TextClassifier) -> Any:
    """Return a model as its users see it: a HeadsClassifier where it has heads, else the model itself."""
    return HeadsClassifier(model) if head_slices(model.config) else model
