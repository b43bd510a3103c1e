"""Token vectors from a transformer that has read texts: `textcnn vectors`.

A token's input embedding says what the token means before any reading. The mean of what the last layer makes of it
in real texts says more (Bommasani 2020, https://aclanthology.org/2020.acl-main.431/); side by side they are a better
start than either.

Shapes: `V` vocabulary, `D` size of the transformer, `B` texts, `T` tokens.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

DESCRIPTION = """\
Writes initial token vectors for `--data.vectors`: a transformer's input embeddings beside the mean of its outputs for
each token in texts, which need no labels. A token that the texts lack has the output for the token alone.

  textcnn vectors sentence-transformers/all-MiniLM-L6-v2 --texts reviews.csv --output minilm-vectors
  textcnn fit --data.path reviews.csv --data.vectors minilm-vectors"""


def contextual_vectors(
    checkpoint: str, texts: Sequence[str], max_length: int = 128, batch_size: int = 64, progress: bool = False
) -> Tensor:
    """Input embeddings and mean outputs of every token, side by side, each half centred and of deviation 1: [V, 2D].

    Not for a transformer that was fine-tuned on labels of the same texts: its outputs are those labels.

    Args:
        checkpoint: A transformer, directory or Hub id.
        texts: What it reads.
        max_length: Tokens of a text that it reads.
        batch_size: Texts that it reads at a time.
        progress: Whether to show a bar on standard error.

    Example:
        >>> contextual_vectors("sentence-transformers/all-MiniLM-L6-v2", ["a film"]).shape
        torch.Size([30522, 768])
    """
    import torch
    from tqdm import tqdm
    from transformers import AutoModel, AutoTokenizer

    from .artifact import quiet_transformers

    device = "cuda" if torch.cuda.is_available() else "cpu"
    with quiet_transformers():
        model = AutoModel.from_pretrained(checkpoint).eval().to(device)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    inputs = model.get_input_embeddings().weight.detach().float().cpu()
    special = torch.zeros(len(inputs), dtype=torch.bool)
    special[tokenizer.all_special_ids] = True
    # A token alone counts as one occurrence, so that a rare token is not what one text makes of it.
    sums, counts = _alone(model, tokenizer, len(inputs), device), torch.ones(len(inputs))
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
            kept = batch["attention_mask"].bool() & ~special.to(device)[batch["input_ids"]]
            ids = batch["input_ids"][kept].cpu()
            sums.index_add_(0, ids, model(**batch).last_hidden_state[kept].float().cpu())
            counts += torch.bincount(ids, minlength=len(counts))
    means = sums / counts[:, None]
    return torch.cat([_standard(inputs, ~special), _standard(means, ~special)], dim=1)


def main(verb: str, args: list[str]) -> None:
    """`textcnn vectors`."""
    parser = argparse.ArgumentParser(
        f"textcnn {verb}", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", help="a transformer: directory or Hub id")
    parser.add_argument("--texts", nargs="+", required=True, metavar="FILE", help="what it reads; no labels needed")
    parser.add_argument("--text_column", metavar="NAME", help="column of the texts (default: found by its name)")
    parser.add_argument("--limit", type=int, metavar="N", help="texts of each file, from its start (default: all)")
    parser.add_argument("--max_length", type=int, default=128, help="tokens of a text that it reads (default: 128)")
    parser.add_argument("--output", required=True, metavar="DIR", help="directory to write")
    options = parser.parse_args(args)

    from .data.prediction import read_texts

    texts: list[str] = []
    for path in options.texts:
        texts += read_texts(path, options.text_column)[: options.limit]
    vectors = write_contextual_vectors(
        options.checkpoint, texts, options.output, options.max_length, progress=sys.stderr.isatty()
    )
    print(f"{options.output}: {vectors.shape[0]:,} tokens, {vectors.shape[1]} dimensions, from {len(texts):,} texts")


def write_contextual_vectors(
    checkpoint: str, texts: Sequence[str], directory: str | Path, max_length: int = 128, progress: bool = False
) -> Tensor:
    """Writes `contextual_vectors` and the checkpoint's tokenizer as a directory that `vectors` takes.

    Raises:
        FileNotFoundError: there is no such checkpoint.
    """
    from safetensors.torch import save_file

    from .runtime.storage import write_text
    from .tokenization import load_tokenizer, save_tokenizer
    from .vectors import base_model

    tokenizer = load_tokenizer(checkpoint)
    vectors = contextual_vectors(checkpoint, texts, max_length, progress=progress)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    save_tokenizer(tokenizer, directory)
    if (base := base_model(checkpoint)) is not None:
        # Model cards of what is trained from these vectors name it.
        write_text(
            directory / "README.md", f"---\nbase_model: {base}\n---\n\nToken vectors, made by `textcnn vectors`.\n"
        )
    # Last, so that a directory that has it has all.
    save_file({"embeddings": vectors}, directory / "model.safetensors")
    return vectors


def _alone(model: Any, tokenizer: Any, vocab_size: int, device: str) -> Tensor:
    """Outputs [V, D] for texts of one token each."""
    import torch

    around = tokenizer("", return_tensors="pt")["input_ids"][0]
    half = len(around) // 2
    outputs = []
    with torch.inference_mode():
        for start in range(0, vocab_size, 1024):
            ids = torch.arange(start, min(start + 1024, vocab_size))
            parts = [around[:half].expand(len(ids), -1), ids[:, None], around[half:].expand(len(ids), -1)]
            states = model(input_ids=torch.cat(parts, dim=1).to(device)).last_hidden_state
            outputs.append(states[:, half].float().cpu())
    return torch.cat(outputs)


def _standard(vectors: Tensor, kept: Tensor) -> Tensor:
    """Centred and scaled as a whole, which keeps the geometry; what is not kept (special tokens) does not count."""
    centred = vectors - vectors[kept].mean(dim=0)
    return centred / centred[kept].std()
