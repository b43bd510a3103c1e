"""The command line as a stranger types it: verbs, help texts, mistakes, and a whole run on a csv file."""

from __future__ import annotations

import csv
import dataclasses
import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from folded_models import write_artifact

import textcnn
from textcnn.artifact import read_artifact
from textcnn.cli import JOBS, VERBS, main
from textcnn.cli.jobs import CHECKPOINT, EARLY_STOPPING, TRAINER, known, suggest
from textcnn.settings import ArchitectureSettings, OptimizationSettings, TrainSettings, described

QUICK = [
    "--trainer.max_epochs",
    "3",
    "--trainer.log_every_n_steps",
    "1",
    "--trainer.enable_progress_bar",
    "false",
    "--model.architecture.num_filters",
    "8",
]
# A tokenizer that is learnt in no time, where the shipped one and its vectors are not what is looked at.
WORDS = ["--data.tokenizer", "word"]


def run(*arguments: str) -> None:
    main(list(arguments))


def mistake(capsys, *arguments: str) -> str:
    """The one line that a mistake prints."""
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert stop.value.code == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, f"expected one line, got: {captured.err}"
    assert lines[0].startswith("textcnn: error: ")
    return lines[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished run, and the folder of csv files that it was trained on."""
    folder = tmp_path_factory.mktemp("cli")
    data = folder / "reviews"
    data.mkdir()
    for split, count in (("train", 60), ("validation", 10), ("test", 10)):
        rows = ["text,label"] + [
            f'"{word} {filler} number {i} {split}",{label}'
            for i in range(count)
            for filler in ("film", "plot")
            for word, label in (("lovely", "positive"), ("awful", "negative"))
        ]
        (data / f"{split}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    run("fit", "--data.path", str(data), "--output_dir", str(folder / "run"), *QUICK, *WORDS)
    return folder / "run", data


def test_help_imports_nothing_heavy():
    program = (
        "import sys; from textcnn.cli import main; main(['--help']);"
        "heavy = {'torch', 'transformers', 'lightning', 'datasets', 'sklearn', 'numpy'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for verb in [*VERBS, *JOBS]:
        assert re.search(rf"^  {verb} ", done.stdout, re.MULTILINE)


def test_importing_the_package_imports_nothing_heavy():
    program = (
        "import sys; import textcnn; dir(textcnn);"
        "sys.exit(bool({'torch', 'transformers', 'lightning', 'datasets', 'sklearn', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_public_names_exist():
    for name in textcnn.__all__:
        assert getattr(textcnn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        textcnn.trian  # noqa: B018


def test_version(capsys):
    run("--version")
    assert capsys.readouterr().out == f"textcnn {textcnn.__version__}\n"


HELP = [[verb, "--help"] for verb in [*VERBS, *JOBS]]
HELP += [["bench", what, "--help"] for what in ("accuracy", "speed", "int8", "explain", "train", "fasttext")]


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_every_help_is_short_and_imports_nothing_heavy(words):
    heavy = ("torch", "transformers", "lightning", "datasets", "sklearn", "numpy", "pyarrow", "jsonargparse")
    program = (
        f"import sys\nfrom textcnn.cli import main\ntry:\n    main({words!r})\nexcept SystemExit as end:\n"
        f"    assert not end.code\nsys.exit(str({{*{heavy!r}}} & set(sys.modules) or ''))"
    )
    environment = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.stderr.strip() == ""
    lines = done.stdout.splitlines()
    assert len(lines) <= 80
    assert max(map(len, lines)) <= 110
    assert lines[0].startswith(f"usage: textcnn {' '.join(words[:-1])}")
    if words != ["bench", "--help"] and words[0] not in JOBS:
        assert "example" in done.stdout


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "bench"])
def test_help_shows_every_setting_with_its_default(capsys, verb):
    module = importlib.import_module(f"textcnn.cli.{verb}")
    with pytest.raises(SystemExit):
        run(verb, "--help_all")
    text = " ".join(capsys.readouterr().out.split())
    for setting in module.VERB.options:
        assert setting.doc, setting.name
        if setting.positional:
            assert setting.name.upper() in text
            continue
        assert re.search(rf"--(\[no_\])?{setting.name}\b", text), setting.name
        if setting.default is None:
            assert "Default: " in setting.doc, setting.name
    # The function has the same settings.
    parameters = inspect.signature(getattr(textcnn, verb)).parameters
    assert {one.name for one in module.VERB.options} <= set(parameters)


def test_lightnings_help_is_there_in_full(capsys):
    with pytest.raises(SystemExit) as stop:
        run("fit", "--help_all")
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: textcnn fit [--config FILE] [--data.path DATA] [OPTION ...]\n")
    order = ("--data.batch_size", "--model.architecture.kernel_sizes", "--trainer.max_epochs")
    places = [text.index(name) for name in order]
    assert places == sorted(places)
    assert "Texts in a training batch." in text


def test_the_names_of_a_job_are_those_of_lightning():
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

    for owner, names in ((Trainer, TRAINER), (EarlyStopping, EARLY_STOPPING), (ModelCheckpoint, CHECKPOINT)):
        assert set(inspect.signature(owner).parameters) - {"self"} <= set(names)


def test_settings_and_architecture_are_one(trained):
    wanted = {field.name: field for field in dataclasses.fields(textcnn.Architecture)}
    assert [one.name for one in described(ArchitectureSettings)] == list(wanted)
    architecture = textcnn.Architecture()
    for one in described(ArchitectureSettings):
        # A verb decides what these are; a network has one.
        decided = {"bag": "auto", "bag_ngrams": None, "class_weights": "auto"}
        assert one.default == decided.get(one.name, getattr(architecture, one.name))


def test_a_learning_rate_below_zero_is_refused(trained, capsys):
    _, data = trained
    assert "learning_rate: got -1.0; expected a number above 0" in mistake(
        capsys, "train", str(data), "--learning_rate", "-1"
    )
    line = mistake(capsys, "fit", "--data.path", str(data), "--model.learning_rate", "-1", "--output_dir", "none")
    assert "learning_rate: got -1" in line
    with pytest.raises(ValueError, match="learning_rate: got 0"):
        OptimizationSettings(learning_rate=0)


def test_hyphens_and_underscores_are_one(capsys):
    for option in ("--batch-size", "--batch_size"):
        assert "batch_size: got 'x'; expected a whole number" in mistake(capsys, "train", "a.csv", option, "x")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("trainer.epochs", "trainer.max_epochs"), ("epoch", "trainer.max_epochs"), ("model.lr", "model.learning_rate"),
        ("lr", "model.learning_rate"), ("bs", "data.batch_size"),
        ("model.num_filters", "model.architecture.num_filters"),
        ("data.pth", "data.path"), ("output", "output_dir"),
    ],
)  # fmt: skip
def test_a_synonym_comes_before_any_likeness(given, meant):
    assert not known("fit", given)
    assert suggest(given) == meant


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (["serve"], "textcnn serve needs MODEL"),
        (["serve", "run", "--prot", "80"], "did you mean '--port'?"),
        (["lexicon"], "did you mean 'inspect'?"),
        (["mlm"], "did you mean 'adapt'?"),
        (["eval"], "did you mean 'evaluate'?"),
        (["train", "x.csv", "--epochs", "3"], "did you mean '--max_epochs'?"),
        (["train", "x.csv", "--output_dir", "x"], "did you mean '--output'?"),
        (["evaluate", "run", "--lr", "3"], "'--learning_rate' belongs to textcnn train"),
        (["train", "x.csv", "--seed", "-1"], "seed: got -1; expected a whole number from 0"),
        (["train", "x.csv", "--padding", "wid"], "did you mean 'wide'?"),
        (["evaluate", "run"], "textcnn evaluate needs --data"),
        (["evaluate", "run", "x.csv"], "give data as --data x.csv"),
        (["fit", "x.csv"], "give --data.path x.csv"),
        (["fit", "job.yaml"], "give --config job.yaml"),
        (["predict", "x.csv"], "give --data.predict_path x.csv"),
    ],
)
def test_mistakes_are_answered_before_anything_heavy_is_imported(line, hint):
    program = (
        f"import sys\nfrom textcnn.cli import main\ntry:\n    main({line!r})\nexcept SystemExit as end:\n"
        "    sys.exit(end.code if not {'torch', 'transformers', 'numpy'} & set(sys.modules) else 'heavy')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2
    assert hint in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_train_evaluate_and_info(trained, capsys, tmp_path):
    _, data = trained
    job = tmp_path / "job.yaml"
    job.write_text("max_epochs: 3\nlearning_rate: 1e-2\nnum_filters: 8\nlog_every_n_steps: 1\n")
    folder = tmp_path / "run"
    line = ["train", str(data), "--config", str(job), "--no-progress", "--output", str(folder)]
    run(*line)
    assert "test_accuracy" in capsys.readouterr().out
    # A run that is there is not lost.
    before = (folder / "model.safetensors").read_bytes()
    assert "--force" in mistake(capsys, *line)
    assert (folder / "model.safetensors").read_bytes() == before
    run(*line, "--force", "--seed", "1", "--tokenizer", "word")
    assert (folder / "model.safetensors").read_bytes() != before
    assert [path.name for path in (folder / "logs").iterdir()] == ["version_0"]
    capsys.readouterr()
    run("evaluate", str(folder), "--data", str(data), "--resamples", "10", "--json")
    assert json.loads(capsys.readouterr().out)["scores"]["accuracy"]["value"] == 1.0
    run("info", str(folder), "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["labels"] == ["negative", "positive"]
    assert told["architecture"]["num_filters"] == 8
    assert told["scores"]["test_accuracy"] == 1.0
    assert {"explain", "certify", "score"} <= set(told["verbs"])
    run("info", str(folder))
    assert "2: negative, positive" in capsys.readouterr().out
    assert repr(textcnn.load(folder)).startswith("FoldedTextCNN(2 labels, ")
    assert "3 widths x 8 filters, a bag of 1- to 2-grams, float32, temperature 1)" in repr(textcnn.load(folder))


def test_a_config_that_is_none(capsys, tmp_path):
    config = tmp_path / "job.yaml"
    for content, said in (
        ("batch_sise: 3", "did you mean 'batch_size'?"),
        ("3", "which holds no settings"),
        ("data:\n  path: x.csv", "textcnn fit --config"),
    ):
        config.write_text(content)
        assert said in mistake(capsys, "train", "x.csv", "--config", str(config))


def test_a_full_disk_behind_the_output_is_one_line():
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "textcnn", "--help"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr == "textcnn: error: standard output: No space left on device\n"


def test_a_package_that_is_missing_is_named(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "textcnn.training", None)
    monkeypatch.setattr("textcnn.cli.importlib.import_module", _lacks("pyarrow"))
    assert "textcnn evaluate needs the package pyarrow" in mistake(capsys, "evaluate", "run", "--data", "x.csv")


def _lacks(package):
    def import_module(*_):
        raise ModuleNotFoundError(f"No module named '{package}'", name=package)

    return import_module


def test_only_public_names_are_shown():
    assert set(dir(textcnn)) == set(textcnn.__all__)
    # The function, whatever module has the same name.
    importlib.import_module("textcnn.vectors")
    assert callable(textcnn.vectors)
    assert inspect.signature(textcnn.train).parameters["max_length"].default is TrainSettings("x").max_length is None


def test_run_folder_holds_the_artifact(trained):
    folder, _ = trained
    names = {path.name for path in folder.iterdir()}
    assert {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "README.md",
        "config.yaml",
        "checkpoints",
        "logs",
    } <= names
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    log = (folder / "logs" / "version_0" / "metrics.csv").read_text()
    assert all(name in log for name in ("val_accuracy", "val_macro_f1", "val_micro_f1", "train_loss"))
    assert list((folder / "logs").glob("version_0/events.out.tfevents.*"))
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    assert settings["model"]["architecture"]["num_filters"] == 8
    card = (folder / "README.md").read_text()
    assert "val_accuracy" in card
    assert "reviews" in card
    assert textcnn.load(folder).predict(["a lovely thing", "awful"]).tolist() == ["positive", "negative"]


def test_validate_and_test_score_a_run(trained, capsys, tmp_path):
    folder, _ = trained
    run("validate", "--config", str(folder / "config.yaml"))
    assert "val_accuracy" in capsys.readouterr().out
    run("test", "--config", str(folder / "config.yaml"))
    assert "test_accuracy" in capsys.readouterr().out
    # Other data, whose own vocabulary and labels would be others.
    other = tmp_path / "other"
    other.mkdir()
    for split in ("train", "validation"):
        (other / f"{split}.csv").write_text("text,label\n" + "lovely,positive\nawful,negative\n" * 3)
    (other / "test.csv").write_text("text,label\nawful lovely awful,negative\n")
    run("test", "--config", str(folder / "config.yaml"), "--data.path", str(other))
    assert "test_accuracy" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_predict_writes_beside_the_rows(trained, tmp_path, capsys, suffix):
    folder, _ = trained
    new = tmp_path / "new.csv"
    new.write_text('id,text\n007,"a lovely film"\n008," "\n009,"awful, awful"\n010,\n', encoding="utf-8")
    output = tmp_path / f"out{suffix}"
    run("predict", "--config", str(folder / "config.yaml"), "--data.predict_path", str(new), "--output", str(output))
    if suffix == ".parquet":
        rows = pq.read_table(output).to_pylist()
    elif suffix == ".csv":
        with output.open(newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["007", "008", "009", "010"]
    assert "1 row without a text, kept without a label" in capsys.readouterr().err
    assert not rows.pop()["predicted_label"]
    classifier = textcnn.load(folder)
    texts = ["a lovely film", " ", "awful, awful"]
    assert [row["predicted_label"] for row in rows] == classifier.predict(texts).tolist()
    columns = [f"probability_{label}" for label in classifier.labels]
    given = np.array([[float(row[column]) for column in columns] for row in rows])
    np.testing.assert_allclose(given, classifier.predict_proba(texts), atol=1e-5)
    np.testing.assert_allclose([float(row["probability"]) for row in rows], given.max(axis=1), atol=1e-6)
    assert [path.name for path in tmp_path.iterdir() if "unfinished" in path.name] == []


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_resume_continues_where_it_stopped(trained, tmp_path):
    _, data = trained
    common = [
        "fit",
        "--data.path",
        str(data),
        *QUICK,
        *WORDS,
        "--model.schedule",
        "constant",
        "--early_stopping.patience",
        "9",
    ]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(*common, "--output_dir", str(whole), "--trainer.max_epochs", "4")
    run(*common, "--output_dir", str(parts), "--trainer.max_epochs", "2")
    run(*common, "--output_dir", str(parts), "--trainer.max_epochs", "4", "--ckpt_path", "last")
    import torch

    states = [torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True) for folder in (whole, parts)]
    assert states[0]["epoch"] == states[1]["epoch"] == 3
    assert states[0]["global_step"] == states[1]["global_step"]


def test_one_seed_gives_the_same_weights(trained, tmp_path):
    _, data = trained
    weights = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        textcnn.train(
            data,
            tmp_path / name,
            seed=seed,
            max_epochs=2,
            num_filters=8,
            tokenizer="word",
            progress=False,
            log_every_n_steps=1,
        )
        weights.append(read_artifact(tmp_path / name)[0].head.weight.detach().numpy())
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_train_refuses_unknown_arguments_and_none_for_a_value(tmp_path):
    with pytest.raises(ValueError, match="unknown argument of train 'num_filter'; did you mean 'num_filters'"):
        textcnn.train("reviews.csv", tmp_path, num_filter=3)
    with pytest.raises(ValueError, match="train_split: got None; expected text"):
        textcnn.train("reviews.csv", tmp_path, train_split=None)


def test_mistakes_are_one_line(trained, capsys, tmp_path):
    folder, data = trained
    data = str(data)
    assert "did you mean 'fit'?" in mistake(capsys, "fti")
    assert "unknown option '--data.pth' of textcnn fit; did you mean '--data.path'?" in mistake(
        capsys, "fit", "--data.pth", data
    )
    named = mistake(capsys, "distill", "--teacher", str(folder))
    assert named.endswith("'--teacher'; expected teacher without a name; `textcnn distill --help` shows its place")
    line = mistake(capsys, "fit", "--data.path", data, "--model.architecture.kernal_sizes", "[3]")
    assert "did you mean '--model.architecture.kernel_sizes'?" in line
    assert "--data.path" in mistake(capsys, "fit")
    line = mistake(capsys, "fit", "--config", "nothere.yaml")
    assert "--config: there is no file " in line
    assert "nothere.yaml; expected a YAML file" in line
    config = str(folder / "config.yaml")
    assert "give another --output_dir, or force=True (--force)" in mistake(capsys, "fit", "--config", config)
    assert "give --data.predict_path" in mistake(capsys, "predict", "--config", config, "--output", "out.csv")
    assert "Expected" in mistake(capsys, "fit", "--data.path", data, "--model.learning_rate", "fast")
    assert "num_filters: got 0" in mistake(capsys, "fit", "--data.path", data, "--model.architecture.num_filters", "0")
    assert "expected vectors to keep" in mistake(
        capsys, "fit", "--data.path", data, "--data.vectors", "null", "--model.architecture.variant", "static"
    )
    assert "nowhere.csv" in mistake(capsys, "fit", "--data.path", "nowhere.csv")
    assert "no checkpoint" in mistake(capsys, "test", "--data.path", data, "--output_dir", str(tmp_path / "none"))
    config = ["--config", str(folder / "config.yaml"), "--data.predict_path", f"{data}/test.csv"]
    assert "expected a name that ends in .parquet" in mistake(capsys, "predict", *config, "--output", "out.xlsx")
    assert "did you mean 'accuracy'?" in mistake(capsys, "bench", "acuracy")
    assert "--data: got" in (line := mistake(capsys, "fit", "--data", f"{data}/test.csv"))
    assert "for one setting, --data.path reviews.csv" in line
    line = mistake(capsys, "fit", "--data.path", data, "--model.architecture.num_filter", "3")
    assert "did you mean '--model.architecture.num_filters'?" in line
    assert "devices" in mistake(capsys, "fit", "--data.path", data, "--trainer.devices", "0", "--output_dir", "none")


@pytest.mark.parametrize(
    ("verb", "given", "meant"),
    [
        ("score", ["run", "new.csv", "--outptu", "x"], "--output"),
        ("explain", ["run", "a film", "--lable=x"], "--label"),
        ("export", ["run", "--formta", "onnx"], "--format"),
        ("fold", ["run", "--in8"], "--int8"),
        ("vectors", ["bert", "--texst", "a.txt"], "--texts"),
        ("adapt", ["bert", "--texst", "x"], "--texts"),
        ("teach", ["bert", "--dtaa", "x"], "--data"),
        ("calibrate", ["run", "--abstian", "x"], "--abstain"),
        ("certify", ["run", "--dtaa", "x"], "--data"),
        ("evaluate", ["run", "--dtaa", "x"], "--data"),
        ("inspect", ["run", "--dtaa", "x"], "--data"),
        ("bench", ["speed", "run", "--texst", "x"], "--texts"),
    ],
)
def test_a_mistyped_option_names_the_nearest(capsys, verb, given, meant):
    assert f"did you mean '{meant}'?" in mistake(capsys, verb, *given)


def test_a_missing_option_says_where_to_look(capsys):
    line = mistake(capsys, "score")
    assert "MODEL, FILES" in line
    assert "textcnn score --help" in line


def test_a_reader_that_has_enough_ends_the_command_quietly():
    command = [sys.executable, "-m", "textcnn", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141  # as a shell counts SIGPIPE


def test_vectors_may_be_a_list(capsys, tmp_path, reviews):
    files = []
    for name, numbers in (("a.txt", ("1 0", "0 1")), ("b.txt", ("1 0 3", "0 1 2"))):
        (tmp_path / name).write_text("".join(f"{w} {n}\n" for w, n in zip(("film", "a"), numbers, strict=True)))
        files.append(str(tmp_path / name))
    for number, (given, dim) in enumerate(((f"[{files[0]}, {files[1]}]", 5), (files[1], 3))):
        run = str(tmp_path / f"run{number}")
        main(["fit", "--data.path", str(reviews), "--data.vectors", given, *QUICK, "--output_dir", run])
        assert textcnn.load(run).config["embedding_dim"] == dim
    for given in (f"[{files[0]}, no.txt]", "no.txt", "./no"):
        name = "./no" if given == "./no" else "no.txt"
        line = mistake(capsys, "fit", "--data.path", str(reviews), "--data.vectors", given)
        assert f"got vectors '{name}'; expected a word-vector file or a checkpoint; no such file" in line
    line = mistake(capsys, "fit", "--data.path", str(reviews), "--data.vectors", "no-such-vectors")
    assert "(lent by the vectors, where no tokenizer is named)" in line


def test_unknown_key_in_a_config_file(capsys, tmp_path, reviews):
    config = tmp_path / "config.yaml"
    config.write_text(f"data:\n  path: {reviews}\nmodel:\n  learning_rat: 0.1\n")
    assert "did you mean 'model.learning_rate'?" in mistake(capsys, "fit", "--config", str(config))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\n", "empty|no rows"),
        ("text,label\na,x\nb,x\nc,x\n", "only the label 'x'"),
        ("text,label\n1,x\n2,y\n3,x\n", "numbers|int64|strings"),
    ],
)
def test_data_nobody_can_learn_from(capsys, tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    assert re.search(message, mistake(capsys, "fit", "--data.path", str(path)))


def test_traceback_where_asked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("TEXTCNN_DEBUG", "1")
    with pytest.raises(FileNotFoundError):
        run("fit", "--data.path", "nowhere.csv", "--output_dir", str(tmp_path))


def test_bench_accuracy(trained, tmp_path, capsys):
    _, data = trained
    output = tmp_path / "figures.json"
    started = time.time()
    run("bench", "accuracy", "--data.path", str(data), *QUICK, *WORDS, "--seeds", "2", "--folds", "2",
        "--output", str(output))  # fmt: skip
    assert "over 2 seeds" in capsys.readouterr().out
    content = json.loads(output.read_text())
    assert {"machine", "versions", "figures"} <= set(content)
    runs = content["runs"]
    assert [(one["seed"], one["fold"]) for one in runs] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    figure = content["figures"]["test_accuracy"]
    by_seed = [np.mean([one["test_accuracy"] for one in runs if one["seed"] == seed]) for seed in (0, 1)]
    np.testing.assert_allclose(figure["seeds"], by_seed)
    np.testing.assert_allclose(figure["value"], np.mean(by_seed))
    assert output.stat().st_mtime >= started - 1


def test_a_mistyped_verb_names_the_nearest(capsys):
    assert "did you mean 'score'?" in mistake(capsys, "scroe")


@pytest.mark.parametrize(
    "option",
    [("--data.validation_fraction", "0"), ("--trainer.max_steps", "1"), ("--trainer.limit_val_batches", "0")],
)
def test_a_run_without_a_validation_keeps_its_last_weights(reviews, tmp_path, option, capsys):
    config = str(tmp_path / "run" / "config.yaml")
    run("fit", "--data.path", str(reviews), "--output_dir", str(tmp_path / "run"), *QUICK, *WORDS, *option)
    import torch

    last = torch.load(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    saved = read_artifact(tmp_path / "run")[0].head.weight.detach()
    torch.testing.assert_close(saved, last["model.head.weight"], rtol=0, atol=0)
    run("predict", "--config", config, "--data.predict_path", str(reviews))
    if option[0].startswith("--data"):
        line = mistake(capsys, "validate", "--config", config)
        assert "reviews.csv has no validation split; expected one; name it with --data.validation_split" in line


def test_a_copied_run_is_asked_with_what_lies_in_its_folder(trained, tmp_path, monkeypatch):
    folder, data = trained
    shutil.copytree(folder, tmp_path / "copy")
    # One label in four is wrong, so that the temperature changes what the copy answers.
    rows = (data / "test.csv").read_text().splitlines()
    rows = [row.replace(",negative", ",positive") if i % 4 == 2 else row for i, row in enumerate(rows)]
    (tmp_path / "noisy.csv").write_text("\n".join(rows) + "\n")
    run("calibrate", str(tmp_path / "copy"), "--data", str(tmp_path / "noisy.csv"))
    monkeypatch.chdir(tmp_path)

    def predicted(*options):
        run("predict", "--config", "copy/config.yaml", *options, "--data.predict_path", str(data / "test.csv"),
            "--output", "out.parquet", "--force")  # fmt: skip
        return pq.read_table("out.parquet")

    found = predicted()
    texts = found.column("text").to_pylist()
    copied, first = (textcnn.load(one).predict_proba(texts).max(axis=1) for one in (tmp_path / "copy", folder))
    assert np.abs(copied - first).max() > 1e-3
    np.testing.assert_allclose(found.column("probability"), copied, atol=1e-5)
    # A folder that is named is the one that is asked.
    np.testing.assert_allclose(predicted("--output_dir", str(folder)).column("probability"), first, atol=1e-5)


def test_info_rounds_numbers(tmp_path, capsys):
    run = write_artifact(tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    config |= {
        "temperature": 1.2345678901234567,
        "thresholds": {"a": 0.3333333333333333, "b": 0.5},
        "abstention": {"score": "energy", "threshold": 1.23456789012},
    }
    (run / "config.json").write_text(json.dumps(config))
    main(["info", str(run)])
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["temperature"] == "1.235"
    assert lines["thresholds"] == "a 0.3333, b 0.5"
    assert lines["abstention"] == "score energy, threshold 1.235"
    assert " 0.00 MB" not in lines["files"]
    assert " kB" in lines["files"]
    # Every digit is there for programs.
    assert textcnn.info(run).calibration["temperature"] == config["temperature"]
    assert dict(textcnn.info(write_artifact(tmp_path / "plain")).lines())["thresholds"] == "none"
