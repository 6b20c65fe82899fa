"""The pass over the packets of a stream: when each picture is shown, and where decoding can start.

Nothing is decoded but the first picture: what a later step needs to know stands in the first bytes
of each packet.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import av

from ...errors import VideoError
from .h264_gaps import LostReferences
from .nal_units import NalUnits
from .orientation import UPRIGHT, Orientation
from .picture_headers import PictureHeaders
from .structure import Structure

HEAD_PACKETS = 16  # half a second, as long as anything that is labeled
MATROSKA_HEAD_BYTES = 13  # of a block: its name, up to 8 bytes of size, track, time and flags


@dataclass(slots=True)
class Packets:
    """What the pass over the packets collects."""

    pts: list[int] = field(default_factory=list)
    keys: list[tuple[int, int, int, bool]] = field(default_factory=list)
    """Key frames: (pts, dts, number among visible frames in decoding order, clean start)."""
    unneeded: list[bool] = field(default_factory=list)
    """Whether no other picture refers to the one of each stamp in `pts`."""
    lost_before: set[int] = field(default_factory=set)
    duration: int = 0
    count: int = 0
    orientation: Orientation | None = None
    last_dts: int | None = None
    broken: str = ""
    head: str = ""
    """Hash of the first packets, which stay what they are while a file grows; empty where there
    are fewer.
    """


def read_packets(
    path: str | Path,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    structure: Structure,
) -> Packets:
    """Collect packets from the first key frame on, until something cannot be read."""
    found, units = Packets(), NalUnits(stream)
    references, headers = LostReferences(units, stream), PictureHeaders(units.codec)
    # Matroska's demuxer tells where the element of a picture begins, others where its data does.
    head_bytes = MATROSKA_HEAD_BYTES if container.format.name.startswith("matroska") else 0
    last_dts, head = None, hashlib.sha256()
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            # The picture just before a break has most likely lost its own end.
            broken_at = structure.broken_at
            if broken_at is not None and _end_of(packet, head_bytes) >= broken_at:
                break
            found.count += 1
            if found.count <= HEAD_PACKETS:
                head.update(bytes(packet))
                found.head = head.hexdigest()[:32] if found.count == HEAD_PACKETS else ""
            if found.orientation is None:
                found.orientation = _orientation(packet)
            pts, dts = packet.pts, packet.dts
            if pts is None:
                raise VideoError(
                    "no_timestamps",
                    path,
                    f"packet {found.count - 1} of the {container.format.name} stream has none",
                )
            if dts is not None:
                if last_dts is not None and dts < last_dts:
                    found.broken = f"timestamps jump back at packet {found.count - 1}"
                    break
                last_dts = found.last_dts = dts
            heads = units.heads(packet)
            if references.before(heads):
                found.lost_before.add(pts)
            # Some indices call every picture a key frame.
            if packet.is_keyframe and headers.can_start(packet) and units.can_start(heads):
                stamp = dts if dts is not None else pts
                found.keys.append((pts, stamp, len(found.pts), units.starts_cleanly(heads)))
            if packet.is_discard or not found.keys or not headers.is_shown(packet):
                continue
            found.pts.append(pts)
            found.unneeded.append(units.nobody_needs(heads))
            found.duration = packet.duration or found.duration
    except av.error.FFmpegError as error:
        if not found.pts:
            raise VideoError(
                "damaged", path, f"no packet can be read: {error.strerror or error}"
            ) from error
        found.broken = f"reading fails after {found.count} packets: {error.strerror or error}"
    if structure.broken_at is not None and not structure.missing_bytes and not found.broken:
        container_name = container.format.name
        found.broken = (
            f"byte {structure.broken_at:,} and those behind it belong to no part of a "
            f"{container_name}"
        )
    if found.count and not found.keys:
        raise VideoError(
            "damaged",
            path,
            f"none of its {found.count} pictures is a key frame, where decoding can start",
        )
    return found


def _end_of(packet: av.Packet, head_bytes: int) -> int:
    """Return where the data of a picture may end in the file: the first byte behind it."""
    return (packet.pos or 0) + packet.size + head_bytes


def _orientation(packet: av.Packet) -> Orientation | None:
    """Return the orientation of the first frame that comes out, None as long as none does.

    What cannot be decoded is upright.
    """
    try:
        frame = next(iter(packet.decode()), None)
    except av.error.FFmpegError:
        return UPRIGHT
    return None if frame is None else Orientation.of_frame(frame)
