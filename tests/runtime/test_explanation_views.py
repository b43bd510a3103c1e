"""Explanations as a person sees them: in a terminal, in a pipe, on a phone."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from folded_models import make_model, word_tokenizer, write_artifact
from rich.console import Console

from textcnn.folding.fold import fold
from textcnn.runtime.explain import Explanation
from textcnn.runtime.explain.views import BAR, LONGEST, _width, page, probability_text, text

TEXT = "w3 w4 w5 w6 w7 w8 w9 w10 w11"


def explanation(of: str = TEXT) -> Explanation:
    return fold(make_model(num_filters=20), word_tokenizer()).explain(of, "b")


def test_print_shows_the_table_of_ngrams() -> None:
    why = explanation()
    heading, columns, *rows, footing = str(why).splitlines()
    assert heading == f"b: probability {probability_text(why.probability)}, logit {why.logit:.3f}"
    assert columns.split("  ")[0] == "n-gram"
    assert footing.endswith(f"= {why.logit:.3f}")
    assert len(rows) == min(12, len(why.contributions))
    for row, ngram, deleted in zip(rows, why.contributions, why.deleted, strict=False):
        name, weight, _, without, last = re.split(r"\s{2,}", row)
        assert (name, weight) == (ngram.text, f"{ngram.weight:+.3f}")
        assert (without, last) == (f"{ngram.without:.3f}", f"{deleted:.3f}")


def test_bars_against_the_label_differ_from_bars_for_it_without_colours() -> None:
    why = explanation()
    signs = {ngram.weight > 0 for ngram in why.contributions[:12]}
    assert signs == {True, False}
    rows = str(why).splitlines()[2:-1]
    axis = {row.index("|") for row in rows}
    assert len(axis) == 1
    for row, ngram in zip(rows, why.contributions, strict=False):
        bar = re.search(r"[-+]*\|[-+]*", row)[0]
        length = len(bar) - 1
        assert bar == ("|" + "+" * length if ngram.weight > 0 else "-" * length + "|")
        assert length == max(1, round(BAR * abs(ngram.weight) / abs(why.contributions[0].weight)))


def test_colours_are_on_the_bars_alone() -> None:
    why = explanation()
    colored = text(why, color=True)
    assert re.sub("\x1b[^m]*m", "", colored) == text(why)
    inside = re.findall("\x1b\\[38[^m]*m([^\x1b]*)\x1b", colored)
    assert len(inside) == min(12, len(why.contributions))
    assert set("".join(inside)) == set(" |+-")


def test_columns_stand_below_each_other_whatever_the_characters() -> None:
    why = explanation("w3 \u4f60\u597d w5 e\u0301 w6 \x1b[31m\u202ew7 " + "w8" * 60)
    printed = str(why)
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert len({_width(line[: line.index("|")]) for line in printed.splitlines()[2:-1]}) == 1
    assert all(_width(line) <= LONGEST + 70 for line in printed.splitlines()[:-1])


@pytest.mark.parametrize(
    ("probability", "shown"),
    [
        (0.8731, "0.873"), (0.0, "0.000"), (1.0, "1.000"), (0.9995, "0.9995"), (0.99996, "0.99996"),
        (0.0000412, "0.00004"), (1e-12, "< 0.000000001"), (1 - 1e-12, "> 0.999999999"), (0.5, "0.500"),
    ],
)  # fmt: skip
def test_rounding_hides_no_probability_below_1(probability: float, shown: str) -> None:
    assert probability_text(probability) == shown


def test_the_heading_tells_a_sure_answer_from_a_certain_one() -> None:
    why = explanation()
    why.probability = 0.99996
    assert "probability 0.99996," in str(why)
    assert "probability 0.99996," in why.to_html()


def test_rich_prints_the_same() -> None:
    console = Console(record=True, width=120, file=io.StringIO())
    why = explanation()
    console.print(why)
    assert console.export_text().rstrip() == str(why)


def test_the_page_has_a_legend_and_fits_a_phone() -> None:
    why = explanation()
    written = page(why)
    assert '<meta name="viewport" content="width=device-width,initial-scale=1">' in written
    legend = written.partition('<p class="legend">')[2].partition("</p>")[0]
    for meaning in ("for b", "against b", "adds to the logit", "next best n-gram", "without these tokens"):
        assert meaning in legend
    # A bar is a share of its column, and any name may break: nothing makes the table wider than the page.
    bars = re.findall(r'<span class="bar" style="margin-left:([\d.]+)%;width:([\d.]+)%', written)
    assert len(bars) == min(12, len(why.contributions))
    assert all(float(left) + float(width) <= 100.01 for left, width in bars)
    assert not re.search(r"(?<!max-)width:[\d.]+(em|rem|px)", written)
    assert "nowrap" not in written
    assert (
        "td,.textcnn th{padding:.15em .6em .15em 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
        in written
    )


def test_a_label_cannot_write_html() -> None:
    model = make_model(id2label={0: "<script>", 1: "b", 2: "c"})
    assert "<script" not in page(fold(model, word_tokenizer()).explain(TEXT, "<script>"))


def test_explain_needs_neither_rich_nor_torch(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path / "model")
    import textcnn

    textcnn.load(folder)  # folds it
    code = """
import sys
for name in ("rich", "torch", "pyarrow", "sklearn", "transformers"):
    sys.modules[name] = None
from textcnn.cli import main
main(["explain", *sys.argv[1:]])
"""
    done = subprocess.run([sys.executable, "-c", code, str(folder), TEXT], capture_output=True, text=True, check=True)
    # No escape codes in a pipe.
    assert "logit without" in done.stdout
    assert "\x1b" not in done.stdout
