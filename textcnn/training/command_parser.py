"""The parser of `textcnn fit | validate | test | predict`: a mistake is answered in one line."""

from __future__ import annotations

import re
import sys
from typing import NoReturn

from lightning.pytorch.cli import LightningArgumentParser

from ..errors import closest
from ..settings import SYNONYMS


class OneLineParser(LightningArgumentParser):
    """Parser that answers an error with one line, which names the nearest option, and exit code 2."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        print(f"textcnn: error: {self._explain(message)}", file=sys.stderr)
        sys.exit(2)

    def _explain(self, message: str) -> str:
        line = " ".join(message.split()).replace("required: fit.", "required: --")
        if no_file := re.search(r"key ['\"]config['\"]: File does not exist: ['\"](.*?)['\"]", line):
            return f"--config: there is no file {no_file.group(1)}; expected a YAML file, such as config.yaml of a run"
        unknown = re.search(
            r"(?:[Kk]ey|does not accept option) ['\"]([\w.]+)['\"]|(?:[Uu]nrecognized arguments?|ambiguous option): "
            r"(?:--)?([\w.]+)",
            line,
        )
        if unknown is None:
            return line
        name = unknown.group(1) or unknown.group(2)
        if no_config := re.search("Unable to load config (['\"].*?['\"])", line):
            example = "--data.path reviews.csv" if name == "data" else f"--{name}.NAME VALUE"
            return f"--{name}: got {no_config.group(1)}; expected a YAML file of settings; for one setting, {example}"
        keys = self._keys()
        if name in keys:  # the key is known; what is wrong is its value
            return line
        last = name.rpartition(".")[2]
        by_last = {key.rpartition(".")[2]: key for key in keys}
        synonym = by_last.get(SYNONYMS.get(last, ""))
        near = synonym or closest(name, keys) or by_last.get(closest(last, by_last, cutoff=0.6) or "")
        hint = f"; did you mean {near!r}?" if near else ""
        return f"unknown key {name!r}{hint}"

    def _keys(self) -> list[str]:
        return [action.dest for parser in self._parsers() for action in parser._actions]

    def _parsers(self) -> list[OneLineParser]:
        choices = getattr(self._subcommands_action, "choices", None) or {} if self._subcommands_action else {}
        return [self, *choices.values()]
