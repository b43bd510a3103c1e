"""Settings of the verbs that use a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .base import Settings
from .data import ColumnSettings, at_least


@dataclass(kw_only=True)
class ModelSettings(Settings):
    """Model.

    Args:
        model: Directory of a trained model.
    """

    model: str | Path = field(kw_only=False, metadata={"positional": "1"})


@dataclass(kw_only=True)
class HeadSettings(Settings):
    """Head of a model of several label columns.

    Args:
        head: Label column of a model that has several. Default: all of them, where the verb can.
    """

    head: str | None = None


@dataclass(kw_only=True)
class LabelledSettings(HeadSettings, ColumnSettings, ModelSettings):
    """Labelled data.

    Args:
        split: Split of the data. Default: test, or the only one.
    """

    split: str | None = None


@dataclass(kw_only=True)
class EvaluateSettings(LabelledSettings):
    """Settings of `textcnn.evaluate`.

    Args:
        data: Labelled data: a file, a folder, a Hub name.
        out_of_scope: Label of the texts that belong to no class of the model. Default: none.
        report: HTML page to write. Default: none.
        by: Columns to group the texts of the report by. Default: columns with few values.
        mistakes: Mistakes that the report shows.
        resamples: Bootstrap resamples of the confidence intervals.
    """

    data: Any = field(kw_only=False)
    out_of_scope: str | None = None
    report: str | Path | None = None
    by: Sequence[str] | None = None
    mistakes: int = 12
    resamples: int = 1000


@dataclass(kw_only=True)
class ScoreSettings(ModelSettings):
    """Settings of `textcnn.score`.

    Args:
        files: Files, patterns with * or folders to read, also s3://, gs:// or hf://; - is standard input.
        output: File to write, or folder (a name that ends in /) that gets a file for each input. Default: standard
            output.
        text_column: Column of the texts. Default: found by its name.
        threads: Threads that compute labels.
        label_only: Leave out the columns probability_<label>.
        input_format: Format of all inputs. Default: by their names.
        output_format: Format to write. Default: by the name of the output, or as the input.
        max_line: Characters of the longest line that is read; a longer one is an error.
        engine: Where the files of a folder are labelled: in processes of this machine, or on a Ray cluster.
        processes: Processes that label the files of a folder. Default: one for each core.
        estimate: Label a sample only and print the time that the whole takes.
        force: Replace an output that is there.
    """

    files: str | Path | Sequence[str | Path] = field(kw_only=False, metadata={"positional": "+"})
    output: str | Path | None = field(default=None, kw_only=False)
    text_column: str | None = None
    threads: int = 1
    label_only: bool = False
    input_format: Literal["csv", "tsv", "jsonl", "txt", "parquet"] | None = None
    output_format: Literal["csv", "tsv", "jsonl", "parquet"] | None = None
    max_line: int = 100_000_000
    engine: Literal["local", "ray"] = "local"
    processes: int | None = None
    estimate: bool = False
    force: bool = False

    def check(self) -> None:
        processes = 1 if self.processes is None else self.processes
        at_least(1, threads=self.threads, max_line=self.max_line, processes=processes)


@dataclass(kw_only=True)
class ExplainSettings(HeadSettings, ModelSettings):
    """Settings of `textcnn.explain`.

    Args:
        text: Text to explain.
        label: Label to explain. Default: the one that the text is given; the most probable one where it has none.
        top: N-grams to show.
        html: HTML page to write. Default: none.
    """

    text: str = field(kw_only=False, metadata={"positional": "1"})
    label: str | None = field(default=None, kw_only=False)
    top: int = 12
    html: str | Path | None = None

    def check(self) -> None:
        at_least(0, top=self.top)


@dataclass(kw_only=True)
class CalibrateSettings(LabelledSettings):
    """Settings of `textcnn.calibrate`.

    Args:
        data: Labelled data that the model was not trained on. Default: the rows that its run held out.
        threshold_for: f1 (every label of a multi-label model), LABEL:f1, LABEL:precision=P or LABEL:recall=R; several
            may be given. Default: no thresholds.
        abstain: SCORE:accuracy=A or SCORE:coverage=C, with the score probability, energy or fired. Default: never.
        split: Split of the data. Default: validation, or the only one.
        temperature: Fit a temperature; without, it is 1.
        reset: Undo every calibration.
    """

    data: Any = field(default=None, kw_only=False)
    threshold_for: str | Sequence[str] = field(default=(), kw_only=False)
    abstain: str | None = field(default=None, kw_only=False)
    temperature: bool = True
    reset: bool = False


@dataclass(kw_only=True)
class CertifySettings(LabelledSettings):
    """Settings of `textcnn.certify`.

    Args:
        data: Labelled data. Default: none, with --text.
        text: One text, in place of data. Default: none.
        replaced: Numbers of replaced tokens to certify against.
        limit: Texts of a sample, spread evenly over the data.
    """

    data: Any = field(default=None, kw_only=False)
    text: str | None = None
    replaced: Sequence[int] = (1, 2, 3)
    limit: int = 1000

    def check(self) -> None:
        at_least(1, limit=self.limit, **{"replaced": min(self.replaced, default=0)})
        if (self.data is None) == (self.text is None):
            raise ValueError(
                "got both or neither of data and text; expected one of them; give data (--data) or text (--text)"
            )


@dataclass(kw_only=True)
class InspectSettings(LabelledSettings):
    """Settings of `textcnn.inspect`.

    Args:
        data: Texts like those of the training data; with labels, to measure the effect of --drop and --scale.
        top: N-grams of each class and filter.
        limit: Texts of a sample, spread evenly over the data.
        label: Classes to show. Default: all.
        filter: Filters to show. Default: none.
        drop: Filters to take out. Default: none.
        scale: Filters to multiply, as N=S. Default: none.
        output: Directory to write the model with --drop and --scale to. Default: none.
        force: Replace an output that is there.
    """

    data: Any = field(kw_only=False)
    top: int = 10
    limit: int = 20_000
    label: Sequence[str] = ()
    filter: Sequence[int] = ()
    drop: Sequence[int] = ()
    scale: Sequence[str] = ()
    output: str | Path | None = None
    force: bool = False

    def check(self) -> None:
        at_least(0, top=self.top)
        at_least(1, limit=self.limit)
        if self.output is not None and not self.drop and not self.scale:
            raise ValueError("output: got no filter to change; expected some; give drop (--drop) or scale (--scale)")
        if self.output is not None and self.head is not None:
            raise ValueError("output: got it with head; expected none, as all heads share the filters; leave it out")


@dataclass(kw_only=True)
class FoldSettings(ModelSettings):
    """Settings of `textcnn.fold`.

    Args:
        int8: Round the tables to 8 bits: a quarter of the size, and faster.
        factored: With --int8, store the vectors and filters that the tables are made of.
        texts: File of real texts to measure the error of --int8 on. Default: none.
        trim_vocabulary: File of texts; only their tokens are kept. Default: all tokens are kept.
        text_column: Column of the texts. Default: found by its name.
    """

    int8: bool = False
    factored: bool = False
    texts: Any = None
    trim_vocabulary: Any = None
    text_column: str | None = None

    def check(self) -> None:
        if self.int8 and self.texts is None and self.trim_vocabulary is None:
            raise ValueError("int8: got no texts; expected some, to measure its error on; give texts (--texts FILE)")
        if self.factored and not self.int8:
            raise ValueError("factored: got it without int8; expected both, as float32 tables are no larger than it")


@dataclass(kw_only=True)
class ConvertSettings(ModelSettings):
    """Settings of `textcnn.convert`.

    Args:
        model: File of a supervised fastText model, .bin or .ftz.
        output: Directory to write.
        int8: Round the table to 8 bits: a quarter of the size.
        texts: File of real texts to measure the error of --int8 on. Default: none.
        text_column: Column of the texts. Default: found by its name.
        label_prefix: Prefix that is taken off the labels. Default: __label__.
        force: Replace an output that is there.
    """

    output: str | Path = field(kw_only=False, metadata={"positional": "1"})
    int8: bool = False
    texts: Any = None
    text_column: str | None = None
    label_prefix: str | None = None
    force: bool = False

    def check(self) -> None:
        if self.int8 and self.texts is None:
            raise ValueError("int8: got no texts; expected some, to measure its error on; give texts (--texts FILE)")


@dataclass(kw_only=True)
class ExportSettings(HeadSettings, ModelSettings):
    """Settings of `textcnn.export`.

    Args:
        output: File to write.
        format: Format to write: an ONNX graph, a page or an ES module. Default: by the ending of the output.
        int8: Keep the weights in 8 bits: a quarter of the size.
        texts: File of real texts to measure the error of --int8 on. Default: none.
        text_column: Column of the texts. Default: found by its name.
        beside: Further models, shown side by side in the page. Default: none.
        force: Replace an output that is there.
    """

    output: str | Path = field(kw_only=False)
    format: Literal["onnx", "html", "js"] | None = None
    int8: bool = False
    texts: Any = None
    text_column: str | None = None
    beside: Sequence[str] | None = None
    force: bool = False

    def check(self) -> None:
        if self.int8 and self.texts is None:
            raise ValueError("int8: got no texts; expected some, to measure its error on; give texts (--texts FILE)")
        if self.head is not None and self.kind == "onnx":
            raise ValueError("head: got it for an ONNX file, whose logits are those of all heads; leave it out")
        if self.beside and self.kind != "html":
            raise ValueError(f"beside: got it with the format {self.kind}; expected html; write a file for each model")

    @property
    def kind(self) -> str:
        """The format: as given, or by the ending of the output. Other endings than a page's and a module's are ONNX."""
        endings = {".html": "html", ".htm": "html", ".js": "js", ".mjs": "js"}
        return self.format or endings.get(Path(self.output).suffix.lower(), "onnx")


@dataclass(kw_only=True)
class ServeSettings(Settings):
    """Settings of `textcnn.serve`.

    Args:
        model: Directories of trained models; requests name them by their last part, and the first is the default.
        host: Address to listen at; 0.0.0.0 for all of this machine.
        port: Port to listen at; 0 for a free one.
        workers: Processes that answer. They map the same tables into memory.
        max_body: Bytes of a request's body.
        max_texts: Texts of a request.
        max_characters: Characters of a text.
        max_waiting: Requests that wait for an answer in a process; further ones are answered by 503.
    """

    model: str | Path | Sequence[str | Path] = field(kw_only=False, metadata={"positional": "+"})
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    max_body: int = 10_000_000
    max_texts: int = 10_000
    max_characters: int = 100_000
    max_waiting: int = 1000

    def check(self) -> None:
        at_least(
            1, workers=self.workers, max_body=self.max_body, max_texts=self.max_texts,
            max_characters=self.max_characters, max_waiting=self.max_waiting,
        )  # fmt: skip
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port: got {self.port}; expected a number from 0 to 65535")


@dataclass(kw_only=True)
class InfoSettings(ModelSettings):
    """Settings of `textcnn.info`."""
