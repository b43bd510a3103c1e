"""Settings of the verbs that read text without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .data import BatchSettings, ColumnSettings, SeedSettings, TokenizerSettings, at_least
from .models import ModelSettings
from .training import ArchitectureSettings, FineTuningSettings, RateSettings, RunSettings


@dataclass(kw_only=True)
class VectorsSettings(ModelSettings):
    """Settings of `textcnn.vectors`.

    Args:
        model: Directory or Hub id of a transformer.
        texts: Files of texts that it reads; no labels needed.
        output: Directory to write.
        text_column: Column of the texts. Default: found by its name.
        words: Largest number of words that become tokens of their own, counted in all texts.
        limit: Texts of each file that are read, from its start. Default: all.
        max_length: Tokens of a text that are read.
        embedding_dim: Dimensions that principal components leave. Default: all.
        int8: Store the vectors in 8 bits: a quarter of the size.
        progress: Show a progress bar.
        force: Replace an output that is there.
    """

    texts: str | Path | Sequence[str | Path] = field(kw_only=False)
    output: str | Path = field(kw_only=False)
    text_column: str | None = None
    words: int = 0
    limit: int | None = None
    max_length: int = 128
    embedding_dim: int | None = None
    int8: bool = False
    progress: bool = True
    force: bool = False

    def check(self) -> None:
        at_least(0, words=self.words)
        at_least(1, max_length=self.max_length, limit=1 if self.limit is None else self.limit)


@dataclass(kw_only=True)
class AdaptSettings(FineTuningSettings, ModelSettings):
    """Settings of `textcnn.adapt`.

    Args:
        model: Directory or Hub id of a transformer; one without a masked-language-model head gets a new one.
        texts: Files, Hub datasets or a list of texts; no labels needed.
        output: Directory of the result.
        max_length: Tokens of a piece; a longer text is read in several.
        mask_share: Fraction of the tokens that are hidden.
        limit: Texts of a sample, drawn at random. Default: all.
        force: Replace an output that is there.
    """

    texts: Any = field(kw_only=False)
    output: str | Path = field(default="runs/adapted", kw_only=False)
    learning_rate: float = 2e-4
    max_length: int = 128
    mask_share: float = 0.3
    limit: int | None = None
    force: bool = False

    def check(self) -> None:
        if not 0 < self.mask_share < 1:
            raise ValueError(f"mask_share: got {self.mask_share}; expected a share between 0 and 1, such as 0.3")


@dataclass(kw_only=True)
class PretrainSettings(
    RunSettings, RateSettings, ArchitectureSettings, BatchSettings, TokenizerSettings, ColumnSettings
):
    """Settings of `textcnn.pretrain`.

    Args:
        texts: Files, Hub datasets or a list of texts; no labels needed.
        output: Directory of the run: the model, its checkpoints and logs.
        objective: What is learnt: representation (the vectors of `encoder`), contrastive (to tell texts apart), masked
            (hidden tokens) or diffusion (hidden tokens at every rate, to write texts).
        encoder: Directory or Hub id of a sentence encoder, for representation; from Python also an object with `encode`
            or a function of texts. Default: none.
        encoding_dim: Size of a text's vector. Default: that of the encoder; 256 for contrastive.
        gram_weight: Weight of the Gram matrices' divergence beside the cosine, for representation.
        temperature: Divisor of the cosines between the texts of a batch.
        mask_share: Fraction of the tokens that are hidden, for masked.
        label_column: Column of labels; contrastive then pulls texts of one label together, and masked and diffusion
            learn which texts have a label. Default: no labels.
        split_documents: Cut the texts into sentences.
        limit: Texts, or sentences of cut texts, in a random sample. Default: all.
        validation_fraction: Fraction of the texts that is held out, to choose the epoch.
        batch_size: Texts in a training batch.
        max_epochs: Epochs.
        dropout: Dropout on the pooled features.
        force: Replace a run that is there.
    """

    texts: Any = field(kw_only=False, metadata={"positional": "+"})
    output: str | Path = field(default="runs/pretrained", kw_only=False)
    objective: Literal["representation", "contrastive", "masked", "diffusion"] = "representation"
    encoder: Any = None
    encoding_dim: int | None = None
    gram_weight: float = 1.0
    temperature: float = 0.05
    mask_share: float = 0.3
    split_documents: bool = False
    limit: int | None = None
    validation_fraction: float = 0.02
    batch_size: int | None = 64
    max_epochs: int | None = 10
    dropout: float = 0.1
    force: bool = False

    def check(self) -> None:
        if (self.objective == "representation") != (self.encoder is not None):
            what = "none" if self.encoder is None else "one"
            raise ValueError(
                f"encoder: got {what} with objective {self.objective}; expected one with representation, and only "
                "there; such as sentence-transformers/all-MiniLM-L6-v2"
            )
        if self.label_column is not None and self.objective == "representation":
            raise ValueError("label_column: got one with objective representation; expected none; leave it out")
        if not self.temperature > 0:
            raise ValueError(f"temperature: got {self.temperature}; expected more than 0")
        if self.gram_weight < 0:
            raise ValueError(f"gram_weight: got {self.gram_weight}; expected 0 or more")
        if not 0 < self.validation_fraction < 1:
            raise ValueError(
                f"validation_fraction: got {self.validation_fraction}; expected a share between 0 and 1, such as 0.02"
            )
        if not 0 < self.mask_share < 1:
            raise ValueError(f"mask_share: got {self.mask_share}; expected a share between 0 and 1, such as 0.3")
        at_least(1, encoding_dim=1 if self.encoding_dim is None else self.encoding_dim)


@dataclass(kw_only=True)
class GenerateSettings(SeedSettings, ModelSettings):
    """Settings of `textcnn.generate`.

    Args:
        model: Directory of a masked diffusion model.
        label: Label of the texts. Default: labels drawn at random, where the model has some.
        text: Text to complete; each [MASK] in it is a token to write. Default: whole texts are written.
        count: Number of texts.
        length: Tokens of a text. Default: as the texts that the model has read.
        steps: Steps of the sampler; at each one some of the hidden tokens are written.
        temperature: Divisor of the logits; below 1 texts are more alike, and more likely.
        top_p: Fraction of the probability that the tokens drawn from make up.
        output: File to write: .jsonl, .csv or .tsv. Default: none.
        force: Replace an output that is there.
    """

    label: str | None = field(default=None, kw_only=False)
    text: str | None = None
    count: int = 10
    length: int | None = None
    steps: int = 32
    temperature: float = 1.0
    top_p: float = 0.95
    output: str | Path | None = None
    force: bool = False

    def check(self) -> None:
        at_least(1, count=self.count, steps=self.steps, length=1 if self.length is None else self.length)
        if not self.temperature > 0:
            raise ValueError(f"temperature: got {self.temperature}; expected more than 0")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p: got {self.top_p}; expected a number above 0, at most 1")
