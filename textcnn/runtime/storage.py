"""Reads and writes folded.safetensors: memory-mapped, never copied on loading, and written atomically.

The layout is safetensors' (https://github.com/huggingface/safetensors#format): the length of a JSON header,
the header, the tensors. The library's numpy reader copies tensors out of the map, so this one keeps them in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDED_FILE = "folded.safetensors"
# Answers for a model that does not fold.
ONNX_FILE = "model.onnx"

_DTYPES = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I8": np.dtype("i1"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
# Tensors start at multiples of a cache line.
_ALIGNMENT = 64


def read_tensors(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Tensors (views of a memory map) and metadata of a safetensors file.

    Raises:
        ValueError: the file is broken or holds a type that the runtime does not use.
    """
    if path.stat().st_size < 8:
        raise ValueError(f"{path}: got {path.stat().st_size} bytes; expected a safetensors file; fold the model again")
    # Copy-on-write: nothing that is written to an array changes the file.
    content = np.memmap(path, dtype=np.uint8, mode="c")
    header_size = int.from_bytes(content[:8].tobytes(), "little")
    try:
        header = json.loads(content[8 : 8 + header_size].tobytes())
        metadata = header.pop("__metadata__", {})
        tensors = {}
        for name, entry in header.items():
            begin, end = (8 + header_size + offset for offset in entry["data_offsets"])
            if end > content.size:
                raise ValueError(f"tensor {name} ends beyond the file")
            dtype: Any = _DTYPES[entry["dtype"]]
            data: NDArray[Any] = np.asarray(content[begin:end]).view(dtype)
            tensors[name] = data.reshape(entry["shape"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} cannot be read ({error}); it may be a partial copy: fold the model again") from error
    return tensors, metadata


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file beside `path` and moves it into place, so that a half file never shows."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    # The safetensors library wants tensors back to back: the largest first, so that few are unaligned.
    names = sorted(tensors, key=lambda name: (-tensors[name].nbytes, name))
    offset = 0
    for name in names:
        tensor = tensors[name]
        end = offset + tensor.nbytes
        header[name] = {
            "dtype": _NAMES[tensor.dtype.newbyteorder("<")],
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    encoded = json.dumps(header).encode()
    encoded += b" " * (-(8 + len(encoded)) % _ALIGNMENT)

    def write(file: Any) -> None:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        for name in names:
            file.write(np.ascontiguousarray(tensors[name]).data)

    _replace(path, write)


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 text file, atomically."""
    _replace(path, lambda file: file.write(text.encode()))


def _replace(path: Path, write: Any) -> None:
    with unfinished(path) as temporary, temporary.open("wb") as file:
        write(file)


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; what lies there takes the place of `path` when nothing went wrong.

    So a run that is killed leaves no half file that looks whole, and readers see the old file or the new one.
    """
    if path.exists() and not path.is_file():
        # A pipe or a device is written to; it must not be replaced by a file.
        yield path
        return
    # The ending stays: some libraries write by it.
    temporary = path.with_name(f".{os.getpid()}.unfinished.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
