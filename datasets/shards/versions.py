"""The versions of a dataset's manifest: a trainer keeps its own while the dataset goes on growing.

manifests/<version>.json                a version: the parts that it consists of
manifests/<version>.pin                 keeps the version for good
manifests/parts/<part>-<digest>.parquet a row for each clip of some shards
manifests/parts/<part>-<digest>.json    what those shards add up to

A version is called after what its parts hold, and a part after what it holds, so that versions
share the parts in which they are the same. A part is never changed, but for a takedown, which
takes the name of a source out of it (`compaction.py`).
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ... import storage
from ...errors import ConfigError, DatasetError
from ...progress import shortened
from .manifest import Manifest

MANIFESTS, PARTS = "manifests", "parts"
DIGITS = 16  # of a version's and a part's digest: nobody has billions of either
DAY_S = 86_400.0
UNUSED_S = DAY_S  # a part that no version names may belong to one that is being written
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a manifest."""

    name: str
    """The split, and the number of the block of shards: `train-00002`."""
    digest: str
    """Of its rows and of what they add up to."""
    clips: int

    @property
    def stem(self) -> str:
        """The name of its files."""
        return f"{self.name}-{self.digest}"


class Versions:
    """Knows where versions and parts lie, writes them, and collects those that are old.

    Args:
        dataset: the dataset's URI.
    """

    def __init__(self, dataset: str):
        self.dataset = dataset
        self._folder = storage.join(dataset, MANIFESTS)
        self._parts = storage.join(self._folder, PARTS)

    def uri(self, version: str) -> str:
        """Where a version lies."""
        return storage.join(self._folder, f"{version}.json")

    def part_uri(self, part: Part) -> str:
        """Where the rows of a part lie."""
        return storage.join(self._parts, f"{part.stem}.parquet")

    def totals_uri(self, part: Part) -> str:
        """Where it is said what a part's shards add up to."""
        return storage.join(self._parts, f"{part.stem}.json")

    def all(self) -> list[str]:
        """All versions that are there, the newest first."""
        times = self._times(self._folder, ".json")
        return sorted(times, key=lambda name: (-_known(times[name]), name))

    def read(self, version: str) -> list[Part]:
        """The parts of a version.

        Raises DatasetError where it is not there, or damaged.
        """
        uri = self.uri(version)
        try:
            content = json.loads(storage.read_bytes(uri))
            return [Part(**part) for part in content["parts"]]
        except (FileNotFoundError, NotADirectoryError) as error:
            there = self.all()
            raise DatasetError(
                f"{self.dataset}: version {version} of its manifest is not there: old versions are "
                "collected by `vidact compact`, which keeps pinned ones (--pin); there are "
                f"{shortened(there, SHOWN) or 'none'}"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{uri}: is damaged ({error}); run `vidact compact`") from error

    def open(self, content: Mapping[str, Any], version: str = "") -> Manifest:
        """A version's manifest.

        Args:
            content: of `dataset.json`.
            version: the beginning of its name; the one that `content` names unless given.
        """
        newest = content.get("version", "")
        chosen = self.find(version) if version else newest
        parts = {part.name: part for part in self.read(chosen)}
        shards = content["shards"]
        if chosen != newest:
            totals = filter(None, map(self.totals, parts.values()))
            shards = [shard for own in totals for shard in own["shards"]]
        return Manifest(
            {name: self.part_uri(part) for name, part in parts.items()},
            {shard["name"]: shard for shard in shards},
            chosen,
            lambda name: self.totals(parts[name]),
        )

    def find(self, beginning: str) -> str:
        """The one version whose name begins so. Raises DatasetError."""
        there = self.all()
        found = [version for version in there if version.startswith(beginning)]
        if len(found) == 1:
            return found[0]
        if not found:
            self.read(beginning)  # says what became of it
        raise DatasetError(
            f"{self.dataset}: {len(found)} versions begin with {beginning!r}: "
            f"{shortened(found, SHOWN)}"
        )

    def parts(self, version: str) -> list[Part]:
        """The parts of a version, none where it is not there or damaged."""
        try:
            return self.read(version)
        except DatasetError:
            return []

    def totals(self, part: Part) -> dict[str, Any] | None:
        """What a part's shards add up to; None where that is not there or damaged."""
        try:
            return dict(json.loads(storage.read_bytes(self.totals_uri(part))))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write(self, parts: Sequence[Part]) -> str:
        """Write a version; its name."""
        content = {"parts": [asdict(part) for part in parts]}
        digest = hashlib.sha256("\n".join(part.stem for part in parts).encode())
        version = digest.hexdigest()[:DIGITS]
        data = json.dumps(content, indent=1).encode() + b"\n"
        # Also where it is there: one that is the newest again is as young as any.
        storage.write_atomic(self.uri(version), data)
        return version

    def part_times(self) -> dict[str, float]:
        """When each part was written, by the name of its files; see `storage.modified_times`."""
        whole = self._times(self._parts, ".parquet")
        summaries = self._times(self._parts, ".json")
        return {stem: at for stem, at in summaries.items() if stem in whole}

    # Old versions

    def pinned(self) -> list[str]:
        """The versions that are kept for good."""
        return sorted(self._times(self._folder, ".pin"))

    def pin(self, version: str) -> str:
        """Keep a version for good, named by its beginning; its whole name."""
        version = self.find(version)
        storage.write_atomic(storage.join(self._folder, f"{version}.pin"), b"")
        return version

    def unpin(self, version: str) -> str:
        """Keep a version no longer than others; its whole name."""
        found = [name for name in self.pinned() if name.startswith(version)]
        if len(found) != 1:
            raise ConfigError(
                f"unpin: {len(found)} pinned versions begin with {version!r}; pinned are "
                f"{', '.join(self.pinned()) or 'none'}"
            )
        storage.remove(storage.join(self._folder, f"{found[0]}.pin"))
        return found[0]

    def collect(self, newest: str, keep_days: float) -> list[str]:
        """Remove versions that were replaced more than so many days ago, and parts that no
        version names any more; returns the versions that went.

        The newest version and pinned ones stay.
        """
        times = self._times(self._folder, ".json")
        now = max([_known(at) for at in times.values()], default=0.0)  # by the store's clock
        now = max(now, time.time())
        kept = {newest, *self.pinned()}
        replaced = now  # a version was in use until the next one came
        gone = []
        for version in self.all():
            if version not in kept and now - replaced >= keep_days * DAY_S:
                storage.remove(self.uri(version))
                gone.append(version)
            replaced = _known(times[version])
        if gone:
            self._remove_unused(now)
        return gone

    def _remove_unused(self, now: float) -> None:
        used = {part.stem for version in self.all() for part in self.parts(version)}
        for suffix in (".parquet", ".json"):
            for stem, at in self._times(self._parts, suffix).items():
                if stem not in used and now - _known(at, now) >= UNUSED_S:
                    storage.remove(storage.join(self._parts, stem + suffix))

    @staticmethod
    def _times(folder: str, suffix: str) -> dict[str, float]:
        """When the files of a folder were written, by their names without the suffix."""
        found = storage.modified_times(folder, suffix)
        return {uri.rsplit("/", 1)[1].removesuffix(suffix): at for uri, at in found.items()}


def _known(at: float, otherwise: float = 0.0) -> float:
    return otherwise if math.isnan(at) else at
