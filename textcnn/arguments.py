"""How verbs read their options with argparse: a mistake is one line that names the nearest option."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NoReturn

from .data.errors import listed, nearest


class VerbParser(argparse.ArgumentParser):
    """Raises ValueError for a mistake, which `textcnn` prints as one line, and keeps the lines of a description."""

    def __init__(self, prog: str, **settings: Any) -> None:
        super().__init__(prog, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)

    def read(self, args: Sequence[str]) -> argparse.Namespace:
        """The options of a verb; one that it does not have comes before one that is missing because of it."""
        known = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
        for given in takewhile(lambda arg: arg != "--", args):
            name = given.partition("=")[0]
            # The start of an option stands for it, and what has a space in it is a text.
            if name.startswith("--") and " " not in given and not any(option.startswith(name) for option in known):
                raise ValueError(f"got the option {name}; expected one of {listed(known)}{nearest(name, known)}")
        return self.parse_args(args)

    def error(self, message: str) -> NoReturn:
        """Where argparse would print its usage and end the program."""
        raise ValueError(f"{message}; `{self.prog} --help` lists what it takes")
