"""Files and folders that appear under their name only when they are complete.

What a killed process leaves behind is removed by the next one that writes into the same folder. A lock on each
unfinished file says that its writer lives: the system drops it with the process, also in another container.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is known of other writers, and nothing is removed
    fcntl = None  # type: ignore[assignment]

_MARK = ".unfinished."


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Yield a name beside `path` to write to; what is written there replaces `path` if no error occurs.

    So a run that is killed leaves no half file that looks whole, and readers see the old file or the new one. A
    symbolic link stays: the file that it points to is replaced.
    """
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    if path.exists() and not path.is_file():
        # A pipe or a device is written to; it must not be replaced by a file.
        yield path
        return
    remove_abandoned(path.parent)
    # The ending stays: some libraries write by it. Threads of one process have different names, too.
    temporary = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}{_MARK}{path.name}")
    with _owned(temporary, os.O_CREAT | os.O_RDWR):
        try:
            yield temporary
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def unfinished_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield an empty folder in `parent` to write files to and to move them from; it is removed at the end.

    Args:
        parent: Folder in which it is made.
        name: Purpose of the folder, part of its name.
    """
    remove_abandoned(parent)
    folder = parent / f".{os.getpid()}-{secrets.token_hex(4)}{_MARK}{name}"
    folder.mkdir()
    try:
        with _owned(folder, os.O_RDONLY):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(folder: Path) -> None:
    """Remove the unfinished files of a folder that no living process writes."""
    if fcntl is None:
        return
    # A folder that cannot be listed, or a file that cannot be removed, is no reason not to write another.
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") and _MARK in entry.name:
                with contextlib.suppress(OSError):
                    _remove_if_abandoned(Path(entry.path), entry.is_dir(follow_symlinks=False))


def _remove_if_abandoned(path: Path, is_folder: bool) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its writer lives
        if is_folder:
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    finally:
        os.close(file)


@contextmanager
def _owned(path: Path, flags: int) -> Iterator[None]:
    """Hold the lock on a file or folder that is being written."""
    file = _locked(path, flags)
    try:
        yield
    finally:
        os.close(file)


def _locked(path: Path, flags: int) -> int:
    while True:
        file = os.open(path, flags, 0o666)
        if fcntl is None:
            return file
        # File systems without locks: then nobody else can take it for abandoned, either.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between its creation and the lock another process may have removed it.
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(file).st_ino == path.stat().st_ino:
                return file
        os.close(file)
        if not flags & os.O_CREAT:
            path.mkdir(exist_ok=True)
