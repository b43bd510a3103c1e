"""Common interface of all classifiers of this package, whichever engine computes the logits.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .answer_columns import answer_columns
from .capabilities import REGRESSION, demand_labels, demand_probabilities, refuse_heads, size_in_words
from .checks import check_config
from .decisions import Abstention, Answers, Array, Levels, confidence, decide, sigmoid, softmax
from .head_outputs import outputs_of_network
from .label_paths import LabelPaths
from .structured import StructuredAnswers
from .text_batches import BATCHES_OF_THREADS, text_batches

if TYPE_CHECKING:
    from .explain import Explanation


class TextClassifier(StructuredAnswers):
    """Labels and probabilities of texts; a subclass computes the logits of a list of them.

    Args:
        config: The artifact's config.json (id2label, problem_type, temperature, thresholds, abstention).

    Raises:
        ValueError: an entry of config.json cannot be used.
    """

    # True where answers come from look-up tables, in microseconds a text.
    from_tables = False

    def __init__(self, config: Mapping[str, Any]) -> None:
        check_config(config)
        self.config: dict[str, Any] = dict(config)
        names = {int(index): str(name) for index, name in config["id2label"].items()}
        self.labels: list[str] = [names[index] for index in range(len(names))]
        self.multi_label: bool = config.get("problem_type") == "multi_label_classification"
        self.regression: bool = config.get("problem_type") == REGRESSION
        self.temperature = float(config.get("temperature", 1.0))
        thresholds: Mapping[str, Any] = config.get("thresholds") or {}
        self.thresholds = {name: float(value) for name, value in thresholds.items()}
        without = self.multi_label or self.regression
        self.abstention: Abstention | None = None if without else Abstention.of(config)
        self._names = np.array(self.labels)
        self.levels = Levels.of(config, self.labels)
        self.paths = LabelPaths.of(config, self.labels)
        self.num_logits = outputs_of_network(config, len(self.labels))
        self._summary = size_in_words(config)

    @property
    def precision(self) -> str:
        """Type of the numbers that answers are computed from."""
        return "float32"

    @property
    def capabilities(self) -> frozenset[str]:
        """Capabilities of the model beyond its answers: of "explain", "fired", "inspect", "certify" and "regress".

        "fired" is the score of that name; see `runtime.decisions.SCORES`. "regress": answers are numbers, not labels.
        """
        return frozenset({"explain", "regress"}) if self.regression else frozenset({"explain", "fired"})

    def require(self, capability: str, reason: str) -> None:
        """Raise an error if the model lacks a capability.

        Raises:
            ValueError: The model lacks the capability.
        """
        if capability not in self.capabilities:
            able = ", ".join(sorted(self.capabilities)) or "labels and probabilities only"
            raise ValueError(f"{capability}: got {type(self).__name__}; expected {reason}; this model can: {able}")

    def demand_labels(self, verb: str) -> None:
        """Raise ValueError where a verb needs labels and the answers of the model are numbers.

        Raises:
            ValueError: The problem_type of the model is regression.
        """
        demand_labels(self.config, verb)

    def of_levels(self, scores: Array) -> Array:
        """Return the logits [N, C] of ordered levels from scores [N, 1]; all other logits as they are."""
        return scores if self.levels is None else self.levels.logits(scores)

    def of_head(self, config: dict[str, Any], columns: slice) -> TextClassifier:
        """Return one head of several as a classifier of its own, of its config.json and its columns of the logits."""
        raise NotImplementedError

    @property
    def label_columns(self) -> dict[str, bool]:
        """Output columns of labels, by name: True where a text may have several."""
        return {} if self.regression else {"predicted_label": self.multi_label}

    def __repr__(self) -> str:
        labels = f"{len(self.labels)} {'number' if self.regression else 'label'}{'s' * (len(self.labels) != 1)}"
        parts = [labels, *self._summary, self.precision]
        parts += [] if self.regression else [f"temperature {self.temperature:.3g}"]
        return f"{type(self).__name__}({', '.join(parts)})"

    def _logits(self, texts: list[str]) -> Array:
        """Logits [N, C], or the scores [N, 1] of ordered levels, divided by the temperature."""
        raise NotImplementedError

    def _logits_and_fired(self, texts: list[str]) -> tuple[Array, NDArray[np.int64]]:
        """The same, and the number of filters that fired [N]."""
        raise NotImplementedError

    def explain(self, text: str, label: str | None = None) -> Explanation:
        """Return the n-grams of a text that make a logit, and the part that each has in it.

        The weights and the bias add up to the logit exactly where the model folds. Else the explanation is approximate:
        how far the logit falls without each token (occlusion).

        Args:
            text: One text.
            label: The label to explain. None is the one that `predict` gives: the first of several and, where it gives
                none, the most probable one; `Explanation.abstained` is then True.

        Example:
            >>> why = model.explain("free entry, call now")
            >>> why.contributions[0].text, round(why.contributions[0].weight, 2)
            ('call now', 1.73)

        Raises:
            TypeError: The text is no string.
            ValueError: There is no such label, or the model normalises its pooled features.
        """
        if not isinstance(text, str):
            raise TypeError(f"text: got {text!r} ({type(text).__name__}); expected one string")
        return self.explain_batch([text], label)[0]

    def explain_batch(self, texts: Iterable[str], label: str | None = None) -> list[Explanation]:
        """Return the explanations of many texts, found together: of `label`, or as `explain` for None."""
        from .explain.explanation import label_id
        from .explain.given import classes_given, explain_levels

        refuse_heads(self.config, "explain")
        chosen = None if label is None else label_id(label, self.labels)
        if self.levels is not None:
            return explain_levels(self, texts, label)
        explanations: list[Explanation] = []
        for batch in text_batches(texts):
            given, abstained = classes_given(self, batch)
            classes = given if chosen is None else [chosen] * len(batch)
            found = self._explain(batch, classes)
            for explanation, left_out in zip(found, abstained, strict=True):
                explanation.abstained = left_out
            explanations += found
        return explanations

    def _explain(self, texts: list[str], classes: Sequence[int] | None) -> list[Explanation]:
        """Explanations of the classes [N], or for None of the one with the largest logit of each text."""
        raise NotImplementedError

    @property
    def tokens_of(self) -> str | None:
        """Content of the tokenizer whose ids `logits_of_ids` takes; None for a classifier that reads texts only."""
        return None

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the token ids of texts and the offsets between them, where `tokens_of` is not None."""
        raise NotImplementedError

    def logits_of_ids(self, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> Array:
        """Return the logits of token ids, divided by the temperature, where `tokens_of` is not None: [N, C]."""
        raise NotImplementedError

    def logits(self, texts: Iterable[str]) -> Array:
        """Return the logits of any iterable of strings, divided by the temperature: [N, C] float32.

        Raises:
            TypeError: `texts` is one string or a table, or holds something that is no string.
        """
        return self.of_levels(self.outputs(texts))

    def outputs(self, texts: Iterable[str]) -> Array:
        """Return the outputs of the network, divided by the temperature: logits [N, C], or scores [N, 1] of levels."""
        parts = [self._logits(chunk) for chunk in text_batches(texts, BATCHES_OF_THREADS)]
        return np.concatenate(parts) if parts else np.zeros((0, self.num_logits), dtype=np.float32)

    def predict_proba(self, texts: Iterable[str]) -> Array:
        """Return the probabilities of any iterable of strings, classes in the order of `labels`: [N, C] float32.

        Raises:
            TypeError: `texts` is one string or a table, or holds something that is no string.
            ValueError: the model is a regression, which has no probabilities.
        """
        demand_probabilities(self.config, "predict_proba")
        return self._probabilities(self.logits(texts))

    def confidence(self, texts: Iterable[str], score: str = "probability") -> NDArray[np.float64]:
        """Return the confidence in each text's label, for choosing texts to leave without one: [N], larger is surer.

        Args:
            texts, score: Texts, and "probability", "energy" or "fired"; see `runtime.decisions.SCORES`.

        Raises:
            ValueError: there is no such score, or the model is a regression.
        """
        demand_probabilities(self.config, "confidence")
        logits, fired = self.logits_and_fired(texts) if score == "fired" else (self.logits(texts), None)
        return confidence(score, logits, fired)

    def logits_and_fired(self, texts: Iterable[str]) -> tuple[Array, NDArray[np.int64]]:
        """Return the logits [N, C], divided by the temperature, and the number of filters that fired in each text [N].

        Raises:
            ValueError: the model normalises its pooled features.
        """
        parts = [self._logits_and_fired(chunk) for chunk in text_batches(texts, BATCHES_OF_THREADS)]
        if not parts:
            return self.of_levels(np.zeros((0, self.num_logits), dtype=np.float32)), np.zeros(0, dtype=np.int64)
        logits, fired = zip(*parts, strict=True)
        return self.of_levels(np.concatenate(logits)), np.concatenate(fired)

    def answer(self, texts: Iterable[str]) -> Answers:
        """Return the probabilities and, if the artifact says when to abstain, its score of each text.

        A regression has its numbers in their place.
        """
        if self.abstention is not None and self.abstention.score == "fired":
            return self.answer_of(*self.logits_and_fired(texts))
        return self.answer_of(self.logits(texts))

    def answer_of(self, logits: Array, fired: NDArray[np.int64] | None = None) -> Answers:
        """Return the same from logits [N, C] and, for that score, the number of filters that fired [N]."""
        refuse_heads(self.config, "answer")
        score = None if self.abstention is None else confidence(self.abstention.score, logits, fired)
        return Answers(logits if self.regression else self._probabilities(logits), score)

    def predict(self, texts: Iterable[str], abstain: bool = True) -> Any:
        """Return the label of each text: an array of N strings, or N lists of strings when multi-label.

        A multi-label text has the labels whose probability reaches their threshold, the most probable first. Where
        the artifact says when to abstain (`textcnn calibrate --abstain`), None stands for a text that is left without
        a label. A regression returns its numbers: [N] float32, or [N, C] if it has several.

        Args:
            texts: Any iterable of strings.
            abstain: False gives every text a label.

        Example:
            >>> classifier.predict(["free entry, call now"])
            array(['spam'], dtype='<U4')

        Raises:
            TypeError: `texts` is one string or a table, or holds something that is no string.
        """
        refuse_heads(self.config, "predict")
        if self.regression or (self.abstention is not None and abstain):
            return self.decide(self.answer(texts))
        if self.multi_label or self.thresholds:
            return self.predict_of(self.logits(texts), abstain=False)
        return self._names[self._label_ids(texts)]

    def predict_of(self, logits: Array, fired: NDArray[np.int64] | None = None, abstain: bool = True) -> Any:
        """Return the same from logits [N, C] and, for that score, the number of filters that fired [N]."""
        if self.regression or (self.abstention is not None and abstain):
            return self.decide(self.answer_of(logits, fired))
        if self.multi_label or self.thresholds:
            return self.decide(Answers(self._probabilities(logits)))
        return self._names[logits.argmax(axis=1)]

    def _label_ids(self, texts: Iterable[str]) -> NDArray[np.int64]:
        """Return the class with the largest logit of each text: [N]."""
        return self.logits(texts).argmax(axis=1)

    @property
    def thresholds_by_id(self) -> dict[int, float]:
        """Thresholds of `thresholds` by the id of the label."""
        return {self.labels.index(name): value for name, value in self.thresholds.items()}

    def decide(self, answers: Answers) -> Any:
        """Return the labels, or numbers, of answers, as `predict` does."""
        if self.regression:
            numbers = answers.probabilities
            return numbers[:, 0] if len(self.labels) == 1 else numbers
        ids = decide(answers.probabilities, self.thresholds_by_id, self.multi_label)
        if self.multi_label:
            return [[self.labels[i] for i in row] for row in ids]
        labels = self._names[ids]
        if self.abstention is None or answers.confidence is None:
            return labels
        return np.where(answers.confidence >= self.abstention.threshold, labels.astype(object), None)

    def _probabilities(self, logits: Array) -> Array:
        return sigmoid(logits) if self.multi_label else softmax(logits)

    def columns(self, answers: Answers, joined: bool = False, every_class: bool = True) -> dict[str, list[Any]]:
        """Return the output columns of scored rows: predicted_label, probability, and one column per class.

        Args:
            answers: As `answer` returns them. A text left without a label has None for predicted_label.
            joined: Several labels of a text as one string, with ";" between them, for files without lists.
            every_class: True to give the probability of each class, as probability_<label>.

        A regression has one column, prediction, or prediction_<name> for each of several numbers; ordered levels also
        have expected_level.
        """
        return answer_columns(self, answers, joined, every_class)

    def predict_top_k(self, texts: Iterable[str], k: int = 3) -> list[list[tuple[str, float]]]:
        """Return the k most probable labels of each text with their probabilities, the most probable first.

        Raises:
            ValueError: k is less than 1.
        """
        demand_probabilities(self.config, "predict_top_k")
        if k < 1:
            raise ValueError(f"k: got {k}; expected a whole number of at least 1")
        probabilities = self.predict_proba(texts)
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
        return [[(self.labels[i], float(row[i])) for i in best] for row, best in zip(probabilities, order, strict=True)]
