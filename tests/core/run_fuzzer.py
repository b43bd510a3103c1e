"""Runs libFuzzer on the core: python tests/core/run_fuzzer.py --seconds 600 (needs clang++ as CXX)."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from folded_models import make_model, without_digests, word_tokenizer

from textcnn.core import build
from textcnn.folding.fold import fold

FLAGS = ("-O1", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize=vptr", "-DTEXTCNN_LIBFUZZER")


def main() -> None:
    """Build the target, seed its corpus with a model's own files, and run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        model, corpus = Path(folder) / "model", Path(folder) / "corpus"
        fold(make_model(num_filters=2, embedding_dim=2, bag="mean", bag_buckets=20), word_tokenizer()).save(model)
        without_digests(model)
        corpus.mkdir()
        for kind, name in enumerate(("folded.safetensors", "config.json", "tokenizer.json")):
            (corpus / name).write_bytes(bytes([kind]) + (model / name).read_bytes())
        (corpus / "text").write_bytes(b"\x03w2 w3, don't \xc3\xa9")
        target = build.build_program(
            Path(__file__).parent / "fuzz.cpp", Path(folder) / "fuzz", FLAGS, sets=build.sanitized_sets()
        )
        command = [str(target), str(corpus), f"-max_total_time={seconds}", "-max_len=60000", "-rss_limit_mb=4096"]
        subprocess.run(command, check=True, env={**os.environ, "TEXTCNN_FUZZ_MODEL": str(model)})


if __name__ == "__main__":
    main()
