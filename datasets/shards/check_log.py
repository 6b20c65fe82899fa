"""What `verify` has found so far, a line of JSON per shard: a stopped run goes on from there."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from .commits import CommitRecord


class CheckLog:
    """What was found, and the local file of JSON lines that keeps it.

    Args:
        path: of the file; made where it is missing, with its folder. Without it nothing outlives
            the process.
        decode: whether frames are decoded: a line says so, and one that was not does not count
            where they are.
    """

    def __init__(self, path: str, *, decode: bool):
        self._path, self.decode = Path(path) if path else None, decode
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], list[str]] = {}
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() else []
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                key, problems = (row["shard"], row["sha256"]), list(row["problems"])
                if row["decode"] or not decode:
                    self._known[key] = problems
            except (ValueError, KeyError, TypeError) as error:
                if line.startswith('{"shard"') and not line.endswith("}"):
                    continue  # half a line of a run that was killed while it wrote
                raise ConfigError(
                    f"log: line {number} of {path} is none of `vidact verify` ({error!r}); "
                    "name another file"
                ) from error

    def find(self, record: CommitRecord) -> list[str] | None:
        """What was found in a shard's tar; None where that tar was not checked yet."""
        return self._known.get((record.shard, digest(record)))

    def digests(self) -> dict[str, str]:
        """The hash of the tar that was checked last, of each shard."""
        return dict(iter(self._known))

    def add(self, record: CommitRecord, problems: list[str]) -> None:
        """Note what was found."""
        self.take(finding(record, problems, decode=self.decode))

    def take(self, row: Mapping[str, Any]) -> None:
        """Note what was found elsewhere, as `finding` says it. What does not count here is left."""
        key, problems = (row["shard"], row["sha256"]), list(row["problems"])
        if (not row["decode"] and self.decode) or self._known.get(key) == problems:
            return
        self._known[key] = problems
        if self._path is None:
            return
        with self._lock, open(self._path, "a", encoding="utf-8") as file:
            # What a killed run left of a line must not swallow this one.
            file.write(("" if _ends_whole(self._path) else "\n") + json.dumps(dict(row)) + "\n")


def finding(record: CommitRecord, problems: list[str], *, decode: bool) -> dict[str, Any]:
    """What was found in a shard's tar, as a row of a log."""
    return {
        "shard": record.shard,
        "sha256": digest(record),
        "decode": decode,
        "problems": problems,
    }


def digest(record: CommitRecord) -> str:
    """The hash of a shard's tar; empty where it has none."""
    return str(record.tar["sha256"]) if record.tar else ""


def _ends_whole(path: Path) -> bool:
    with open(path, "rb") as file:
        if not file.seek(0, 2):
            return True
        file.seek(-1, 2)
        return file.read(1) == b"\n"
