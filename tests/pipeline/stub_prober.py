"""A prober for tests of planning, which need no pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from vidact import storage
from vidact.pipeline.planning.marks import mark_of
from vidact.pipeline.planning.probe import SourceRecord
from vidact.pipeline.planning.sources import Source

TICKS = 512  # of each source


def sha_of(uri: str) -> str:
    """The hash of what lies at a URI."""
    return hashlib.sha256(storage.read_bytes(uri)).hexdigest()


class StubProber:
    """Takes any file for a video. `meanwhile` happens while it probes."""

    ticks = TICKS
    meanwhile: Callable[[], object] | None = None

    def __init__(self, *args: object, **options: object):
        return

    def probe(self, sources: Sequence[Source]) -> list[SourceRecord]:
        meanwhile, StubProber.meanwhile = StubProber.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return [
            SourceRecord(
                uri=source.uri,
                status="planned",
                sha256=sha_of(source.uri),
                frames=900,
                ticks=self.ticks,
                size_bytes=storage.size_bytes(source.uri),
                fingerprint=mark_of(source.uri) or "",
                group=source.group,
                licence=source.licence,
            )
            for source in sources
        ]

    def forget(self) -> None:
        return
