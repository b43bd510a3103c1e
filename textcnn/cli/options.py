"""Options of a verb, made of its settings: read from the command line and from a YAML file, listed by --help.

Nothing here imports more than the standard library, so that a typo and --help are answered at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from ..settings import Setting, Settings, described, make, unknown_name
from ..settings.values import admits, list_of, read_words
from .help import help_text

S = TypeVar("S", bound=Settings)

PYTHON_ONLY = {"callbacks"}


@dataclass(frozen=True)
class Verb(Generic[S]):
    """A verb of the command line.

    Args:
        name: The words after `textcnn`.
        settings: Settings that it takes.
        description: Description of the verb, for --help.
        examples: Command lines, for --help.
        json: The verb can print its result as JSON.
    """

    name: str
    settings: type[S]
    description: str
    examples: Sequence[str]
    json: bool = False

    @property
    def options(self) -> list[Setting]:
        """The settings that the command line takes."""
        return [setting for setting in described(self.settings) if setting.name not in PYTHON_ONLY]

    def read(self, args: Sequence[str]) -> Call[S]:
        """Return the settings of a command line. --help prints the options and ends the program.

        Raises:
            ValueError: An option is unknown or missing, or a value cannot be used.
        """
        args = spelt_with_underscores(args)
        asked = set(takewhile(lambda arg: arg != "--", args))
        if asked & {"-h", "--help", "--help_all"}:
            print(help_text(self, every="--help_all" in asked))
            sys.exit(0)
        self._refuse_unknown(args)
        given = vars(self._parser().parse_intermixed_args(args))
        as_json, config = given.pop("json", False), given.pop("config", None)
        hints = {setting.name: setting for setting in self.options}
        values = {} if config is None else self._read_config(config[-1])
        for name, words in given.items():
            if words == [] or words is None:
                continue
            values[name] = words if isinstance(words, bool) else _value(hints[name], words)
        missing = [setting for setting in self.options if setting.required and setting.name not in values]
        missing = [setting for setting in missing if setting.positional != "*"]
        if missing:
            names = ", ".join(one.name.upper() if one.positional else f"--{one.name}" for one in missing)
            raise ValueError(f"textcnn {self.name} needs {names}; `textcnn {self.name} --help` lists what it takes")
        for setting in self.options:
            if setting.positional == "*":
                values.setdefault(setting.name, None)
        return Call(make(self.settings, (), values), as_json)

    def _refuse_unknown(self, args: Sequence[str]) -> None:
        """Refuse an unknown option before one that is missing because of it."""
        known = [setting.name for setting in self.options if not setting.positional]
        known += ["config", "help", *(["json"] if self.json else [])]
        switches = {f"no_{setting.name}" for setting in self.options if setting.hint is bool}
        for arg in takewhile(lambda arg: arg != "--", args):
            name = arg[2:].partition("=")[0]
            # A word with a space is a text.
            if not arg.startswith("--") or " " in arg or name in known or name in switches:
                continue
            raise ValueError(unknown_name(name, known, f"option of textcnn {self.name}", "--"))

    def _parser(self) -> argparse.ArgumentParser:
        parser = _Parser(prog=f"textcnn {self.name}", add_help=False, allow_abbrev=False)
        parser.add_argument("--config", nargs=1, default=argparse.SUPPRESS)
        if self.json:
            parser.add_argument("--json", action="store_true")
        for setting in self.options:
            name = setting.name
            if setting.positional:
                # Missing ones are named with the options that are missing.
                words = "*" if setting.positional in "+*" else "?"
                parser.add_argument(name, nargs=words, metavar=name.upper())
            elif setting.hint is bool:
                parser.add_argument(f"--{name}", action="store_true", default=argparse.SUPPRESS)
                parser.add_argument(f"--no_{name}", action="store_false", dest=name, default=argparse.SUPPRESS)
            elif list_of(setting.hint) is not None or name in ("texts", "teacher"):
                parser.add_argument(f"--{name}", nargs="+", action="extend", default=argparse.SUPPRESS)
            else:
                parser.add_argument(f"--{name}", nargs=1, default=argparse.SUPPRESS)
        return parser

    def _read_config(self, path: str) -> dict[str, Any]:
        import yaml

        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ValueError(f"--config: {path} is no YAML ({' '.join(str(error).split())[:150]})") from error
        if not isinstance(content, Mapping):
            raise ValueError(f"--config: got {path}, which holds no settings; expected lines such as batch_size: 64")
        if self.name == "train" and isinstance(content.get("data"), Mapping):
            raise ValueError(
                f"--config: got {path}, a job with groups; expected lines such as batch_size: 64; run "
                f"textcnn fit --config {path}"
            )
        by_name = {setting.name: setting for setting in self.options}
        values = {}
        for name, value in content.items():
            name = str(name).replace("-", "_")
            if name not in by_name:
                raise ValueError(f"{path}: {unknown_name(name, list(by_name), f'setting of textcnn {self.name}')}")
            hint = by_name[name].hint
            # YAML reads 1e-3 as text.
            values[name] = (
                read_words(name, [value], hint) if isinstance(value, str) and not admits(value, hint) else value
            )
        return values


@dataclass(frozen=True)
class Call(Generic[S]):
    """A command line that was read: the settings, and True where the result is wanted as JSON."""

    settings: S
    json: bool = False

    @property
    def values(self) -> dict[str, Any]:
        """The settings that were given, by name, to call the verb's function with."""
        return {name: getattr(self.settings, name) for name in self.settings.given}


def spelt_with_underscores(args: Sequence[str]) -> list[str]:
    """Return a command line with `_` for each `-` inside the names of options."""
    words = list(args)
    for position, word in enumerate(words):
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if name.startswith("--") and " " not in name:
            words[position] = "--" + name[2:].replace("-", "_") + equals + value
    return words


def print_json(result: Any) -> None:
    """Print a result as JSON on standard output."""
    import json

    print(json.dumps(result, indent=2, ensure_ascii=False, default=_plain))


def table(rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Return rows of cells as aligned lines; the columns of the given numbers end flush right."""
    cells = [list(row) for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))] if cells else []
    lines = []
    for row in cells:
        aligned = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(aligned).rstrip())
    return "\n".join(lines)


def replaced(path: str | Path | None) -> str:
    """Return ' (replaced)' where a file is there that is about to be written, or ''."""
    return " (replaced)" if path is not None and Path(path).is_file() else ""


def _value(setting: Setting, words: str | Sequence[str]) -> Any:
    words = [words] if isinstance(words, str) else list(words)
    if setting.name in ("texts", "teacher"):
        return words[0] if len(words) == 1 else words
    return read_words(f"--{setting.name}" if not setting.positional else setting.name, words, setting.hint)


def _plain(value: Any) -> Any:
    """Return a value that JSON cannot hold (numpy number, array, path) as one that it can."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise ValueError where argparse would print its usage and end the program."""
        extra = message.removeprefix("unrecognized arguments: ")
        if extra != message and "--data" in self._option_string_actions:
            raise ValueError(f"{self.prog}: got {extra}, which no option names; give data as --data {extra}")
        raise ValueError(f"{message}; `{self.prog} --help` lists what it takes")
