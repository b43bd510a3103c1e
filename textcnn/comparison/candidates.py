"""Candidates of a comparison: textcnn in its variants and the peers, and why some cannot take part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..settings import CompareSettings, TrainSettings, make, unknown_name
from ..settings.base import hints
from ..settings.values import read_words
from .peers import PEERS, Peer, Resources, peer_class

OURS = "textcnn"


@dataclass(frozen=True)
class Candidate:
    """One classifier of a comparison.

    Args:
        name: Name in files and on the command line.
        title: Name in tables.
        kind: Name of its class in `peers`.
        resources: Resources that it is made with.
    """

    name: str
    title: str
    kind: str
    resources: Resources

    @property
    def ours(self) -> bool:
        return self.kind == OURS

    @property
    def peer(self) -> type[Peer]:
        return peer_class(self.kind)

    def make(self) -> Peer:
        """Return the classifier, not fitted yet."""
        return self.peer(self.resources)


def find_candidates(settings: CompareSettings, resources: Resources) -> tuple[list[Candidate], dict[str, str]]:
    """Return the candidates of a comparison, and the reason by title of each that cannot take part.

    Raises:
        ValueError: A variant has an unknown setting or a value that cannot be used.
    """
    ours: dict[str, dict[str, Any]] = {OURS: {}} if "default" not in read_variants(settings.variants) else {}
    if settings.vectors is not None:
        ours[f"{OURS} with vectors"] = {"vectors": settings.vectors}
    ours |= {f"{OURS} {name}": variant for name, variant in read_variants(settings.variants).items()}
    candidates = [
        Candidate(title.replace(" ", "_"), title, OURS, replace(resources, variant=dict(variant)))
        for title, variant in ours.items()
    ]
    wanted = [name for name in PEERS if name != OURS] if settings.peers is None else list(settings.peers)
    missing: dict[str, str] = {}
    for name in wanted:
        peer = peer_class(name)
        reason = peer.missing(resources)
        if not reason and peer.few_labels_only and not settings.per_class:
            reason = "for few labels; give per_class (--per_class 8)"
        if reason:
            missing[peer.title] = reason
        else:
            candidates.append(Candidate(name, peer.title, name, resources))
    return candidates, missing


def read_variants(variants: Any) -> dict[str, dict[str, Any]]:
    """Return the settings of each variant by its name.

    Args:
        variants: A mapping of names to settings, or words such as "wide: batch_size=16, kernel_sizes=[1, 2, 3]".

    Example:
        >>> read_variants(["small: num_filters=50, int8=true"])
        {'small': {'num_filters': 50, 'int8': True}}

    Raises:
        ValueError: A variant has an unknown setting or a value that cannot be used.
    """
    if variants is None:
        return {}
    if not isinstance(variants, Mapping):
        words = [variants] if isinstance(variants, str) else list(variants)
        variants = dict(_read_word(word) for word in words)
    return {str(name): _checked(str(name), settings) for name, settings in variants.items()}


def _read_word(word: str) -> tuple[str, dict[str, str]]:
    name, colon, rest = word.partition(":")
    settings: dict[str, str] = {}
    for part in _outside_brackets(rest):
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"variants: got {part.strip()!r} in {word!r}; expected NAME=VALUE; write batch_size=16")
        settings[key.strip().replace("-", "_")] = value.strip()
    if not colon or not name.strip() or not settings:
        raise ValueError(f"variants: got {word!r}; expected a name and settings; write 'small: num_filters=50'")
    return name.strip(), settings


def _outside_brackets(text: str) -> list[str]:
    """Return the parts between commas that stand in no brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part.strip()]


def _checked(name: str, settings: Any) -> dict[str, Any]:
    if not isinstance(settings, Mapping):
        raise ValueError(f"variants: got {settings!r} for {name!r}; expected settings by name")
    kinds = {**hints(TrainSettings), "int8": bool}
    values: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in kinds or key in ("data", "output", "force", "callbacks", "seed", "progress"):
            raise ValueError(f"variants: {name}: {unknown_name(str(key), [*kinds], 'setting of textcnn train')}")
        values[key] = read_words(key, [value], kinds[key]) if isinstance(value, str) else value
    make(TrainSettings, (), {"data": "", **{key: value for key, value in values.items() if key != "int8"}})
    return values
