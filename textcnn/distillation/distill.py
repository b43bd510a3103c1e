"""`distill`: teacher and texts in, a student's artifact out, with both side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import lightning
import numpy as np

from ..data.errors import DataError
from ..data.headed import refuse_label_columns
from ..data.numbers import refuse_numbers
from ..data.replaced import ReplacedTrainData
from ..data.unlabelled import named, read_unlabelled
from ..folding.fold import fold
from ..outputs import begin_output
from ..runtime.capabilities import demand
from ..settings import (
    ArchitectureSettings,
    AugmentationSettings,
    DataSettings,
    DistillSettings,
    LossSettings,
    OptimizationSettings,
    hints,
    takes,
)
from ..training.bag_start import network_with_bag
from ..training.interrupt import keyboard_stops
from ..training.resume import finish_run, unfinished_run
from ..training.run import (
    card_parameters,
    data_name,
    make_trainer,
    quiet_lightning,
    save_run,
    sizes,
    write_settings,
)
from ..training.tasks.distillation import DistillationModule
from ..vectors import source_names
from ..vectors.shipped import AUTO
from .augment.copies import augment
from .comparison import compare
from .labelling import label_texts, teacher_vectors
from .soft_columns import read_soft_columns
from .students.choose import choose_student
from .students.sizes import Budget, StudentSize, read_budget
from .teachers import Teacher, check_teacher, open_teacher, teacher_name

if TYPE_CHECKING:
    from ..runtime.classifier import TextClassifier


@takes(DistillSettings)
def distill(settings: DistillSettings) -> TextClassifier:
    """Train a student on a teacher's answers to labelled and unlabelled texts, and write its artifact.

    A run that was killed goes on where it was, to the minute, when it is started again with the same settings. Every
    setting has the same name on the command line (`textcnn distill`) and in YAML; `textcnn.DistillSettings` documents
    them.

    Returns:
        The student; `distillation.json` in `output` compares it with its teacher.

    Raises:
        ValueError: Teacher and data have other labels, the teacher's values are no probabilities, nothing is left to
            learn from, the budget cannot be met, or a setting has an unknown name or a value that cannot be used.

    Example:
        >>> student = textcnn.distill("runs/teacher", "reviews.csv", texts="crawl.txt", budget="3MB")
    """
    from ..loading import load_classifier

    refuse_numbers(settings.problem_type, "distill")
    refuse_label_columns(settings.label_columns, "distill")
    quiet_lightning()
    teacher, vectors, budget, seed = settings.teacher, settings.vectors, settings.budget, settings.seed
    network_given = {name: getattr(settings, name) for name in hints(ArchitectureSettings) if name in settings.given}
    _check_network(network_given)
    if budget is not None and settings.num_experts > 1:
        raise ValueError(
            f"budget: got {budget!r} with {settings.num_experts} experts; expected one, whose size and speed are "
            "known; leave one of them out"
        )
    if budget is not None and settings.pooling != "max":
        raise ValueError(
            f"budget: got {budget!r} with the pooling {settings.pooling}; expected the pooling max, whose size and "
            "speed are known; leave one of them out"
        )
    wanted = read_budget(budget)
    if teacher is None and settings.representation_weight:
        raise ValueError("representation_weight: got no teacher; expected a transformer; leave it at 0")
    if teacher is None and settings.texts is not None:
        raise ValueError("texts: got some and no teacher; expected one to label them; leave them out")
    check_teacher(teacher)
    output = begin_output(settings.output, settings.force)
    lightning.seed_everything(seed, workers=True, verbose=False)
    sources = source_names(vectors)
    datamodule = ReplacedTrainData(settings.data, **_data_settings(settings, wanted, sources))
    multi_label = datamodule.problem_type.startswith("multi")

    labelled, known = datamodule.texts_and_targets("train")
    near = labelled if settings.choose == "near" else None
    extra = read_unlabelled(settings.texts, settings.split_documents, settings.limit, near)
    opened = (
        None if teacher is None else open_teacher(teacher, datamodule.labels, multi_label, settings.teacher_precision)
    )
    extra += _made(labelled, settings.part(AugmentationSettings), opened)
    texts = labelled + extra
    if not texts:
        raise DataError("nothing to learn from: no train text and no unlabelled one; expected some")
    if opened is None and extra:
        raise ValueError("got texts made from others and no teacher; expected one to label them; ask for none")
    if "teacher" in sources:
        datamodule.vectors = [teacher_vectors(opened) if source == "teacher" else source for source in sources]
    if isinstance(wanted, Budget):
        wanted = choose_student(wanted, datamodule, texts, labelled, network_given)
    network = network_with_bag(
        {**settings.part(ArchitectureSettings), **wanted.architecture(), **network_given}, wanted=False
    )

    if opened is not None:
        represented = bool(settings.representation_weight)
        answers = label_texts(
            opened, texts, len(datamodule.labels), progress=settings.progress, representations=represented
        )
    else:
        answers = read_soft_columns(datamodule, settings.soft_columns, datamodule.labels, multi_label)
    logits, representations = np.split(answers, [len(datamodule.labels)], axis=1)
    fields = {"labels": _with_unknown(known, len(texts)), "teacher_logits": logits}
    if representations.shape[1]:
        fields["teacher_features"] = representations
    datamodule.replace_train(texts, **fields)

    loss = {**settings.part(LossSettings), "representation_dim": representations.shape[1]}
    optimization = settings.part(OptimizationSettings)
    module = DistillationModule(**sizes(datamodule), architecture=network, **loss, **optimization)
    parameters = {
        **card_parameters(settings), "teacher": teacher_name(teacher), "data": data_name(settings.data),
        "texts": named(settings.texts), "transfer_texts": len(texts),
    }  # fmt: skip
    trainer = make_trainer(output, settings)
    if trainer.is_global_zero:
        write_settings(output, settings.data, settings, **asdict(network))
    started = unfinished_run(output, {**parameters, "targets": hashlib.sha256(logits.tobytes()).hexdigest()})
    with keyboard_stops():
        trainer.fit(module, datamodule=datamodule, ckpt_path=started)
    finish_run(output)
    save_run(trainer, module, datamodule, output, data_name(settings.data), parameters)
    if budget is not None:
        some = texts[:20_000]
        fold(module.model, datamodule.tokenizer, int8=True, texts=some, factored=wanted.factored).save(output)
    student = load_classifier(output)
    compare(student, opened, datamodule, output)
    return student


def _data_settings(settings: DistillSettings, wanted: StudentSize | Budget, sources: list[str]) -> dict[str, Any]:
    """Settings of the data; the student's size decides on the vocabulary where the user does not."""
    data = settings.part(DataSettings)
    data["vectors"] = AUTO if sources == [AUTO] else [source for source in sources if source != "teacher"] or None
    if settings.tokenizer is None and (settings.vectors is None or settings.budget is not None):
        # A vocabulary of the student's own: that of a checkpoint would be most of a small student.
        data["tokenizer"] = "wordpiece"
    if "vocab_size" not in settings.given:
        data["vocab_size"] = wanted.vocab_size
    return data


def _check_network(network: dict[str, Any]) -> None:
    # Under a budget the widths are still to be chosen: any that as many numbers of filters would fit.
    filters = network.get("num_filters")
    widths = {"kernel_sizes": [1] * len(filters)} if isinstance(filters, list) else {}
    network_with_bag({**widths, **network}, wanted=False).check()
    # A student is served from tables; a deep network is for teaching it.
    demand(network, "fold")


def _made(texts: Sequence[str], how: dict[str, Any], teacher: Teacher | None) -> list[str]:
    """Texts made from others. A transformer as teacher says which words are alike where nothing else is to."""
    if how.get("neighbours") and how.get("neighbour_vectors") is None and teacher and teacher.is_transformer:
        how["neighbour_vectors"] = teacher.checkpoint
    return augment(texts, AugmentationSettings(**how))


def _with_unknown(targets: np.ndarray, count: int) -> np.ndarray:
    """Return the targets of the first texts, followed by -1 for the others: [count] or [count, C]."""
    return np.concatenate([targets, np.full((count - len(targets), *targets.shape[1:]), -1, targets.dtype)])
