"""What is known of each source: probed once, kept in `sources.parquet`.

A source that cannot be read is a row too, with its reason; so is one whose content was planned
under another name.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from ... import storage
from ...datasets.shards.lengths import MIN_CLIP_TICKS
from ...datasets.video.decoder import Decoder, VideoFacts
from ...errors import VideoError
from ...signed_addresses import hide_keys
from ...storage_failures import (
    in_words,
    is_missing,
    is_of_this_machine,
    of_a_source,
    patiently,
    storage_failure,
)
from .marks import fingerprint, mark_of
from .near_duplicates import picture_hashes
from .sources import Source

MIN_FRAMES = MIN_CLIP_TICKS // 2  # a source needs a frame in two ticks

UNREACHABLE = "unreachable"  # its store, or its disk, answers with failures only
# What an error of a disk looks like to FFmpeg.
DAMAGE = {"damaged", "truncated", "not_a_video", "no_video_stream", "no_timestamps"}


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceRecord:
    """A row of `sources.parquet`."""

    uri: str
    status: str
    """`planned`, `duplicate` or `near_duplicate` (of `detail`'s URI), or `unreadable`."""
    reason: str = ""
    """Why it is unreadable: a word for counters."""
    detail: str = ""
    sha256: str = ""
    """Of the whole file; empty where it could not be read."""
    size_bytes: int = 0
    fingerprint: str = ""
    """Size and modification time (local) or entity tag (buckets): unchanged means that no new
    probe is needed.
    """
    codec: str = ""
    container: str = ""
    width: int = 0
    height: int = 0
    rotation: int = 0
    frames: int = 0
    duration_s: float = 0.0
    fps: float = 0.0
    ticks: int = 0
    """Length at the spec's tick rate, of what the file holds."""
    lost_ticks: int = 0
    """Ticks after those that its header declares but the file, cut short, lacks."""
    group: str = ""
    licence: str = ""
    picture_hashes: str = ""
    """What 2 or 16 of its pictures look like, where another video is as long; see
    `near_duplicates.py`.
    """
    head: str = ""
    """Hash of its first packets, which stay what they are while a recording grows."""
    track: str = ""
    """Which of several video tracks is read, in words; empty where there is one."""

    def is_grown(self, before: SourceRecord) -> bool:
        """Whether this is what another record of the same URI was, and more."""
        return (
            self.status == "planned"
            and bool(self.head)
            and self.sha256 != before.sha256
            and self.ticks >= before.ticks > 0
            and (self.head, self.codec, self.width, self.height)
            == (before.head, before.codec, before.width, before.height)
        )


def probe_source(
    source: Source,
    tick_hz: Fraction,
    decoder: Decoder,
    wait: Callable[[float], object] = time.sleep,
) -> SourceRecord:
    """Probe one source; what cannot be read becomes a row with its reason.

    A store or a disk that fails is asked again with growing pauses; then the source is
    `unreachable`, with the store's words, and the next run tries again.

    Args:
        wait: called with the seconds to wait.

    Raises:
        ConfigError: the key is wrong with which the sources' store is asked.
        OSError: this machine has no room, descriptors or memory left.
    """
    try:
        return patiently(
            lambda: _probe(source, tick_hz, decoder),
            # A refusal of a file that was never read does not pass within the minute.
            passes=lambda error: of_a_source(error) == "passing",
            wait=wait,
        )
    except VideoError as error:
        return _unreadable(source, error.reason, error.detail)
    except Exception as error:
        kind = of_a_source(error)
        if not kind:
            raise
        if kind == "lasting":
            reason = "not_found" if is_missing(error) else "cannot_open"
            return _unreadable(source, reason, f"{type(error).__name__}: {error}")
        return _unreadable(source, UNREACHABLE, in_words(error))


def _unreadable(source: Source, reason: str, detail: str) -> SourceRecord:
    """The row of a source that cannot be read."""
    mark = mark_of(source.uri) or ""
    return SourceRecord(
        uri=source.uri,
        group=source.group,
        licence=source.licence,
        status="unreadable",
        reason=reason,
        detail=hide_keys(detail),
        size_bytes=int(mark.partition("-")[0] or 0),  # which each sign begins with
        fingerprint=mark,
    )


def _probe(source: Source, tick_hz: Fraction, decoder: Decoder) -> SourceRecord:
    mark, size = fingerprint(source.uri)
    with storage.fetched(source.uri) as path:
        found = _believed(path, tick_hz, decoder)
        size = path.stat().st_size if size < 0 else size  # some servers do not say it before
        if found.ticks < MIN_CLIP_TICKS:
            raise VideoError(
                "too_short", source.uri, f"{found.ticks} ticks; a clip needs {MIN_CLIP_TICKS}"
            )
        if found.frames < MIN_FRAMES:  # a header may claim that a single picture lasts for days
            raise VideoError(
                "too_short", source.uri, f"{found.frames} frames; a clip needs {MIN_FRAMES}"
            )
    if mark_of(source.uri) not in (mark, None):
        raise VideoError(
            "still_growing", source.uri, "it changed while it was probed; left for the next run"
        )
    facts = asdict(found)
    truncated = facts.pop("truncated")  # it is kept where ticks are lost by it
    return SourceRecord(
        uri=source.uri,
        group=source.group,
        licence=source.licence,
        **facts,
        status="planned",
        reason="truncated" if found.lost_ticks else "",
        detail=truncated if found.lost_ticks else "",
        size_bytes=size,
        fingerprint=mark,
    )


def _believed(path: Path, tick_hz: Fraction, decoder: Decoder) -> VideoFacts:
    """What a file holds. Damage is believed when it is found again after all bytes were read:
    FFmpeg takes an error of the disk for the end of the file, or for invalid data.

    Raises:
        VideoError: it is damaged, or cannot be labelled at this rate.
        OSError: its bytes cannot be read now.
    """
    try:
        found = decoder.probe(path, tick_hz)
        if not found.truncated:
            return found
    except VideoError as error:
        if error.reason not in DAMAGE:
            raise
    storage.sha256_file(path)
    decoder.close()  # it may remember what could be read the first time
    return decoder.probe(path, tick_hz)


def hash_source(record: SourceRecord, tick_hz: Fraction, pictures: int, decoder: Decoder) -> str:
    """What the first pictures of a probed source look like; empty where it cannot be read (any
    more).
    """
    try:
        with storage.fetched(record.uri) as path:
            return picture_hashes(decoder, path, record.ticks, tick_hz, pictures)
    except Exception as error:
        if is_of_this_machine(error) or not storage_failure(error):
            raise
        return ""
