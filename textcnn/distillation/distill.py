"""`distill`: teacher and texts in, a student's artifact out, with both side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, fields
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import lightning
import numpy as np

from ..data.errors import DataError
from ..data.replaced import ReplacedTrainData
from ..fold import fold
from ..model import Architecture
from ..training.distillation import DistillationModule
from ..training.interrupt import keyboard_stops
from ..training.resume import finish_run, unfinished_run
from ..training.run import check_type, data_name, make_trainer, quiet_lightning, route, save_run, sizes
from ..training.run_files import write_config
from ..vectors import source_names
from .comparison import compare
from .labelling import label_texts, teacher_vectors
from .precision import Precision
from .sizes import Budget, read_budget
from .soft_columns import read_soft_columns
from .students import choose_student
from .teachers import Teacher, open_teacher
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
            masks and copies, are the same for each seed, so that the teacher labels them once.
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
    settings = _sort(overrides)
    wanted = read_budget(budget)
    if choose not in ("random", "near"):
        raise ValueError(f"choose: got {choose!r}; expected random or near")
    if teacher is None and settings.loss.get("representation_weight"):
        raise ValueError("representation_weight: got no teacher; expected a transformer; leave it at 0")
    if teacher is None and unlabelled is not None:
        raise ValueError("unlabelled: got texts and no teacher; expected one to label them; leave them out")
    if "tokenizer" not in settings.data and (vectors is None or budget is not None):
        # A vocabulary of the student's own: that of a checkpoint would be most of a small student.
        settings.data["tokenizer"] = "wordpiece"
    settings.data.setdefault("vocab_size", wanted.vocab_size)
    lightning.seed_everything(seed, workers=True, verbose=False)
    sources = source_names(vectors)
    data_vectors = [source for source in sources if source != "teacher"] or None
    datamodule = ReplacedTrainData(data, vectors=data_vectors, seed=seed, **settings.data)
    multi_label = datamodule.problem_type.startswith("multi")

    labelled, known = datamodule.texts_and_targets("train")
    extra = read_unlabelled(unlabelled, split_documents, max_unlabelled, labelled if choose == "near" else None)
    opened = None if teacher is None else open_teacher(teacher, datamodule.labels, multi_label, teacher_precision)
    extra += _made(labelled, settings.made, opened)
    texts = labelled + extra
    if not texts:
        raise DataError("nothing to learn from: no train text and no unlabelled one; expected some")
    if opened is None and extra:
        raise ValueError("got texts made from others and no teacher; expected one to label them; ask for none")
    if "teacher" in sources:
        datamodule.vectors = [teacher_vectors(opened) if source == "teacher" else source for source in sources]
    if isinstance(wanted, Budget):
        wanted = choose_student(wanted, datamodule, texts, labelled, settings.network)
    network = Architecture(**{**wanted.architecture(), **settings.network})

    if opened is not None:
        represented = bool(settings.loss.get("representation_weight"))
        answers = label_texts(opened, texts, len(datamodule.labels), progress=progress, representations=represented)
    else:
        answers = read_soft_columns(datamodule, soft_columns, datamodule.labels, multi_label)
    logits, representations = np.split(answers, [len(datamodule.labels)], axis=1)
    fields = {"labels": _with_unknown(known, len(texts)), "teacher_logits": logits}
    if representations.shape[1]:
        fields["teacher_features"] = representations
    datamodule.replace_train(texts, **fields)

    loss = {**settings.loss, "representation_dim": representations.shape[1]}
    module = DistillationModule(**sizes(datamodule), architecture=network, **loss, **settings.module)
    parameters = {
        "teacher": str(teacher), "data": data_name(data), "unlabelled": named(unlabelled), "transfer_texts": len(texts),
        "vectors": vectors, "budget": budget, "seed": seed, **loss, **settings.made, **settings.routed,
    }  # fmt: skip
    trainer = make_trainer(output_dir, {"enable_progress_bar": progress, **settings.trainer})
    if trainer.is_global_zero:
        labelled_set = {"path": data, "vectors": data_vectors, **settings.data}
        write_config(output_dir, seed, labelled_set, asdict(network), settings.module, settings.trainer)
    started = unfinished_run(output_dir, {**parameters, "targets": hashlib.sha256(logits.tobytes()).hexdigest()})
    with keyboard_stops():
        trainer.fit(module, datamodule=datamodule, ckpt_path=started)
    finish_run(output_dir)
    save_run(trainer, module, datamodule, output_dir, data_name(data), parameters)
    if budget is not None:
        some = texts[:20_000]
        fold(module.model, datamodule.tokenizer, int8=True, texts=some, factored=wanted.factored).save(output_dir)
    student = load(output_dir)
    compare(student, opened, datamodule, Path(output_dir))
    return student


class _Settings(NamedTuple):
    """The overrides by owner: the loss, texts made from others, data module, architecture, module, Trainer."""

    loss: dict[str, Any]
    made: dict[str, Any]
    data: dict[str, Any]
    network: dict[str, Any]
    module: dict[str, Any]
    trainer: dict[str, Any]
    routed: dict[str, Any]  # the last four together, as they were given


def _sort(overrides: dict[str, Any]) -> _Settings:
    annotations = {**signature(DistillationModule).parameters, **signature(Augmentation).parameters}
    own = {name: overrides[name] for name in OWN_OPTIONS if name in overrides}
    for name, value in own.items():
        check_type(name, value, annotations[name].annotation)
    routed = {name: value for name, value in overrides.items() if name not in own}
    data, network, module, trainer = route(routed, [*OWN_OPTIONS, *signature(distill).parameters])
    # Under a budget the widths are still to be chosen: any that as many numbers of filters would fit.
    filters = network.get("num_filters")
    widths = {"kernel_sizes": [1] * len(filters)} if isinstance(filters, list) else {}
    Architecture(**{**widths, **network}).check()
    loss = {name: value for name, value in own.items() if name in _LOSS}
    made = {name: value for name, value in own.items() if name not in _LOSS}
    return _Settings(loss, made, data, network, module, trainer, routed)


def _made(texts: Sequence[str], how: dict[str, Any], teacher: Teacher | None) -> list[str]:
    """Texts made from others. A transformer as teacher says which words are alike where nothing else is to."""
    if how.get("neighbours") and how.get("neighbour_vectors") is None and teacher and teacher.is_transformer:
        how["neighbour_vectors"] = teacher.checkpoint
    return augment(texts, Augmentation(**how))


def _with_unknown(targets: np.ndarray, count: int) -> np.ndarray:
    """Return the targets of the first texts, followed by -1 for the others: [count] or [count, C]."""
    return np.concatenate([targets, np.full((count - len(targets), *targets.shape[1:]), -1, targets.dtype)])
