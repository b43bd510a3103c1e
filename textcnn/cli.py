"""The `textcnn` command: finds the verb, imports only what that verb needs, and hands it the rest of the line."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from typing import NoReturn

# verb: (module that runs it, what it does). The module has `main(verb, args)`.
VERBS = {
    "fit": ("textcnn.training.command", "train a classifier and save it"),
    "validate": ("textcnn.training.command", "score a run on its validation split"),
    "test": ("textcnn.training.command", "score a run on its test split"),
    "predict": ("textcnn.training.command", "write labels and probabilities beside the rows of a file"),
    "adapt": ("textcnn.distillation.adapt", "let a transformer read texts without labels, before it is taught"),
    "teach": ("textcnn.distillation.teach", "fine-tune a transformer, to label texts for a student"),
    "distill": ("textcnn.distillation.command", "train a small classifier on what a teacher says of texts"),
    "vectors": ("textcnn.contextual", "make initial token vectors from a transformer and texts without labels"),
    "fold": ("textcnn.fold", "make the look-up tables, in 8 bits or for fewer tokens if asked to"),
    "export": ("textcnn.export", "write a model as one ONNX file, in 8 bits if asked to"),
    "score": ("textcnn.scoring.command", "label files of any size from the look-up tables, without torch"),
    "explain": ("textcnn.explanation", "show which n-grams of a text made its answer"),
    "calibrate": ("textcnn.evaluation.calibrate", "fit temperature, thresholds and abstention on labelled texts"),
    "evaluate": ("textcnn.evaluation.evaluate", "score a model on labelled texts, and write a report to look at"),
    "lexicon": ("textcnn.evaluation.lexicon_command", "print the n-grams behind classes and filters; take filters out"),
    "certify": ("textcnn.evaluation.certify", "say which answers no replacement of a few tokens can change"),
    "bench": ("textcnn.bench.command", "measure: accuracy, speed of answers, speed of training"),
}

EXAMPLES = """\
examples:
  textcnn fit --config configs/quickstart.yaml
  textcnn fit --data.path reviews.csv --output_dir runs/reviews
  textcnn test --config runs/reviews/config.yaml
  textcnn fold runs/reviews --int8 --texts reviews.csv
  textcnn score runs/reviews new.csv --output labelled.csv
  textcnn explain runs/reviews "a lovely film with a dull end"
  textcnn calibrate runs/reviews

`textcnn VERB --help` lists what a verb takes. TEXTCNN_DEBUG=1 shows the traceback of an error."""


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; a user's mistake is one line on standard error and exit code 2."""
    try:
        try:
            _run(sys.argv[1:] if arguments is None else arguments)
        finally:
            sys.stdout.flush()  # on the way out of Python it could only complain
    except BrokenPipeError:
        # What reads the output has enough, as `head` has: the end, as for any tool that SIGPIPE ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + 13)


def _run(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return
    if arguments[0] in ("-V", "--version"):
        from . import __version__

        print(f"textcnn {__version__}")
        return
    verb, *rest = arguments
    if verb not in VERBS:
        nearest = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        fail(f"got the verb {verb!r}; expected one of {', '.join(VERBS)}{hint}")
    try:
        importlib.import_module(VERBS[verb][0]).main(verb, rest)
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        # What a user can mend is raised as one of these, in one line.
        if os.environ.get("TEXTCNN_DEBUG"):
            raise
        fail(" ".join(str(error).split()))
    except KeyboardInterrupt:
        fail("stopped by the keyboard", code=130)


def fail(message: str, code: int = 2) -> NoReturn:
    """Ends the command with one line on standard error."""
    print(f"textcnn: error: {message}", file=sys.stderr)
    sys.exit(code)


def _help() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {text}" for verb, (_, text) in VERBS.items())
    return (
        f"usage: textcnn VERB [OPTION ...]\n\n1-D convolutional text classification.\n\nverbs:\n{verbs}\n\n{EXAMPLES}"
    )
