"""The `textcnn` command: it finds the verb, reads the line, and imports only what that verb needs."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from ..errors import closest

# Verb: what it does. `textcnn.cli.<verb>` has `main(arguments)`, and `textcnn.<verb>` is the function it calls.
VERBS = {
    "train": "train a classifier and save it",
    "evaluate": "score a model on labelled data, and write a report",
    "score": "write labels and probabilities beside the rows of files of any size",
    "explain": "show the n-grams behind an answer",
    "calibrate": "fit temperature, thresholds and abstention on labelled data",
    "certify": "bound the effect of replaced tokens on a label",
    "inspect": "show the n-grams behind classes and filters; take filters out",
    "info": "show what a directory holds: task, labels, sizes, scores, abilities",
    "fold": "make the look-up tables, in 8 bits or for fewer tokens",
    "export": "write a model as an ONNX file, a web page or a JavaScript module",
    "serve": "answer over HTTP, with a page for people",
    "convert": "make a model of a fastText file, with the same answers",
    "vectors": "make initial token vectors from a transformer and unlabelled text",
    "pretrain": "train the network on text without labels: an encoder, a masked language model",
    "generate": "write texts with a masked diffusion model",
    "adapt": "continue masked-language-model pretraining of a transformer",
    "teach": "fine-tune a transformer, to label texts for a student",
    "distill": "train a small classifier on the answers of a teacher",
    "tune": "search for the settings of train within a time limit",
    "compare": "compare textcnn with other classifiers on your own data",
    "bench": "measure accuracy, speed, explanations, training",
}
# The verbs of LightningCLI, for jobs in YAML.
JOBS = {
    "fit": "train a classifier as a YAML job says",
    "validate": "score a run on its validation split",
    "test": "score a run on its test split",
    "predict": "write labels and probabilities of a run beside the rows of a file",
}
SYNONYMS = {
    "ask": "score", "attribute": "explain", "benchmark": "bench", "card": "info",
    "cert": "certify", "classify": "score", "describe": "info", "distil": "distill", "dapt": "adapt",
    "embed": "vectors", "eval": "evaluate", "fasttext": "convert",
    "fine_tune": "teach", "finetune": "teach", "infer": "score",
    "interpret": "explain", "label": "score", "learn": "train", "lexicon": "inspect", "mlm": "adapt",
    "onnx": "export", "page": "export", "quantize": "fold", "report": "evaluate", "server": "serve", "show": "info",
    "why": "explain",
}  # fmt: skip

EXAMPLES = """\
examples:
  textcnn train reviews.csv --output runs/reviews
  textcnn evaluate runs/reviews --data test.csv
  textcnn explain runs/reviews "a lovely film with a dull end"
  textcnn score runs/reviews new.csv --output labelled.csv
  textcnn fold runs/reviews --int8 --texts reviews.csv
  textcnn fit --config job.yaml

`textcnn VERB --help` lists what a verb takes; each verb but the jobs is a function of the same name in Python, with
the same settings. TEXTCNN_DEBUG=1 shows the traceback of an error."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line. A mistake of the user is one line on standard error and exit code 2."""
    try:
        try:
            with _end_in_order():
                _run(sys.argv[1:] if arguments is None else arguments)
        finally:
            sys.stdout.flush()  # on the way out of Python it could only complain
    except BrokenPipeError:
        # What reads the output has enough, as `head` has: the end, as for any tool that SIGPIPE ends.
        _discard_output()
        sys.exit(128 + 13)
    except OSError as error:
        # A full disk behind standard output.
        if os.environ.get("TEXTCNN_DEBUG"):
            raise
        _discard_output()
        fail(f"standard output: {error.strerror or error}")


@contextmanager
def _end_in_order() -> Iterator[None]:
    """Make SIGTERM end the command as an exception does, so that unfinished files are removed."""

    def end(number: int, frame: Any) -> NoReturn:
        signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
        raise SystemExit(128 + number)

    # Only the main thread may; whoever calls this from another handles signals himself.
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _run(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return
    if arguments[0] in ("-V", "--version"):
        from .. import __version__

        print(f"textcnn {__version__}")
        return
    verb, *rest = arguments
    if verb not in VERBS and verb not in JOBS:
        fail(_unknown(verb))
    try:
        if verb in JOBS:
            from . import jobs

            jobs.main(verb, rest)
        else:
            importlib.import_module(f".{verb}", __name__).main(rest)
    except BrokenPipeError:
        raise
    except ModuleNotFoundError as error:
        # A server has less than a laptop; a part of ours that is missing is a defect, with its traceback.
        if os.environ.get("TEXTCNN_DEBUG") or error.name is None or error.name.partition(".")[0] == "textcnn":
            raise
        package = error.name.partition(".")[0]
        fail(f"textcnn {verb} needs the package {package}, which is not installed; run pip install textcnn")
    except (ValueError, OSError) as error:
        # What a user can mend is raised as one of these, in one line.
        if os.environ.get("TEXTCNN_DEBUG"):
            raise
        fail(" ".join(str(error).split()))
    except KeyboardInterrupt:
        fail("stopped by the keyboard", code=130)


def fail(message: str, code: int = 2) -> NoReturn:
    """End the command with one line on standard error."""
    print(f"textcnn: error: {message}", file=sys.stderr)
    sys.exit(code)


def _unknown(verb: str) -> str:
    verbs = [*VERBS, *JOBS]
    meant = SYNONYMS.get(verb.lower().replace("-", "_")) or closest(verb, verbs)
    hint = f"; did you mean {meant!r}?" if meant else ""
    return f"got the verb {verb!r}; expected one of {', '.join(verbs)}{hint}"


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _help() -> str:
    width = max(map(len, [*VERBS, *JOBS]))

    def lines(verbs: dict[str, str]) -> str:
        return "\n".join(f"  {verb:<{width}}  {text}" for verb, text in verbs.items())

    return (
        "usage: textcnn VERB [MODEL] [FILES] [--NAME VALUE ...]\n\n1-D convolutional text classification.\n\n"
        f"verbs:\n{lines(VERBS)}\n\njobs in YAML (LightningCLI):\n{lines(JOBS)}\n\n{EXAMPLES}"
    )
