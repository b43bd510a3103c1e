"""Files on this machine and anywhere else: s3://, gs://, hf:// and whatever `fsspec` opens.

A path without `://` is local and needs nothing but the standard library.
"""

from __future__ import annotations

import glob
import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from ...runtime.unfinished import unfinished
from ..errors import DataError, listed, one_line
from .formats import FORMATS, format_of


class InputFile(NamedTuple):
    """A file to read.

    path: its path or URL; name: its path below the folder or pattern that it was found by.
    """

    path: str
    name: str


def is_remote(path: str | Path) -> bool:
    """Return True for a URL that `fsspec` opens."""
    return "://" in str(path)


def file_system(path: str) -> tuple[Any, str]:
    """Return the file system of a URL, as `fsspec` has it, and the path in it.

    Raises:
        DataError: the protocol is not known, or needs a package that is not installed.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise DataError(f"{path}: remote files need fsspec, which is not installed; pip install fsspec") from None
    try:
        system, inside = url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise DataError(
            f"{path} cannot be opened ({one_line(error)}); expected a URL that fsspec knows, such as s3://, gs:// or "
            "hf://; install the package of its file system"
        ) from None
    return system, inside


def is_file(path: str) -> bool:
    """Return True where a file is there."""
    if not is_remote(path):
        return Path(path).is_file()
    system, inside = file_system(path)
    return bool(system.isfile(inside))


def is_folder(path: str) -> bool:
    """Return True where a folder is there."""
    if not is_remote(path):
        return Path(path).is_dir()
    system, inside = file_system(path)
    return bool(system.isdir(inside))


def size_of(path: str) -> int:
    """Return the bytes of a file.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not is_file(path):
        raise FileNotFoundError(f"no file {path}")
    if not is_remote(path):
        return Path(path).stat().st_size
    system, inside = file_system(path)
    return int(system.size(inside) or 0)


def open_bytes(path: str) -> IO[bytes]:
    """Open a file for reading."""
    if not is_remote(path):
        return Path(path).open("rb")
    system, inside = file_system(path)
    file: Any = system.open(inside, "rb")
    return file if hasattr(file, "peek") else io.BufferedReader(file)


def remove(path: str) -> None:
    """Remove a file, if it is there."""
    if not is_remote(path):
        Path(path).unlink(missing_ok=True)
    elif is_file(path):
        system, inside = file_system(path)
        system.rm_file(inside)


def join(folder: str, name: str) -> str:
    """Return the path of a name inside a folder."""
    return f"{folder.rstrip('/')}/{name}" if is_remote(folder) else str(Path(folder) / name)


@contextmanager
def whole_file(path: str) -> Iterator[Path]:
    """Yield a local file to write to, which appears at `path` only if no error occurs.

    A remote file is written here first, sent under another name and renamed: not every file system can tell a file that
    was cut off from a whole one.
    """
    if not is_remote(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with unfinished(Path(path)) as temporary:
            yield temporary
        return
    system, inside = file_system(path)
    parent, _, name = inside.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="textcnn-") as folder:
        temporary = Path(folder) / name
        yield temporary
        system.makedirs(parent, exist_ok=True)
        sent = f"{parent}/.unfinished.{name}"
        system.put_file(str(temporary), sent)
        system.mv(sent, inside)


def expand(paths: Sequence[str | Path]) -> list[InputFile]:
    """Return the files that paths name: files, patterns with `*`, and folders with all data files in them.

    Files of a pattern or folder come in the order of their names; `-` is standard input.

    Raises:
        FileNotFoundError: a path or pattern matches no file.
    """
    files: list[InputFile] = []
    for path in map(str, paths):
        if path == "-":
            files.append(InputFile(path, "standard-input"))
            continue
        local = Path(path)
        if not is_remote(path) and local.is_file():
            files.append(InputFile(path, local.name))
        elif is_folder(path):
            files += _in_folder(path)
        elif glob.has_magic(path):
            files += _matching(path)
        elif is_file(path):
            files.append(InputFile(path, PurePosixPath(path).name))
        else:
            raise FileNotFoundError(f"no file {path}")
    return files


def _in_folder(folder: str) -> list[InputFile]:
    if is_remote(folder):
        system, inside = file_system(folder)
        names = [name[len(inside.rstrip("/")) :].lstrip("/") for name in system.find(inside)]
    else:
        root = Path(folder)
        names = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    # Hidden files, and folders such as _temporary, are other programs' own.
    names = sorted(n for n in names if format_of(n) and not any(part[0] in "._" for part in n.split("/")))
    if not names:
        raise FileNotFoundError(f"the folder {folder} has no data file; expected {listed(FORMATS)} (also .gz or .zst)")
    return [InputFile(join(folder, name), name) for name in names]


def _matching(pattern: str) -> list[InputFile]:
    # The part before the first * is the same in all names.
    root = pattern[: next(i for i, character in enumerate(pattern) if character in "*?[")].rpartition("/")[0]
    if is_remote(pattern):
        system, inside = file_system(pattern)
        paths = sorted(system.unstrip_protocol(name) for name in system.glob(inside) if system.isfile(name))
        root = system.unstrip_protocol(file_system(root)[1]).rstrip("/")
    else:
        paths = sorted(path for path in glob.glob(pattern, recursive=True) if Path(path).is_file())
    if not paths:
        raise FileNotFoundError(f"no file matches {pattern}")
    return [InputFile(path, path[len(root) :].lstrip("/")) for path in paths]
