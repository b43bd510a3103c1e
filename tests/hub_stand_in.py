"""The few answers of the Hugging Face Hub that pushing and loading a model ask for, on 127.0.0.1.

Every file goes up inside its commit, so that neither LFS nor Xet is needed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


class Hub:
    """What was pushed: repository -> path -> content."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.cards: list[str] = []
        self.url = ""

    def commit(self, repository: str) -> str:
        """A revision that changes with the content."""
        digest = hashlib.sha1()
        for path, content in sorted(self.repositories[repository].items()):
            digest.update(path.encode() + content)
        return digest.hexdigest()


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """A hub for as long as the block runs; its address is `hub.url`, for HF_ENDPOINT."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(body=True)

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def answer(self, body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
                repository, name = found.groups()
                files = hub.repositories.get(repository)
                if files is None or name not in files:
                    return self.missing("RepoNotFound" if files is None else "EntryNotFound", body)
                headers = {
                    "ETag": f'"{hashlib.sha1(files[name]).hexdigest()}"',
                    "X-Repo-Commit": hub.commit(repository),
                }
                return self.send(200, files[name], headers, body)
            found = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/[^/]+)?(?:/(.+))?", path)
            if found is None or found[1] not in hub.repositories:
                return self.missing("RepoNotFound", body)
            repository, kind, folder = found.groups()
            files = hub.repositories[repository]
            if kind == "tree":
                start = f"{folder}/" if folder else ""
                inside = {name: content for name, content in files.items() if name.startswith(start)}
                if folder and not inside:
                    return self.missing("EntryNotFound", body)
                entry = {"type": "file", "oid": "0"}
                return self.json([{**entry, "path": name, "size": len(inside[name])} for name in inside], body)
            siblings = [{"rfilename": name} for name in files]
            return self.json({"id": repository, "sha": hub.commit(repository), "siblings": siblings, "tags": []}, body)

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = unquote(urlsplit(self.path).path)
            if path == "/api/repos/create":
                wanted = json.loads(content)
                repository = "/".join(filter(None, [wanted.get("organization") or "me", wanted["name"]]))
                hub.repositories.setdefault(repository, {})
                self.json({"url": f"{hub.url}/{repository}", "id": "1", "name": repository})
            elif path == "/api/validate-yaml":
                hub.cards.append(json.loads(content)["content"])
                self.json({"errors": [], "warnings": []})
            elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/.+", path):
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(content)["files"]
                ]
                self.json({"files": files})
            elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/.+", path):
                repository = found[1]
                for line in content.decode().splitlines():
                    entry = json.loads(line)
                    if entry["key"] == "file":
                        value = entry["value"]
                        hub.repositories[repository][value["path"]] = base64.b64decode(value["content"])
                url = f"{hub.url}/{repository}/commit/{hub.commit(repository)}"
                self.json({"success": True, "commitOid": hub.commit(repository), "commitUrl": url, "hookOutput": ""})
            else:
                self.missing("EntryNotFound")

        def json(self, value: Any, body: bool = True) -> None:
            self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"}, body)

        def missing(self, code: str, body: bool = True) -> None:
            self.send(404, b"{}", {"X-Error-Code": code, "Content-Type": "application/json"}, body)

        def send(self, status: int, content: bytes, headers: dict[str, str], body: bool = True) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
