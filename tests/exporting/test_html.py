"""The exported page in headless Chromium: opened as a file, without a network, it answers as the runtime does."""

from __future__ import annotations

import csv
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from fasttext_models import TEXTS as FASTTEXT_TEXTS
from fasttext_models import make_file
from folded_models import make_model, word_tokenizer, write_artifact
from pages import KINDS, TEXTS, check_probabilities, classifier_of, need_module, payload_of

import textcnn
from textcnn.cli import main
from textcnn.exporting.html import page, write_html
from textcnn.exporting.inlined import inline
from textcnn.exporting.js import write_js
from textcnn.folding.fasttext_writer import write_fasttext
from textcnn.folding.fold import fold
from textcnn.runtime.folded import FoldedTextCNN

# The WebAssembly module may be compiled on the way.
pytestmark = pytest.mark.timeout(900)
ALL = """async (texts) => {
  const [classifier] = textcnn.classifiers;
  const probabilities = classifier.predictProba(texts).map((row) => Array.from(row));
  return { labels: classifier.predict(texts), probabilities };
}"""


@pytest.fixture
def tab(browser):
    """A page that fails the test where a script fails or something but the file itself is asked for."""
    need_module()
    context = browser.new_context(offline=True)
    tab = context.new_page()
    problems: list[str] = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("console", lambda message: problems.append(message.text))
    tab.on("request", lambda request: request.url.startswith(("file:", "data:")) or problems.append(request.url))
    yield tab
    context.close()
    assert problems == []


def opened(tab, path: Path):
    """The page, once its model is open."""
    tab.goto(path.as_uri())
    tab.wait_for_selector("html[data-ready]")
    assert tab.get_attribute("html", "data-ready") == "true", tab.inner_text("#place")
    return tab


def shown(tab):
    """The label in large letters, and the probability of each bar by its label."""
    bars = tab.eval_on_selector_all(".bar", "bars => bars.map(b => b.innerText.trim().split(/\\s*\\n\\s*/))")
    return tab.inner_text(".verdict b"), dict(bars)


@pytest.mark.parametrize("kind", KINDS)
def test_answers_of_the_runtime(kind, tab, tmp_path):
    classifier = classifier_of(kind)
    write_html([inline(classifier, "model")], tmp_path / "model.html")
    got = opened(tab, tmp_path / "model.html").evaluate(ALL, TEXTS)
    assert got["labels"] == classifier.predict(TEXTS).tolist()
    check_probabilities(got["probabilities"], classifier, TEXTS)


def test_real_texts(tab, tmp_path, data_dir):
    """2,000 texts each of English news, Chinese headlines and tweets in eight languages."""
    texts = []
    for dataset, column in (("ag_news_part", "text"), ("tnews", "text"), ("umsab_multilingual_sentiment", "text")):
        files = sorted((data_dir / dataset).glob("test*.parquet")) or sorted((data_dir / dataset).glob("*.parquet"))
        texts += parquet.read_table(files[0], columns=[column])[column].to_pylist()[:2000]
    assert len(texts) == 6000
    for kind in ("wordpiece", "byte"):
        classifier = classifier_of(kind)
        write_html([inline(classifier, "model")], tmp_path / f"{kind}.html")
        got = opened(tab, tmp_path / f"{kind}.html").evaluate(ALL, texts)
        assert got["labels"] == classifier.predict(texts).tolist()
        check_probabilities(got["probabilities"], classifier, texts)


def test_typing_shows_label_bars_and_reasons(tab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_artifact(tmp_path / "words")
    main(["export", "words", "--output", "words.html"])
    classifier = textcnn.load("words")
    opened(tab, tmp_path / "words.html")
    assert tab.title() == "words"
    assert "A text has one of 3 labels" in tab.inner_text(".card")
    # The text has the focus; everything below is done by keyboard.
    tab.keyboard.type("w2 w3\nw4 w5")
    text = "w2 w3\nw4 w5"
    explanation = classifier.explain(text)
    verdict, bars = shown(tab)
    assert verdict == explanation.label == classifier.predict([text])[0]
    expected = classifier.predict_proba([text])[0]
    for label, probability in zip(classifier.labels, expected, strict=True):
        assert float(bars[label].strip("<>% ")) == pytest.approx(100 * probability, abs=0.11)
        width = tab.eval_on_selector(f".bar[title='{label}'] .fill", "fill => fill.style.width")
        assert float(width.strip("%")) == pytest.approx(100 * probability, abs=0.01)
    reasons = tab.eval_on_selector_all(
        ".reasons tr", "rows => rows.map(r => [r.cells[0].innerText, r.cells[2].innerText])"
    )
    best = sorted(explanation.contributions, key=lambda c: -abs(c.weight))[:8]
    assert [float(weight.replace("\u2212", "-")) for _, weight in reasons] == pytest.approx(
        [c.weight for c in best], abs=0.006
    )
    assert reasons[0][0] == " ".join(best[0].text.split())
    # The marks are the text, and their colours the signs of the characters' weights.
    assert tab.text_content("#marks") == text + "\n"
    weights = explanation.characters()
    marks = tab.eval_on_selector_all("#marks span", "all => all.map(s => [s.className, s.textContent])")
    place = 0
    for sign, piece in marks:
        place = text.index(piece, place)
        assert (weights[place] > 0) == (sign == "pro"), piece
    assert len(marks) >= 3
    # Another label is explained where its bar is pressed.
    tab.keyboard.press("Tab")  # Clear
    other = next(label for label in classifier.labels if label != verdict)
    while tab.evaluate("document.activeElement.title") != other:
        tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    assert tab.inner_text(".reasons caption") == f"Reasons for {other}"
    assert tab.get_attribute(f".bar[title='{other}']", "aria-pressed") == "true"
    # A screen reader is told the answer after a pause.
    tab.wait_for_selector("#status:not(:empty)", state="attached")
    assert verdict in tab.text_content("#status")
    tab.click("#clear")
    assert tab.input_value("#text") == ""
    assert not tab.query_selector(".reasons tr")


def test_a_bag_is_explained(tab, tmp_path):
    """Reasons of the default of train are those of Python, for the page and for its console."""
    classifier = classifier_of(bag="sqrtn", bag_ngrams=2, bag_buckets=500, temperature=1.5)
    write_html([inline(classifier, "model")], tmp_path / "model.html")
    opened(tab, tmp_path / "model.html")
    of_bag_alone = 0
    for text in TEXTS[2:8]:
        tab.fill("#text", text)
        expected = classifier.explain(text)
        rows = "rows => rows.map(r => r.cells[2].innerText)"
        reasons = tab.eval_on_selector_all(".reasons tr", rows)
        assert [float(weight.replace("\u2212", "-")) for weight in reasons] == pytest.approx(
            [c.weight for c in expected.contributions[:8]], abs=0.0051
        )
        assert tab.inner_text(".sum").replace("\u2212", "-").endswith(f"= logit {expected.logit:.2f} (8-bit tables)")
        got = tab.evaluate("(text) => textcnn.classifiers[0].explain(text)", text)
        assert got["bias"] + sum(c["weight"] for c in got["contributions"]) == pytest.approx(got["logit"], abs=1e-5)
        assert got["logit"] == pytest.approx(expected.logit, abs=1e-5)
        assert [c["text"] for c in got["contributions"]] == [c.text for c in expected.contributions]
        weights = [c.weight for c in expected.contributions]
        assert [c["weight"] for c in got["contributions"]] == pytest.approx(weights, abs=1e-5)
        of_bag_alone += sum(not c["filters"] for c in got["contributions"])
    assert of_bag_alone > 10


def test_a_table_comes_back_labelled(tab, tmp_path):
    classifier = classifier_of()
    write_html([inline(classifier, "model")], tmp_path / "model.html")
    texts = [text for text in TEXTS if text and "\x00" not in text and "\r" not in text]
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "text"], *([n, text] for n, text in enumerate(texts)), ["last", ""]])
    opened(tab, tmp_path / "model.html")
    tab.set_input_files("#file", tmp_path / "rows.csv")
    tab.locator("#run", has_text=f"Label {len(texts) + 1} rows").wait_for()  # the file is read meanwhile
    tab.click("#run")
    with tab.expect_download() as download:
        tab.click("#download")
    assert download.value.suggested_filename == "rows.labelled.csv"
    with Path(download.value.path()).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "text", "predicted_label", "probability", *(f"probability_{c}" for c in "abc")]
    assert [row["text"] for row in rows] == [*texts, ""]
    assert [row["predicted_label"] for row in rows] == [*classifier.predict(texts).tolist(), ""]
    probabilities = [[float(row[f"probability_{c}"]) for c in "abc"] for row in rows[:-1]]
    check_probabilities(probabilities, classifier, texts)
    assert "1 without a label" in tab.inner_text("#rows-note")
    # Pasted lines without a header are texts; a broken table says why.
    tab.fill("#pasted", "a lovely film\ndull\n")
    assert tab.inner_text("#run") == "Label 2 rows"
    tab.fill("#pasted", "text,n\none\n")
    assert tab.inner_text("#rows-note") == "The table: row 1: got 1 cells; expected 2, as the first line has."


def test_models_side_by_side(tab, tmp_path):
    first, second = classifier_of("char"), classifier_of("byte", id2label={0: "yes", 1: "no"})
    write_html([inline(first, "one"), inline(second, "two")], tmp_path / "both.html")
    write_js([inline(classifier_of(), "three")], tmp_path / "three.js")
    opened(tab, tmp_path / "both.html")
    text = "a lovely film"
    tab.fill("#text", text)
    verdicts = tab.eval_on_selector_all(".verdict b", "all => all.map(b => b.innerText)")
    assert verdicts == [first.predict([text])[0], second.predict([text])[0]]
    assert tab.eval_on_selector_all(".copy", "all => all.map(b => b.textContent)") == [text, text]
    tab.set_input_files("#other", tmp_path / "three.js")
    tab.wait_for_selector(".card:nth-child(3)")
    assert tab.eval_on_selector_all(".card h3", "all => all.map(b => b.innerText)") == ["one", "two", "three"]
    (tmp_path / "empty.html").write_text("<p>nothing</p>")
    tab.set_input_files("#other", tmp_path / "empty.html")
    tab.wait_for_selector("#other-note:not(:empty)")
    assert "empty.html: got no exported model" in tab.inner_text("#other-note")


def test_no_label(tab, tmp_path):
    """Thresholds that no label reaches, and a model that abstains."""
    several = classifier_of(
        problem_type="multi_label_classification", temperature=9.0, thresholds=dict.fromkeys("abc", 1)
    )
    plain = classifier_of(pooled_norm=True)
    unsure = FoldedTextCNN(
        {**plain.config, "abstention": {"score": "probability", "threshold": 1.01}}, plain.tensors, plain.tokenizer_json
    )
    write_html([inline(several, "several"), inline(unsure, "unsure")], tmp_path / "page.html")
    opened(tab, tmp_path / "page.html")
    tab.fill("#text", "a lovely film")
    assert tab.eval_on_selector_all(".verdict", "all => all.map(v => v.innerText.replace(/\\s+/g, ' '))") == [
        "no label no label reaches its threshold",
        "no label the model is not sure enough",
    ]
    assert "normalises its pooled features" in tab.inner_text(".card:nth-child(2)")


def test_text_of_a_model_is_never_markup(tab, tmp_path):
    """Names, labels and texts are shown as they are."""
    evil = "</script><img src=x onerror=document.title='owned'>"
    classifier = classifier_of(id2label={0: evil, 1: "{{ script }}"})
    write_html([inline(classifier, evil)], tmp_path / "page.html")
    opened(tab, tmp_path / "page.html")
    tab.fill("#text", evil)
    assert tab.inner_text("h1") == evil
    assert evil in shown(tab)[1]
    assert tab.evaluate("document.images.length") == 0
    assert tab.title() == evil
    # A token that is markup as a whole.
    write_html([inline(fold(make_model(), word_tokenizer()), "words")], tmp_path / "words.html")
    opened(tab, tmp_path / "words.html")
    tab.fill("#text", "w2 <img/src=x> w3")
    assert tab.text_content("#marks") == "w2 <img/src=x> w3\n"
    assert tab.evaluate("document.images.length") == 0


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(width, scheme, tab, tmp_path):
    """No sideways scrolling, every control has a name, and text stands out from its ground (WCAG AA)."""
    labels = {0: "a label with a rather long name that does not fit", **{n: f"label{n}" for n in range(1, 14)}}
    write_html([inline(classifier_of(id2label=labels), "a_model_with_a_long_name" * 4)], tmp_path / "page.html")
    tab.set_viewport_size({"width": width, "height": 844})
    tab.emulate_media(color_scheme=scheme)
    opened(tab, tmp_path / "page.html")
    tab.fill("#text", "a lovely film " * 30 + "x" * 200)
    tab.fill("#pasted", "text,n\n" + "long " * 300 + ",1\n")
    tab.click("#run")
    tab.wait_for_selector("#preview:not([hidden])")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    nameless = """() => [...document.querySelectorAll("button, a[href], input, textarea, select, progress")].filter(e =>
      !(e.labels?.length || e.textContent.trim() || e.getAttribute("aria-label") || e.getAttribute("aria-labelledby")))
      .map(e => e.outerHTML)"""
    assert tab.evaluate(nameless) == []
    contrast = """() => {
      const light = (c) => c.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, n) => sum + v * [.2126, .7152, .0722][n], 0);
      const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
      const ground = (e) => { for (; e; e = e.parentElement) { const c = numbers(getComputedStyle(e).backgroundColor);
        if (c.length === 3) return c; } return [255, 255, 255]; };
      return [...document.querySelectorAll("h1, h2, p, label, button, td, th, caption, .value, .name")]
        .filter(e => e.offsetParent && e.innerText && !e.classList.contains("only-spoken")).map(e => {
          const [a, b] = [numbers(getComputedStyle(e).color).slice(0, 3), ground(e)].map(light).sort((x, y) => y - x);
          return [(a + .05) / (b + .05), e.innerText.slice(0, 40)]; });
    }"""
    ratios = tab.evaluate(contrast)
    assert len(ratios) > 20
    assert [pair for pair in ratios if pair[0] < 4.5] == []


def test_the_page_of_a_server(browser, tmp_path):
    """The same page in front of a server that answers with the runtime."""
    classifier = classifier_of()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, content: bytes, kind: str = "application/json") -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            if self.path == "/":
                return self.answer(page("models").encode(), "text/html; charset=utf-8")
            assert self.path == "/models", self.path
            self.answer(json.dumps({"models": [{"name": "served", "labels": classifier.labels}]}).encode())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            assert body["model"] == "served"
            if self.path == "/explain":
                return self.answer(json.dumps(classifier.explain(body["text"], body["label"]).to_dict()).encode())
            assert self.path == "/predict"
            answers = [
                {"label": label, "labels": [label], "probability": float(max(row)), "probabilities": row.tolist(),
                 "confidence": None, "abstained": False}
                for label, row in zip(classifier.predict(body["texts"]).tolist(),
                                      classifier.predict_proba(body["texts"]), strict=True)
            ]  # fmt: skip
            self.answer(json.dumps({"answers": answers}).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tab = browser.new_page()
    try:
        tab.goto(f"http://127.0.0.1:{server.server_port}/")
        tab.wait_for_selector("html[data-ready=true]")
        assert "sent to the server" in tab.inner_text("#place")
        text = "a lovely 😀 film"
        tab.fill("#text", text)
        tab.wait_for_selector(".reasons tr")
        explanation = classifier.explain(text)
        assert shown(tab)[0] == explanation.label
        # An emoji is two units of UTF-16, which share its weight.
        weights = explanation.characters() / [1 + (character > "\uffff") for character in text]
        marks = tab.eval_on_selector_all("#marks span", "all => all.map(s => s.textContent)")
        strong = np.abs(weights) >= 0.02 * np.abs(weights).max()
        assert "".join(marks) == "".join(np.array(list(text))[strong])
    finally:
        tab.close()
        server.shutdown()
        server.server_close()


def test_the_payload_is_the_same_each_time():
    need_module()
    classifier = classifier_of(num_filters=3)
    assert payload_of(classifier) == payload_of(classifier)


def test_a_converted_fasttext_model(tab, tmp_path, monkeypatch):
    """Labels, bars and coloured reasons, where subwords and n-grams overlap, from `textcnn convert` to the page."""
    monkeypatch.chdir(tmp_path)
    for name, settings in {"bag": {"minn": 2, "maxn": 3, "ngrams": 2}, "tree": {"loss": "hs", "ngrams": 2}}.items():
        write_fasttext(make_file(**settings), tmp_path / f"{name}.bin")
        main(["convert", f"{name}.bin", name])
    main(["export", "bag", "--beside", "tree", "--output", "both.html"])
    opened(tab, tmp_path / "both.html")
    for place, name in enumerate(("bag", "tree")):
        model = textcnn.load(name)
        got = tab.evaluate(ALL.replace("[classifier]", f"{{ {place}: classifier }}"), FASTTEXT_TEXTS)
        assert got["labels"] == model.predict(FASTTEXT_TEXTS).tolist()
        check_probabilities(got["probabilities"], model, FASTTEXT_TEXTS)
    main(["export", "bag", "--output", "one.html"])
    opened(tab, tmp_path / "one.html")
    model, text = textcnn.load("bag"), "a naïve 😀 film of 日本, unheard of"
    tab.fill("#text", text)
    explanation = model.explain(text)
    assert shown(tab)[0] == explanation.label
    weights = "rows => rows.map(r => r.cells[2].innerText)"
    reasons = [float(weight.replace("\u2212", "-")) for weight in tab.eval_on_selector_all(".reasons tr", weights)]
    assert reasons == pytest.approx([c.weight for c in explanation.contributions[:8]], abs=0.0051)
    assert tab.inner_text(".sum").replace("\u2212", "-").endswith(f"= logit {explanation.logit:.2f}")
    assert tab.text_content("#marks") == text + "\n"
    # An emoji is two units of UTF-16, which share its weight.
    characters = explanation.characters() / [1 + (character > "\uffff") for character in text]
    strong = np.abs(characters) >= 0.02 * np.abs(characters).max()
    marks = tab.eval_on_selector_all("#marks span", "all => all.map(s => s.textContent)")
    assert "".join(marks) == "".join(np.array(list(text))[strong])


def test_a_regression(tab, tmp_path):
    """The number in large figures, the n-grams that raise and lower it, and a table with a column of numbers."""
    one = classifier_of(problem_type="regression", id2label={0: "price"}, bag="sqrtn", bag_buckets=200)
    write_html([inline(one, "prices")], tmp_path / "one.html")
    opened(tab, tmp_path / "one.html")
    assert "A text has 1 number." in tab.inner_text(".card")
    assert tab.inner_text("#legend") == "Each text gets its number while you type."
    text = "a lovely film, great plot!"
    tab.fill("#text", text)
    explanation = one.explain(text)

    def number(selector):
        return float(tab.inner_text(selector).replace("\u2212", "-").replace(",", ""))

    assert number(".verdict b") == pytest.approx(one.predict([text])[0], rel=1e-4)
    assert tab.inner_text(".verdict .value") == "price"
    assert not tab.is_visible(".bars")
    assert tab.inner_text("#legend") == "raises price lowers price"
    assert tab.locator(".reasons tr").count() == min(8, len(explanation.contributions))
    assert "= price " in tab.inner_text(".sum")
    tab.fill("#pasted", "text,n\na lovely film,1\n,2\n")
    assert tab.inner_text("#run") == "Predict 2 rows"
    tab.click("#run")
    with tab.expect_download() as download:
        tab.click("#download")
    with Path(download.value.path()).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["text", "n", "prediction"]
    assert float(rows[0]["prediction"]) == pytest.approx(one.predict(["a lovely film"])[0], rel=1e-6)
    assert rows[1]["prediction"] == ""
    assert "price" in tab.inner_text("#rows-note")
    assert "1 without a text" in tab.inner_text("#rows-note")
    # Several numbers: each is explained where its name is pressed.
    several = classifier_of(problem_type="regression")
    write_html([inline(several, "several")], tmp_path / "several.html")
    opened(tab, tmp_path / "several.html")
    tab.fill("#text", text)
    expected = several.predict([text])[0]
    assert number(".verdict b") == pytest.approx(expected.max(), rel=1e-4)
    tab.click(f".bar[title='{several.labels[int(expected.argmin())]}']")
    assert number(".verdict b") == pytest.approx(expected.min(), rel=1e-4)
    assert tab.inner_text(".reasons caption") == f"Reasons for {several.labels[int(expected.argmin())]}"
