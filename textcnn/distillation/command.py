"""`textcnn distill`: the command line of `distill`."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from jsonargparse import DefaultHelpFormatter

from ..training.command import OneLineParser
from .distill import OWN_OPTIONS, distill

DESCRIPTION = """\
Trains a student on what a teacher says of labelled and unlabelled texts.

  textcnn teach --model sentence-transformers/all-MiniLM-L6-v2 --data reviews --output_dir runs/teacher
  textcnn distill --teacher runs/teacher --data reviews --unlabelled crawl.txt --budget 3MB --output_dir runs/student

--budget 3MB: what a server needs of the student on disk, int8 tables, tokenizer and settings, is at most that.
--budget "400k texts/s": its int8 tables answer at least that many, from text to label, for texts as long as those of
the data, measured on one core of the machine that this runs on. "3MB, 400k texts/s": both."""


class _Help(RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keeps the lines of the examples."""


class _Parser(OneLineParser):
    def _keys(self) -> list[str]:
        return [*super()._keys(), *(f"options.{name}" for name in OWN_OPTIONS)]


def main(verb: str, args: list[str]) -> None:
    """Runs the verb."""
    parser = _Parser(prog=f"textcnn {verb}", description=DESCRIPTION, formatter_class=_Help)
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_function_arguments(distill, skip={"overrides", "teacher", "data", "unlabelled"})
    parser.add_argument(
        "--teacher", nargs="*", default=[], help="directories or Hub ids; none: soft_columns of the data"
    )
    parser.add_argument("--data", required=True, help="the labelled set, as --data.path of `textcnn fit`")
    parser.add_argument("--unlabelled", nargs="*", default=[], help="files of further texts, without labels")
    parser.add_argument("--options", type=dict[str, Any], default={}, help="--options.NAME VALUE: settings of `fit` by "
                        "their names, and temperature, soft_loss, hard_weight, neighbours and so on")  # fmt: skip
    given = parser.parse_args(args).as_dict()
    given.pop("config", None)
    options = given.pop("options")
    teachers, unlabelled = given.pop("teacher"), given.pop("unlabelled")
    teacher = None if not teachers else teachers[0] if len(teachers) == 1 else teachers
    texts = [Path(name) for name in unlabelled] or None
    student = distill(teacher, given.pop("data"), texts, **given, **options)
    print(f"The student is in {given['output_dir']}: {len(student.labels)} labels")
