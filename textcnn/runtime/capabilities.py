"""Abilities of a model, declared by its config.json, and refusals that name the setting in the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import listed

# Tokens that one feature of the last block sees, by the number of blocks: convolutions are 3 tokens wide. The dilation
# doubles with each block; a pyramid has two convolutions a block, and halves the text between blocks.
RECEPTIVE_FIELDS: dict[str, Callable[[int], int]] = {
    "dilated": lambda blocks: 1 + 2 * (2**blocks - 1),
    "pyramid": lambda blocks: 3 + 4 * (2**blocks - 1) + 2 * (2 ** (blocks - 1) - 1),
}
_EVERYTHING = ("fold", "explain", "certify", "inspect", "regress")
REGRESSION = "regression"


def obstacle(config: Mapping[str, Any], capability: str) -> str | None:
    """Return the reason why a model lacks an ability, or None.

    Args:
        config: The model's config.json.
        capability: fold (answers from look-up tables), explain (contributions that add up to the logit), certify,
            inspect or regress (answers that are numbers).

    Example:
        >>> obstacle({"backbone": "pyramid"}, "fold")
        "the backbone 'pyramid', which does not fold into tables"
    """
    regression = config.get("problem_type") == REGRESSION
    if capability == "regress":
        return None if regression else "labels for answers"
    if config.get("problem_type") == "ordinal" and capability in ("certify", "inspect"):
        return "problem_type ordinal, whose levels share one score"
    if regression and capability in ("certify", "inspect"):
        return "problem_type regression, whose answers are numbers and not labels"
    if "fasttext" in config and capability != "explain":
        return "words in place of convolutions, as it was converted from fastText"
    backbone = config.get("backbone", "parallel")
    if backbone != "parallel":
        return f"the backbone {backbone!r}, which does not fold into tables"
    if capability != "fold" and config.get("pooled_norm"):
        return "pooled_norm, which makes each feature depend on all others"
    pooling = config.get("pooling", "max")
    if capability in ("certify", "inspect") and config.get("kernel_sizes") == []:
        return "a bag alone, without convolutions"
    if capability in ("certify", "inspect") and config.get("num_experts", 1) > 1:
        return "num_experts, whose banks no bound and no lexicon covers"
    if capability in ("certify", "inspect") and pooling != "max":
        return f"the pooling {pooling!r}, which gives a filter several features"
    return None


def capabilities(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the abilities of a model.

    Example:
        >>> capabilities({"pooled_norm": True})
        ('fold',)
    """
    return tuple(name for name in _EVERYTHING if obstacle(config, name) is None)


def demand(config: Mapping[str, Any], capability: str, head: str | None = None) -> None:
    """Raise ValueError, in one line, where a model lacks an ability.

    Args:
        config: The model's config.json, or that of a head.
        capability: As of `obstacle`.
        head: Name of the head.

    Raises:
        ValueError: The model lacks it.
    """
    reason = obstacle(config, capability)
    if reason is not None:
        what = _named(head)
        if config.get("problem_type") == REGRESSION and "regression" in reason:
            raise ValueError(
                f"{capability}: got {what} of {reason}; expected a classifier; explain its answers instead"
            )
        if config.get("problem_type") == "ordinal" and "ordinal" in reason:
            raise ValueError(
                f"{capability}: got {what} of {reason}; expected labels without order; explain its answers instead"
            )
        advice = "explain answers by occlusion" if capability != "explain" else "train one without it"
        raise ValueError(f"{capability}: got {what} with {reason}; expected one without it; {advice}")


def _named(head: str | None) -> str:
    return "a model" if head is None else f"the head {head!r}"


def demand_labels(config: Mapping[str, Any], verb: str) -> None:
    """Raise ValueError where a verb needs labels and the answers of a model are numbers."""
    if config.get("problem_type") == REGRESSION:
        raise ValueError(
            f"{verb}: got a model of problem_type regression, whose answers are numbers; expected a classifier; "
            "use predict, evaluate, score, explain, fold, serve or export"
        )


def refuse_levels(config: Mapping[str, Any], verb: str, head: str | None = None) -> None:
    """Raise ValueError where a verb needs a logit for each label and a model has one score for ordered levels.

    Args:
        config: The model's config.json, or that of a head.
        verb: Verb, for the message.
        head: Name of the head.
    """
    if config.get("problem_type") == "ordinal":
        others = "" if head is None else "choose another head with head (--head); "
        raise ValueError(
            f"{verb}: got {_named(head)} of problem_type ordinal, whose levels share one score; expected labels "
            f"without order; {others}use predict, evaluate, score, serve, explain, fold, or export to ONNX"
        )


def demand_probabilities(config: Mapping[str, Any], method: str) -> None:
    """Raise ValueError where a model has no probabilities, or those of several heads."""
    refuse_heads(config, method)
    if config.get("problem_type") == REGRESSION:
        raise ValueError(
            f"{method}: got a model of problem_type regression, which has no probabilities; expected a classifier; "
            "call predict, which returns the numbers"
        )


def refuse_heads(config: Mapping[str, Any], verb: str, remedy: str = "open it with textcnn.load") -> None:
    """Raise ValueError where a model has several heads, of which a verb takes one.

    Raises:
        ValueError: The model has several heads.
    """
    if config.get("heads"):
        names = listed([head["name"] for head in config["heads"]])
        raise ValueError(f"{verb}: got a model with the heads {names}; expected one of them; {remedy}")


def size_in_words(config: Mapping[str, Any]) -> list[str]:
    """Return the size of a network in words, as far as its config.json tells it."""
    parts = [f"{config['vocab_size']:,} tokens"] if config.get("vocab_size") else []
    widths, filters = config.get("kernel_sizes"), config.get("num_filters")
    if widths and filters:
        parts.append(f"{len(widths)} width{'s' * (len(widths) != 1)} x {filters} filters")
    if config.get("bag", "none") != "none":
        parts.append(f"a bag of 1- to {config['bag_ngrams']}-grams" if config["bag_ngrams"] > 1 else "a bag of tokens")
    return parts
