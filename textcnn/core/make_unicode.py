"""Generator of unicode_tables.hpp: the Unicode data of the compiled tokenizers, read off `tokenizers` itself.

    python -m textcnn.core.make_unicode

The library is asked for each code point, so that the tables have its versions of Unicode (its parts have several). A
test compares the two, so that a later version of `tokenizers` that differs is noticed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from tokenizers import Regex, normalizers, pre_tokenizers

TARGET = Path(__file__).parent / "unicode_tables.hpp"
POINTS = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
# Bits of a code point, in this order in unicode.hpp.
BITS = (
    "control", "bert_space", "chinese", "mark", "punctuation", "white_space", "word", "regex_space", "letter", "number",
    "stripped", "nonspacing",
)  # fmt: skip
_HANGUL = range(0xAC00, 0xD7A4)
# No normalizer makes this character of another, so that it can stand between two results.
_FENCE = "\x01"


def each(function: Callable[[str], str], points: list[int]) -> list[str]:
    """Return the value of the function for each code point, given as a separate string."""
    results = []
    for begin in range(0, len(points), 4096):
        part = points[begin : begin + 4096]
        made = function(_FENCE + _FENCE.join(map(chr, part)) + _FENCE).split(_FENCE)[1:-1]
        results += made if len(made) == len(part) else [function(chr(point)) for point in part]
    return results


def matches(expression: str) -> set[int]:
    """Return the code points that a regular expression of `tokenizers` matches."""
    replace = normalizers.Replace(Regex(expression), "##").normalize_str
    return {point for point in POINTS if len(replace(chr(point))) == 2}


def cuts(pre_tokenizer: pre_tokenizers.PreTokenizer) -> tuple[set[int], set[int]]:
    """Return the code points that end a word and vanish, and those that stand alone."""
    vanish, alone = set(), set()
    for point in POINTS:
        pieces = [piece for piece, _ in pre_tokenizer.pre_tokenize_str(f"a{chr(point)}a")]
        if pieces == ["a", "a"]:
            vanish.add(point)
        elif len(pieces) == 3:
            alone.add(point)
    return vanish, alone


def properties() -> dict[str, set[int]]:
    """Return the code points that have each of BITS."""
    clean = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False
    )
    cleaned = [clean.normalize_str(chr(point)) for point in POINTS]
    chinese = normalizers.BertNormalizer(
        clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False
    )
    unaccented = normalizers.BertNormalizer(
        clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False
    )
    strip, accents = normalizers.Strip().normalize_str, normalizers.StripAccents().normalize_str
    bert_space, punctuation = cuts(pre_tokenizers.BertPreTokenizer())
    white_space, _ = cuts(pre_tokenizers.WhitespaceSplit())
    regex_gap, regex_other = cuts(pre_tokenizers.Whitespace())
    return {
        "control": {point for point, made in zip(POINTS, cleaned, strict=True) if made == ""},
        "bert_space": {point for point, made in zip(POINTS, cleaned, strict=True) if made == " "} | bert_space,
        "chinese": {p for p in POINTS if len(chinese.normalize_str(chr(p))) == 3},
        "mark": {point for point in POINTS if accents(chr(point)) == ""},
        "punctuation": punctuation,
        "white_space": white_space,
        "word": set(POINTS) - regex_gap - regex_other,
        "regex_space": matches(r"\s"),
        "letter": matches(r"\p{L}"),
        "number": matches(r"\p{N}"),
        "stripped": {point for point in POINTS if strip(chr(point)) == ""},
        "nonspacing": {point for point in POINTS if unaccented.normalize_str(chr(point)) == ""},
    }


def ranges(values: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first code point and the value of each run of equal values."""
    previous = None
    for point, value in zip(POINTS, values, strict=True):
        if value != previous:
            yield point, value
            previous = value


def combining_classes(decompose: Callable[[str], str]) -> dict[int, int]:
    """Return the combining class of each mark by which canonical ordering sorts it, found by sorting pairs."""
    known: dict[int, int] = {}
    for point in POINTS:
        # Python may know marks that the library does not.
        if unicodedata.combining(chr(point)) and decompose("\u0345" + chr(point))[0] != "\u0345":
            known.setdefault(unicodedata.combining(chr(point)), point)
    known[240] = 0x345
    representatives = sorted((number, chr(point)) for number, point in known.items() if number)
    classes = {}
    for point in POINTS:
        mark = chr(point)
        form = decompose(mark)
        # U+0345 alone has the highest class: what changes places with it, or is it, is a mark.
        if form != mark or (decompose("\u0345" + mark)[0] == "\u0345" and mark != "\u0345"):
            continue
        # It goes before every mark of a higher class.
        higher = [number for number, other in representatives if decompose(other + mark) != other + mark]
        lower_or_same = [number for number, _ in representatives if number not in higher]
        classes[point] = max(lower_or_same, default=0) if higher or mark == "\u0345" else 240
    return {point: number for point, number in classes.items() if number}


def rows(numbers: list[str], per_line: int) -> str:
    """Return numbers of an initializer, some on each line."""
    lines = (", ".join(numbers[i : i + per_line]) for i in range(0, len(numbers), per_line))
    return "\n".join(f"    {line}," for line in lines)


def main() -> None:
    """Write the header."""
    found = properties()
    bits = [0] * 0x110000
    for i, name in enumerate(BITS):
        for point in found[name]:
            bits[point] |= 1 << i
    runs = [f"{{{point:#x},{value:#x}}}" for point, value in ranges([bits[point] for point in POINTS])]
    lower = each(normalizers.Lowercase().normalize_str, POINTS)
    decompose = normalizers.NFD().normalize_str
    nfd = each(decompose, POINTS)
    lowered: list[str] = []
    decomposed: list[str] = []
    pool: list[str] = []
    for target, forms in ((lowered, lower), (decomposed, nfd)):
        for point, form in zip(POINTS, forms, strict=True):
            if form == chr(point) or (target is decomposed and point in _HANGUL):
                continue
            target.append(f"{{{point:#x},{len(pool)},{len(form)}}}")
            pool += [f"{ord(character):#x}" for character in form]
    marks = [f"{{{point:#x},{number}}}" for point, number in sorted(combining_classes(decompose).items())]
    TARGET.write_text(
        "// Written by make_unicode.py: do not edit.\n#pragma once\n\n#include <cstdint>\n\nnamespace textcnn {\n\n"
        "struct PropertyRun {\n  uint32_t first, bits;\n};\nstruct Mapping {\n  uint32_t point, begin, size;\n};\n"
        "struct CombiningClass {\n  uint32_t point, number;\n};\n\n"
        f"inline constexpr PropertyRun kPropertyRuns[] = {{\n{rows(runs, 8)}\n}};\n\n"
        f"inline constexpr Mapping kLowercase[] = {{\n{rows(lowered, 7)}\n}};\n\n"
        f"inline constexpr Mapping kDecompositions[] = {{\n{rows(decomposed, 7)}\n}};\n\n"
        f"inline constexpr CombiningClass kCombiningClasses[] = {{\n{rows(marks, 9)}\n}};\n\n"
        f"inline constexpr uint32_t kMapped[] = {{\n{rows(pool, 14)}\n}};\n\n}}  // namespace textcnn\n",
        encoding="utf-8",
    )
    print(f"{TARGET.name}: {len(runs)} runs, {len(lowered)} lower, {len(decomposed)} decomposed, {len(marks)} marks")


if __name__ == "__main__":
    main()
