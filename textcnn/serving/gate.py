"""The layer in front of all routes: the token, the count of every request, and errors as JSON."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from .metrics import Metrics

logger = logging.getLogger("textcnn.serving")
Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Any, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]
# What may be asked without the token.
OPEN = ("/health",)


class Gate:
    """An ASGI layer that refuses requests without the token and counts all of them.

    Args:
        app: What answers.
        metrics: Counters.
        paths: Paths that are counted by name; the others are counted together.
        token: What requests must bring, as `Authorization: Bearer TOKEN` or as the password of basic authentication,
            which browsers ask for. None: nothing.
        direct: Endpoints by method and path that are called in place of `app`, whose router takes longer than they do.
    """

    def __init__(
        self, app: App, metrics: Metrics, paths: frozenset[str], token: str | None,
        direct: Mapping[tuple[str, str], App],
    ) -> None:  # fmt: skip
        self.app, self.metrics, self.paths, self.direct = app, metrics, paths, direct
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 0

        async def counted(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if self._token is None or scope["path"] in OPEN or self._is_authorized(scope):
                app = self.direct.get((scope["method"], scope["path"]), self.app)
                await app(scope, receive, counted)
            else:
                await refuse(counted)
        except Exception:
            # An error of ours: logged, counted and answered, and the server goes on.
            logger.exception("%s %s", scope["method"], ascii(scope["path"]))
            if status:
                raise
            await send_json(counted, 500, {"error": "the server failed on this request; its log has the reason"})
        finally:
            path = scope["path"] if scope["path"] in self.paths else "other"
            self.metrics.count_request(path, status, time.perf_counter() - begin)

    def _is_authorized(self, scope: Scope) -> bool:
        header = dict(scope["headers"]).get(b"authorization", b"")
        kind, _, value = header.partition(b" ")
        if kind.lower() == b"basic":
            try:
                value = base64.b64decode(value.strip(), validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        elif kind.lower() != b"bearer":
            return False
        return hmac.compare_digest(value.strip(), self._token or b"")


async def refuse(send: Send) -> None:
    """Answer 401."""
    message = "got no valid token; expected the one of TEXTCNN_TOKEN; send Authorization: Bearer TOKEN"
    challenges = [(b"www-authenticate", b"Bearer"), (b"www-authenticate", b'Basic realm="textcnn"')]
    await send_json(send, 401, {"error": message}, challenges)


async def send_json(send: Send, status: int, content: Any, headers: Headers = ()) -> None:
    """Send a whole response."""
    await send_body(send, status, json.dumps(content).encode(), headers)


async def send_body(send: Send, status: int, body: bytes, headers: Headers = ()) -> None:
    """Send a whole response, of which the body is JSON already."""
    standard = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": standard})
    await send({"type": "http.response.body", "body": body})
