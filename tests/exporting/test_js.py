"""The exported module under Node: the bytes of the native core, the runtime's labels and its explanations."""

from __future__ import annotations

import csv
import io
import json
import random
import subprocess
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from fasttext_models import TEXTS as FASTTEXT_TEXTS
from fasttext_models import make_file
from folded_models import CONFIGS, make_model, word_tokenizer, write_artifact
from pages import KINDS, TEXTS, check_probabilities, classifier_of, need_node, payload_of, run_node
from tokenizers import Tokenizer, models, pre_tokenizers

import textcnn
from textcnn.cli import main
from textcnn.core import build
from textcnn.core.library import address, last_error, library
from textcnn.data.answers import AnswerColumns
from textcnn.exporting.dictionary import FORMAT, scores_of_lines, write_lines
from textcnn.exporting.inlined import check_answers, inline, pack, payload
from textcnn.exporting.js import write_js
from textcnn.folding.convert import fold_fasttext, round_fasttext
from textcnn.folding.fasttext_writer import write_fasttext
from textcnn.folding.fold import fold
from textcnn.runtime.fasttext import FoldedFastText
from textcnn.runtime.folded import FoldedTextCNN
from textcnn.runtime.storage import read_tensors, write_tensors
from textcnn.runtime.tokenizer import Utf8Texts

# The WebAssembly module may be compiled on the way.
pytestmark = pytest.mark.timeout(900)

ANSWERS = """
const classifiers = await openPayload(given.payload);
const explained = (classifier) => (classifier.explains ? given.texts.map((text) => classifier.explain(text)) : []);
const rows = classifiers.map((classifier) => [classifier, explained(classifier)]).map(([classifier, explanations]) => ({
  labels: classifier.predict(given.texts),
  logits: classifier.logits(given.texts).map((row) => Array.from(row)),
  probabilities: classifier.regression ? [] : classifier.predictProba(given.texts).map((row) => Array.from(row)),
  answers: classifier.answer(given.texts).map(({ probability, abstained, prediction, predictions }) =>
    ({ probability, abstained, prediction, predictions: predictions && Array.from(predictions) })),
  explained: explanations.map(({ label, abstained }) => [label, abstained]),
  explanations,
  instructions: classifier.engine.core.wasm.textcnn_instructions !== undefined,
}));
console.log(JSON.stringify(rows));
"""


def answers_of(classifiers: list[FoldedTextCNN], folder, texts=TEXTS):
    """Return what the page's scripts answer, all models in one payload: the module is packed and compiled once."""
    need_node()
    models = payload([inline(classifier, "model") for classifier in classifiers])
    return run_node(ANSWERS, folder, {"payload": json.loads(models), "texts": texts})


def check_explanation(got, expected, atol=1e-9):
    """Compare an explanation with Python's: n-grams by their tokens, because weights may be equal up to rounding."""
    assert got["label"] == expected.label
    scale = 1 + max((abs(c.weight) for c in expected.contributions), default=0)
    total = got["bias"] + sum(c["weight"] for c in got["contributions"])
    assert total == pytest.approx(got["logit"], abs=1e-5)
    assert got["logit"] == pytest.approx(expected.logit, abs=atol * scale)
    assert got["bias"] == pytest.approx(expected.bias, abs=atol)
    weights = [abs(c["weight"]) for c in got["contributions"]]
    assert weights == sorted(weights, reverse=True)
    ours = sorted(got["contributions"], key=lambda c: (c["text"], [t["text"] for t in c["tokens"]], c["weight"]))
    theirs = sorted(expected.contributions, key=lambda c: (c.text, [t.text for t in c.tokens], c.weight))
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one["text"] == other.text
        assert one["weight"] == pytest.approx(other.weight, abs=atol * scale)
        assert one["without"] == pytest.approx(other.without, abs=atol * scale)
        assert [t["text"] for t in one["tokens"]] == [t.text for t in other.tokens]
        parts = [t.weight for t in other.tokens]
        assert [t["weight"] for t in one["tokens"]] == pytest.approx(parts, abs=atol * scale)
    by_filters = sorted((c["filters"], c["text"]) for c in got["contributions"])
    assert by_filters == sorted((list(c.filters), c.text) for c in expected.contributions)
    # Weights of characters, which are UTF-16 units there.
    assert sum(got["characters"].values()) == pytest.approx(expected.characters().sum(), abs=1e-6 * scale)


def test_a_head_of_numbers(tmp_path):
    node, texts = need_node(), ["a lovely film", "a dull film", "buy it now"]
    data = {"text": texts * 20, "topic": ["film", "film", "advert"] * 20, "stars": [9.5, 2, 5] * 20}
    textcnn.train(
        data, tmp_path / "run", label_columns=["topic", "stars"], regression_columns=["stars"], max_epochs=1,
        num_filters=8, embedding_dim=8, progress=False,
    )  # fmt: skip
    textcnn.export(tmp_path / "run", tmp_path / "model.js", head="stars")
    answers = f"(await load()).predict({json.dumps(texts)})"
    program = f'import {{ load }} from "./model.js"; console.log(JSON.stringify({answers}))'
    done = subprocess.run([node, "--input-type=module", "-e", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wanted = textcnn.load(tmp_path / "run").predict(texts)["stars"]
    np.testing.assert_allclose(json.loads(done.stdout), wanted, rtol=1e-5)
    # A page has every head side by side.
    page = textcnn.export(tmp_path / "run", tmp_path / "page.html")
    assert [model.name for model in page.models] == ["run topic", "run stars"]
    assert [model.labels for model in page.models] == [["advert", "film"], ["stars"]]
    with pytest.raises(ValueError, match="choose one with head"):
        textcnn.export(tmp_path / "run", tmp_path / "whole.js")


@pytest.mark.parametrize("change", [{"pooling": "segments"}, {"pooling": "max_mean"}, {"num_experts": 3}])
def test_what_the_core_does_not_read_is_refused_by_name(change, tmp_path):
    (name,) = change
    write_artifact(tmp_path / "run", **change)
    with pytest.raises(ValueError, match=f"{name}: got {change[name]} for a page .* export the model to ONNX"):
        textcnn.export(tmp_path / "run", tmp_path / "page.html")


@pytest.mark.parametrize("int8", [True, False], ids=["int8", "float32"])
def test_the_bytes_of_the_native_core(int8, tmp_path):
    """Every axis of the configuration: windows, features and head give the same bits as the machine's own kernels."""
    texts = TEXTS[:12]
    changes = list(CONFIGS.values())
    classifiers = [classifier_of(int8=int8, **{"num_filters": 20, **change}) for change in changes]
    for change, classifier, row in zip(changes, classifiers, answers_of(classifiers, tmp_path, texts), strict=True):
        expected = classifier.logits(texts)
        got = np.array(row["logits"], dtype=np.float32)
        if change.get("activation", "relu") in ("relu", "identity", "leaky_relu"):
            np.testing.assert_array_equal(got.view(np.int32), expected.view(np.int32), err_msg=str(change))
        else:  # functions of two mathematics libraries
            np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-5, err_msg=str(change))
        assert bool(row["explanations"]) == ("pooled_norm" not in change), str(change)
        for text, explanation in zip(texts, row["explanations"], strict=False):
            check_explanation(explanation, classifier.explain(text))


@pytest.mark.parametrize("int8", [True, False], ids=["int8", "float32"])
def test_labels_probabilities_and_explanations(int8, tmp_path):
    classifiers = [classifier_of(kind, int8=int8) for kind in KINDS]
    for classifier, row in zip(classifiers, answers_of(classifiers, tmp_path), strict=True):
        assert row["labels"] == classifier.predict(TEXTS).tolist()
        check_probabilities(row["probabilities"], classifier, TEXTS)
        for text, got in zip(TEXTS, row["explanations"], strict=True):
            assert got["approximate"] == int8
            expected = classifier.explain(text)
            check_explanation(got, expected)
            assert [c["text"] for c in got["contributions"]] == [c.text for c in expected.contributions]


@pytest.mark.parametrize("int8", [True, False], ids=["int8", "float32"])
@pytest.mark.parametrize("bag", ["sum", "mean", "sqrtn"])
def test_a_bag_is_explained(bag, int8, tmp_path):
    """The default of train: each token and n-gram of the bag has its share; shares and bias make the logit."""
    changes = [
        {"bag_ngrams": 3, "bag_buckets": 200, "temperature": 1.7},
        {"bag_ngrams": 2, "bag_buckets": 50, "bag_dim": 2},
        {"bag_ngrams": 3, "bag_buckets": 200, "dilation": 2},
        {"bag_ngrams": 2, "bag_buckets": 200, "kernel_sizes": []},
    ]
    classifiers = [classifier_of(int8=int8, bag=bag, **change) for change in changes]
    texts = [text[:1500] for text in TEXTS]
    for change, classifier, row in zip(changes, classifiers, answers_of(classifiers, tmp_path, texts), strict=True):
        seen = set()
        for text, got in zip(texts, row["explanations"], strict=True):
            expected = classifier.explain(text)
            check_explanation(got, expected)
            seen |= {(bool(c.filters), min(len(c.tokens), 2)) for c in expected.contributions}
        # n-grams of the bag alone, and of both.
        assert {(False, 2), ("kernel_sizes" not in change, 1)} <= seen, str(change)


def test_padding_inside_a_text_parts_the_ngrams_of_a_bag(tmp_path):
    text = "w2 [PAD] w3 w4 [PAD] [PAD] w5 w6 w7 [PAD]"
    classifier = fold(make_model(num_filters=20, bag="sqrtn", bag_ngrams=3, bag_buckets=64), word_tokenizer())
    (row,) = answers_of([classifier], tmp_path, [text])
    check_explanation(row["explanations"][0], classifier.explain(text))


def test_padding_inside_a_text_has_no_share(tmp_path):
    text = "w2 [PAD] w3 [PAD] [PAD] w4 w5"
    classifier = fold(make_model(num_filters=20), word_tokenizer())
    (row,) = answers_of([classifier], tmp_path, [text])
    got = [[token["text"] for token in c["tokens"]] for c in row["explanations"][0]["contributions"]]
    assert got == [[token.text for token in c.tokens] for c in classifier.explain(text).contributions]
    assert "[PAD]" not in chain(*got)


def test_decisions(tmp_path):
    """Temperatures, thresholds and every score of abstention."""
    several = {"problem_type": "multi_label_classification", "thresholds": {"a": 0.3, "c": 0.9}}
    changes = [
        several,
        {"temperature": 3.5},
        # Reached by what is not the most probable, and missed by what is.
        {"thresholds": {"b": 0.2}, "temperature": 9.0},
        {"thresholds": dict.fromkeys("ab", 0.9), "temperature": 9.0},
        {"pooled_norm": True},
    ]
    classifiers = [classifier_of(**change) for change in changes]
    for score in ("probability", "energy", "fired"):
        plain = classifier_of(temperature=6.0)
        # Between two texts: at the confidence of one, the last bit decides.
        values = np.unique(plain.confidence(TEXTS, score))
        threshold = float(values[len(values) // 2 - 1 : len(values) // 2 + 1].mean())
        config = {**plain.config, "abstention": {"score": score, "threshold": threshold}}
        classifiers.append(FoldedTextCNN(config, plain.tensors, plain.tokenizer_json))
    abstained = 0
    for classifier, row in zip(classifiers, answers_of(classifiers, tmp_path), strict=True):
        check_probabilities(row["probabilities"], classifier, TEXTS)
        expected = classifier.predict(TEXTS)
        assert row["labels"] == (expected if classifier.multi_label else expected.tolist())
        columns = classifier.columns(classifier.answer(TEXTS))
        got = [answer["probability"] for answer in row["answers"]]
        assert got == pytest.approx(columns["probability"], abs=1e-6)
        if "explain" in classifier.capabilities:
            assert row["explained"] == [[why.label, why.abstained] for why in classifier.explain_batch(TEXTS)]
        if classifier.thresholds and not classifier.multi_label:
            most_probable = classifier.predict_proba(TEXTS).argmax(axis=1)
            assert any(row["labels"][n] != classifier.labels[best] for n, best in enumerate(most_probable))
        if classifier.abstention is not None:
            assert [answer["abstained"] for answer in row["answers"]] == [label is None for label in row["labels"]]
            abstained += row["labels"].count(None)
    assert abstained > 20


def test_factored_and_trimmed_tables(tmp_path):
    words = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, **{f"w{i}": i for i in range(2, 50)}}, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    texts = ["w2 w3 w4", "w5 w48 w9 w2", "", "w2", "unknown w7"]
    model = make_model()
    factored = fold(model, words, int8=True, texts=texts, factored=True)
    trimmed = fold(model, words, int8=True, texts=texts, trim=True)
    for classifier, row in zip([factored, trimmed], answers_of([factored, trimmed], tmp_path, texts), strict=True):
        assert np.array(row["logits"], dtype=np.float32).tobytes() == classifier.logits(texts).tobytes()


def test_export_writes_a_module_with_types(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    need_node()
    write_artifact(tmp_path / "words")
    main(["export", "words", "--output", "out/words.mjs"])
    assert capsys.readouterr().out.startswith("out/words.mjs: float32, ")
    types = (tmp_path / "out" / "words.d.mts").read_text()
    program = """
    import { load } from "./out/words.mjs";
    const classifier = await load();
    console.log(JSON.stringify([await load() === classifier, Object.keys(await import("./out/words.mjs")),
      classifier.name, classifier.labels, classifier.predict(["w2 w3", "w9"]),
      Object.getOwnPropertyNames(Object.getPrototypeOf(classifier)), Object.keys(classifier.answer(["w2"])[0]),
      Object.keys(classifier.explain("w2 w3")), Object.keys(classifier.explain("w2 w3").contributions[0])]));
    """
    (tmp_path / "program.mjs").write_text(program)
    done = subprocess.run([need_node(), "program.mjs"], capture_output=True, text=True, check=True)
    same, names, name, labels, predicted, methods, *keys = json.loads(done.stdout)
    classifier = textcnn.load("words")
    assert (same, names, name, labels) == (True, ["load"], "words", classifier.labels)
    assert predicted == classifier.predict(["w2 w3", "w9"]).tolist()
    # The types name what there is.
    for word in [*chain(*keys), *(m for m in methods if m not in ("constructor", "logits"))]:
        assert f"{word}:" in types or f"{word}(" in types, word

    main(["export", "words", "--output", "words.js"])
    assert (tmp_path / "words.d.ts").read_text() == types


def test_errors_have_a_message(tmp_path):
    need_node()
    payload = payload_of(classifier_of(num_filters=3))
    broken = json.loads(json.dumps(payload))
    broken["models"][0]["tables"] = pack(b"\x10\0\0\0\0\0\0\0broken tables...")
    program = """
    const message = async (work) => { try { await work(); return ""; } catch (error) { return error.message; } };
    const [classifier] = await openPayload(given.payload);
    console.log(JSON.stringify([
      await message(() => classifier.predict(["fine", 3])),
      await message(() => classifier.predict(["half \\ud83d of a pair"])),
      await message(() => classifier.predict("one text")),
      await message(() => classifier.explain("film", "d")),
      await message(() => openPayload(given.broken)),
      classifier.predict(["film"]).length,
    ]));
    """
    number, half, text, label, tables, after = run_node(program, tmp_path, {"payload": payload, "broken": broken})
    assert number == "texts: got number at position 1; expected a string"
    assert half == "texts: got half of a surrogate pair in the text at position 0; expected Unicode text"
    assert text == "texts: got string; expected an array of strings"
    assert label == 'label: got "d"; expected one of a, b, c'
    assert tables
    assert after == 1


def test_an_error_of_the_core_reaches_javascript(tmp_path):
    """A throw of the core stops the call with its message."""
    need_node()
    program = """
    const module = await WebAssembly.compile(await unpacked(given.module));
    const bytes = (text) => new TextEncoder().encode(text);
    const messages = [];
    for (const tokenizer of ["{", '{"model": {"type": "BPE", "vocab": {}, "merges": []}}'])
      try {
        const tables = await unpacked(given.models[0].tables), config = await unpacked(given.models[0].config);
        new Core(module).open("open_memory", [config, bytes(tokenizer), tables]);
      } catch (error) { messages.push(error.message); }
    console.log(JSON.stringify(messages));
    """
    broken, missing = run_node(program, tmp_path, payload_of(classifier_of(num_filters=3)))
    assert "tokenizer.json" in broken
    assert missing == "tokenizer.json is not compiled (its pre-tokenizer is missing)"


def test_tables_are_read_and_written_as_python_does(tmp_path):
    need_node()
    rng = random.Random(0)
    pieces = ["a", "film", " ", ",", ";", '"', "\n", "\r\n", "é", "😀", "\t", "|", "'"]
    tables = []
    for delimiter in ",;\t|" * 8:
        rows = [["".join(rng.choices(pieces, k=rng.randint(0, 6))) for _ in range(3)] for _ in range(5)]
        rows = [row for row in rows if any(row)]
        file = io.StringIO()
        csv.writer(file, delimiter=delimiter, lineterminator=rng.choice(["\n", "\r\n"])).writerows(
            [["text", "b", "c"], *rows]
        )
        tables.append((file.getvalue(), delimiter, rows))
    program = """
    console.log(JSON.stringify(given.map(([content]) => {
      const table = parseTable(content);
      return [table, textColumn(table), formatTable(table)];
    })));
    """
    for (_, delimiter, rows), (table, column, written) in zip(tables, run_node(program, tmp_path, tables), strict=True):
        assert table["delimiter"] == delimiter
        assert table["names"] == ["text", "b", "c"]
        assert table["rows"] == rows
        assert column == 0
        assert list(csv.reader(io.StringIO(written, newline=""), delimiter=delimiter))[1:] == rows


def test_columns_of_answers_are_those_of_score(tmp_path):
    need_node()
    classifier = classifier_of(problem_type="multi_label_classification", thresholds={"a": 0.2, "b": 0.2})
    texts = ["a lovely film", "", "dull", "very long and boring"]
    program = """
    const [classifier] = await openPayload(given.payload);
    const table = parseTable(given.content);
    const answers = table.rows.map(([text]) => (text === "" ? null : classifier.answer([text])[0]));
    console.log(JSON.stringify(withAnswers(table, classifier, answers)));
    """
    content = "text,probability,n\n" + "".join(f"{text},x,{n}\n" for n, text in enumerate(texts))
    got = run_node(program, tmp_path, {"payload": payload_of(classifier), "content": content})
    rows = [{"text": text or None, "n": str(n)} for n, text in enumerate(texts)]
    kept = [text or None for text in texts]
    answers = AnswerColumns(classifier, joined=True)
    answers.add(rows, kept, classifier.answer([text for text in texts if text]))
    assert got["names"] == list(rows[0])
    for cells, row in zip(got["rows"], rows, strict=True):
        for cell, (name, value) in zip(cells, row.items(), strict=True):
            if isinstance(value, float):
                assert float(cell) == pytest.approx(value, abs=1e-6), name
            else:
                assert cell == ("" if value is None else value), name


def test_what_cannot_be_exact_is_refused(tmp_path):
    tokenizer = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "a b": 2}, "[UNK]"))
    with pytest.warns(RuntimeWarning, match="not compiled"):
        classifier = fold(make_model(), tokenizer)
    with pytest.raises(ValueError, match=r"tokenizer: got one that .* \(its pre-tokenizer is missing\); .*ONNX"):
        inline(classifier, "whole")


def test_a_setting_that_the_core_does_not_know_is_refused():
    classifier = classifier_of(num_filters=4)
    model = inline(classifier, "padded")
    check_answers(classifier, model)
    for setting, value, error in [
        ("temperature", 3.0, "model: got padded, whose answers in a page would differ by"),
        ("stride", 3, r"folded\.safetensors was folded with another stride"),
    ]:
        config = json.dumps({**json.loads(model.config), setting: value}).encode()
        with pytest.raises(ValueError, match=error):
            check_answers(classifier, replace(model, config=config))


def test_a_missing_module_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    write_artifact(tmp_path / "words")
    monkeypatch.setattr(build, "MODULE", tmp_path / "textcnn.wasm")
    monkeypatch.setattr(build, "find_wasm_compiler", lambda: None)
    with pytest.raises(SystemExit) as stop:
        main(["export", str(tmp_path / "words"), "--output", str(tmp_path / "words.html")])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "make wasm" in error
    assert "TEXTCNN_WASM=1" in error
    assert not (tmp_path / "words.html").exists()


def test_beside_is_for_pages(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["export", "run", "--output", str(tmp_path / "words.js"), "--beside", "other"])
    assert stop.value.code == 2
    assert "beside: got it with the format js; expected html" in capsys.readouterr().err


@pytest.mark.parametrize("int8", [True, False], ids=["int8", "float32"])
def test_numbers_of_a_regression(int8, tmp_path):
    """One number and several, with the exact part of each n-gram; where there are no probabilities, it says so."""
    one = {"problem_type": "regression", "id2label": {0: "price"}, "bag": "sqrtn", "bag_buckets": 200}
    classifiers = [classifier_of(int8=int8, **one), classifier_of(int8=int8, problem_type="regression")]
    for classifier, row in zip(classifiers, answers_of(classifiers, tmp_path), strict=True):
        expected = classifier.predict(TEXTS)
        np.testing.assert_allclose(np.array(row["labels"]), expected, rtol=1e-6)
        numbers = expected.reshape(len(TEXTS), -1)
        for answer, own in zip(row["answers"], numbers, strict=True):
            assert answer["predictions"] == pytest.approx(own.tolist(), rel=1e-6)
            assert answer["prediction"] == (pytest.approx(own[0], rel=1e-6) if len(own) == 1 else None)
        for text, got in zip(TEXTS, row["explanations"], strict=True):
            assert got["probability"] is None
            check_explanation(got, classifier.explain(text))
    program = """
    const [classifier] = await openPayload(given);
    const table = parseTable("text,prediction,n\\na lovely film,old,1\\n,old,2\\n");
    const answers = table.rows.map(([text]) => (text === "" ? null : classifier.answer([text])[0]));
    let message = "";
    try { classifier.predictProba(["a"]); } catch (error) { message = error.message; }
    console.log(JSON.stringify([withAnswers(table, classifier, answers), message]));
    """
    table, message = run_node(program, tmp_path, payload_of(classifiers[0]))
    assert table["names"] == ["text", "n", "prediction"]
    assert float(table["rows"][0][2]) == pytest.approx(classifiers[0].predict(["a lovely film"])[0], rel=1e-6)
    assert table["rows"][1] == ["", "2", ""]
    assert message.startswith("predictProba: got a regression, which has no probabilities; expected a classifier")


def test_types_of_a_regression(tmp_path):
    need_node()
    write_js(
        [inline(classifier_of(problem_type="regression", id2label={0: "price"}), "prices")], tmp_path / "prices.mjs"
    )
    assert "export function load(): Promise<Regressor>;" in (tmp_path / "prices.d.mts").read_text()
    write_js([inline(classifier_of(), "labels")], tmp_path / "labels.mjs")
    assert "export function load(): Promise<Classifier>;" in (tmp_path / "labels.d.mts").read_text()


FASTTEXT = {
    "words": {},
    "ngrams": {"ngrams": 3},
    "subwords": {"minn": 2, "maxn": 4},
    "subwords-ngrams-ova": {"minn": 1, "maxn": 3, "ngrams": 2, "loss": "ova"},
    "hs": {"loss": "hs", "ngrams": 2, "labels": [f"__label__{n}" for n in range(9)]},
    "hs-one-label": {"loss": "hs", "labels": ["__label__only"]},
    "pruned": {"kind": "pruned", "ngrams": 2, "minn": 2, "maxn": 3},
    "factors": {"dim": 3, "labels": [f"__label__{n}" for n in range(40)], "ngrams": 2},
    "hs-factors": {"dim": 3, "labels": [f"__label__{n}" for n in range(40)], "ngrams": 2, "loss": "hs"},
}


@pytest.mark.parametrize("int8", [False, True], ids=["float32", "int8"])
def test_a_converted_fasttext_model(int8, tmp_path):
    """Words, n-grams, subwords, trees and factors: the labels, probabilities and exact shares of Python."""
    models = [fold_fasttext(make_file(**{"seed": n, **change})) for n, change in enumerate(FASTTEXT.values())]
    models += [
        FoldedFastText({**models[n].config, "temperature": 2.5, "thresholds": thresholds}, models[n].tensors)
        for n, thresholds in ((1, {"pos": 0.2}), (3, {"neg": 0.6}), (4, None))
    ]
    models = [round_fasttext(model) for model in models] if int8 else models
    longest = 0
    for model, row in zip(models, answers_of(models, tmp_path, FASTTEXT_TEXTS), strict=True):
        expected = model.predict(FASTTEXT_TEXTS)
        assert row["labels"] == (expected if model.multi_label else expected.tolist()), model.settings
        check_probabilities(row["probabilities"], model, FASTTEXT_TEXTS)
        explained = [why.label for why in model.explain_batch(FASTTEXT_TEXTS)]
        for text, label, got in zip(FASTTEXT_TEXTS, explained, row["explanations"], strict=True):
            # Of equal logits, as of one-vs-all without a text, either may be explained.
            check_explanation(got, model.explain(text, got["label"]), atol=1e-6 if model.tree else 1e-9)
            assert got["approximate"] == int8
            logits = model.logits([text])[0]
            assert got["label"] == label or abs(np.diff(np.sort(logits)[-2:])) < 1e-5
            longest = max(longest, len(got["contributions"]))
    assert longest > 600


def test_a_converted_model_in_a_file(tmp_path, monkeypatch, capsys):
    """`textcnn export` of a directory that `textcnn convert` wrote; the dictionary travels in a compact form."""
    need_node()
    monkeypatch.chdir(tmp_path)
    words = ["</s>", *(f"word{n}" for n in range(20_000))]
    write_fasttext(make_file(words=words, ngrams=2, bucket=3000, kind="pruned"), tmp_path / "model.bin")
    main(["convert", "model.bin", "converted"])
    (tmp_path / "texts.txt").write_text("\n".join(" ".join(words[n : n + 9]) for n in range(1, 300)))
    main(["export", "converted", "--output", "model.mjs"])
    main(["export", "converted", "--output", "small.mjs", "--int8", "--texts", "texts.txt"])
    said = capsys.readouterr().out
    assert "int8_error: " in said
    program = """
    import { load } from "./model.mjs";
    import { readFileSync } from "node:fs";
    const texts = readFileSync("texts.txt", "utf8").split("\\n");
    const classifier = await load();
    const probabilities = classifier.predictProba(texts).map((row) => Array.from(row));
    console.log(JSON.stringify([classifier.predict(texts), probabilities]));
    """
    (tmp_path / "program.mjs").write_text(program)
    done = subprocess.run([need_node(), "program.mjs"], capture_output=True, text=True, check=True)
    labels, probabilities = json.loads(done.stdout)
    model, texts = textcnn.load("converted"), (tmp_path / "texts.txt").read_text().split("\n")
    assert labels == model.predict(texts).tolist()
    check_probabilities(probabilities, model, texts)
    # Without its numbers of occurrences, and with a byte of most words and steps in place of 8 or 4.
    words_alone = sum(map(len, words))
    tables = model.tensors["table"].nbytes
    assert len(inline(model, "model").tables) < tables + words_alone + len(words) + 4 * 1200 + 2000
    assert (tmp_path / "small.mjs").stat().st_size < (tmp_path / "model.mjs").stat().st_size


def test_damaged_lines_are_refused(tmp_path):
    """Nothing that a file says is believed by the reader of a converted model's files."""
    model = fold_fasttext(make_file(kind="pruned", ngrams=2))
    inlined = inline(model, "model")

    def said(change, tables=None, remove=None):
        tensors = {**read_lines(inlined.tables), **(tables or {})}
        tensors.pop(remove, None)
        write_tensors(tmp_path / "own", tensors, {"format": FORMAT})
        config = json.loads(inlined.config)
        config["fasttext"].update(change)
        with pytest.raises(ValueError, match=r".") as error:
            scores_of_lines(json.dumps(config).encode(), (tmp_path / "own").read_bytes(), model, ["good film"])
        return str(error.value)

    def read_lines(content):
        (tmp_path / "lines").write_bytes(content)
        return read_tensors(tmp_path / "lines")[0]

    gaps = read_lines(inlined.tables)["bucket_gaps"]
    assert "bucket_gaps: got the bucket" in said({}, {"bucket_gaps": gaps + np.int32(10)})
    assert "bucket_gaps: got the bucket" in said({}, {"bucket_gaps": -gaps - np.int32(1)})
    assert "expected -1 or a row of the table" in said(
        {}, {"bucket_gaps": np.zeros(1000, np.int32)[: len(gaps) + 9] + 1}
    )
    assert "a last line without an end" in said({}, {"words": np.frombuffer(b"good\nfilm", np.int8)})
    assert "buckets: got -1; expected 0 or more" in said({"buckets": -1})
    assert "min_n: got 4294967296" in said({"min_n": 1 << 32})
    assert "one column a class" in said({"loss": "hs"})
    assert "words" in said({}, remove="words")
    with pytest.raises(ValueError, match=r"digest|cannot be read"):
        scores_of_lines(inlined.config, inlined.tables[:-3] + b"abc", model, ["good film"])
    broken = FoldedFastText(model.config, {**model.tensors, "word_bytes": model.tensors["word_bytes"].copy()})
    broken.words._data = broken.words._data.replace(b"good", b"g\nod")
    with pytest.raises(ValueError, match="with a line break; expected none"):
        inline(broken, "broken")


def test_damaged_bytes_end_in_an_error_or_an_answer(tmp_path):
    """Files of a converted model with a few bytes changed, and no digest that would tell, never break the process."""
    rng, core, encoded = random.Random(0), library(), Utf8Texts.of(FASTTEXT_TEXTS)
    files = []
    for change in ({"kind": "pruned", "ngrams": 3, "minn": 1, "maxn": 4}, {"loss": "hs", "ngrams": 2}, {"dim": 1}):
        model = fold_fasttext(make_file(**change))
        write_lines(tmp_path / "tables", model)
        content = (tmp_path / "tables").read_bytes()
        end = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:end])
        del header["__metadata__"]["digest"]
        plain = json.dumps(header).encode()
        files.append((json.dumps(model.config).encode(), len(plain).to_bytes(8, "little") + plain + content[end:]))

    def damaged(content):
        out = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(min(len(out), rng.choice([1500, len(out)])))
            out[at] = rng.choice(b"0123456789-") if out[at] in b"0123456789" else out[at] ^ 1 << rng.randrange(8)
        return bytes(out)

    opened = 0
    for _ in range(1500):
        config, tables = rng.choice(files)
        config, tables = (damaged(config), tables) if rng.random() < 0.5 else (config, damaged(tables))
        handle = core.textcnn_fasttext_open_memory(config, len(config), tables, len(tables))
        if not handle:
            assert str(last_error())
            continue
        opened += 1
        words, bag = core.textcnn_fasttext_words(handle), core.textcnn_fasttext_bag(handle)
        # More than any of these has classes.
        scores = np.empty((len(FASTTEXT_TEXTS), 64), dtype=np.float32)
        core.textcnn_words_logits(
            words, bag, encoded.address, address(encoded.ends), len(FASTTEXT_TEXTS), 1, address(scores), None
        )
        core.textcnn_fasttext_close(handle)
    assert 100 < opened < 1400
