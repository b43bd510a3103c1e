"""Values of settings: checked against their types, and read from the words of a command line.

Types are those of annotations: str, int, float, bool, Path, None, Literal, lists of these, unions of these, Any.
"""

from __future__ import annotations

import math
import types
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from ..errors import nearest

NONE = ("none", "null")
BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}


def alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type itself.

    Example:
        >>> alternatives(int | None)
        (<class 'int'>, <class 'NoneType'>)
    """
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def list_of(hint: Any) -> Any:
    """Return the type of the items where a setting takes a list, or None."""
    for kind in alternatives(hint):
        if get_origin(kind) in (list, Sequence):
            return (get_args(kind) or (Any,))[0]
    return None


def choices(hint: Any) -> tuple[str, ...]:
    """Return the words that a setting takes, where it takes a few only."""
    return tuple(word for kind in alternatives(hint) if get_origin(kind) is Literal for word in get_args(kind))


def describe(hint: Any) -> str:
    """Return the values that a type admits, in words.

    Example:
        >>> describe(int | list[int])
        'a whole number or a list of whole numbers'
    """
    words = []
    for kind in alternatives(hint):
        if get_origin(kind) is Literal:
            words.append(f"one of {', '.join(get_args(kind))}")
        elif kind is types.NoneType:
            words.append("none")
        elif get_origin(kind) in (list, Sequence):
            items = {int: "whole numbers", float: "numbers", str: "texts"}
            words.append(f"a list of {items.get((get_args(kind) or (Any,))[0], 'values')}")
        else:
            words.append(_NAMES.get(kind, getattr(kind, "__name__", str(kind))))
    return " or ".join(dict.fromkeys(words))


def admits(value: Any, hint: Any) -> bool:
    """Return True where a value is of a type. An int is a float, a tuple is a list and a Path is text, but not back.

    Numbers are finite.
    """
    for kind in alternatives(hint):
        if kind is Any or (kind is types.NoneType and value is None):
            return True
        if get_origin(kind) is Literal:
            if value in get_args(kind):
                return True
        elif get_origin(kind) in (list, Sequence):
            item = (get_args(kind) or (Any,))[0]
            if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
                values = list(value) if isinstance(value, (list, tuple)) else []
                if all(admits(one, item) for one in values):
                    return True
        elif kind is bool:
            if isinstance(value, bool):
                return True
        elif kind in (int, float):
            if isinstance(value, Integral) and not isinstance(value, bool):
                return True
            # NaN and infinity are no value of any setting.
            if kind is float and isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
                return True
        elif kind in (str, Path):
            if isinstance(value, (str, Path)):
                return True
        elif isinstance(kind, type) and isinstance(value, kind):
            return True
    return False


def check_value(name: str, value: Any, hint: Any) -> None:
    """Raise ValueError where a value is not of the type of its setting."""
    if admits(value, hint):
        return
    words = choices(hint)
    near = nearest(value, words) if words and isinstance(value, str) else ""
    raise ValueError(f"{name}: got {value!r}; expected {describe(hint)}{near}")


def read_words(name: str, words: Sequence[str], hint: Any) -> Any:
    """Return the value of a setting that was written as words on a command line.

    Example:
        >>> read_words("kernel_sizes", ["2", "3"], list[int])
        [2, 3]
        >>> read_words("kernel_sizes", ["[2, 3]"], list[int])
        [2, 3]

    Raises:
        ValueError: A word is not of the type.
    """
    item = list_of(hint)
    if item is None:
        return _read_word(name, words[-1], hint, hint)
    if len(words) == 1 and words[0].lower() in NONE and types.NoneType in alternatives(hint):
        return None
    scalars = [kind for kind in alternatives(hint) if get_origin(kind) not in (list, Sequence)]
    bracketed = len(words) == 1 and words[0].startswith("[") and words[0].endswith("]")
    if bracketed:
        words = [word.strip().strip("'\"") for word in words[0][1:-1].split(",") if word.strip()]
    elif item in (int, float):
        words = [part for word in words for part in word.split(",") if part]
    if len(words) == 1 and scalars and not bracketed:
        for kind in scalars:
            try:
                return _read_word(name, words[0], kind, hint)
            except ValueError:
                continue
    return [_read_word(name, word, item, hint) for word in words]


def _read_word(name: str, word: str, hint: Any, whole: Any) -> Any:
    kinds = alternatives(hint)
    if types.NoneType in kinds and word.lower() in NONE:
        return None
    if bool in kinds and word.lower() in BOOLEANS:
        return BOOLEANS[word.lower()]
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(word)
            except ValueError:
                pass
    if word in choices(hint) or any(kind in (str, Path, Any) for kind in kinds):
        return word
    near = nearest(word, choices(hint)) if choices(hint) else ""
    raise ValueError(f"{name}: got {word!r}; expected {describe(whole)}{near}")
