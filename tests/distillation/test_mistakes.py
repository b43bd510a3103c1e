"""What a user may get wrong in `textcnn distill`: one line that says what was got, what is expected and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import textcnn
from textcnn.cli import main
from textcnn.data.unlabelled import read_unlabelled


@pytest.fixture
def told(reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a command line answers to the data of `reviews` and further arguments."""
    monkeypatch.chdir(tmp_path)

    def answer(*arguments: str) -> str:
        given = arguments if "--data" in arguments else ("--data", str(reviews), *arguments)
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(["distill", *given, "--output", str(tmp_path / "run"), "--no_progress"])
        assert stop.value.code == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1
        return lines[0].removeprefix("textcnn: error: ")

    return answer


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budgt", "1MB"], "unknown option of textcnn distill '--budgt'; did you mean '--budget'?"),
        (["--unlabeled", "x"], "unknown option of textcnn distill '--unlabeled'; did you mean '--texts'?"),
        (["--temprature", "3"], "unknown option of textcnn distill '--temprature'; did you mean '--temperature'?"),
        (["--max_epoch", "3"], "unknown option of textcnn distill '--max_epoch'; did you mean '--max_epochs'?"),
        (["--max_epochs", "x"], "--max_epochs: got 'x'; expected a whole number"),
        (["--temperature", "x"], "--temperature: got 'x'; expected a number"),
        (["--spans", "x"], "--spans: got 'x'; expected a whole number"),
        (["--budget", "1..5MB"], "budget: got '1..5MB'; expected tiny, small, base, a size such as 1MB or 500kB, or a"),
        (["--budget", "1MB", "--num_filters", "[8,4,4,4]"], "num_filters: got 4 numbers under a budget"),
        (["--budget", "1MB", "--num_filters", "0"], "num_filters: got 0; expected a whole number"),
        (["--budget", "1MB", "--vocab_size", "0"], "vocab_size: got 0; expected a whole number of at least 1"),
        (["--budget", "1kB"], "budget: got 1kB; expected at least "),
        ([], "the data has no column 'probability_negative'; its columns are text, label; name the columns of the"),
    ],
)
def test_options(told: Any, arguments: list[str], said: str) -> None:
    assert told(*arguments).startswith(said)


def test_a_teacher_that_is_none(told: Any, tmp_path: Path, reviews: Path) -> None:
    for name, config in (("empty", None), ("half", "{"), ("list", "[]"), ("alien", '{"model_type": "foo"}')):
        (tmp_path / name).mkdir()
        if config is not None:
            (tmp_path / name / "config.json").write_text(config)
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "textcnn").mkdir()
    (tmp_path / "textcnn" / "config.json").write_text('{"model_type": "textcnn"}')
    for name, said in (
        ("empty", "teacher: got empty, which has no config.json; expected the directory of a saved classifier; give"),
        ("half", "teacher: got half, whose config.json cannot be read ("),
        ("list", "teacher: got list, whose config.json cannot be read ("),
        ("alien", "teacher: got alien, which cannot be read ("),
        ("bert", "teacher: got bert, which cannot be read ("),
        ("textcnn", "textcnn is no textcnn artifact: it has no model.safetensors; expected a directory that"),
        ("reviews.csv", "teacher: got reviews.csv, a file; expected the directory of a saved classifier; give that"),
        ("emty", "teacher: got 'emty'; expected the directory of a saved classifier, or a Hub id that can be reached"),
        ("no/where/at/all", "teacher: got 'no/where/at/all', which is not there; expected the directory of a saved"),
        ("./emty", "teacher: got './emty', which is not there; expected the directory of a saved classifier, or a Hub"),
    ):
        answer = told(name)
        assert answer.startswith(said)
        assert len(answer) < 360
    assert "did you mean 'empty'?" in told("emty")


@pytest.mark.parametrize("verb", ["distill", "teach", "adapt"])
def test_a_path_that_is_not_there_is_not_asked_of_the_hub(
    verb: str, tmp_path: Path, reviews: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused before anything is read, with the nearest directory that is there."""
    from transformers import AutoTokenizer

    from textcnn import data

    def no(*_: Any, **__: Any) -> None:
        raise AssertionError("the data, or the Hub, was read")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", no)
    monkeypatch.setattr(data.TextDataModule, "__init__", no)
    (tmp_path / "runs" / "teacher").mkdir(parents=True)
    option = "--texts" if verb == "adapt" else "--data"
    for name, meant in (("runs/techer", "runs/teacher"), ("./runs/techer", "runs/teacher")):
        with pytest.raises(SystemExit) as stop:
            main([verb, name, option, str(reviews), "--output", "new"])
        assert stop.value.code == 2
        said = capsys.readouterr().err
        subject = "teacher" if verb == "distill" else "model"
        assert f"{subject}: got {name!r}, which is not there; expected the directory of" in said
        assert f"did you mean '{meant}'?" in said
        assert not (tmp_path / "new").exists()


def test_labels_of_both_sides(told: Any, tmp_path: Path, reviews: Path) -> None:
    other = pd.read_csv(reviews).replace({"negative": "ham", "positive": "spam"})
    other.to_csv(tmp_path / "other.csv", index=False)
    options = {"max_epochs": 1, "progress": False, "log_every_n_steps": 1, "num_filters": 4}
    textcnn.train(str(tmp_path / "other.csv"), tmp_path / "teacher", **options)
    assert told("teacher") == (
        "teacher teacher: got the labels ham, spam; expected those of the data, negative, positive; rename the one or "
        "the other"
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (0.9, "got 0.9, 0.7 in row 3 (counted from 0); expected probabilities that add up to 1; mend that row"),
        (np.nan, "got nan, 0.7 in row 3 (counted from 0); expected finite numbers; mend that row"),
        ("x", "could not convert string to float: 'x'; expected probabilities or logits; mend it"),
    ],
)
def test_columns_of_a_teacher(told: Any, tmp_path: Path, reviews: Path, wrong: Any, said: str) -> None:
    table = pd.read_csv(reviews)
    table["probability_negative"], table["probability_positive"] = 0.3, 0.7
    table["probability_negative"] = table["probability_negative"].astype(object)
    table.loc[3, "probability_negative"] = wrong
    table.to_csv(tmp_path / "soft.csv", index=False)
    answer = told("--data", "soft.csv")
    assert answer.startswith("column")
    assert answer.endswith(said)


def test_logits_that_are_no_numbers(reviews: Path, tmp_path: Path) -> None:
    def broken(texts: list[str]) -> np.ndarray:
        return np.full((len(texts), 2), np.nan)

    with pytest.raises(
        ValueError, match=r"teacher broken: got nan, nan in row 0 \(counted from 0\); expected finite numbers; mend"
    ):
        textcnn.distill(broken, str(reviews), None, tmp_path, progress=False)


def test_nothing_to_learn_from(told: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("text,label\n")
    (tmp_path / "blank.txt").write_text("\n\n")
    (tmp_path / "short.txt").write_text("hi\nyou there\n")
    assert told("x", "--data", "empty.csv").startswith("empty.csv is empty; expected")
    assert told("x", "--texts", "blank.txt").startswith("texts: got ['blank.txt'] without a text;")
    assert told("x", "--texts", "short.txt").startswith("texts: got 2 texts and no sentence of")
    assert told("x", "--texts", "nowhere.txt").startswith("there is no file or folder nowhere.txt")
    assert told("x", "--texts", "short.txt", "--limit", "-3").startswith("limit: ")
    assert read_unlabelled(["hi"], False, None) == ["hi"]
    with pytest.raises(ValueError, match=r"texts: got DataFrame of 2 dimensions; .* give a single column"):
        read_unlabelled(pd.DataFrame({"text": ["hi"]}), False, None)
