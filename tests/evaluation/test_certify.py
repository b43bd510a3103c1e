"""The verb certify prints what the bounds say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folded_models import make_model, word_tokenizer
from transformers import PreTrainedTokenizerFast

import textcnn
from textcnn.artifact import save_artifact
from textcnn.cli import main

TEXTS = [" ".join(f"w{i * j % 41 + 2}" for i in range(1, 3 + j % 9)) for j in range(40)]


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_certified_accuracy(kind: str, tmp_path: Path, capsys: Any) -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    changes = {"problem_type": f"{kind}_label_classification", "num_filters": 2, "kernel_sizes": [2]}
    folder = save_artifact(make_model(**changes), tokenizer, tmp_path / "model")
    model = textcnn.load(folder)
    labels = model.predict(TEXTS)
    rows = [{"text": t, "label": list(x) if kind == "multi" else str(x)} for t, x in zip(TEXTS, labels, strict=True)]
    rows[0]["label"] = ["a", "b", "c"] if kind == "multi" else next(x for x in "abc" if x != labels[0])
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    main(["certify", str(folder), "--data", str(tmp_path / "data.jsonl"), "--replaced", "1", "2"])
    said = capsys.readouterr().out
    right = np.ones(40, dtype=bool)
    right[0] = False
    for k in (1, 2):
        certified = model.certify(TEXTS, k).certified
        assert f"{k} replaced: certified accuracy {(right & certified).mean():.4f}" in said
    assert 0 < model.certify(TEXTS, 1).certified.mean() < 1
    with (tmp_path / "data.jsonl").open("a") as file:
        file.write('\n{"text": null, "label": null}')
    main(["certify", str(folder), "--data", str(tmp_path / "data.jsonl"), "--replaced", "1", "--limit", "1"])
    assert capsys.readouterr().out.startswith("1 of 40 texts of ")
    main(["certify", str(folder), "--data", str(tmp_path / "data.jsonl"), "--replaced", "1", "--limit", "2"])
    assert "dropped: 1 rows without a text\n" in capsys.readouterr().err
    for limit in ("0", "-3"):
        with pytest.raises(SystemExit) as stop:
            main(["certify", str(folder), "--data", str(tmp_path / "data.jsonl"), "--limit", limit])
        assert stop.value.code == 2
        assert f"limit: got {limit}; expected a whole number of at least 1" in capsys.readouterr().err
    main(["certify", str(folder), "--text", TEXTS[3], "--replaced", "1"])
    assert f"never below {model.certify(TEXTS[3:4], 1).least[0]:.3f}" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["certify", str(folder)])
    assert "expected one of them" in capsys.readouterr().err
