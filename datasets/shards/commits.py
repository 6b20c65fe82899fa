"""Commit records: `_commits/<shard>.json` says that a shard is whole, and what is known of it.

A tar without its record does not exist. A shard in which nothing was kept has a record and no tar.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ...errors import DatasetError
from .clip import SCHEMA_VERSION

SHARD_NAME = re.compile(r"([a-z][a-z0-9_]*)-(\d{5,})")
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
    return DeadLetter(source_uri="", source_sha256=sha256, stage="remove", reason="removed")


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
    schema_version: int = SCHEMA_VERSION

    @property
    def split(self) -> str:
        return split_of_shard(self.shard)

    @property
    def inherited(self) -> dict[str, Any]:
        """The part of `extra` that another dataset takes over with the clips.

        That is all but the mark by which `pack` knows its own shards.
        """
        return {name: value for name, value in self.extra.items() if name != PACKED}

    def to_json(self) -> bytes:
        """The record's bytes; the same record gives the same bytes."""
        text = json.dumps(
            asdict(self), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False
        )
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
            return cls(**content)
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{where}: not a commit record ({type(error).__name__}: {error}); "
                "delete it and make the shard again"
            ) from error


def split_of_shard(shard: str) -> str:
    """The split in a shard's name. Raises DatasetError where the name is not `<split>-<nnnnn>`."""
    match = SHARD_NAME.fullmatch(shard)
    if match is None:
        raise DatasetError(f"shard name {shard!r}: expected <split>-<nnnnn>, such as train-00000")
    return match.group(1)
