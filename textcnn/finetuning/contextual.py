"""Token vectors from a transformer that has read texts: `vectors`.

A token's input embedding says what the token means before any reading. The mean of what the last layer makes of it
in real texts says more (Bommasani 2020, https://aclanthology.org/2020.acl-main.431/); side by side they are a better
start than either.

Shapes: `V` vocabulary, `E` size of its token vectors, `D` of the outputs of the transformer, `B` texts, `T` tokens.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..outputs import begin_output
from ..settings import VectorsSettings, takes

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import BatchEncoding


def contextual_vectors(
    checkpoint: str,
    texts: Sequence[str],
    max_length: int = 128,
    batch_size: int = 64,
    progress: bool = False,
    words: Mapping[tuple[int, ...], int] | None = None,
) -> Tensor:
    """Return the input embedding and mean output of every token, each centred and scaled to deviation 1: [V, E + D].

    Not for a transformer that was fine-tuned on labels of the same texts: its outputs are those labels.

    Args:
        checkpoint: A transformer, directory or Hub id.
        texts: Texts for the transformer to read.
        max_length: Tokens of a text that it reads.
        batch_size: Texts that it reads at a time.
        progress: True to show a bar on standard error.
        words: Words that are tokens beside those of the transformer: the ids of their pieces, and their own, which
            follow on the transformer's. A word has the means over its pieces.

    Example:
        >>> contextual_vectors("sentence-transformers/all-MiniLM-L6-v2", ["a film"]).shape
        torch.Size([30522, 768])
    """
    import torch
    from tqdm import tqdm
    from transformers import AutoModel, AutoTokenizer

    from ..artifact import quiet_transformers

    device = "cuda" if torch.cuda.is_available() else "cpu"
    with quiet_transformers():
        model = AutoModel.from_pretrained(checkpoint).eval().to(device)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    words = words or {}
    embeddings = model.get_input_embeddings().weight.detach().float().cpu()
    inputs = torch.zeros(max([len(embeddings) - 1, *words.values()]) + 1, embeddings.shape[1])
    inputs[: len(embeddings)] = embeddings
    for pieces, word in words.items():
        inputs[word] = embeddings[list(pieces)].mean(dim=0)
    special = torch.zeros(len(inputs), dtype=torch.bool)
    special[tokenizer.all_special_ids] = True
    # A token alone counts as one occurrence, so that a rare token is not what one text makes of it.
    sums = torch.zeros(len(inputs), model.config.hidden_size)
    sums[: len(embeddings)] = _alone(model, tokenizer, [(token,) for token in range(len(embeddings))], device)
    sums[list(words.values())] = _alone(model, tokenizer, list(words), device)
    counts = torch.ones(len(inputs))
    ordered = sorted(texts, key=len)
    starts = range(0, len(ordered), batch_size)
    with torch.inference_mode():
        for start in tqdm(starts, desc="reading", unit=" batches", disable=not progress):
            batch = tokenizer(
                ordered[start : start + batch_size],
                padding=True,
                truncation=True,
                max_length=max_length,
                return_tensors="pt",
            ).to(device)
            tokens = _as_words(batch, words) if words else batch["input_ids"].cpu()
            kept = batch["attention_mask"].bool().cpu() & ~special[tokens]
            ids = tokens[kept]
            sums.index_add_(0, ids, model(**batch).last_hidden_state[kept.to(device)].float().cpu())
            counts += torch.bincount(ids, minlength=len(counts))
    means = sums / counts[:, None]
    return torch.cat([_standard(inputs, ~special), _standard(means, ~special)], dim=1)


@takes(VectorsSettings)
def vectors(settings: VectorsSettings) -> Tensor:
    """Write initial token vectors: a transformer's input embeddings beside its mean outputs for each token in texts.

    The texts need no labels. A token that they lack has the output for the token alone. With `words` the most frequent
    words that the transformer splits become tokens of their own. `textcnn.VectorsSettings` documents the settings.

    Example:
        >>> textcnn.vectors("sentence-transformers/all-MiniLM-L6-v2", "reviews.csv", "minilm-vectors").shape
        torch.Size([30522, 768])

    Raises:
        FileNotFoundError: There is no such checkpoint or file.
        ValueError: The output is there already, or words are wanted and the tokenizer is not WordPiece.
    """
    output = begin_output(settings.output, settings.force)

    from ..data.prediction import read_texts

    sources = [settings.texts] if isinstance(settings.texts, (str, Path)) else settings.texts
    files = [read_texts(str(path), settings.text_column) for path in sources]
    return write_contextual_vectors(
        str(settings.model),
        [text for file in files for text in file[: settings.limit]],
        output,
        settings.max_length,
        progress=settings.progress and sys.stderr.isatty(),
        words=settings.words,
        word_texts=(text for file in files for text in file),
        embedding_dim=settings.embedding_dim,
        int8=settings.int8,
    )


def write_contextual_vectors(
    checkpoint: str,
    texts: Sequence[str],
    directory: str | Path,
    max_length: int = 128,
    progress: bool = False,
    words: int = 0,
    word_texts: Iterable[str] | None = None,
    embedding_dim: int | None = None,
    int8: bool = False,
) -> Tensor:
    """Write `contextual_vectors` and the checkpoint's tokenizer as a directory that `vectors` accepts.

    Args:
        checkpoint, texts, max_length, progress: As there.
        directory: Directory to write to.
        words: Most words to make tokens of, of those that the checkpoint's tokenizer splits.
        word_texts: Texts to count the words in; None takes `texts`.
        embedding_dim: Dimensions that principal components leave; None keeps all.
        int8: Store the vectors in 8 bits, with one scale for each dimension.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: words are wanted and the checkpoint's tokenizer is not WordPiece, or more dimensions than there are.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig

    from ..runtime.storage import write_text
    from ..tokenization import add_words, load_tokenizer, save_tokenizer
    from ..vectors import base_model, principal_components, vectors_dim

    if embedding_dim is not None:
        available = vectors_dim(checkpoint) + AutoConfig.from_pretrained(checkpoint).hidden_size
        if not 1 <= embedding_dim <= available:
            raise ValueError(
                f"embedding_dim: got {embedding_dim}; expected 1 to {available}, the dimensions that there are; lower "
                "it or leave it out"
            )
    tokenizer = load_tokenizer(checkpoint)
    added: dict[tuple[int, ...], int] = {}
    if words:
        tokenizer, added = add_words(tokenizer, texts if word_texts is None else word_texts, words)
    vectors = contextual_vectors(checkpoint, texts, max_length, progress=progress, words=added)
    if embedding_dim is not None:
        centred = vectors - vectors.mean(dim=0)
        vectors = torch.from_numpy(principal_components(centred.numpy(), embedding_dim)[0])
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    save_tokenizer(tokenizer, directory)
    if (base := base_model(checkpoint)) is not None:
        # Model cards of what is trained from these vectors name it.
        write_text(
            directory / "README.md", f"---\nbase_model: {base}\n---\n\nToken vectors, made by `textcnn vectors`.\n"
        )
    # Last, so that a directory that has it has all.
    save_file(_in_8_bits(vectors) if int8 else {"embeddings": vectors}, directory / "model.safetensors")
    return vectors


def _in_8_bits(vectors: Tensor) -> dict[str, Tensor]:
    """Return embeddings int8 [V, D] and scale [D]: a vector is their product."""
    scale = vectors.abs().amax(dim=0).clamp(min=1e-12) / 127
    return {"embeddings": (vectors / scale).round().char(), "scale": scale}


def _as_words(batch: BatchEncoding, words: Mapping[tuple[int, ...], int]) -> Tensor:
    """Token ids [B, T] in which every piece of an added word has the word's id."""
    ids: Tensor = batch["input_ids"].cpu().clone()
    for row, pieces in enumerate(ids.tolist()):
        begin, owners = 0, batch.word_ids(row)
        for end in range(1, len(owners) + 1):
            if end == len(owners) or owners[end] != owners[begin]:
                if end - begin > 1 and owners[begin] is not None:
                    word = words.get(tuple(pieces[begin:end]))
                    if word is not None:
                        ids[row, begin:end] = word
                begin = end
    return ids


def _alone(model: Any, tokenizer: Any, words: Sequence[tuple[int, ...]], device: str) -> Tensor:
    """Outputs [V, D] for texts of one word each, the mean over the word's pieces."""
    import torch

    around = tokenizer("", return_tensors="pt")["input_ids"][0].tolist()
    half = len(around) // 2
    outputs = torch.empty(len(words), model.config.hidden_size)
    by_length: dict[int, list[int]] = {}
    for row, pieces in enumerate(words):
        by_length.setdefault(len(pieces), []).append(row)
    with torch.inference_mode():
        for length, rows in by_length.items():
            for start in range(0, len(rows), 1024):
                some = rows[start : start + 1024]
                ids = torch.tensor([[*around[:half], *words[row], *around[half:]] for row in some], device=device)
                states = model(input_ids=ids).last_hidden_state
                outputs[some] = states[:, half : half + length].mean(dim=1).float().cpu()
    return outputs


def _standard(vectors: Tensor, kept: Tensor) -> Tensor:
    """Centred and scaled as a whole, which keeps the geometry; what is not kept (special tokens) does not count."""
    centred = vectors - vectors[kept].mean(dim=0)
    return centred / centred[kept].std()
