"""A server that speaks the hub's protocol, as far as a push needs it: over real HTTP, in memory.

Written from the requests of `huggingface_hub` 2.4.0 (`_commit_api.py`, `lfs.py`, `hf_api.py`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LFS_ENDINGS = (".tar", ".parquet", ".mp4")
PAGE = 7  # files that a listing gives at a time
OID = "a" * 40


@dataclass
class Hub:
    """Repositories, large objects, and what shall fail."""

    address: str = ""
    token: str = "right"
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Of other branches than main by `OWNER/NAME@BRANCH`."""
    objects: dict[str, bytes] = field(default_factory=dict)
    commits: list[list[str]] = field(default_factory=list)
    """What each commit did: `+path` and `-path`."""
    requests: list[str] = field(default_factory=list)
    failing: dict[str, list[int]] = field(default_factory=dict)
    """Statuses that the next requests get whose path has these words."""
    uploaded: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: bytes, token: str) -> tuple[int, Any, dict]:
        path, _, query = path.partition("?")
        self.requests.append(f"{method} {path}")
        for words, statuses in self.failing.items():
            if words in path and statuses:
                return statuses.pop(0), {"error": "as told"}, {"Retry-After": "0"}
        if method == "PUT":
            digest = hashlib.sha256(body).hexdigest()
            assert path == f"/objects/{digest}"
            self.objects[digest] = body
            self.uploaded.append(digest)
            return 200, {}, {}
        if token != f"Bearer {self.token}":
            return 401, {"error": "Invalid credentials in Authorization header"}, {}
        if path == "/api/validate-yaml":
            return 200, {"warnings": [], "errors": []}, {}
        content = json.loads(body) if body and "/commit/" not in path else {}
        if path == "/api/repos/create":
            name = f"{content['organization']}/{content['name']}"
            status = 409 if name in self.repositories else 200
            self.repositories.setdefault(name, {".gitattributes": b"*.tar filter=lfs\n"})
            return status, {"url": f"{self.address}/datasets/{name}"}, {}
        found = re.match(r"/(?:api/)?datasets/([^/]+/[^/.]+)(?:\.git)?/(.*)", path)
        files = self.repositories.get(found[1]) if found else None
        if found is None or files is None:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        what, _, branch = found[2].partition("/")
        if what == "branch":
            there = f"{found[1]}@{branch}" in self.repositories
            self.repositories.setdefault(f"{found[1]}@{branch}", dict(files))
            return 409 if there else 200, {"error": "Reference already exists"} if there else {}, {}
        if what in ("tree", "preupload", "commit") and branch != "main":
            files = self.repositories.get(f"{found[1]}@{branch}")
        if files is None:
            return 404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"}
        if what == "tree":
            return self._tree(files, path, query)
        if what == "preupload":
            return 200, {"files": [self._mode(one["path"]) for one in content["files"]]}, {}
        if what == "info":
            return (
                200,
                {"transfer": "basic", "objects": [*map(self._batch, content["objects"])]},
                {},
            )
        if what == "commit":
            return self._commit(files, body, f"{self.address}/datasets/{found[1]}")
        return 404, {}, {}

    def _tree(self, files: dict[str, bytes], path: str, query: str) -> tuple[int, Any, dict]:
        names = sorted(files)
        begin = int((re.search(r"cursor=(\d+)", query) or [0, 0])[1])
        headers = {}
        if begin + PAGE < len(names):
            next_page = f"{self.address}{path}?recursive=true&cursor={begin + PAGE}"
            headers = {"Link": f'<{next_page}>; rel="next"'}
        return 200, [self._entry(n, files[n]) for n in names[begin : begin + PAGE]], headers

    def _entry(self, name: str, content: bytes) -> dict[str, Any]:
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry = {"type": "file", "path": name, "size": len(content), "oid": blob}
        if name.endswith(LFS_ENDINGS):
            digest = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 130}
        return entry

    def _mode(self, path: str) -> dict[str, Any]:
        mode = "lfs" if path.endswith(LFS_ENDINGS) else "regular"
        return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": None}

    def _batch(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted["oid"] in self.objects:
            return wanted
        return wanted | {"actions": {"upload": {"href": f"{self.address}/objects/{wanted['oid']}"}}}

    def _commit(self, files: dict[str, bytes], body: bytes, url: str) -> tuple[int, Any, dict]:
        done = []
        for line in body.splitlines():
            operation = json.loads(line)
            key, value = operation["key"], operation["value"]
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.objects[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
            if key != "header":
                done.append(("-" if key == "deletedFile" else "+") + value["path"])
        self.commits.append(done)
        return 200, {"commitUrl": f"{url}/commit/{OID}", "commitOid": OID}, {}


@contextmanager
def serving() -> Iterator[Hub]:
    """Yield a hub that listens on this machine."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = self.headers.get("Authorization", "")
            status, content, headers = hub.answer(self.command, self.path, body, token)
            data = json.dumps(content).encode()
            self.send_response(status)
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = _do  # noqa: N815 - names of the standard library

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
