"""What is known of each source: probed once, kept in `sources.parquet`.

A source that cannot be read is a row too, with its reason; so is one whose content was planned
under another name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction

from ... import storage
from ...datasets.shards.lengths import MIN_CLIP_TICKS
from ...datasets.video.decoder import Decoder
from ...errors import VideoError
from .marks import fingerprint
from .near_duplicates import picture_hashes
from .sources import Source

MIN_FRAMES = MIN_CLIP_TICKS // 2  # a source needs a frame in two ticks


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


def probe_source(source: Source, tick_hz: Fraction, decoder: Decoder) -> SourceRecord:
    """Probe one source; what cannot be read becomes a row with its reason."""
    mark, size = "", 0
    try:
        mark, size = fingerprint(source.uri)
        with storage.fetched(source.uri) as path:
            found = decoder.probe(path, tick_hz)
            if found.ticks < MIN_CLIP_TICKS:
                raise VideoError(
                    "too_short", source.uri, f"{found.ticks} ticks; a clip needs {MIN_CLIP_TICKS}"
                )
            if found.frames < MIN_FRAMES:  # a header may claim that a single picture lasts for days
                raise VideoError(
                    "too_short", source.uri, f"{found.frames} frames; a clip needs {MIN_FRAMES}"
                )
    except (VideoError, OSError) as error:
        if isinstance(error, VideoError):
            reason = error.reason
        else:
            reason = "not_found" if isinstance(error, FileNotFoundError) else "cannot_open"
        detail = (
            error.detail if isinstance(error, VideoError) else f"{type(error).__name__}: {error}"
        )
        return SourceRecord(
            uri=source.uri,
            group=source.group,
            licence=source.licence,
            status="unreadable",
            reason=reason,
            detail=detail,
            size_bytes=size,
            fingerprint=mark,
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


def hash_source(record: SourceRecord, tick_hz: Fraction, pictures: int, decoder: Decoder) -> str:
    """What the first pictures of a probed source look like; empty where it cannot be read (any
    more).
    """
    try:
        with storage.fetched(record.uri) as path:
            return picture_hashes(decoder, path, record.ticks, tick_hz, pictures)
    except OSError:
        return ""
