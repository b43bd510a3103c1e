"""Settings: dataclasses whose documentation is the help, and functions that take them by name."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, cast, get_type_hints

from .names import unknown_name
from .values import check_value

P = ParamSpec("P")
S = TypeVar("S", bound="Settings")
R = TypeVar("R")


class Settings:
    """Base of every group of settings. Each value is checked when the settings are made.

    A subclass is a dataclass; the `Args` of its docstring document its fields. A method `check` of a group refuses
    values that are of the right type and still cannot be used.
    """

    _given: set[str]

    def __post_init__(self) -> None:
        for name, hint in hints(type(self)).items():
            check_value(name, getattr(self, name), hint)
        for owner in reversed(type(self).__mro__):
            if "check" in vars(owner):
                vars(owner)["check"](self)

    def part(self, group: type[Settings]) -> dict[str, Any]:
        """Return the values of one group, by name."""
        return {name: getattr(self, name) for name in hints(group)}

    @property
    def given(self) -> set[str]:
        """Names of the settings that the caller chose, the default's value among others."""
        return getattr(self, "_given", None) or set(self.changed())

    def noted(self) -> dict[str, Any]:
        """Return all values on which the result of a run depends, by name."""
        without = ("output", "force", "progress", "callbacks", "summary")
        return {name: getattr(self, name) for name in hints(type(self)) if name not in without}

    def changed(self) -> dict[str, Any]:
        """Return the values that are not the default, by name."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(cast(Any, self))
            if not _is_default(field, getattr(self, field.name))
        }


@dataclasses.dataclass(frozen=True)
class Setting:
    """Description of one setting.

    Args:
        name: Name, as Python and YAML spell it.
        hint: Type.
        default: Default value; dataclasses.MISSING where a value is required.
        doc: Documentation.
        group: Class that declares it.
        positional: Number of words that it takes without a name on the command line ("1", "?", "+", "*"), or "".
    """

    name: str
    hint: Any
    default: Any
    doc: str
    group: type
    positional: str

    @property
    def required(self) -> bool:
        """True where there is no default."""
        return self.default is dataclasses.MISSING


_HINTS: dict[type, dict[str, Any]] = {}


def hints(settings: type[Settings]) -> dict[str, Any]:
    """Return the types of all fields, by name."""
    if settings not in _HINTS:
        names = {field.name for field in dataclasses.fields(cast(Any, settings))}
        _HINTS[settings] = {name: hint for name, hint in get_type_hints(settings).items() if name in names}
    return _HINTS[settings]


def described(settings: type[Settings]) -> tuple[Setting, ...]:
    """Return the descriptions of all settings of a class, required and positional ones first."""
    owners = [owner for owner in settings.__mro__ if issubclass(owner, Settings)]
    docs = {owner: documented(owner) for owner in owners}
    found = []
    for field in dataclasses.fields(cast(Any, settings)):
        group = next(owner for owner in reversed(owners) if field.name in inspect.get_annotations(owner))
        doc = next((docs[owner][field.name] for owner in owners if field.name in docs[owner]), "")
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        words = field.metadata.get("positional", "")
        found.append(Setting(field.name, hints(settings)[field.name], default, doc, group, words))
    return tuple(found)


def documented(owner: type) -> dict[str, str]:
    """Return the texts of the `Args` of a class's own docstring, by name."""
    docstring = inspect.cleandoc(vars(owner).get("__doc__") or "")
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", docstring, re.MULTILINE | re.DOTALL)
    entries = re.findall(r"^    (\w+): (.*?)(?=^    \w|\Z)", section[1] if section else "", re.MULTILINE | re.DOTALL)
    return {name: " ".join(text.split()) for name, text in entries}


def make(settings: type[S], args: tuple[Any, ...], values: Mapping[str, Any], what: str = "") -> S:
    """Return the settings with the given values.

    Raises:
        ValueError: A name is unknown (the nearest is named), or a value cannot be used.
    """
    for name in values:
        if name not in hints(settings):
            raise ValueError(unknown_name(name, list(hints(settings)), f"argument of {what}" if what else "setting"))
    made = settings(*args, **values)
    made._given = set(inspect.signature(settings).bind(*args, **values).arguments)
    return made


def takes(settings: Callable[P, S]) -> Callable[[Callable[[S], R]], Callable[P, R]]:
    """Make a function of settings a function of their values, by position and by name.

    Type checkers and editors see the fields of the settings as the function's parameters, and so does `help`.

    Example:
        >>> @takes(TrainSettings)
        ... def train(settings): ...
        >>> train("reviews.csv", batch_size=32)
    """
    kind = cast("type[S]", settings)

    def decorate(function: Callable[[S], R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return function(make(kind, args, kwargs, function.__name__))

        parameters = inspect.signature(kind).replace(return_annotation=inspect.signature(function).return_annotation)
        call.__signature__ = parameters  # type: ignore[attr-defined]
        call.settings = kind  # type: ignore[attr-defined]
        return call

    return decorate


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    return type(value) is type(default) and bool(value == default)
