"""The input embeddings of a Hugging Face checkpoint, read without building its model."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..runtime.digests import verify_ours
from ..tokenization import load_tokenizer
from ..tokenization.load import first_line, hub_is_reachable
from .notation import BYTE_LEVEL, notation_of, token_texts, write_token

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

# the files that may hold weights, in the order in which they are tried
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
# the ends of the names that models give their token embeddings; the first that matches is taken
EMBEDDING_NAMES = (
    r"word_embeddings\.weight",  # BERT, RoBERTa, ALBERT, ELECTRA, DeBERTa, BLOOM
    r"shared\.weight",  # T5, BART
    r"embed_tokens\.weight",  # Llama, Qwen, Gemma, OPT
    r"tok_embeddings\.weight",  # ModernBERT
    r"wte\.weight",  # GPT-2
    r"tokens_embed\.weight",  # GPT
    r"embed_in\.weight",  # GPT-NeoX
    r"word_embedding\.weight",  # XLNet
    r"token_embedding\.weight",  # CLIP
    r"embeddings\.channels\.\d+\.weight",  # textcnn
    r"embeddings?\.weight",  # XLM, Mamba, static embeddings of sentence-transformers
    r"embeddings",  # model2vec
)
SCALE = "scale"  # float32 [D], beside embeddings in 8 bits
CHUNK = 4096  # tokens whose pieces are averaged at once


def checkpoint_dim(source: str) -> int:
    """Return the dimension of a checkpoint's token vectors, from the header of its weights."""
    file, name = _find_embeddings(source)
    if file is None:
        return int(_embeddings_of_model(source).shape[1])
    return _shapes(file)[name][1]


def read_checkpoint(
    source: str, tokenizer: PreTrainedTokenizerFast, rows: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_], str]:
    """Return the vectors [rows, D] for our tokenizer, a mask of the rows that have one, and a note on the method.

    With the same vocabulary the rows are copied. Otherwise a token takes the row of the token that
    spells the same text at the same place in a word ("##ing" here is "ing" there), or else the mean
    of the rows into which their tokenizer splits its text.
    """
    file, name = _find_embeddings(source)
    embeddings = _embeddings_of_model(source) if file is None else _read_tensor(file, name)
    if file is not None and embeddings.dtype.itemsize == 1 and len(_shapes(file).get(SCALE, ())) == 1:
        embeddings = embeddings * _read_tensor(file, SCALE)  # as `textcnn vectors --int8` writes them
    if not embeddings.is_floating_point():
        raise ValueError(
            f"got vectors {source!r}, whose {name} are {embeddings.dtype}; expected floating-point "
            "numbers; use the checkpoint that is not quantised"
        )
    theirs = load_tokenizer(source)
    same = tokenizer.get_vocab() == theirs.get_vocab()
    pieces = {row: [row] for row in range(rows)} if same else match_tokens(tokenizer, theirs)
    there = len(embeddings)  # asked once: a tensor's takes ten microseconds
    known = {row: [p for p in parts if p < there] for row, parts in pieces.items()}
    copied = [row for row, parts in known.items() if len(parts) == 1]
    averaged = [row for row, parts in known.items() if len(parts) > 1]

    matrix = np.zeros((rows, embeddings.shape[1]), np.float32)
    matrix[copied] = embeddings[[known[row][0] for row in copied]].float().numpy()
    for start in range(0, len(averaged), CHUNK):
        chunk = averaged[start : start + CHUNK]
        lengths = np.array([len(known[row]) for row in chunk])
        flat = embeddings[[part for row in chunk for part in known[row]]].float().numpy()
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        matrix[chunk] = np.add.reduceat(flat, starts) / lengths[:, None]
    covered = np.zeros(rows, bool)
    covered[copied + averaged] = True
    note = "same vocabulary" if same else f"{len(copied):,} by name, {len(averaged):,} by pieces"
    return matrix, covered, note


def match_tokens(ours: PreTrainedTokenizerFast, theirs: PreTrainedTokenizerFast) -> dict[int, list[int]]:
    """Map each of our ids to the ids of theirs that stand for the same text."""
    own, vocabulary = ours.get_vocab(), theirs.get_vocab()
    notation = notation_of(theirs)
    matches: dict[int, list[int]] = {}
    for role, name in ours.special_tokens_map.items():
        counterpart = theirs.special_tokens_map.get(role)
        if role != "pad_token" and isinstance(name, str) and counterpart in vocabulary:
            matches[own[name]] = [vocabulary[counterpart]]

    special = set(theirs.all_special_ids)
    rest: dict[int, str] = {}
    for token_id, token in token_texts(ours).items():
        lowered = replace(token, text=token.text.lower())
        found = vocabulary.get(write_token(token, notation), vocabulary.get(write_token(lowered, notation)))
        if found is not None and found not in special:
            matches[token_id] = [found]
        else:
            # GPT-2 and its kin tell the start of a word by the space before it
            rest[token_id] = (" " * (token.starts_word and notation == BYTE_LEVEL)) + token.text
    encodings = theirs.backend_tokenizer.encode_batch(list(rest.values()), add_special_tokens=False)
    for token_id, encoding in zip(rest, encodings, strict=True):
        if parts := [part for part in encoding.ids if part not in special]:
            matches[token_id] = parts
    return matches


def _find_embeddings(source: str) -> tuple[Path | None, str]:
    """The weight file and the name of the token embeddings in it; (None, "") if not known."""
    directory = Path(source).expanduser()
    if directory.is_dir():
        verify_ours(directory, ("model.safetensors", "tokenizer.json", "tokenizer_config.json"))
    for name in WEIGHT_FILES:
        file = _checkpoint_file(source, name)
        if file is None:
            continue
        if name.endswith(".index.json"):
            try:
                shards: dict[str, str] = json.loads(file.read_bytes())["weight_map"]
            except (ValueError, KeyError) as error:
                raise ValueError(_broken(file, error)) from error
            tensor = _embedding_name(list(shards))
            shard = _checkpoint_file(source, shards[tensor]) if tensor else None
            if tensor and shard is None:
                raise FileNotFoundError(
                    f"got vectors {source!r} without {shards[tensor]}; expected every file that "
                    f"{name} lists; download the checkpoint again"
                )
            return shard, tensor
        shapes = _shapes(file)
        tensor = _embedding_name([key for key, shape in shapes.items() if len(shape) == 2])
        return (file if tensor else None), tensor
    raise FileNotFoundError(
        f"got vectors {source!r}; expected a word-vector file, or a checkpoint (directory or Hub id "
        f"that can be reached) with {' or '.join(WEIGHT_FILES[::2])}; check the name"
    )


def _checkpoint_file(source: str, name: str) -> Path | None:
    directory = Path(source).expanduser()
    if directory.is_dir():
        return directory / name if (directory / name).is_file() else None
    from transformers.utils.hub import cached_file

    try:
        found = cached_file(
            source,
            name,
            local_files_only=not hub_is_reachable(),
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    except OSError as error:  # no such repository, or one that asks for a login
        raise FileNotFoundError(
            f"got vectors {source!r}; expected a word-vector file or a checkpoint (directory or Hub "
            f"id); check the name and your access to it ({first_line(error)})"
        ) from error
    return None if found is None else Path(found)


def _embedding_name(names: list[str]) -> str:
    for pattern in EMBEDDING_NAMES:
        # of an encoder and a decoder, the encoder has read texts; shorter is nearer to the root
        found = [name for name in names if re.search(rf"(^|\.){pattern}$", name)]
        if found:
            return min(found, key=lambda name: ("decoder" in name, len(name), name))
    return ""


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    if file.suffix != ".safetensors":
        return {name: tuple(tensor.shape) for name, tensor in _pytorch_tensors(file).items()}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as tensors:
            return {name: tuple(tensors.get_slice(name).get_shape()) for name in list(tensors.keys())}
    except SafetensorError as error:
        raise ValueError(_broken(file, error)) from error


def _read_tensor(file: Path, name: str) -> torch.Tensor:
    if file.suffix != ".safetensors":
        return _pytorch_tensors(file)[name]
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as tensors:
            tensor: torch.Tensor = tensors.get_tensor(name)
            return tensor
    except SafetensorError as error:
        raise ValueError(_broken(file, error)) from error


def _pytorch_tensors(file: Path) -> dict[str, torch.Tensor]:
    import torch

    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken zip, pickle or tensor: each has its own type
        raise ValueError(_broken(file, error)) from error
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


def _embeddings_of_model(source: str) -> torch.Tensor:
    """Read the embeddings of a model whose weight names are unknown from the built model, which is slow."""
    from transformers import AutoModel

    try:
        model = AutoModel.from_pretrained(source, local_files_only=not hub_is_reachable())
        return model.get_input_embeddings().weight.detach()
    except Exception as error:  # an unknown type, missing weights, no such embeddings, ...
        raise ValueError(
            f"got vectors {source!r}, in which no token embeddings were found; expected a "
            f"checkpoint of a text model; use another ({first_line(error)})"
        ) from error


def _broken(file: Path, error: Exception) -> str:
    return (
        f"got {str(file)!r}, which cannot be read; expected a complete weight file; download it "
        f"again ({first_line(error)})"
    )
