"""`bench fasttext` on a small data set."""

from __future__ import annotations

import random

from fasttext_models import needs_fasttext

import textcnn
from textcnn.bench.fasttext import KINDS, SMALL


@needs_fasttext
def test_answers_are_compared(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(SMALL, "bucket", 2_000)
    rng = random.Random(0)
    words = [f"w{i}" for i in range(400)]
    rows = [(" ".join([*rng.choices(words, k=6), f"w{n % 3}"]), "abc"[n % 3]) for n in range(300)]
    # A split that is neither train nor test is compared, too.
    for split, own in (("train", rows), ("further", rows[:60])):
        content = "text,label\n" + "\n".join(f"{text},{label}" for text, label in own)
        (tmp_path / f"{split}.csv").write_text(content + "\n", encoding="utf-8")
    figures = textcnn.bench("fasttext", [str(tmp_path)], speed=False)
    assert figures["convert_labels_equal"]["value"] == 100
    assert figures["convert_probability_error"]["value"] < 1e-4
    assert 1e-4 < figures["convert_probability_error_ova"]["value"] < 0.0079
    said = capsys.readouterr().out
    for kind in KINDS:
        assert f"{kind}: 360 texts" in said
