"""`pretrain`: trains a network on texts without labels and saves it as an artifact."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import numpy as np

from ..artifact import TrainingRecord, save_artifact
from ..data.labelled_texts import read_labelled_texts
from ..data.texts import TextsDataModule
from ..data.unlabelled import is_file, named, read_unlabelled
from ..encoders.sentence import open_encoder
from ..outputs import begin_output
from ..runtime.storage import write_text
from ..settings import ArchitectureSettings, BatchSettings, PretrainSettings, RateSettings, TokenizerSettings, takes
from ..tokenization.mask import add_mask_token
from ..vectors import base_model
from .bag_start import network_with_bag
from .interrupt import keyboard_stops
from .pretraining_card import pretraining_card
from .resume import finish_run, unfinished_run
from .run import card_parameters, make_trainer, quiet_lightning
from .run_files import CONFIG_FILE, absolute_paths, plain
from .tasks.contrastive import ContrastiveModule
from .tasks.masked import DiffusionModule, MaskedModule
from .tasks.pretraining import PretrainingModule
from .tasks.representation import RepresentationModule

# Size of a text's vector where no encoder decides it.
ENCODING_DIM = 256


@takes(PretrainSettings)
def pretrain(settings: PretrainSettings) -> dict[str, float]:
    """Train the network on text without labels, write its artifact into `output` and return its scores.

    The artifact is what `train` starts from with `init`, and what `TextCNNModel.from_pretrained` opens. `textcnn.load`
    opens it as a `TextEncoder`. A run that was killed goes on where it was, to the minute, when it is started again
    with the same settings; the encoder's vectors are kept on disk as they come. `textcnn.PretrainSettings` documents
    the settings.

    Returns:
        The scores on the texts that were held out, at the best epoch.

    Raises:
        FileNotFoundError: There is no such file or checkpoint.
        ValueError: The texts cannot be learnt from, the output holds a model already, or a setting has an unknown name
            (the nearest is named) or a value that cannot be used.

    Example:
        >>> textcnn.pretrain("crawl.txt", "runs/pretrained", encoder="sentence-transformers/all-MiniLM-L6-v2")
        {'val_cosine': 0.8123, 'val_loss': 0.4011}
        >>> textcnn.load("runs/pretrained").encode(["a lovely film"]).shape
        (1, 384)
    """
    quiet_lightning()
    output = begin_output(settings.output, settings.force)
    lightning.seed_everything(settings.seed, workers=True, verbose=False)
    texts, fields, names = _read(settings)
    deep = {"backbone": "dilated"} if settings.objective in ("masked", "diffusion") else {}
    given = {name: value for name, value in settings.part(ArchitectureSettings).items()
             if settings.init is None or name in settings.given}  # fmt: skip
    network = network_with_bag({**given, **deep}, wanted=False)
    network.check()
    data = _data(settings, texts, fields, names)
    make = OBJECTIVES[settings.objective]
    module = make(settings, data, fields)(
        vocab_size=data.vocab_size,
        pad_token_id=data.pad_token_id,
        vectors_dim=data.embedding_dim,
        architecture=network,
        **settings.part(RateSettings),
    )
    trainer = make_trainer(output, settings, mode="min", command=f"textcnn pretrain --config {output / CONFIG_FILE}")
    parameters = {**card_parameters(settings), "texts": _name(settings.texts)}
    if trainer.is_global_zero:
        _write_settings(output, settings)
    started = unfinished_run(output, {**parameters, "digest": _digest(texts, fields)})
    with keyboard_stops():
        trainer.fit(module, datamodule=data, ckpt_path=started)
    finish_run(output)
    return _save(trainer, module, data, output, settings, parameters)


Fields = dict[str, Any]


def _representation(settings: PretrainSettings, data: TextsDataModule, fields: Fields) -> Callable[..., Any]:
    dim = fields["teacher_features"].shape[1]
    if settings.encoding_dim not in (None, dim):
        raise ValueError(f"encoding_dim: got {settings.encoding_dim}; expected {dim}, as the encoder has; leave it out")
    return partial(
        RepresentationModule,
        labels=[],
        encoding_dim=dim,
        gram_weight=settings.gram_weight,
        temperature=settings.temperature,
    )


def _contrastive(settings: PretrainSettings, data: TextsDataModule, fields: Fields) -> Callable[..., Any]:
    dim = settings.encoding_dim or ENCODING_DIM
    return partial(ContrastiveModule, labels=[], encoding_dim=dim, temperature=settings.temperature)


def _masked(settings: PretrainSettings, data: TextsDataModule, fields: Fields) -> Callable[..., Any]:
    data.tokenizer, mask_token_id = add_mask_token(data.tokenizer)
    lengths = [int(length) for length in np.quantile(data.encoded.lengths, np.linspace(0, 1, 11))]
    kind = DiffusionModule if settings.objective == "diffusion" else MaskedModule
    return partial(
        kind,
        labels=data.label_names,
        mask_token_id=mask_token_id,
        mask_share=settings.mask_share,
        lengths=lengths,
    )


OBJECTIVES: dict[str, Callable[[PretrainSettings, TextsDataModule, Fields], Callable[..., Any]]] = {
    "representation": _representation,
    "contrastive": _contrastive,
    "masked": _masked,
    "diffusion": _masked,
}


def _read(settings: PretrainSettings) -> tuple[list[str], Fields, list[str]]:
    """Return the texts, the fields of their batches, and the names of the labels among these."""
    if settings.label_column is not None:
        texts, labels = read_labelled_texts(settings.texts, settings.text_column, settings.label_column, settings.limit)
        names = sorted(set(labels))
        return texts, {"labels": np.array([names.index(label) for label in labels])}, names
    texts = read_unlabelled(settings.texts, settings.split_documents, settings.limit, text_column=settings.text_column)
    if settings.encoder is None:
        return texts, {}, []
    encoder = open_encoder(settings.encoder)
    return texts, {"teacher_features": encoder.encode_cached(texts, progress=settings.progress)}, []


def _data(settings: PretrainSettings, texts: list[str], fields: Fields, names: list[str]) -> TextsDataModule:
    options = {**settings.part(TokenizerSettings), **settings.part(BatchSettings)}
    if settings.init is not None and settings.tokenizer is None:
        options["tokenizer"] = str(settings.init)
    return TextsDataModule(texts, fields, names, **options, validation_fraction=settings.validation_fraction)


def _write_settings(output: Path, settings: PretrainSettings) -> None:
    """Write the settings that are not the default into config.yaml, as `textcnn pretrain --config` reads them."""
    import yaml

    changed = absolute_paths({**settings.changed(), "path": settings.init, "output": str(output.absolute())})
    changed["init"], texts = changed.pop("path", None), settings.texts
    files = [str(one) for one in ([texts] if isinstance(texts, str | Path) else texts)]
    # Texts in memory are no part of a file of settings.
    if all(map(is_file, files)):
        changed["texts"] = [str(Path(name).absolute()) for name in files]
    else:
        changed.pop("texts", None)
    if changed["init"] is None:
        del changed["init"]
    output.mkdir(parents=True, exist_ok=True)
    content = plain({name: value for name, value in changed.items() if name not in ("callbacks", "progress", "force")})
    write_text(output / CONFIG_FILE, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _save(
    trainer: lightning.Trainer,
    module: PretrainingModule,
    data: TextsDataModule,
    output: Path,
    settings: PretrainSettings,
    parameters: dict[str, Any],
) -> dict[str, float]:
    # Its loss is logged already: a second time it would look like one epoch more.
    best, trainer.loggers = getattr(trainer.checkpoint_callback, "best_model_path", None) or None, []
    scores = dict(trainer.validate(module, datamodule=data, ckpt_path=best, verbose=False)[0])
    scores = {name: float(value) for name, value in sorted(scores.items())}
    if trainer.is_global_zero:
        record = TrainingRecord(
            data=_name(settings.texts),
            scores=scores,
            data_report=data.data_report,
            parameters=parameters,
            base_model=base_model(data.vectors),
        )
        card = pretraining_card(module.model, record, settings.objective)
        save_artifact(module.model, data.tokenizer, output, card=card)
        write_text(output / "scores.json", json.dumps(scores, indent=2) + "\n")
    trainer.strategy.barrier()
    return scores


def _name(texts: Any) -> str:
    """Return the name of the texts for the model card."""
    files = [texts] if isinstance(texts, str | Path) else list(texts)
    in_memory = not isinstance(texts, str | Path) and not all(isinstance(one, Path) or is_file(one) for one in files)
    return f"{len(files):,} texts in memory" if in_memory else named(texts)


def _digest(texts: list[str], fields: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    for values in fields.values():
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
