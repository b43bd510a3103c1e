"""The page of the running server in headless Chromium: it answers, explains and labels tables as the runtime does."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from folded_models import make_model, word_tokenizer
from transformers import PreTrainedTokenizerFast

import textcnn
from textcnn.artifact import save_artifact

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A model of one label with a bag, and one of several labels."""
    root = tmp_path_factory.mktemp("served")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    with_bag = make_model(
        bag="sqrtn", bag_ngrams=2, bag_buckets=300, temperature=9.0, id2label={0: "positive", 1: "negative"}
    )
    several = make_model(problem_type="multi_label_classification", temperature=4.0)
    return [save_artifact(with_bag, tokenizer, root / "reviews"), save_artifact(several, tokenizer, root / "topics")]


@pytest.fixture(scope="module")
def addresses(folders: list[Path]):
    """Addresses of two servers: of the first model, and of both."""
    running, addresses = [], []
    try:
        for count in (1, 2):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            command = [sys.executable, "-m", "textcnn", "serve", *map(str, folders[:count]), "--port", str(port)]
            running.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ}))
            addresses.append(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + 120
        for process, address in zip(running, addresses, strict=True):
            while True:
                try:
                    urllib.request.urlopen(f"{address}/health", timeout=5).close()
                    break
                except (urllib.error.URLError, ConnectionError):
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
        yield addresses
    finally:
        for process in running:
            process.terminate()
            process.wait(40)


@pytest.fixture
def tab(browser):
    """A page that fails the test where a script fails."""
    tab = browser.new_page(viewport={"width": 1280, "height": 844})
    problems: list[str] = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("console", lambda message: problems.append(message.text))
    yield tab
    tab.close()
    assert problems == []


def opened(tab, address: str):
    tab.goto(f"{address}/")
    tab.wait_for_selector("html[data-ready=true]")
    return tab


def settled(tab, text: str) -> None:
    """Type a text, and wait for the answer to all of it."""
    tab.fill("#text", text)
    # Each card shows the text with its colours when it has the answer; a single model's are those of the text itself.
    done = """(text) => {
      const copies = [...document.querySelectorAll(".copy:not([hidden])")];
      const shown = copies.length ? copies : [document.getElementById("marks")];
      return shown.every((one) => one.textContent.trim() === text.trim());
    }"""
    tab.wait_for_function(done, arg=text)
    tab.wait_for_selector(".reasons tr")


def test_typing_shows_label_probabilities_and_reasons(tab, addresses, folders) -> None:
    classifier = textcnn.load(folders[0])
    opened(tab, addresses[0])
    assert "sent to the server" in tab.inner_text("#place")
    for text in ("w2 w3 w4 w5", "w20 w21 w20 😀 w21"):
        settled(tab, text)
        expected, explanation = classifier.predict_proba([text])[0], classifier.explain(text)
        assert tab.inner_text(".verdict b") == classifier.predict([text])[0] == explanation.label
        for label, probability in zip(classifier.labels, expected, strict=True):
            shown = tab.inner_text(f".bar[title='{label}'] .value")
            assert float(shown.strip("<>% ")) == pytest.approx(100 * probability, abs=0.11)
        reasons = tab.eval_on_selector_all(
            ".reasons tr", "rows => rows.map(r => [r.cells[0].innerText, r.cells[2].innerText])"
        )
        weights = [float(weight.replace("\u2212", "-")) for _, weight in reasons]
        assert weights == pytest.approx([c.weight for c in explanation.contributions[:8]], abs=0.0051)
        assert tab.inner_text(".sum").endswith(f"= logit {explanation.logit:.2f}")
    # The other label is explained where its bar is pressed.
    other = next(label for label in classifier.labels if label != explanation.label)
    tab.click(f".bar[title='{other}']")
    tab.wait_for_selector(f".reasons caption:has-text('Reasons for {other}')")
    assert tab.inner_text(".sum").endswith(f"= logit {classifier.explain(text, other).logit:.2f}")
    tab.click("#clear")
    tab.wait_for_selector(".reasons tr", state="detached")


def test_a_table_comes_back_labelled(tab, addresses, folders) -> None:
    classifier = textcnn.load(folders[0])
    texts = [f"w{n % 40 + 2} w{n % 7 + 2}, w9" for n in range(30)]
    opened(tab, addresses[0])
    tab.fill("#pasted", "id,text\n" + "".join(f'{n},"{text}"\n' for n, text in enumerate(texts)) + "last,\n")
    assert tab.inner_text("#run") == "Label 31 rows"
    tab.click("#run")
    tab.wait_for_selector("#download:not([hidden])")
    with tab.expect_download() as download:
        tab.click("#download")
    with Path(download.value.path()).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == [*texts, ""]
    assert [row["predicted_label"] for row in rows] == [*classifier.predict(texts).tolist(), ""]
    expected = classifier.predict_proba(texts)
    for row, probabilities in zip(rows, expected, strict=False):
        got = [float(row[f"probability_{label}"]) for label in classifier.labels]
        assert got == pytest.approx(probabilities.tolist(), abs=1e-6)


def test_models_side_by_side(tab, addresses, folders) -> None:
    first, second = (textcnn.load(folder) for folder in folders)
    opened(tab, addresses[1])
    settled(tab, "w2 w3 w4 w5")
    text = "w2 w3 w4 w5"
    assert tab.eval_on_selector_all(".card h3", "all => all.map(one => one.innerText)") == ["reviews", "topics"]
    verdicts = tab.eval_on_selector_all(".verdict b", "all => all.map(one => one.innerText)")
    assert verdicts == [first.predict([text])[0], ", ".join(second.predict([text])[0]) or "no label"]
    left, right = tab.eval_on_selector_all(".card", "all => all.map(one => one.getBoundingClientRect().toJSON())")
    assert left["right"] <= right["left"]
    assert abs(left["top"] - right["top"]) < 1
    captions = tab.eval_on_selector_all(".reasons caption", "all => all.map(one => one.innerText)")
    assert captions == [f"Reasons for {model.explain(text).label}" for model in (first, second)]
    # The table is labelled by the model that is chosen.
    tab.fill("#pasted", f"text\n{text}\n")
    tab.select_option("#model", label="topics")
    tab.click("#run")
    tab.wait_for_selector("#preview td")
    assert tab.inner_text("#preview td") == (", ".join(second.predict([text])[0]) or "\u2013")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("server", [0, 1], ids=["one", "two"])
def test_it_fits(tab, addresses, server, scheme, width) -> None:
    """Nothing is wider than the window, and no part lies on another."""
    tab.set_viewport_size({"width": width, "height": 844})
    tab.emulate_media(color_scheme=scheme)
    opened(tab, addresses[server])
    settled(tab, "w2 w3 w4 w5 w6 w7 w8 " * 12)
    tab.fill("#pasted", "text,n\n" + "".join(f"w{n} w3 w4 w5,{n}\n" for n in range(2, 12)))
    tab.click("#run")
    tab.wait_for_selector("#preview td")
    folder = os.environ.get("TEXTCNN_SCREENSHOTS")
    if folder:
        tab.screenshot(path=str(Path(folder) / f"{server + 1}-{scheme}-{width}.png"), full_page=True)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    parts = ".writer, .card, .rows"
    boxes = tab.eval_on_selector_all(parts, "all => all.map(one => one.getBoundingClientRect().toJSON())")
    for n, one in enumerate(boxes):
        assert one["left"] >= 0
        assert one["right"] <= width
        for other in boxes[n + 1 :]:
            apart = one["right"] <= other["left"] + 1 or other["right"] <= one["left"] + 1
            assert apart or one["bottom"] <= other["top"] + 1 or other["bottom"] <= one["top"] + 1
    dark = tab.evaluate(
        "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).slice(0, 3).every(v => v < 90)"
    )
    assert dark == (scheme == "dark")
