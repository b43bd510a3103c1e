"""FastText: a model with the methods of fastText's Python class, over a classifier of textcnn.

Shapes: `D` vector size, `R` rows of the input matrix.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.bag import hash_of_word
from ..runtime.classifier import TextClassifier
from ..runtime.fasttext import FoldedFastText
from .predictions import k_best, probabilities
from .scores import Meter, score_file
from .tokens import END_OF_TEXT, check_line, checked_texts, split_tokens, subwords_of

if TYPE_CHECKING:
    from ..folding.fasttext import FastTextFile


def load_model(path: str | Path) -> FastText:
    """Open a model of fastText, .bin or .ftz, or an artifact of textcnn.

    A file is folded while it is opened; `textcnn convert` does that once and for all.

    Example:
        >>> load_model("filter.bin").predict("free entry, call now")
        (('__label__spam',), array([0.98123]))

    Raises:
        FileNotFoundError: There is no such file or directory.
        ValueError: It is no supervised model.
    """
    if Path(path).is_dir():
        from ..loading import load

        return FastText(load(path))
    from ..folding.convert import fold_fasttext
    from ..folding.fasttext import read_fasttext

    file = read_fasttext(path)
    return FastText(fold_fasttext(file), file)


class FastText:
    """A classifier with fastText's methods; its labels carry the prefix `__label__`.

    Args:
        classifier: Classifier that answers.
        file: The file that it was folded from; only it has vectors.
    """

    def __init__(self, classifier: TextClassifier, file: FastTextFile | None = None) -> None:
        self.classifier = classifier
        self._file = file
        converted = classifier if isinstance(classifier, FoldedFastText) else None
        self._converted = converted
        self._labels = converted.tokens_of_labels if converted else [f"__label__{name}" for name in classifier.labels]
        self._words: list[str] | None = None

    def __repr__(self) -> str:
        return f"FastText({self.classifier!r})"

    def predict(
        self, text: str | list[str], k: int = 1, threshold: float = 0.0, on_unicode_error: str = "strict"
    ) -> tuple[Any, Any]:
        """Return the labels of one line, or of a list of lines, and their probabilities.

        Args:
            text: One line, or a list of lines.
            k: Most labels of a line; -1 for all.
            threshold: Least probability of a label.
            on_unicode_error: Accepted as fastText accepts it; labels are valid strings here.

        Returns:
            Of one line, a tuple of labels and a float64 array; of a list, a list of lists and a list of float32 arrays.

        Raises:
            ValueError: A line holds '\\n', or k is no number of labels.
        """
        values, answered = probabilities(self.classifier, checked_texts(text))
        labels, chances = [], []
        for row, has_answer in zip(values, answered, strict=True):
            ids, own = k_best(row, k, threshold)
            labels.append([self._labels[i] for i in ids] if has_answer else [])
            chances.append(own if has_answer else own[:0])
        if isinstance(text, str):
            return tuple(labels[0]), chances[0].astype(np.float64)
        return labels, chances

    def test(self, path: str | Path, k: int = 1, threshold: float = 0.0) -> tuple[int, float, float]:
        """Return the number of labelled lines of a file, precision and recall of the k best labels."""
        meter = self._meter(path, k, threshold)
        return meter.examples, meter.all.precision, meter.all.recall

    def test_label(self, path: str | Path, k: int = 1, threshold: float = 0.0) -> dict[str, dict[str, float]]:
        """Return precision, recall and F1 of each label over a file of labelled lines."""
        meter = self._meter(path, k, threshold)
        return {
            self._labels[i]: {"precision": counts.precision, "recall": counts.recall, "f1score": counts.f1}
            for i, counts in sorted(meter.by_label.items())
        }

    def get_labels(self, include_freq: bool = False, on_unicode_error: str = "strict") -> Any:
        """Return the labels with their prefix and, if requested, the number of occurrences of each."""
        return self._with_counts(self.labels, "label_counts", include_freq)

    def get_words(self, include_freq: bool = False, on_unicode_error: str = "strict") -> Any:
        """Return the words of the dictionary and, if requested, the number of occurrences of each."""
        words = self._dictionary.words
        decoded = [words[row].decode("utf-8", on_unicode_error) for row in range(len(words))]
        return self._with_counts(decoded, "word_counts", include_freq)

    @property
    def labels(self) -> list[str]:
        """The labels, with their prefix."""
        return list(self._labels)

    @property
    def words(self) -> list[str]:
        """The words of the dictionary."""
        if self._words is None:
            self._words = self.get_words(on_unicode_error="replace")
        return self._words

    def __contains__(self, word: str) -> bool:
        return self._dictionary.words.row(word) >= 0

    def get_word_id(self, word: str) -> int:
        """Return the number of a word; -1 for an unknown one."""
        row = self._dictionary.words.row(word)
        return len(self._dictionary.words) + self._labels.index(word) if row == -2 else row

    def get_label_id(self, label: str) -> int:
        """Return the number of a label; -1 for an unknown one."""
        return self._labels.index(label) if label in self._labels else -1

    def get_subword_id(self, subword: str) -> int:
        """Return the row of the input matrix that a subword is hashed to."""
        buckets = int(self._dictionary.settings["buckets"])
        return len(self._dictionary.words) + (hash_of_word(subword.encode()) & 0xFFFFFFFF) % max(1, buckets)

    def get_subwords(self, word: str, on_unicode_error: str = "strict") -> tuple[list[str], NDArray[np.int64]]:
        """Return a word and its subwords, and their rows of the input matrix."""
        settings = self._dictionary.settings
        names, rows = ([word], [self.get_word_id(word)]) if word in self else ([], [])
        if word != END_OF_TEXT:
            names += subwords_of(word, int(settings["min_n"]), int(settings["max_n"]))
            rows += (len(self._dictionary.words) + self._dictionary.words.subwords(word.encode())[:, 0]).tolist()
        return names, np.array(rows, dtype=np.int64)

    def get_line(self, text: str | list[str], on_unicode_error: str = "strict") -> tuple[Any, Any]:
        """Return the words and the known labels of one line, or lists of them of a list of lines."""
        if isinstance(text, list):
            pairs = [self.get_line(line) for line in text]
            return [words for words, _ in pairs], [labels for _, labels in pairs]
        words: list[str] = []
        labels: list[str] = []
        for token in [*split_tokens(check_line(text)), END_OF_TEXT]:
            if token in self._labels:
                labels.append(token)
            elif token in self or not token.startswith(str(self._dictionary.settings["skipped_prefix"])):
                words.append(token)
            if token == END_OF_TEXT:
                break
        return words, labels

    def is_quantized(self) -> bool:
        """Return True if the model's numbers are stored in fewer bits: fastText's codes, or a table in 8 bits."""
        return bool(self._converted and self._converted.settings["quantized"]) or self.classifier.precision == "int8"

    def get_dimension(self) -> int:
        """Return the size of a word's vector."""
        return int(self._dictionary.settings["dim"])

    def get_input_vector(self, ind: int) -> NDArray[np.float32]:
        """Return a row [D] of the input matrix."""
        return self._vectors.input.take(ind, ind + 1)[0]

    def get_word_vector(self, word: str) -> NDArray[np.float32]:
        """Return the vector [D] of a word: the mean of its row and those of its subwords."""
        rows = self.get_subwords(word)[1]
        vectors = [self.get_input_vector(int(row)) for row in rows]
        return np.mean(vectors, axis=0, dtype=np.float32) if vectors else np.zeros(self.get_dimension(), np.float32)

    def __getitem__(self, word: str) -> NDArray[np.float32]:
        return self.get_word_vector(word)

    def get_input_matrix(self) -> NDArray[np.float32]:
        """Return the input matrix [R, D]."""
        self._refuse_codes()
        return self._vectors.input.take(0, self._vectors.input.rows)

    def get_output_matrix(self) -> NDArray[np.float32]:
        """Return the output matrix, a row for each label."""
        self._refuse_codes()
        return self._vectors.output.take(0, self._vectors.output.rows)

    def save_model(self, path: str | Path) -> None:
        """Write the model as a directory for `textcnn.load`, or, where it has its vectors, as a file .bin or .ftz."""
        path = Path(path)
        if path.suffix in (".bin", ".ftz"):
            from ..folding.fasttext_writer import write_fasttext

            write_fasttext(self._vectors, path)
            return
        from ..folding.convert import facts_of
        from ..folding.converted_card import write_converted
        from ..outputs import begin_output

        facts = None if self._file is None else facts_of(self._file)
        write_converted(self._dictionary, begin_output(path), facts)

    @property
    def _dictionary(self) -> FoldedFastText:
        if self._converted is None:
            raise ValueError("got a TextCNN, which has no words of fastText; expected a converted model")
        return self._converted

    @property
    def _vectors(self) -> FastTextFile:
        if self._file is None:
            raise ValueError(
                "got an artifact, which keeps no vectors: they are folded into its table; expected a .bin file"
            )
        return self._file

    def _refuse_codes(self) -> None:
        if self._vectors.is_quantized:
            raise ValueError("got a quantised model, which has codes and no matrix; expected a .bin file; open that")

    def _meter(self, path: str | Path, k: int, threshold: float) -> Meter:
        return score_file(self.classifier, [label.encode() for label in self._labels], path, k, threshold)

    def _with_counts(self, names: list[str], tensor: str, include_freq: bool) -> Any:
        return (names, np.array(self._dictionary.tensors[tensor])) if include_freq else names
