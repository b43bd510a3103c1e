"""Limits of requests, and the errors that answer what exceeds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from .requests import message_of

B = TypeVar("B", bound=BaseModel)


@dataclass(frozen=True)
class Limits:
    """Limits of requests.

    Args:
        max_body: Bytes of a body.
        max_texts: Texts of a request.
        max_characters: Characters of a text.
        max_waiting: Requests that wait for an answer.
    """

    max_body: int = 10_000_000
    max_texts: int = 10_000
    max_characters: int = 100_000
    max_waiting: int = 1000


def limits_of(values: Mapping[str, Any]) -> Limits:
    """Return the limits among settings."""
    return Limits(**{name: values[name] for name in Limits.__dataclass_fields__})


async def read_body(receive: Any, kind: type[B], max_body: int) -> B:
    """Return the body of a request from its ASGI messages; reading ends at the limit.

    Raises:
        HTTPException: The body is too large, or is not what is expected.
    """
    body: bytes | bytearray = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HTTPException(400, "body: got a part; expected all of it; send it again")
        part, more = message.get("body", b""), message.get("more_body", False)
        if len(body) + len(part) > max_body:
            error = f"body: got more than {max_body:,} bytes; expected at most that; send several requests"
            raise HTTPException(413, error, headers={"connection": "close"})
        if not body:
            body = bytearray(part) if more else part
        else:
            body += part
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise HTTPException(422, message_of(error, kind)) from None


def check_texts(texts: Sequence[str], limits: Limits) -> None:
    """Refuse too many texts, and texts that are too long.

    Raises:
        HTTPException: There are.
    """
    if len(texts) > limits.max_texts:
        raise HTTPException(
            413, f"texts: got {len(texts):,}; expected at most {limits.max_texts:,}; send several requests"
        )
    if max(map(len, texts), default=0) <= limits.max_characters:
        return
    place = next(n for n, text in enumerate(texts) if len(text) > limits.max_characters)
    raise HTTPException(
        413,
        f"text {place}: got {len(texts[place]):,} characters; expected at most {limits.max_characters:,}; cut it, or "
        "start the server with a larger --max_characters",
    )


def overload(limits: Limits) -> HTTPException:
    """Return the answer to a request that finds the queue full."""
    message = f"got more than {limits.max_waiting:,} waiting requests; expected fewer; send this one again later"
    return HTTPException(503, message, headers={"retry-after": "1"})
