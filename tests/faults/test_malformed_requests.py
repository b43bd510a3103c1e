"""Requests that no client should send, over sockets: none is answered by an error of the server, which lives on."""

from __future__ import annotations

import json
import random
import re
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fault_ledger import Ledger
from server_process import post, running

import textcnn

MAX_BODY = 50_000
NAMES = ["text", "texts", "model", "label", "top_k", "probabilities", "abstain", "x", "", "text\0", "__proto__"]
# As JSON spells them; some are no JSON.
VALUES = [
    '"w2"', '""', '"\\u0000"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\udfff\\ud800"', '"\\uzzzz"', '"\\x"', "3", "-1",
    "-0", "1e999", "-1e999", "1" * 400, "0.1e-999", "NaN", "-Infinity", "null", "true", "[]", "{}", '["w2"]',
    '["w2",null]', '[["w2"]]', '{"text":"w2"}', "[" * 3000, '{"a":' * 3000, "[" * 900 + "]" * 900, '"w2', "'w2'",
    "01", "+1", "1.", "tru", '"' + "w2 " * 9000 + '"', "[" + ",".join(['"w"'] * 9000) + "]", '"a"' + " " * 300, '"\t"',
    "9007199254740993", "1e2",
]  # fmt: skip
WHOLES = [
    b"", b" ", b"{", b"}", b"null", b"[]", b'"text"', b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b"\xc0\x80",
    b"\xed\xa0\x80", b'{"text":"\xff"}', b'{"text":"\xed\xa0\x80"}', b'{"text":"\xf5\x80\x80\x80"}', b"[" * 9000,
    b'{"text":' * 3000, b"\0", b"text=w2", b'{"text":"w2"}{"text":"w2"}', b'{"text":"w2","text":"w3"}',
    b"{'text':'w2'}", b'{"text":"w2",}', b"9" * 9000,
]  # fmt: skip
TYPES = [
    "application/json", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded",
    "application/json; charset=x", "", "\xfc", "a" * 5000,
]  # fmt: skip
HEADERS = [
    "no colon\r\n", ": no name\r\n", "a b: c\r\n", "x: a\0b\r\n", "x: \xff\r\n", "x: y\n", " folded\r\n",
    "x: " + "y" * 99_000, "".join(f"x{n}: y\r\n" for n in range(3000)), "expect: 100-continue\r\n",
    "expect: the worst\r\n", "upgrade: websocket\r\nconnection: upgrade\r\n",
    "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\n", "authorization: Basic !\r\n",
    "authorization: \xff\r\n", "content-encoding: gzip\r\n", "connection: close\r\n", "x-forwarded-for: \xff,,,\r\n",
    "x-forwarded-proto: \xff\r\n", "host: a\r\nhost: b\r\n", "traceparent: 00-x\r\n",
]  # fmt: skip
METHODS = [
    "GET",
    "PUT",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "CONNECT",
    "BREW",
    "post",
    "",
    "P\0ST",
    "POST" * 99,
]
TARGETS = [
    "/models", "/health", "/metrics", "/", "/nothing", "//", "/../x", "/predict/", "/predict?text=w2", "/%ff%00",
    "/predict%", "/%70redict", "/\xff", "*", "http://other/predict", "predict", "/" + "a" * 9000, "/predict#x",
    "/predict;x", "/ predict", "http://[::1", "http://a:99999/predict", "/docs/oauth2-redirect", "/openapi.json",
]  # fmt: skip


class Draw(random.Random):
    """A source of malformed requests: each is its bytes, and False where a server must wait for more of it."""

    def content(self) -> bytes:
        """Return a body: JSON of wrong fields and values, damaged JSON, or none."""
        kind = self.random()
        if kind < 0.2:
            return self.choice(WHOLES)
        if kind < 0.25:
            return self.randbytes(self.randrange(300))
        fields = (f"{json.dumps(self.choice(NAMES))}:{self.choice(VALUES)}" for _ in range(self.randrange(4)))
        body = bytearray(("{" + ",".join(fields) + "}").encode())
        if kind < 0.5:
            for _ in range(self.randrange(1, 4)):
                body[self.randrange(len(body))] = self.randrange(256)
        elif kind < 0.6:
            del body[self.randrange(len(body)) :]
        return bytes(body)

    def request(self) -> tuple[bytes, bool]:
        """Return a request."""
        kind = self.choice(
            [self.plain] * 5 + [self.line] * 2 + [self.lengths, self.chunked, self.headers, self.oversized, self.noise]
        )
        return kind()

    def plain(self) -> tuple[bytes, bool]:
        """Return a request that is malformed only in body or type."""
        return message(self.content(), path=self.choice(["/predict"] * 3 + ["/explain"]), kind=self.choice(TYPES)), True

    def lengths(self) -> tuple[bytes, bool]:
        """Return a body that is shorter or longer than it is said to be, or of a length that is none."""
        body = self.content()
        length = self.choice(
            [len(body) + 9, 10**9, 10**30, -1, "x", "", "0x9", "+5", "5 5", f"{len(body)}\r\ncontent-length: 1"]
        )
        return message(body, length=str(length)), False

    def chunked(self) -> tuple[bytes, bool]:
        """Return a body in chunks, whole or broken."""
        whole = self.random() < 0.5
        size = self.choice(
            ["%x", "%X", "%x;name=value"] if whole else ["g%x", "-%x", "ffffffffffffffffff%x", "%x0", "0x%x", ""]
        )
        parts = [self.content() for _ in range(self.randrange(1, 4))]
        body = b"".join(
            (size % len(part) if "%" in size else size).encode() + b"\r\n" + part + b"\r\n" for part in parts if part
        )
        end = b"0\r\n\r\n" if whole else self.choice([b"", b"0\r\n", b"0\r\nx: y\r\n\r\n", b"\r\n"])
        extra = "" if whole else self.choice(["", "content-length: 3\r\n", "transfer-encoding: gzip\r\n"])
        return message(body + end, length=None, extra=f"transfer-encoding: chunked\r\n{extra}"), whole

    def headers(self) -> tuple[bytes, bool]:
        """Return headers that are odd, or no headers."""
        extra = self.choice(HEADERS)
        return message(b'{"text":"w2"}', extra=extra), False

    def line(self) -> tuple[bytes, bool]:
        """Return a request line of another method, target or version."""
        method, path = self.choice(METHODS), self.choice(["/predict", "/explain", *TARGETS])
        version = self.choice(["HTTP/1.1"] * 4 + ["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/9.9", "HTTP/x", "", "SPDY"])
        if self.random() < 0.5:
            method, version = "POST", "HTTP/1.1"
        return message(self.content(), method, path, version=version), False

    def oversized(self) -> tuple[bytes, bool]:
        """Return a body above the limit, in one piece or in chunks."""
        body = b'{"text":"' + b"w" * self.choice([MAX_BODY, 4 * MAX_BODY]) + b'"}'
        if self.random() < 0.5:
            return message(body), False
        chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        return message(chunks, length=None, extra="transfer-encoding: chunked\r\n"), False

    def noise(self) -> tuple[bytes, bool]:
        """Return something other than HTTP, or two requests at once."""
        good = message(b'{"text":"w2"}')
        return self.choice(
            [
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + self.randbytes(200),
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                b"GET /health\r\n\r\n",
                b"\r\n" * 9,
                b"\0" * 500,
                self.randbytes(400),
                good[: self.randrange(len(good))],
                good + good,
                good * 20,
                good + self.randbytes(50),
            ]
        ), False


def message(
    body: bytes, method: str = "POST", path: str = "/predict", kind: str = "application/json",
    version: str = "HTTP/1.1", length: str | None = "", extra: str = "",
) -> bytes:  # fmt: skip
    """Return the bytes of a request; a length of "" is the right one, and None none."""
    head = f"{method} {path} {version}\r\nhost: test\r\ncontent-type: {kind}\r\n{extra}"
    if length is not None:
        head += f"content-length: {length or len(body)}\r\n"
    return f"{head}\r\n".encode("latin-1") + body


def answer_to(host: str, port: int, request: bytes, complete: bool) -> bytes:
    """Send a request and return what comes back until the connection ends, or until one response is there."""
    received = b""
    with socket.create_connection((host, port), 20) as connection:
        try:
            connection.sendall(request)
            if not complete:
                # What can be answered is answered, and what cannot ends here.
                connection.settimeout(0.05)
            while part := connection.recv(1 << 16):
                received += part
                head, separator, body = received.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head)
                if complete and separator and length and len(body) >= int(length[1]):
                    break
        except (TimeoutError, ConnectionError):
            # A server may close a connection while a client still sends.
            assert not complete or received, request[:300]
    return received


@pytest.mark.timeout(3600)
def test_malformed_requests(artifact: Path, tmp_path: Path, count: Callable[[int, int], int], ledger: Ledger) -> None:
    classifier = textcnn.load(artifact)
    expected = classifier.predict(["w2 w3"]).tolist()
    draw, seen, times = Draw(0), Counter[str](), count(400, 10_000)
    log = tmp_path / "log"
    with running(artifact, "--max_body", str(MAX_BODY), "--max_texts", "5000", log=log) as (process, address):
        host, port = urlsplit(address).hostname, urlsplit(address).port
        assert host is not None
        assert port is not None
        for n in range(times):
            request, complete = draw.request()
            reply = answer_to(host, port, request, complete)
            statuses = re.findall(rb"HTTP/1\.1 (\d{3})", reply)
            assert not any(status >= b"500" for status in statuses), (n, request[:300], reply[:300])
            seen[statuses[-1].decode() if statuses else "no answer"] += 1
            if n % 50 == 0:
                status, content = post(address, "/predict", texts=["w2 w3"])
                assert (status, [row["label"] for row in content["answers"]]) == (200, expected)
        assert process.poll() is None
    assert "Traceback" not in log.read_text(errors="replace")
    assert {"200", "400", "404", "405", "413", "422"} <= set(seen)
    outcome = ", ".join(f"{number:,} {status}" for status, number in sorted(seen.items()))
    ledger.note("a malformed request to the server", times, f"answered by {outcome}; the server answers on")
