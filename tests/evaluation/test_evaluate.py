"""The verb and its report: every kind of data is shown, nothing is fetched, mistakes are one line."""

from __future__ import annotations

import html
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folded_models import make_model, word_tokenizer
from transformers import PreTrainedTokenizerFast

import textcnn
from textcnn.artifact import save_artifact
from textcnn.cli import main

SINGLE, MULTI = ({"problem_type": f"{kind}_label_classification"} for kind in ("single", "multi"))
NAMES = [f"class_{i}" for i in range(77)]
MANY = {**SINGLE, "id2label": dict(enumerate(NAMES)), "label2id": {name: i for i, name in enumerate(NAMES)}}


class Page(HTMLParser):
    """Checks that elements are closed in order, and keeps what is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [str(value) for name, value in attributes if name in ("src", "href") and value[:1] != "#"]
        if tag not in ("meta", "br", "wbr", "hr", "path", "use", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("path", "use", "rect"):
            return
        assert self.open.pop() == tag, (tag, self.getpos())


def artifact(folder: Path, **changes: Any) -> Path:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    return save_artifact(make_model(num_filters=12, **changes), tokenizer, folder)


def rows_for(folder: Path, count: int = 160, wrong: float = 0.3, **more: Any) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    texts = ["", "   ", "w3 <script>alert(1)</script> & w4"]
    texts += [" ".join(f"w{i}" for i in rng.integers(2, 50, rng.integers(1, 9))) for _ in range(count - 3)]
    model = textcnn.load(folder)
    labels = [list(x) if model.multi_label else str(x) for x in model.predict(texts, abstain=False)]
    for i in np.flatnonzero(rng.random(count) < wrong):
        other = model.labels[int(rng.integers(len(model.labels)))]
        labels[i] = [other] if model.multi_label else other
    return [
        {"text": t, "label": x, "site": "ab"[i % 2], **more} for i, (t, x) in enumerate(zip(texts, labels, strict=True))
    ]


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def report(folder: Path, data: str, *more: str) -> str:
    path = folder.parent / "report.html"
    main(["evaluate", str(folder), "--data", data, "--report", str(path), "--resamples", "20", *more])
    page = path.read_text(encoding="utf-8")
    parsed = Page()
    parsed.feed(page)
    assert parsed.open in ([], ["html"])
    assert parsed.fetched == []
    assert "script" not in parsed.tags
    assert not re.search(r"url\((?!#)", page)
    # No colour of matplotlib's is left that a dark page could not show.
    assert not re.search(r"#0102\d\d|#000000|#ffffff|fill: black", page)
    return page


def test_two_classes(reviews: Path, tmp_path: Path, capsys: Any) -> None:
    run = tmp_path / "run"
    options = {"num_filters": 8, "max_epochs": 2, "log_every_n_steps": 1, "progress": False}
    textcnn.train(str(reviews), run, **options)
    page = report(run, str(reviews))
    said = capsys.readouterr().out
    accuracy = textcnn.load(run).predict
    lines = reviews.read_text().splitlines()[1:]
    texts, labels = zip(*(line.strip('"').rsplit('",', 1) for line in lines), strict=True)
    share = (accuracy(list(texts)) == np.array(labels)).mean()
    assert f"{'accuracy':<38}{share:.4f}" in said
    assert f"{100 * share:.1f} %" in page
    assert "How it was trained" in page
    assert "Confusion matrix" in page


def test_every_part_is_there(tmp_path: Path) -> None:
    folder = artifact(tmp_path / "model", **SINGLE)
    page = report(folder, write(tmp_path / "data.jsonl", rows_for(folder)))
    headings = [
        "Where it fails", "Weakest classes", "Confusion matrix", "Do its probabilities mean", "By site",
        "What if it answered only when sure", "By length of the text", "Most confident mistakes",
    ]  # fmt: skip
    assert [heading for heading in headings if heading not in page] == []
    assert page.count("<svg") == 3
    assert "<script" not in page
    assert "How it was trained" not in page
    shown = re.search(r'<div class="shown">(.*?)</div>', page, re.DOTALL).group(1)
    assert html.unescape(re.sub("<[^>]+>", "", shown)) in [row["text"] for row in rows_for(folder)]
    assert "--ink:" in page
    assert "prefers-color-scheme:dark" in page
    assert "logit without" in page


def test_77_classes_stay_readable(tmp_path: Path) -> None:
    folder = artifact(tmp_path / "model", **MANY)
    page = report(folder, write(tmp_path / "data.jsonl", rows_for(folder, 400)))
    assert "The 12 of 77 classes that are confused most" in page
    assert "(other labels)" in page
    # Most classes have no text: nothing is said of them, and no score is made up.
    assert "finds" in page
    assert "nothing is said of them" in page


def test_several_labels_and_none(tmp_path: Path) -> None:
    folder = artifact(tmp_path / "model", **MULTI)
    rows = rows_for(folder)
    rows[5]["label"] = []
    page = report(folder, write(tmp_path / "data.jsonl", rows))
    assert "exact match" in page
    assert "Missed or given wrongly most often" in page
    assert "Confusion matrix" not in page


def test_a_class_that_is_missing_and_texts_of_none(tmp_path: Path) -> None:
    folder = artifact(tmp_path / "model", **SINGLE)
    main(["calibrate", str(folder), "--data", write(tmp_path / "data.jsonl", rows_for(folder)), "--abstain",
          "energy:coverage=0.8"])  # fmt: skip
    rows = [row for row in rows_for(folder) if row["label"] != "b"]
    outside = [{**row, "label": "oos"} for row in rows[:20]]
    page = report(folder, write(tmp_path / "data.jsonl", rows + outside), "--out_of_scope", "oos", "--by", "site")
    assert "No text of the data has the class b" in page
    assert "Texts of no class (20)" in page
    assert "(no label)" in page


def test_one_row_and_a_normalised_model(tmp_path: Path) -> None:
    folder = artifact(tmp_path / "model", pooled_norm=True, **SINGLE)
    page = report(folder, write(tmp_path / "data.jsonl", [{"text": "", "label": x, "site": 1} for x in "abc"]))
    assert "(an empty text)" in page
    report(folder, write(tmp_path / "data.jsonl", [{"text": "w3", "label": "a", "site": 1}]))


def test_rows_that_are_dropped_are_counted(tmp_path: Path, capsys: Any) -> None:
    folder = artifact(tmp_path / "model", **SINGLE)
    rows = rows_for(folder)
    rows += [{**rows[5], "label": None}] * 4 + [{**rows[5], "text": None}] * 2
    data = write(tmp_path / "data.jsonl", rows)
    page = report(folder, data, "--json")
    printed = capsys.readouterr()
    counted = "dropped: 2 rows without a text, 4 rows without a label"
    assert f"{counted}\n" in printed.err
    assert counted in page
    assert json.loads(printed.out)["texts"] == 160
    assert json.loads(printed.out)["dropped"] == {"without_text": 2, "without_label": 4}


def test_the_scores_as_json(tmp_path: Path, capsys: Any) -> None:
    folder = artifact(tmp_path / "model", **SINGLE)
    data = write(tmp_path / "data.jsonl", rows_for(folder))
    main(["evaluate", str(folder), "--data", data, "--json", "--resamples", "20"])
    printed = capsys.readouterr()
    written = json.loads(printed.out)
    assert written["texts"] == 160
    assert written["scores"]["accuracy"]["low"] <= written["scores"]["accuracy"]["value"]
    assert "dropped" not in printed.err


@pytest.mark.parametrize(
    ("label", "arguments", "said"),
    [
        ("aa", [], "did you mean 'a'"),
        ("a", ["--by", "sight"], "did you mean 'site'"),
        ("a", ["--out_of_scope", "oos"], "no row of"),
        ("a", ["--out_of_scope", "a"], "label that the model knows"),
        ("a", ["--split", "tset"], "no split"),
        ("a", ["--mistakes", "-1"], "mistakes: got -1; expected a whole number of at least 0"),
        (["a"], [], "lists of labels; expected one label a text"),
    ],
)
def test_mistakes(label: Any, arguments: list[str], said: str, tmp_path: Path, capsys: Any) -> None:
    folder = artifact(tmp_path / "model", **SINGLE)
    data = write(tmp_path / "data.jsonl", [{"text": "w3", "label": label, "site": "x"}] * 3)
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(folder), "--data", data, "--report", str(tmp_path / "r.html"), *arguments])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_a_missing_extra_is_named(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = artifact(tmp_path / "model", **SINGLE)
    data = write(tmp_path / "data.jsonl", rows_for(folder))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    main(["evaluate", str(folder), "--data", data, "--resamples", "20"])
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(folder), "--data", data, "--report", str(tmp_path / "r.html")])
    assert stop.value.code == 2
    assert "textcnn[report]" in capsys.readouterr().err
