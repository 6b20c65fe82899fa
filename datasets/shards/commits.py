"""Commit records: `_commits/<shard>.json` says that a shard is whole, and what is known of it.

A tar without its record does not exist. A shard in which nothing was kept has a record and no tar.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ...errors import DatasetError
from .clip import SCHEMA_VERSION

SegmentKey = tuple[str, int, int]
"""What a segment is, wherever its video lies: content hash, first tick, one past the last tick."""

SHARD_NAME = re.compile(r"([a-z][a-z0-9_]*)-(\d{5,})")
REMOVED = "removed"  # of the dead letter that a takedown leaves
IN_GAME = "in_game"
"""In a record's `extra`, by content hash: what the model said of whether it is its game."""
NOT_THE_GAME = "not_the_game"  # why ticks were dropped, and why a whole video is a dead letter
CLEAN = "clean"
"""In a record's `extra`, by content hash: what the filter of clean frames said of asked ticks."""
PACKED = "plan"  # in a record's `extra`: which recordings `pack` made the shard of


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A part of a source that gave no labels, and why."""

    source_uri: str
    source_sha256: str | None = None
    """None where the source could not even be read."""
    start_tick: int | None = None
    end_tick: int | None = None
    """Half-open tick range; None where the source has no ticks that are known."""
    stage: str
    """Where it failed: `probe`, `decode`, `label` …"""
    reason: str
    """A short word for counters: `truncated`, `no_video_stream` …"""
    detail: str = ""


def tombstone(sha256: str) -> DeadLetter:
    """The dead letter of a source that was taken out of the dataset."""
    return DeadLetter(source_uri="", source_sha256=sha256, stage="remove", reason=REMOVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRecord:
    """What a commit record holds."""

    shard: str
    """`<split>-<nnnnn>`."""
    spec: Mapping[str, Any]
    """Name, version and sha256 of the action spec."""
    tar: Mapping[str, Any] | None
    """`sha256` and `size_bytes` of the tar; None where nothing was kept."""
    rows: tuple[Mapping[str, Any], ...]
    """The manifest's row of each clip, in the order of the tar."""
    statistics: Mapping[str, Any]
    """Counts over all clips: `shard_statistics.py`."""
    dead_letters: tuple[DeadLetter, ...] = ()
    drops: Mapping[str, int] = field(default_factory=dict)
    """Ticks that were left out on purpose, by reason."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What the writer wants to keep: environment, options, inputs."""
    segments: tuple[SegmentKey, ...] | None = None
    """The planned segments it was made of; None where there is no plan, and in old records."""
    schema_version: int = SCHEMA_VERSION

    @property
    def split(self) -> str:
        return split_of_shard(self.shard)

    @property
    def segments_sha256(self) -> str:
        """The hash of its segments; empty where they are not known."""
        return "" if self.segments is None else hash_segments(self.segments)

    @property
    def sources(self) -> frozenset[str]:
        """Content hashes of all sources that it holds anything of, or tells anything of."""
        held = {str(row["source_sha256"]) for row in self.rows}
        told = {letter.source_sha256 for letter in self.dead_letters if letter.source_sha256}
        return frozenset(held | told | set(self.extra.get("degrees", ())))

    def summary(self) -> dict[str, Any]:
        """What displays and restarts need to know of the shard: a kilobyte instead of its rows."""
        return {
            "segments_sha256": self.segments_sha256,
            "clips": int(self.statistics["clips"]),
            "ticks": int(self.statistics["ticks"]),
            "drops": dict(self.drops),
            "dead_letters": dict(Counter(letter.reason for letter in self.dead_letters)),
            "size_bytes": int(self.tar["size_bytes"]) if self.tar else 0,
            "sources": sorted(self.sources),
        }

    def is_made_of(self, segments: Iterable[SegmentKey], removed: Collection[str] = ()) -> bool:
        """Whether these planned segments are what the shard was made of.

        Args:
            removed: content hashes of sources that were taken down: whether plan or record still
                have them does not matter.
        """
        planned = [key for key in segments if key[0] not in removed]
        if self.segments is not None:
            return planned == [key for key in self.segments if key[0] not in removed]
        # A record of before: every clip and every dead letter must lie in a planned segment.
        parts = [
            (r["source_sha256"], r["start_tick"], r["start_tick"] + r["frames"]) for r in self.rows
        ]
        parts += [
            (letter.source_sha256, letter.start_tick, letter.end_tick)
            for letter in self.dead_letters
            if letter.source_sha256 is not None and letter.start_tick is not None
        ]
        parts = [part for part in parts if part[0] not in removed]
        if parts:
            return all(_lies_in(part, planned) for part in parts)
        # Nothing was kept, so all that can be compared is how much was looked at.
        ticks = self.extra.get("planned_ticks")
        return bool(removed) or ticks in (None, sum(end - start for _, start, end in planned))

    @property
    def inherited(self) -> dict[str, Any]:
        """The part of `extra` that another dataset takes over with the clips.

        That is all but the mark by which `pack` knows its own shards.
        """
        return {name: value for name, value in self.extra.items() if name != PACKED}

    def to_json(self) -> bytes:
        """The record's bytes; the same record gives the same bytes."""
        content = asdict(self)
        if self.segments is None:
            del content["segments"]
        else:
            content["segments_sha256"] = self.segments_sha256
        text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
        return text.encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes, where: str) -> CommitRecord:
        """The record in `data`. Raises DatasetError, naming the file `where` it lies."""
        try:
            content = json.loads(data)
            version = content["schema_version"]
            if version != SCHEMA_VERSION:
                raise DatasetError(
                    f"{where}: schema version {version}, this vidact reads {SCHEMA_VERSION}; "
                    "read it with what wrote it"
                )
            content["rows"] = tuple(content["rows"])
            content["dead_letters"] = tuple(
                DeadLetter(**letter) for letter in content["dead_letters"]
            )
            content.pop("segments_sha256", None)  # of the segments, for people and other readers
            if "segments" in content:
                content["segments"] = tuple((s, int(a), int(b)) for s, a, b in content["segments"])
            return cls(**content)
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{where}: not a commit record ({type(error).__name__}: {error}); "
                "delete it and make the shard again"
            ) from error


def hash_segments(segments: Iterable[SegmentKey]) -> str:
    """Hex SHA-256 of the segments of a shard, in their order."""
    text = "\n".join(f"{sha256} {start} {end}" for sha256, start, end in segments)
    return hashlib.sha256(text.encode()).hexdigest()


def _lies_in(part: tuple[Any, Any, Any], segments: Iterable[SegmentKey]) -> bool:
    sha256, start, end = part
    return any(sha256 == sha and a <= start and end <= b for sha, a, b in segments)


def split_of_shard(shard: str) -> str:
    """The split in a shard's name. Raises DatasetError where the name is not `<split>-<nnnnn>`."""
    match = SHARD_NAME.fullmatch(shard)
    if match is None:
        raise DatasetError(f"shard name {shard!r}: expected <split>-<nnnnn>, such as train-00000")
    return match.group(1)
