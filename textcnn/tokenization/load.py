"""Load, prepare and save a tokenizer, in one state, so that every interface gives the same ids."""

from __future__ import annotations

import difflib
import json
import os
import socket
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

KINDS = ("wordpiece", "word", "bpe", "char", "byte")
PAD_TOKEN, UNK_TOKEN = "[PAD]", "[UNK]"
MODEL_INPUT_NAMES = ["input_ids", "attention_mask"]
NO_LIMIT = int(1e30)  # what transformers takes for "no maximum length"


def load_tokenizer(name_or_directory: str | os.PathLike[str], revision: str | None = None) -> PreTrainedTokenizerFast:
    """Load the tokenizer of a checkpoint (local directory or Hub id) or of a textcnn artifact.

    Raises FileNotFoundError where there is no such directory or Hub repository, ValueError where
    its tokenizer is not a fast one or its files cannot be read.

    >>> load_tokenizer("bert-base-uncased")("fine films")["input_ids"]
    [2986, 3152]
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    name = os.fspath(name_or_directory)
    local = Path(name).expanduser()
    if not name or not local.is_dir():
        _check_hub_id(name, local)
    elif not any((local / file).is_file() for file in _TOKENIZER_FILES):
        raise FileNotFoundError(
            f"got tokenizer {name!r}, a directory without tokenizer files; expected tokenizer.json "
            "in it; give the directory of a checkpoint, a Hub id or a kind: " + ", ".join(KINDS)
        )
    try:
        # our own artifacts: AutoTokenizer would want a config.json that it knows, too
        reader = PreTrainedTokenizerFast if _is_plain(local) else AutoTokenizer
        tokenizer = reader.from_pretrained(
            str(local) if local.is_dir() else name,
            revision=revision or "main",
            local_files_only=local.is_dir() or not hub_is_reachable(),
        )
    except OSError as error:
        raise FileNotFoundError(
            f"got tokenizer {name!r} (lent by the vectors, where no tokenizer is named); expected a local directory or "
            f"a Hub id that can be reached; check the spelling and the network ({first_line(error)})"
        ) from error
    except Exception as error:  # whatever a broken file provokes in tokenizers or transformers
        raise ValueError(
            f"got tokenizer {name!r}, which cannot be read; expected a fast tokenizer "
            f"(tokenizer.json); download or save it again ({first_line(error)})"
        ) from error
    return prepare_tokenizer(tokenizer, name)


_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)


def _is_plain(directory: Path) -> bool:
    """Return True if tokenizer.json is complete, so that no tokenizer class of the model adds to it."""
    config = directory / "tokenizer_config.json"
    if not (directory / "tokenizer.json").is_file():
        return False
    if not config.is_file():
        return True
    with config.open(encoding="utf-8") as file:
        name = json.load(file).get("tokenizer_class")
    return name in ("PreTrainedTokenizerFast", "TokenizersBackend")


def prepare_tokenizer(tokenizer: object, name: str | None = None) -> PreTrainedTokenizerFast:
    """Return a copy of a transformers tokenizer in the state that this module promises.

    Raises ValueError for a slow (pure Python) tokenizer.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        name = name or getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__
        raise ValueError(
            f"got tokenizer {name!r}, a slow one ({type(tokenizer).__name__}); expected a fast one "
            f"(tokenizer.json); use another checkpoint's, or a kind: {', '.join(KINDS)}"
        )
    special = dict(getattr(tokenizer, "special_tokens_map", {}))
    single = {key: str(value) for key, value in special.items() if isinstance(value, str)}
    backend = Tokenizer.from_str(backend.to_str())
    vocabulary = backend.get_vocab(with_added_tokens=True)
    # an unknown word must not look like padding, so a pad token shared with it does not count
    if single.get("pad_token") in (None, single.get("unk_token")):
        known = [token for token in (PAD_TOKEN, "<pad>", "<|pad|>") if token in vocabulary]
        single["pad_token"] = known[0] if known else PAD_TOKEN
    return wrap(backend, single)


def wrap(backend: Tokenizer, special_tokens: dict[str, str]) -> PreTrainedTokenizerFast:
    from transformers import PreTrainedTokenizerFast

    backend.no_truncation()
    backend.no_padding()
    if getattr(backend.model, "dropout", None) is not None:
        backend.model.dropout = None  # BPE dropout draws other ids on every call
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast(
        tokenizer_object=_as_plain_text(backend, special_tokens["pad_token"]),
        model_max_length=NO_LIMIT,
        model_input_names=list(MODEL_INPUT_NAMES),
        padding_side="right",
        truncation_side="right",
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,
        **special_tokens,
    )
    tokenizer.backend_tokenizer.post_processor = None
    return tokenizer


def _as_plain_text(backend: Tokenizer, pad_token: str | None = None) -> Tokenizer:
    """A copy that reads special tokens written in a text as plain text, whoever loads it.

    They go from the added tokens, which are looked for in texts, to the model's own vocabulary,
    with the same ids. A Unigram vocabulary, which is a list with scores, is left as it is.
    """
    written = backend.to_str()
    # Nothing to move, as in every tokenizer that has been through here before: no detour over Python's objects.
    if not backend.get_added_tokens_decoder() and (pad_token is None or backend.token_to_id(pad_token) is not None):
        return Tokenizer.from_str(written)
    content = json.loads(written)
    vocabulary = content["model"]["vocab"]
    if isinstance(vocabulary, dict):
        special = {token["content"]: token["id"] for token in content["added_tokens"] if token["special"]}
        content["added_tokens"] = [token for token in content["added_tokens"] if not token["special"]]
        if pad_token is not None:
            known = backend.get_vocab(with_added_tokens=True)
            special.setdefault(pad_token, known.get(pad_token, 1 + max(known.values(), default=-1)))
        content["model"]["vocab"] = {**special, **vocabulary}
    return Tokenizer.from_str(json.dumps(content))


def vocabulary_size(tokenizer: PreTrainedTokenizerFast) -> int:
    """Return the number of rows that an embedding needs: the highest id + 1 (ids may have gaps).

    >>> vocabulary_size(train_tokenizer([], kind="byte"))
    258
    """
    return max(tokenizer.get_vocab().values()) + 1


def tokenizer_json(tokenizer: PreTrainedTokenizerFast) -> str:
    """Return the text of a tokenizer.json that gives the same ids without transformers.

    On one line: with a line for each token, and several for each merge, it would take about twice the bytes.
    """
    backend = _as_plain_text(tokenizer.backend_tokenizer)
    backend.no_truncation()
    backend.no_padding()
    return str(backend.to_str())


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, directory: str | os.PathLike[str]) -> None:
    """Write tokenizer.json and tokenizer_config.json, which any transformers from v4 on reads."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    special = tokenizer.special_tokens_map
    config = {
        # transformers 5 would write "TokenizersBackend", which v4 does not know
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_input_names": list(tokenizer.model_input_names),
        "model_max_length": tokenizer.model_max_length,
        "padding_side": tokenizer.padding_side,
        "split_special_tokens": bool(tokenizer.split_special_tokens),
        "truncation_side": tokenizer.truncation_side,
        **{key: value for key, value in special.items() if isinstance(value, str)},
    }
    text = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (directory / "tokenizer.json").write_text(tokenizer_json(tokenizer), encoding="utf-8")
    (directory / "tokenizer_config.json").write_text(text, encoding="utf-8")


def _check_hub_id(name: str, local: Path) -> None:
    """Raise for what cannot be a Hub id, before the network is asked."""
    if "/" not in name and (close := difflib.get_close_matches(name, KINDS, n=1, cutoff=0.75)):
        raise ValueError(
            f"got tokenizer {name!r}; expected a directory, a Hub id or a kind "
            f"({', '.join(KINDS)}); did you mean {close[0]!r}?"
        )
    if local.is_file():
        raise FileNotFoundError(
            f"got tokenizer {name!r}, a file; expected a directory with tokenizer.json; give the "
            "directory that holds it"
        )
    if not name or name.startswith((".", "/", "~")) or name.count("/") > 1 or local.is_absolute():
        raise FileNotFoundError(
            f"got tokenizer {name!r}; expected a directory with tokenizer.json; no such directory: check the spelling"
        )


def hub_is_reachable() -> bool:
    """Return True if the Hub's name resolves: without this, each missing file costs five retries."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if urllib.request.getproxies():
        return True  # names are resolved by the proxy
    try:
        socket.getaddrinfo(urllib.parse.urlsplit(constants.ENDPOINT).hostname, 443)
    except OSError:
        return False
    return True


def first_line(error: BaseException) -> str:
    """Return the first line of an error, for a message that has to stay on one."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
