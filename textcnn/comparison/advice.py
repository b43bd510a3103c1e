"""One sentence of advice: the classifier to use, and the advantages of the others."""

from __future__ import annotations

from collections.abc import Mapping

from .summary import Overall

# A larger difference is not given away for speed, even where it may be chance: the test texts may be few.
_CLOSE = 0.01
# A few percent of speed are not worth a word.
_MUCH = 1.5


def advise(overall: list[Overall], titles: Mapping[str, str]) -> str:
    """Return the classifier to use, and the reason.

    Among those whose accuracy is level with the best, by the paired bootstrap, and at most a point lower, it is the
    fastest. The most accurate of those that are faster still is named as well.

    Args:
        overall: Figures of the classifiers with one number of labels.
        titles: Name in tables by candidate.

    Raises:
        ValueError: There is no classifier.
    """
    if not overall:
        raise ValueError("advice: got no classifier; expected at least one")
    complete = [one for one in overall if one.data_sets == max(other.data_sets for other in overall)]
    best = max(complete, key=lambda one: one.accuracy)
    level = [one for one in complete if one.level and one.behind <= _CLOSE]
    chosen = max(level, key=lambda one: one.texts_per_second)
    speed = f"{chosen.texts_per_second:,.0f} texts/s on one core from {readable_bytes(chosen.size)}"
    if len(complete) == 1:
        return f"{titles[chosen.candidate]} was the only classifier: accuracy {percent(chosen.accuracy)}, {speed}."
    where = f"on {chosen.data_sets} data sets" if chosen.data_sets > 1 else "here"
    if chosen is best:
        second = max((one for one in complete if one is not best), key=lambda one: one.accuracy)
        tie = ", a difference that may be chance" if second.level else ""
        sentence = (
            f"Use {titles[best.candidate]}: it is the most accurate {where}, {percent(best.accuracy)} before "
            f"{titles[second.candidate]} with {percent(second.accuracy)}{tie}, and labels {speed}"
        )
    else:
        sentence = (
            f"Use {titles[chosen.candidate]}: its accuracy {where}, {percent(chosen.accuracy)}, is level with the best "
            f"({titles[best.candidate]}, {percent(best.accuracy)}; the difference may be chance), and it labels "
            f"{speed}, {times(chosen.texts_per_second / best.texts_per_second)} as many"
        )
    faster = [one for one in complete if one.texts_per_second > _MUCH * chosen.texts_per_second]
    if faster:
        other = max(faster, key=lambda one: one.accuracy)
        sentence += (
            f"; if speed matters most, {titles[other.candidate]} is "
            f"{times(other.texts_per_second / chosen.texts_per_second)} as fast and "
            f"{100 * (chosen.accuracy - other.accuracy):.1f} points less accurate"
            + (" (which may be chance)" if other.level else "")
        )
    return sentence + "."


def percent(value: float) -> str:
    """Return a fraction in percent.

    Example:
        >>> percent(0.9125)
        '91.2 %'
    """
    return f"{100 * value:.1f} %"


def times(ratio: float) -> str:
    """Return a ratio in words.

    Example:
        >>> times(12.3)
        '12 times'
    """
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.1f} times"


def readable_bytes(size: float) -> str:
    """Return a number of bytes in the unit that suits it.

    Example:
        >>> readable_bytes(3_400_000)
        '3.4 MB'
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}" if size < 100 * scale else f"{size / scale:.0f} {unit}"
    return f"{size / 1e3:.0f} kB"


def readable_seconds(seconds: float) -> str:
    """Return a duration in the unit that suits it.

    Example:
        >>> readable_seconds(95)
        '1.6 min'
    """
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"
