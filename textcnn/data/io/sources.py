"""Splits of a data source: Hub names, files, folders, data in memory."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, listed, nearest, one_line
from .formats import FORMATS, format_of, stem_of
from .objects import to_dataset
from .readers import Reader
from .tables import iter_batches, read_table

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

DOCSTRINGS = "python-docstrings"
ALIASES = {
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SHARD = re.compile(r"[-_.]\d{5}-of-\d{5}$")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


class Source:
    """Named splits, each loaded when it is needed.

    Args:
        description: Name of the data, for messages.
        loaders: Functions that load the splits, by the names of these.
        notes: List to which loaders add what a user should know, such as bytes that are no UTF-8.

    Example:
        >>> Source("reviews", {"train": load_train, "test": load_test}).names  # doctest: +SKIP
        ['train', 'test']
    """

    def __init__(
        self, description: str, loaders: Mapping[str, Callable[[], Any]], notes: list[str] | None = None
    ) -> None:
        self.description, self._loaders = description, dict(loaders)
        self.notes: list[str] = [] if notes is None else notes
        self._loaded: dict[str, Any] = {}

    @property
    def names(self) -> list[str]:
        """Names of the splits."""
        return list(self._loaders)

    def load(self, name: str) -> Dataset | IterableDataset:
        """Load one split.

        Raises:
            DataError: there is none of that name; the nearest is named.
        """
        if name not in self._loaders:
            raise DataError(
                f"{self.description} has no split {name!r}{nearest(name, self.names)}; its splits "
                f"are {listed(self.names)}; name one of these"
            )
        if name not in self._loaded:
            self._loaded[name] = self._loaders[name]()
        return self._loaded[name]

    def find(self, role: str, wanted: str | None, taken: str) -> str | None:
        """Return the name of the validation or test split: the wanted one, else a usual name, else None."""
        if wanted is not None:
            self.load(wanted)
            return wanted
        by_lower = {name.lower(): name for name in self.names}
        for alias in ALIASES[role]:
            if alias in by_lower and by_lower[alias] != taken:
                return by_lower[alias]
        return None


def open_source(
    path: Any,
    config_name: str | None = None,
    revision: str | None = None,
    streaming: bool = False,
    as_written: bool = False,
) -> Source:
    """Find the splits behind a Hub name, a file, a folder, data in memory or the embedded set.

    Args:
        path: Name, path or data.
        config_name: Configuration of a Hub data set.
        revision: Branch, tag or commit of a Hub data set.
        streaming: Read files as they are used.
        as_written: Keep the cells of csv files as strings, to be written again.

    Raises:
        FileNotFoundError: there is no such path.
        DataError: the data cannot be read.
    """
    if not isinstance(path, (str, os.PathLike)):
        return _in_memory(path)
    if path == DOCSTRINGS:
        return _docstrings()
    local = Path(path).expanduser()
    if local.is_dir() and str(path):
        return _folder(local, streaming, as_written)
    if local.is_file():
        if format_of(local) is None:
            raise DataError(
                f"{path} has an unknown ending; expected one of {listed(FORMATS)} (also .gz or .zst); convert the file"
            )
        return _file_source(str(path), {"train": [local]}, streaming, as_written)
    name = str(path)
    if isinstance(path, os.PathLike) or format_of(local) or not _HUB_NAME.fullmatch(name):
        siblings = [other.name for other in local.parent.iterdir()] if local.parent.is_dir() else []
        raise FileNotFoundError(
            f"there is no file or folder {name}{nearest(local.name, siblings)}; expected a file "
            f"({listed(FORMATS)}), a folder with them, a Hub name or {DOCSTRINGS!r}"
        )
    return _hub(name, config_name, revision, streaming)


def _in_memory(data: Any) -> Source:
    dataset = to_dataset(data)
    if dataset is not None:
        return Source("the data set", {"train": partial(_same, dataset)})
    splits = {name: to_dataset(split) for name, split in data.items()} if isinstance(data, Mapping) else {}
    if splits and all(split is not None for split in splits.values()):
        return Source("the data set", {str(name): partial(_same, split) for name, split in splits.items()})
    raise DataError(
        f"got data of type {type(data).__name__}; expected a path, a Hub name, a DataFrame, a datasets.Dataset or "
        "DatasetDict, or texts and labels; for lists, give the pair (texts, labels)"
    )


def _same(split: Any) -> Any:
    return split


def _docstrings() -> Source:
    from .. import docstrings

    splits: dict[str, Any] = {}

    def loader(name: str) -> Callable[[], Any]:
        def load() -> Any:
            splits.update(splits or docstrings.load())
            return splits[name]

        return load

    return Source(DOCSTRINGS, {name: loader(name) for name in ("train", "validation", "test")})


def _folder(folder: Path, streaming: bool, as_written: bool) -> Source:
    if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
        from datasets import load_from_disk

        return _in_memory(load_from_disk(str(folder)))
    splits: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        if file.is_file() and not file.name.startswith(".") and (kind := format_of(file)):
            stem = stem_of(file)
            if stem.lower() in ("readme", "license", "requirements") and kind in ("txt", "json"):
                continue
            splits.setdefault(_SHARD.sub("", stem), []).append(file)
    if not splits and (folder / "data").is_dir():
        return _folder(folder / "data", streaming, as_written)
    if not splits:
        raise DataError(
            f"the folder {folder} has no data file; expected files such as train.csv, "
            f"validation.csv and test.csv ({listed(FORMATS)})"
        )
    return _file_source(str(folder), splits, streaming, as_written)


def _file_source(description: str, splits: dict[str, list[Path]], streaming: bool, as_written: bool) -> Source:
    notes: list[str] = []
    loaders: dict[str, Callable[[], Any]] = {
        name: partial(_stream_files, files) if streaming else partial(_load_files, files, as_written, notes)
        for name, files in splits.items()
    }
    return Source(description, loaders, notes)


def _load_files(files: list[Path], as_written: bool, notes: list[str]) -> Dataset:
    import pyarrow as pa
    from datasets import Dataset

    tables = [read_table(file, as_written, notes) for file in files]
    try:
        return Dataset(pa.concat_tables(tables, promote_options="permissive"))
    except pa.ArrowException as error:
        raise DataError(
            f"the files {listed([str(file) for file in files], 3)} do not have the same columns "
            f"({one_line(error)}); correct them"
        ) from None


def _stream_files(files: list[Path]) -> IterableDataset:
    from datasets import IterableDataset

    return IterableDataset.from_generator(_rows, gen_kwargs={"files": files})


def _rows(files: list[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        for batch in iter_batches(Reader(file)):
            for start in range(0, len(batch), 1_000):  # a block as Python objects is many times larger
                yield from batch.slice(start, 1_000).to_pylist()


def _hub(name: str, config_name: str | None, revision: str | None, streaming: bool) -> Source:
    from datasets import load_dataset

    try:
        with _no_retries():
            splits = load_dataset(name, config_name, revision=revision, streaming=streaming)
    except Exception as error:  # whatever the Hub, the network or the set's own files raise
        raise DataError(
            f"the data set {name!r} cannot be loaded from the Hub "
            f"({type(error).__name__}: {one_line(error)}); check its name, config_name and "
            "revision and the network, or give a local file"
        ) from error
    return Source(name, {str(key): partial(_same, split) for key, split in splits.items()})


@contextmanager
def _no_retries() -> Iterator[None]:
    """Without a network, look in the local cache at once instead of after a minute of retries."""
    from huggingface_hub import constants

    from ...tokenization.load import hub_is_reachable

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not hub_is_reachable()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
