"""A search for settings, from end to end."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import pytest

import textcnn
from textcnn.cli import main
from textcnn.settings import TuneSettings
from textcnn.settings.search import Axis, search_space
from textcnn.tuning.limits import Limits, read_limits
from textcnn.tuning.picture import importance_lines, importance_svg

optuna = pytest.importorskip("optuna")

from textcnn.tuning import search as module  # noqa: E402
from textcnn.tuning.search import Search, _defaults, _value  # noqa: E402
from textcnn.tuning.study import PRUNER  # noqa: E402

FIXED = {"max_epochs": 1, "embedding_dim": 8, "num_filters": 4, "progress": False, "log_every_n_steps": 1}


@pytest.fixture
def fake(monkeypatch):
    """Replace training: a larger dropout and a larger batch score better; each fit is noted."""
    fits = []

    def train(data, output, **settings):
        fits.append(settings)
        assert set(data) == {"train", "validation"}  # the test split has no part in the choice

    def scores(folder):
        settings = fits[-1]
        score = settings["dropout"] / 2 + settings["batch_size"] / 256 + settings.get("seed", 0) / 1000
        return SimpleNamespace(scores={"val_micro_f1": score, "val_macro_f1": score / 2})

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setattr(module, "info", scores)
    return fits


def searched(reviews, output, **settings):
    from textcnn.data import TextDataModule

    chosen = TuneSettings(data=str(reviews), output=output, progress=False, **settings)
    return Search(chosen, TextDataModule(str(reviews)), read_limits(chosen), output)


def test_it_saves_the_best_run_and_goes_on(reviews, tmp_path, capsys):
    output = tmp_path / "tuned"
    line = ["tune", str(reviews), "--output", str(output), "--time_limit", "10m", "--max_epochs", "1", "--no_progress",
            "--embedding_dim", "8", "--num_filters", "4", "--log_every_n_steps", "1"]  # fmt: skip
    main([*line, "--max_trials", "2"])
    printed = capsys.readouterr()
    assert "2 trials, 2 of them to the end. Best accuracy on validation" in printed.out
    classifier = textcnn.load(output)
    assert set(classifier.predict(["a lovely film", "awful acting"])) <= {"positive", "negative"}
    first = json.loads((output / "tuning.json").read_text(encoding="utf-8"))
    assert [trial["trial"] for trial in first["history"]] == [0, 1]
    assert first["history"][0]["settings"]["learning_rate"] == 1e-3  # the default is the first trial
    assert first["score"] >= first["default"]
    card = (output / "README.md").read_text(encoding="utf-8")
    assert "## Search" in card
    assert "num_filters: 4" in (output / "config.yaml").read_text(encoding="utf-8")  # what is given is kept
    assert "num_filters" not in first["best"]

    main([*line, "--max_trials", "3", "--json"])
    again = json.loads(capsys.readouterr().out)
    assert [trial["trial"] for trial in again["history"]] == [0, 1, 2]
    assert again["history"][:2] == [
        {**trial, **{key: value for key, value in again["history"][n].items() if key.startswith("scores")}}
        for n, trial in enumerate(first["history"])
    ]
    with pytest.raises(SystemExit):
        main([*line, "--dropout", "0.3"])
    assert "holds a search with other settings (dropout" in capsys.readouterr().err


def test_it_finds_what_is_better(reviews, tmp_path, fake):
    found = searched(reviews, tmp_path / "out", time_limit="10m", max_trials=25)
    found.run(600)
    best = found.finished[0]
    default = next(trial for trial in found.study.trials if trial.number == 0)
    assert default.params["batch_size"] == 8  # that of train with so few rows
    assert best.value > default.value + 0.1
    assert found.chosen(best.params)["batch_size"] == 128
    assert isinstance(found.chosen(best.params)["kernel_sizes"], list)


def test_finalists_are_compared_over_the_same_seeds(reviews, tmp_path, fake):
    found = searched(reviews, tmp_path / "out", time_limit="10m", max_trials=6)
    found.run(600)
    before = len(fake)
    best = found.confirm(600)
    seeds = {settings["seed"] for settings in fake[before:]}
    assert seeds == {1, 2}
    assert len(found.scores(best)) == 3
    assert len(found.scores(found.study.trials[0])) == 3  # the default is one of them
    again = searched(reviews, tmp_path / "out", time_limit="10m", max_trials=6)
    before = len(fake)
    assert again.confirm(600).number == best.number
    assert len(fake) == before  # what was confirmed is not trained again


def test_worse_trials_are_stopped(reviews, tmp_path, monkeypatch):
    epochs = []

    def train(data, output, callbacks, dropout, **settings):
        (report,) = callbacks
        trainer = SimpleNamespace(sanity_checking=False)
        for epoch in range(9):
            epochs.append((report.trial.number, epoch))
            trainer.callback_metrics, trainer.current_epoch = {"val_micro_f1": dropout}, epoch
            report.on_validation_end(trainer, None)

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setattr(module, "info", lambda folder: SimpleNamespace(scores={"val_micro_f1": 0.5}))
    found = searched(reviews, tmp_path / "out", time_limit="10m", max_trials=12)
    found.run(600)
    states = [trial.state for trial in found.study.trials]
    assert optuna.trial.TrialState.PRUNED in states
    assert len(epochs) < 9 * 12
    pruned = [trial for trial in found.study.trials if trial.state == optuna.trial.TrialState.PRUNED]
    complete = [trial for trial in found.study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert min(trial.last_step for trial in pruned) == PRUNER["min_resource"]
    assert max(trial.params["dropout"] for trial in pruned) <= max(trial.params["dropout"] for trial in complete)


def test_the_time_limit_ends_the_search(reviews, tmp_path, fake, monkeypatch):
    now = iter(range(0, 10**6, 10))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(now))
    found = searched(reviews, tmp_path / "out", time_limit="100s")
    found.run(100)
    assert 1 <= len(found.study.trials) <= 7


def test_limits(reviews, tmp_path, capsys):
    assert read_limits(TuneSettings(data="d", budget="3MB", min_speed="400k texts/s")) == Limits(3e6, 4e5)
    for options, message in (
        ({"budget": "tiny"}, "budget: got 'tiny'; expected a limit such as 3MB"),
        ({"min_speed": "3MB"}, "min_speed: got '3MB'; expected a limit such as 400k texts/s"),
    ):
        with pytest.raises(ValueError, match=message):
            read_limits(TuneSettings(data="d", **options))
    with pytest.raises(ValueError, match=r"none of \d+ models keeps to"):
        textcnn.tune(str(reviews), tmp_path / "none", budget="1kB", time_limit="2m", progress=False)


def test_a_model_keeps_to_its_budget(reviews, tmp_path):
    fixed = {name: value for name, value in FIXED.items() if name != "num_filters"}
    found = textcnn.tune(str(reviews), tmp_path / "small", budget="60kB", time_limit="5m", max_trials=1, **fixed)
    assert found.size <= 60_000
    assert textcnn.load(tmp_path / "small").tables.table.dtype == "int8"


def test_mistakes(reviews, tmp_path):
    for options, message in (
        ({"time_limit": "soon"}, "time_limit"),
        ({"metric": "f1"}, "metric"),
        ({"streaming": True}, "streaming"),
        ({"validation_fraction": 0.0}, "no validation texts"),
    ):
        with pytest.raises(ValueError, match=message):
            textcnn.tune(str(reviews), tmp_path / "out", **options)


def test_defaults_are_those_of_train():
    space, resolved = search_space(batch_size=8), {"batch_size": 8, "tokenizer": "wordpiece"}
    values = {name: _value(space[name], drawn) for name, drawn in _defaults(space, resolved).items()}
    settings = textcnn.TrainSettings(data="d")
    for name, value in values.items():
        assert value == resolved.get(name, getattr(settings, name)), name
    assert set(values) == set(space)
    assert "embedding_learning_rate" in search_space(vectors=True)
    assert "vocab_size" in search_space(budget=True)
    assert Axis(choices=(1, 2)) == Axis(choices=(1, 2))


@pytest.mark.parametrize(("copies", "batch_size"), [(1, 8), (5, 16)])
def test_the_first_trial_has_the_batch_size_of_a_plain_run(reviews, tmp_path, fake, copies, batch_size):
    from textcnn.data import TextDataModule

    head, *rows = reviews.read_text(encoding="utf-8").splitlines()
    rows = [row.replace("number", f"number {copy}") for copy in range(copies) for row in rows]
    reviews.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    found = searched(reviews, tmp_path / "out", time_limit="10m", max_trials=1)
    found.run(600)
    data = TextDataModule(found._data(), labels=found.labels)
    assert fake[0]["batch_size"] == data._data.batch_size == batch_size
    assert batch_size in found.space["batch_size"].choices


def test_the_rate_of_vectors_follows_the_given_rate(reviews, tmp_path, fake):
    found = searched(reviews, tmp_path / "out", time_limit="10m", max_trials=1, learning_rate=2e-3)
    found.run(600)
    assert fake[0]["embedding_learning_rate"] == 2e-3  # the vectors that ship fit


def test_importance_is_drawn_to_scale():
    svg = ElementTree.fromstring(importance_svg({"dropout": 0.6, "batch_size": 0.3}, 12))
    widths = [float(bar.get("width")) for bar in svg.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)
    lines = importance_lines({"dropout": 0.6, "batch_size": 0.3}, width=10)
    assert lines[0].count("█") == 10
    assert lines[1].count("█") == 5


def test_scikit_learn_searches_the_same_axes(reviews):
    from scipy.stats import loguniform
    from sklearn.model_selection import ParameterSampler

    space = textcnn.TextCNNClassifier.search_space()
    assert set(space) == set(search_space())
    assert isinstance(space["learning_rate"], type(loguniform(1, 2)))
    for drawn in ParameterSampler(space, 5, random_state=0):
        textcnn.TextCNNClassifier(**drawn)
        assert 3e-4 <= drawn["learning_rate"] <= 4e-3
        assert 0.2 <= drawn["dropout"] <= 0.7
