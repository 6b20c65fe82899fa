"""What earlier runs of an import left in the folder that is written to."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import ConfigError, RecordingError
from ..recordings.writer import SUFFIXES, is_written, make_folder


@contextmanager
def import_folder(out: str | Path) -> Iterator[Path]:
    """Make the folder that is written to, and keep other imports out of it for the block: their
    recordings would have the same names.

    Raises ConfigError where another one is at work.
    """
    folder = make_folder(out)
    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(place)
        raise ConfigError(
            f"out: another import writes to {folder}: wait for its end, or choose another folder"
        ) from None
    except OSError:
        pass  # a disk that knows no locks of folders
    try:
        yield folder
    finally:
        os.close(place)


@dataclass(slots=True)
class Imported:
    """What lies in the folder that is written to, by the hash of what it is of."""

    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """The hash of what each name is of."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def in_folder(cls, out: Path) -> Imported:
        """Look at the meta files of the recordings in a folder."""
        found = cls()
        for path in out.rglob("*.meta.json"):
            stem = path.name.removesuffix(".meta.json")
            if path.name.startswith(".") or not is_written(path.parent / stem):
                continue
            try:
                meta = json.loads(path.read_bytes())
                digest = str(meta["source_sha256"])
            except (OSError, ValueError, KeyError, TypeError):
                continue  # of another verb, or damaged: then it is no import of ours
            found.settings[digest] = meta.get("import_settings", {})
            found.names[(path.parent / stem).relative_to(out).as_posix()] = digest
        return found

    def claim(self, name: str, digest: str, settings: dict[str, Any]) -> str | None:
        """Return a free name for a recording; None where it is there already.

        Raises RecordingError where it is there as other settings made it.
        """
        name = _findable(name) or digest[:8]
        with self.lock:
            if digest in self.settings:
                if self.settings[digest] != settings:
                    raise RecordingError(
                        "it was imported with other settings before: choose another --out"
                    )
                return None
            if name in self.names:
                name = f"{name}-{digest[:8]}"
            self.settings[digest], self.names[name] = settings, digest
            return name

    def forget(self, name: str, digest: str) -> None:
        """Take back what `claim` gave, since it could not be written."""
        with self.lock:
            del self.settings[digest], self.names[name]


def _findable(name: str) -> str:
    """A name, without what would hide a recording, or make its files those of another."""
    folder, slash, name = name.rpartition("/")
    name = name.lstrip(".")
    while name.endswith(SUFFIXES):
        name = next(name.removesuffix(one) for one in SUFFIXES if name.endswith(one))
    return folder + slash + name if name else ""
