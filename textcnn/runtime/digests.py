"""Digests of an artifact's files: damage is found when a file is opened, not in the answers.

config.json has the entry `digests`:

    {"files": {"model.safetensors": "...", "tokenizer.json": "..."}, "network": "...", "labels": "..."}

Each is an XXH64 (https://xxhash.com) in hexadecimal digits, of a file's bytes or of settings in config.json itself.
folded.safetensors has its own digest among its metadata, and that of the weights that it was made from: it is replaced
as one file. An artifact without digests, of an earlier version or written by transformers' `save_pretrained`, opens.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.library import address, library

DIGESTS = "digests"
# What calibration sets and what people rename by hand: an edit is allowed, and said.
EDITABLE = ("heads", "id2label", "temperature", "thresholds", "abstention")
# No answer depends on these.
_IRRELEVANT = (
    DIGESTS, "label2id", "text_column", "label_column", "architectures", "auto_map", "transformers_version",
    "_name_or_path", "model_type",
)  # fmt: skip
# From so many bytes on, a file that was verified on this machine and has not changed since is not read again.
LARGE = 32 << 20


def digest_of(content: bytes | NDArray[Any], seed: int = 0) -> int:
    """Return the XXH64 of bytes, or of the bytes of a contiguous array."""
    if isinstance(content, bytes):
        content = np.frombuffer(content, np.uint8)
    return int(library().textcnn_digest(address(content) if content.nbytes else None, content.nbytes, seed))


def digest_of_file(path: Path) -> str:
    """Return the digest of a file, which is mapped into memory and not copied."""
    size = path.stat().st_size
    return f"{digest_of(np.memmap(path, np.uint8, mode='r') if size else b''):016x}"


def digest_of_tensors(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None) -> str:
    """Return the digest of tensors, and of metadata without its own entry `digest`, each in the order of the names."""
    total = 0
    for name, value in sorted((metadata or {}).items()):
        if name != "digest":
            total = digest_of(value.encode(), digest_of(name.encode(), total))
    for name in sorted(tensors):
        total = digest_of(np.ascontiguousarray(tensors[name]), digest_of(name.encode(), total))
    return f"{total:016x}"


def digest_of_settings(config: Mapping[str, Any], editable: bool) -> str:
    """Return the digest of the settings in config.json: of those that people edit, or of all others that count."""
    names = EDITABLE if editable else sorted(set(config) - set(_IRRELEVANT) - set(EDITABLE))
    # None and a setting that is not there are one.
    settings = {name: config[name] for name in names if config.get(name) is not None}
    return f"{digest_of(json.dumps(settings, sort_keys=True).encode()):016x}"


def with_digests(config: Mapping[str, Any], directory: Path, files: Iterable[str]) -> dict[str, Any]:
    """Return a config.json with the digests of its settings and of those files that the directory has."""
    found = {name: digest_of_file(directory / name) for name in files if (directory / name).is_file()}
    digests = {
        "files": found,
        "network": digest_of_settings(config, editable=False),
        "labels": digest_of_settings(config, editable=True),
    }
    return {**config, DIGESTS: digests}


def verify_settings(path: Path, config: Mapping[str, Any]) -> None:
    """Check the settings in config.json by their digests.

    Raises:
        ValueError: a setting of the network is another than when the artifact was written.

    Warns:
        UserWarning: labels, temperature, thresholds or abstention were edited by hand, or are damaged.
    """
    digests = _entry(path, config)
    if digests.get("network", (now := digest_of_settings(config, editable=False))) != now:
        raise ValueError(
            f"{path}: got other settings of the network than when it was written (digest {now}; expected "
            f"{digests['network']}); copy it again, or remove its entry {DIGESTS!r} to accept it as it is"
        )
    if digests.get("labels", (now := digest_of_settings(config, editable=True))) != now:
        warnings.warn(
            f"{path}: {', '.join(EDITABLE[:-1])} or {EDITABLE[-1]} changed after it was written; if nobody edited it, "
            f"copy it again; to accept it, remove the entry 'labels' of its {DIGESTS!r}",
            UserWarning,
            stacklevel=3,
        )


def verify_files(directory: Path, config: Mapping[str, Any], names: Iterable[str]) -> None:
    """Check files of an artifact by the digests in its config.json.

    Raises:
        ValueError: a file has another content than when the artifact was written.
    """
    files = _entry(directory / "config.json", config).get("files") or {}
    for name in names:
        path = directory / name
        if name in files and path.is_file():
            verify(path, str(files[name]), partial(digest_of_file, path))


def verify_ours(directory: Path, names: Iterable[str]) -> None:
    """Check files of a directory that may be an artifact, from which a tokenizer or vectors are taken.

    Raises:
        ValueError: it has digests, and a file has another content than when it was written.
    """
    try:
        config = json.loads((directory / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return  # no artifact; what is wrong with it is for its reader to say
    if isinstance(config, dict) and config.get(DIGESTS):
        verify_files(directory, config, names)


def verify(path: Path, expected: str, found: Callable[[], str], remedy: str = "copy it again") -> None:
    """Check the digest of a file; a large one that was verified on this machine and is unchanged is not read again.

    Args:
        path: The file.
        expected: Its digest when it was written.
        found: Function that returns its digest now.
        remedy: The action to suggest, for the message.

    Raises:
        ValueError: it has another.
    """
    status = path.stat()
    if status.st_size < LARGE:
        _compare(path, expected, found(), remedy)
        return
    # Size, time and inode are the file's: whoever writes to it changes one of them.
    state = f"{expected} {status.st_size} {status.st_mtime_ns} {status.st_ino}"
    note = _note_of(path)
    with contextlib.suppress(OSError, ValueError):
        if note is not None and note.read_text(encoding="utf-8") == state:
            return
    _compare(path, expected, found(), remedy)
    if note is not None:
        # Without a place for the note the file is read again the next time.
        with contextlib.suppress(OSError):
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(state, encoding="utf-8")


def _compare(path: Path, expected: str, found: str, remedy: str) -> None:
    if found != expected:
        raise ValueError(
            f"{path}: got the digest {found}; expected {expected}, as when the artifact was written: the file is "
            f"damaged, or belongs to another artifact; {remedy}"
        )


def _note_of(path: Path) -> Path | None:
    """Return the file that says that a large file was verified; None where there is no home to keep it in."""
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        return None
    name = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return Path(home) / "textcnn" / "verified" / name


def _entry(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    digests = config.get(DIGESTS) or {}
    if not isinstance(digests, dict) or not isinstance(digests.get("files", {}), dict):
        raise ValueError(f"{path}: {DIGESTS}: got {str(digests)[:60]}; expected an object; copy it again")
    return digests
