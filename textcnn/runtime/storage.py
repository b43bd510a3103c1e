"""Reader and writer of folded.safetensors: memory-mapped, never copied on loading, and written atomically.

The layout is safetensors' (https://github.com/huggingface/safetensors#format): the length of a JSON header,
the header, the tensors. The library's numpy reader copies tensors out of the map, so this one keeps them in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .digests import digest_of_tensors
from .unfinished import unfinished as unfinished

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
    """Read a safetensors file: its tensors (views of a memory map) and its metadata.

    Raises:
        ValueError: the file is broken or holds a type that the runtime does not use.
    """
    content, entries, metadata = _open(path)
    tensors = {}
    for name, entry in entries.items():
        if entry["dtype"] not in _DTYPES:
            raise _broken(path, f"tensor {name} has the type {entry['dtype']!r}")
        try:
            dtype: Any = _DTYPES[entry["dtype"]]
            tensors[name] = content[name].view(dtype).reshape(entry["shape"])
        except ValueError as error:
            raise _broken(path, f"tensor {name}: {error}") from error
    return tensors, metadata


def digest_of_weights(path: Path) -> str:
    """Return the digest of the tensors of a safetensors file of any types, without its metadata."""
    return digest_of_tensors(_open(path)[0])


def _open(path: Path) -> tuple[dict[str, NDArray[np.uint8]], dict[str, Any], dict[str, str]]:
    """Return the bytes of each tensor, its entry in the header, and the metadata; nothing in the file is believed."""
    if path.stat().st_size < 8:
        raise ValueError(f"{path}: got {path.stat().st_size} bytes; expected a safetensors file; fold the model again")
    # Copy-on-write: nothing that is written to an array changes the file.
    content = np.memmap(path, dtype=np.uint8, mode="c")
    header_size = int.from_bytes(content[:8].tobytes(), "little")
    try:
        header = json.loads(content[8 : 8 + header_size].tobytes())
        metadata = header.pop("__metadata__", {})
        if not all(isinstance(value, str) for value in metadata.values()):
            raise ValueError("its metadata are no strings")
        found = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            if not 0 <= begin <= end <= content.size - 8 - header_size:
                raise ValueError(f"tensor {name} ends beyond the file")
            if any(isinstance(size, bool) or not isinstance(size, int) or size < 0 for size in entry["shape"]):
                raise ValueError(f"tensor {name} has the shape {entry['shape']}")
            if not isinstance(entry["dtype"], str):
                raise ValueError(f"tensor {name} has no type")
            found[name] = np.asarray(content[8 + header_size + begin : 8 + header_size + end])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _broken(path, f"{type(error).__name__}: {error}") from error
    return found, header, metadata


def _broken(path: Path, why: str) -> ValueError:
    return ValueError(f"{path} cannot be read ({why}); it may be a partial copy: fold the model again")


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file with its digest, atomically: it is written beside `path` and moved into place."""
    metadata = {**metadata, "digest": digest_of_tensors(tensors, metadata)}
    header: dict[str, Any] = {"__metadata__": metadata}
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

    with unfinished(path) as temporary, temporary.open("wb") as file:
        write(file)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, atomically."""
    with unfinished(path) as temporary:
        temporary.write_bytes(text.encode())
