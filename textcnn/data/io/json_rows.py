"""Rows of json and jsonl files: one object a line, or one document with a list of objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from ..errors import DataError


def json_lines(lines: Iterable[str], name: str) -> Iterator[dict[str, Any]]:
    """Yield the object of each line that is not blank.

    Raises:
        DataError: a line is no JSON object; the message names it.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except RecursionError:
            raise DataError(
                f"{name}, line {number}: got JSON that is nested too deep to be read; expected one object a line; "
                "correct the line"
            ) from None
        except ValueError as error:  # also a number of more digits than Python reads
            raise DataError(
                f"{name}, line {number}: no JSON ({error}); expected one object a line; correct the line"
            ) from None
        if not isinstance(row, dict):
            raise DataError(
                f"{name}, line {number}: got a JSON {type(row).__name__}, {line.strip()[:60]}; expected an object "
                'such as {"text": "...", "label": "..."}'
            )
        yield row


def json_rows(lines: Iterator[str], name: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a .json file: a list of objects, at the top or under one key, or one object a line.

    Raises:
        DataError: the file holds neither.
    """
    head: list[str] = []
    first: list[str] = []
    for line in lines:
        head.append(line)
        if line.strip():
            first.append(line)
        if len(first) == 2:
            break
    if _one_object_a_line(first):
        yield from json_lines(chain(head, lines), name)
        return
    try:
        document = json.loads("".join(chain(head, lines)))
    except RecursionError:
        raise DataError(
            f"{name}: got JSON that is nested too deep to be read; expected a list of objects; correct the file"
        ) from None
    except ValueError as error:
        raise DataError(f"{name} is no JSON: {error}; expected a list of objects; correct the file") from None
    if isinstance(document, dict):
        lists = _record_lists(document)
        document = lists[0] if len(lists) == 1 else None
    if not isinstance(document, list) or not all(isinstance(item, dict) for item in document):
        raise DataError(f"{name} holds no list of objects; expected [{{...}}, ...] or one object a line (.jsonl)")
    yield from document


def _one_object_a_line(lines: list[str]) -> bool:
    try:
        records = [json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        return False
    if len(records) == 2:
        return True
    # A document of one line is one record, unless it holds a list of records.
    return len(records) == 1 and isinstance(records[0], dict) and not _record_lists(records[0])


def _record_lists(document: dict[str, Any]) -> list[list[Any]]:
    """Return the values of an object that are lists of objects."""
    return [v for v in document.values() if isinstance(v, list) and v and isinstance(v[0], dict)]
