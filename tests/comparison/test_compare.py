"""A comparison from end to end."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

import textcnn
from textcnn.cli import main
from textcnn.comparison import compare as module

QUICK = ["--seeds", "1", "--variants", "default: max_epochs=1, num_filters=4, embedding_dim=8"]


def test_it_compares_writes_a_page_and_goes_on(reviews, tmp_path, capsys, monkeypatch):
    output = tmp_path / "comparison"
    line = ["compare", str(reviews), "--output", str(output), *QUICK]
    main([*line, "--peers", "tfidf_svm", "transformer"])
    printed = capsys.readouterr()
    assert "left out: fine-tuned transformer (needs --transformer)" in printed.err
    assert "TF-IDF + linear SVM" in printed.out
    assert "\nUse " in printed.out
    page = (output / "comparison.html").read_text(encoding="utf-8")
    check_page(page)
    assert "fine-tuned transformer: needs --transformer" in page
    picture = ElementTree.parse(output / "comparison.svg").getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {"textcnn default", "TF-IDF + linear SVM"} <= texts
    saved = json.loads((output / "comparison.json").read_text(encoding="utf-8"))
    accuracies = {row["candidate"]: row["means"]["accuracy"] for row in saved["rows"]}
    assert set(accuracies) == {"textcnn_default", "tfidf_svm"}
    assert accuracies["tfidf_svm"] > 0.9
    for row in saved["rows"]:
        means = row["means"]
        assert means["texts_per_second"] > 100
        assert 0 < means["first_label"] < 60
        assert 1e7 < means["memory"] < 3e9
        assert means["size"] > 1000

    # Again, with one more: only that one is fitted.
    fitted = []
    real = module.compute
    monkeypatch.setattr(module, "compute", lambda *args: fitted.append(args[1].name) or real(*args))
    main([*line, "--peers", "tfidf_svm", "nbsvm", "--json"])
    assert fitted == ["nbsvm"]
    again = json.loads(capsys.readouterr().out)
    assert {row["candidate"] for row in again["rows"]} == {"textcnn_default", "tfidf_svm", "nbsvm"}
    assert {row["candidate"]: row["means"] for row in again["rows"]}["tfidf_svm"] == next(
        row["means"] for row in saved["rows"] if row["candidate"] == "tfidf_svm"
    )
    fitted.clear()
    main([*line, "--peers", "tfidf_svm", "nbsvm", "--redo", "nbsvm"])
    assert fitted == ["nbsvm"]


def check_page(page):
    class Parser(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attributes):
            if tag != "meta":
                self.open.append(tag)

        def handle_startendtag(self, tag, attributes):
            assert tag in ("line", "circle", "polyline")

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    parser = Parser()
    parser.feed(page)
    assert parser.open == []
    assert "prefers-color-scheme:dark" in page
    assert "http" not in page.replace("http-equiv", "")  # readable offline


def fake(monkeypatch, accuracies):
    """Let `compute` answer at once; the accuracy of each candidate is given, or an exception."""
    from textcnn.comparison.cells import Cell

    def compute(splits, candidate, seed, per_class):
        accuracy = accuracies.get(candidate.name, 0.5)
        if isinstance(accuracy, Exception):
            raise accuracy
        hits = "".join("1" if n < accuracy * len(splits.test) else "0" for n in range(len(splits.test)))
        return Cell(splits.name, candidate.name, seed, per_class, accuracy, accuracy, 0.1, 1.0, 10, 10.0, 0.1, 10, hits)

    monkeypatch.setattr(module, "compute", compute)


def test_a_fit_that_fails_is_named(reviews, tmp_path, monkeypatch, capsys):
    fake(monkeypatch, {"nbsvm": MemoryError("out of memory")})
    found = textcnn.compare(str(reviews), tmp_path / "out", peers=["tfidf_svm", "nbsvm"], seeds=1)
    assert list(found.failed.values()) == ["out of memory"]
    assert {row.candidate for row in found.figures.rows} == {"textcnn", "tfidf_svm"}
    assert "failed: out of memory" in found.page.read_text(encoding="utf-8")
    fake(monkeypatch, dict.fromkeys(("textcnn", "tfidf_svm"), ValueError("no")))
    with pytest.raises(ValueError, match="nothing could be fitted: no"):
        textcnn.compare(str(reviews), tmp_path / "other", peers=["tfidf_svm"], seeds=1)


def test_seeds_draws_and_data_sets(reviews, tmp_path, monkeypatch):
    fake(monkeypatch, {"textcnn": 0.9})
    folder = tmp_path / "data"
    for name in ("films", "plots"):
        (folder / name).mkdir(parents=True)
        (folder / name / "train.csv").write_text(reviews.read_text())
    (folder / "broken.csv").write_text("text,label\na,\n")
    found = textcnn.compare(folder, tmp_path / "out", peers=["tfidf_svm"], seeds=2, per_class=[0, 4])
    by_place = {(row.data, row.per_class, row.candidate): row.seeds for row in found.figures.rows}
    # What depends on no seed is fitted once with all labels, and on each draw of few.
    assert by_place["films", None, "textcnn"] == 2
    assert by_place["films", None, "tfidf_svm"] == 1
    assert by_place["plots", 4, "tfidf_svm"] == 2
    assert list(found.failed) == ["broken"]
    assert set(found.advice) == {"all labels", "4 labels of each class"}
    page = found.page.read_text(encoding="utf-8")
    check_page(page)
    assert page.count("<svg") == 2


def test_the_time_limit_leaves_fits_for_the_next_run(reviews, tmp_path, monkeypatch, capsys):
    fake(monkeypatch, {})
    moments = iter([0.0, 0.0, *[1e6] * 20])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(moments))
    found = textcnn.compare(str(reviews), tmp_path / "out", peers=["tfidf_svm"], seeds=2, time_limit="1m")
    assert found.unfinished == 2
    assert "left out 2 fits" in capsys.readouterr().err
    monkeypatch.undo()
    fake(monkeypatch, {})
    assert textcnn.compare(str(reviews), tmp_path / "out", peers=["tfidf_svm"], seeds=2).unfinished == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"redo": ["svm"]}, "redo: got svm; expected names among textcnn, tfidf_svm"),
        ({"per_class": [-1]}, "per_class"),
        ({"peers": ["tfidf"]}, "peers"),
        ({"time_limit": "soon"}, "time_limit"),
        ({"streaming": True}, "streaming"),
    ],
)
def test_mistakes(reviews, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        textcnn.compare(str(reviews), tmp_path / "out", **{"peers": ["tfidf_svm"], **options})
