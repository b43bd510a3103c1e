"""`distill`: teacher and texts in, a student's artifact out, with both side by side."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import lightning
import numpy as np

from ..data.errors import DataError, listed, one_line
from ..data.replaced import ReplacedTrainData
from ..fold import fold
from ..model import Architecture
from ..training.distillation import DistillationModule
from ..training.resume import finish_run, unfinished_run
from ..training.run import check_type, data_name, make_trainer, quiet_lightning, route, save_run, sizes
from ..vectors import source_names
from .labelling import label_texts, teacher_vectors
from .precision import Precision
from .sizes import Budget, read_budget, served_bytes
from .students import choose_student
from .teachers import Teacher, check_probabilities, open_teacher, to_logits, to_probabilities
from .transfer import Augmentation, augment, named, read_unlabelled

if TYPE_CHECKING:
    from ..runtime.classifier import TextClassifier

_LOSS = ("temperature", "soft_loss", "hard_weight", "weigh_by_confidence", "representation_weight")
# What overrides may name beside the arguments of `textcnn.train`.
OWN_OPTIONS = [*_LOSS, *(field.name for field in fields(Augmentation))]


def distill(
    teacher: Any,
    data: Any,
    unlabelled: str | Path | Sequence[str | Path] | None = None,
    output_dir: str | Path = "runs/student",
    budget: str | None = None,
    seed: int = 0,
    *,
    vectors: list[str] | str | None = None,
    split_documents: bool = True,
    max_unlabelled: int | None = None,
    choose: Literal["random", "near"] = "random",
    soft_columns: Sequence[str] | None = None,
    teacher_precision: Precision = "auto",
    progress: bool = True,
    **overrides: Any,
) -> TextClassifier:
    """Trains a student on what a teacher says of labelled and unlabelled texts, and writes its artifact.

    A run that was killed goes on where it was, to the minute, when it is started again with the same settings.

    Args:
        teacher: A directory or Hub id of a transformers classifier or a TextCNN, a classifier with `predict_proba`, a
            function of texts, a list of these (averaged), or None: the probabilities stand in columns of the data.
        data: The labelled set, as in `textcnn.train`.
        unlabelled: A file or Hub data set of further texts, or a list of texts and of files; a Path is always a file.
        output_dir: Folder of the run.
        budget: tiny, small, base; or what a server may need of the student on disk (tables in int8, tokenizer and
            settings), such as "3MB"; or the texts a second that the int8 tables shall answer at least, such as "400k
            texts/s": from text to label, for texts as long as those of the data, measured on one core of the machine
            that this runs on; or both, with a comma between. The best student within that is trained.
        seed: Of everything random.
        vectors: Initial token vectors, as in `textcnn.train`; "teacher" is what a transformer as teacher makes of each
            token, or the vectors of a TextCNN.
        split_documents: Whether unlabelled texts are cut into sentences.
        max_unlabelled: Sentences (or texts) drawn from the unlabelled ones; None takes all. These, and a text's spans,
            masks and copies with neighbours, are the same for each seed, so that the teacher labels them once.
        choose: Draws them at random, or takes those most like the labelled texts.
        soft_columns: With teacher None, the columns of the probabilities, one a class in the order of the labels;
            default: probability_<label>.
        teacher_precision: Of a transformer: 32-true, bf16-mixed, or auto, the latter where the processor is made for
            it.
        progress: Whether to show progress.
        overrides: Arguments of TextDataModule, Architecture, the module (learning rates and so on), Lightning's
            Trainer, of DistillationModule (temperature, soft_loss, hard_weight, weigh_by_confidence,
            representation_weight) and of Augmentation (spans, masks, mixes, neighbours, replacements,
            mask_share, neighbour_vectors, masked_lm).

    Returns:
        The student; `distillation.json` in output_dir compares it with its teacher.

    Raises:
        ValueError: teacher and data have other labels, the teacher's values are no probabilities, nothing is left to
            learn from, the budget cannot be met, or an override has an unknown name.

    Example:
        >>> student = textcnn.distill("runs/teacher", "reviews.csv", unlabelled="crawl.txt", budget="3MB")
    """
    from ..classifier import load

    quiet_lightning()
    own = {**signature(DistillationModule).parameters, **signature(Augmentation).parameters}
    for name in set(OWN_OPTIONS) & set(overrides):
        check_type(name, overrides[name], own[name].annotation)
    for_loss = {name: overrides.pop(name) for name in _LOSS if name in overrides}
    pieces = {f.name: overrides.pop(f.name) for f in fields(Augmentation) if f.name in overrides}
    for_data, for_network, for_module, for_trainer = route(overrides, [*OWN_OPTIONS, *signature(distill).parameters])
    # Under a budget the widths are still to be chosen: any that as many numbers of filters would fit.
    filters = for_network.get("num_filters")
    Architecture(
        **{**({"kernel_sizes": [1] * len(filters)} if isinstance(filters, list) else {}), **for_network}
    ).check()
    wanted = read_budget(budget)
    if choose not in ("random", "near"):
        raise ValueError(f"choose: got {choose!r}; expected random or near")
    if teacher is None and for_loss.get("representation_weight"):
        raise ValueError("representation_weight: got no teacher; expected a transformer; leave it at 0")
    if teacher is None and unlabelled is not None:
        raise ValueError("unlabelled: got texts and no teacher; expected one to label them; leave them out")
    if "tokenizer" not in for_data and (vectors is None or budget is not None):
        # A vocabulary of the student's own: that of a checkpoint would be most of a small student.
        for_data["tokenizer"] = "wordpiece"
    for_data.setdefault("vocab_size", wanted.vocab_size)
    lightning.seed_everything(seed, workers=True, verbose=False)
    sources = source_names(vectors)
    without_teacher = [source for source in sources if source != "teacher"]
    datamodule = ReplacedTrainData(data, vectors=without_teacher or None, seed=seed, **for_data)
    labels, multi_label = datamodule.labels, datamodule.problem_type.startswith("multi")

    texts, known = datamodule.texts_and_targets("train")
    known = known if multi_label else known[:, None]
    extra = read_unlabelled(unlabelled, split_documents, max_unlabelled, near=texts if choose == "near" else None)
    opened = None if teacher is None else open_teacher(teacher, labels, multi_label, teacher_precision)
    if pieces.get("neighbours") and pieces.get("neighbour_vectors") is None and opened and opened.is_transformer:
        pieces["neighbour_vectors"] = opened.checkpoint
    extra += augment(texts, Augmentation(**pieces))
    if not texts + extra:
        raise DataError("nothing to learn from: no train text and no unlabelled one; expected some")
    if "teacher" in sources:
        datamodule.vectors = [teacher_vectors(opened) if source == "teacher" else source for source in sources]
    if isinstance(wanted, Budget):
        wanted = choose_student(wanted, datamodule, texts + extra, texts, for_network)
    for_network = {**wanted.architecture(), **for_network}
    if opened is None:
        if extra:
            raise ValueError("got texts made from others and no teacher; expected one to label them; ask for none")
        logits = _soft_columns(datamodule, soft_columns, labels, multi_label)
    else:
        texts = texts + extra
        represented = bool(for_loss.get("representation_weight"))
        logits = label_texts(opened, texts, len(labels), progress=progress, representations=represented)
    nothing = np.full((len(texts) - len(known), known.shape[1]), -1.0)
    logits, representations = logits[:, : len(labels)], logits[:, len(labels) :]
    datamodule.replace_train(texts, np.concatenate([logits, np.concatenate([known, nothing]), representations], axis=1))

    for_loss["representation_dim"] = representations.shape[1]
    module = DistillationModule(**sizes(datamodule), architecture=Architecture(**for_network), **for_loss, **for_module)
    options = {"enable_progress_bar": progress, "enable_model_summary": progress, **for_trainer}
    parameters = {
        "teacher": str(teacher), "data": str(data), "unlabelled": named(unlabelled), "transfer_texts": len(texts),
        "vectors": vectors, "budget": budget, "seed": seed, **for_loss, **pieces, **overrides,
    }  # fmt: skip
    trainer = make_trainer(output_dir, options)
    started = unfinished_run(output_dir, {**parameters, "targets": hashlib.sha256(logits.tobytes()).hexdigest()})
    trainer.fit(module, datamodule=datamodule, ckpt_path=started)
    finish_run(output_dir)
    save_run(trainer, module, datamodule, output_dir, data_name(data), parameters)
    if budget is not None:
        some = texts[:20_000]
        fold(module.model, datamodule.tokenizer, int8=True, texts=some, factored=wanted.factored).save(output_dir)
    student = load(output_dir)
    compare(student, opened, datamodule, Path(output_dir))
    return student


def compare(student: TextClassifier, teacher: Teacher | None, data: ReplacedTrainData, directory: Path) -> None:
    """Prints teacher and student side by side on the test split and writes it into the run's folder and model card."""
    from sklearn.metrics import accuracy_score, f1_score

    role = "test" if data.test_dataloader() else "validation"
    texts, targets = data.texts_and_targets(role)
    answers: dict[str, np.ndarray] = {}
    result: dict[str, Any] = {"split": role, "texts": len(texts)}

    def timed(logits: Any) -> tuple[np.ndarray, float]:
        started = time.perf_counter()
        found = logits(texts)
        return found, len(texts) / (time.perf_counter() - started)

    student.logits(texts[:8])
    for name, logits in (("teacher", teacher.logits if teacher else None), ("student", student.logits)):
        if logits is None:
            continue
        found, speed = timed(logits)
        answers[name] = to_probabilities(found, True) >= 0.5 if student.multi_label else found.argmax(axis=1)
        result[name] = {
            "accuracy": float(accuracy_score(targets, answers[name])),
            "macro_f1": float(f1_score(targets, answers[name], average="macro", zero_division=0)),
            "texts_per_second": speed,
        }
    result["student"]["bytes"] = served_bytes(directory)
    if teacher is not None:
        result["agreement"] = float((answers["teacher"] == answers["student"]).mean())
    (directory / "distillation.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    lines = _table(result)
    with (directory / "README.md").open("a", encoding="utf-8") as card:
        card.write("\n## Distillation\n\n" + lines + "\n")
    print(lines, file=sys.stderr if not sys.stdout.isatty() else sys.stdout)


def _table(result: dict[str, Any]) -> str:
    lines = [f"| {result['split']} | accuracy | macro-F1 | texts/s | size |", "|---|---|---|---|---|"]
    for name in ("teacher", "student"):
        if name in result:
            row = result[name]
            size = f"{row['bytes'] / 1e6:.2f} MB" if "bytes" in row else ""
            speed = f"{row['texts_per_second']:,.0f}"
            lines.append(f"| {name} | {row['accuracy']:.4f} | {row['macro_f1']:.4f} | {speed} | {size} |")
    if "agreement" in result:
        lines.append(f"\nThey agree on {result['agreement']:.1%} of {result['texts']:,} texts.")
    return "\n".join(lines)


def _soft_columns(
    data: ReplacedTrainData, columns: Sequence[str] | None, labels: Sequence[str], multi_label: bool
) -> np.ndarray:
    wanted = list(columns) if columns is not None else [f"probability_{label}" for label in labels]
    if len(wanted) != len(labels):
        raise ValueError(f"soft_columns: got {len(wanted)}; expected {len(labels)}, one a label: {listed(labels)}")
    table = data.train_columns(wanted)
    values = np.stack([_numbers(table[name], name) for name in wanted], axis=1)
    where = f"columns {', '.join(wanted)}"
    inside = np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all()
    if not multi_label and not inside and np.isfinite(values).all():
        return values.astype(np.float32)  # logits, as they stand
    return to_logits(check_probabilities(values, len(labels), multi_label, where), multi_label)


def _numbers(column: np.ndarray, name: str) -> np.ndarray:
    try:
        return np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"column {name}: {one_line(error)}; expected probabilities or logits; mend it") from error
