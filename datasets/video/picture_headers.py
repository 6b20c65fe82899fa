"""What the first bits of a picture say: whether decoding can start at it, and whether it is shown.

Containers tell both too, and not all tell the truth: there are indices that call every picture a
key frame, and streams that hold hidden pictures (alternate references) like all others.
"""

from __future__ import annotations

from collections.abc import Callable

import av

MPEG4_PICTURE, MPEG2_PICTURE = b"\0\0\1\xb6", b"\0\0\1\0"  # start codes


class PictureHeaders:
    """Reads the packets of one stream; of codecs that it does not know it believes the container.

    H.264 and HEVC are not among them: their units are read anyway, by `NalUnits`.
    """

    def __init__(self, codec: str):
        self._starts, self._shows = STARTS.get(codec), SHOWS.get(codec)

    def can_start(self, packet: av.Packet) -> bool:
        """Return whether decoding can start at a packet that its container calls a key frame."""
        return self._starts is None or self._starts(memoryview(packet))  # type: ignore[arg-type]

    def is_shown(self, packet: av.Packet) -> bool:
        """Return whether a packet holds a picture that is shown."""
        return self._shows is None or self._shows(memoryview(packet))  # type: ignore[arg-type]


def _mpeg4_starts(data: memoryview) -> bool:
    """Read the coding type of the first picture, 0 for intra (ISO 14496-2, 6.2.5)."""
    head, at = _behind(data, MPEG4_PICTURE)
    return at >= len(head) or head[at] >> 6 == 0  # H.263's short headers have no such code


def _mpeg2_starts(data: memoryview) -> bool:
    """Read the coding type of the first picture, 1 for intra (ISO 13818-2, 6.2.3)."""
    head, at = _behind(data, MPEG2_PICTURE)
    return at + 1 >= len(head) or head[at + 1] >> 3 & 7 == 1


def _behind(data: memoryview, start_code: bytes) -> tuple[bytes, int]:
    """Return the packet, and where what follows a start code begins; its end without one."""
    content = bytes(data)
    at = content.find(start_code)
    return content, len(content) if at < 0 else at + len(start_code)


def _vp8_starts(data: memoryview) -> bool:
    """Read the first bit of the frame tag (RFC 6386, 9.1)."""
    return not data[0] & 1


def _vp8_shows(data: memoryview) -> bool:
    return bool(data[0] & 0x10)


def _vp9_starts(data: memoryview) -> bool:
    existing, inter, _ = _vp9_bits(data[0])
    return not existing and not inter


def _vp9_shows(data: memoryview) -> bool:
    """Return whether any frame of a superframe is shown (VP9 bitstream, 6.2 and annex B)."""
    at = 0
    for size in _vp9_sizes(data):
        if size and at < len(data):
            existing, _, shown = _vp9_bits(data[at])
            if existing or shown:
                return True
        at += size
    return False


def _vp9_sizes(data: memoryview) -> list[int]:
    """Return the sizes of the frames of a packet: the index at its end tells, where it has one."""
    marker = data[-1]
    if marker & 0xE0 == 0xC0:
        count, length = (marker & 7) + 1, (marker >> 3 & 3) + 1
        index = 2 + count * length
        if len(data) >= index and data[-index] == marker:
            sizes = data[len(data) - index + 1 : -1]
            parts = (sizes[i * length : (i + 1) * length] for i in range(count))
            return [int.from_bytes(part, "little") for part in parts]
    return [len(data)]


def _vp9_bits(first: int) -> tuple[int, int, int]:
    """Return `show_existing_frame`, `frame_type` (0 for a key frame) and `show_frame`."""
    if first & 0x30 == 0x30:  # profile 3 has a reserved bit before them
        first <<= 1
    return first >> 3 & 1, first >> 2 & 1, first >> 1 & 1


Look = Callable[[memoryview], bool]
STARTS: dict[str, Look] = {
    "mpeg4": _mpeg4_starts,
    "mpeg1video": _mpeg2_starts,
    "mpeg2video": _mpeg2_starts,
    "vp8": _vp8_starts,
    "vp9": _vp9_starts,
}
SHOWS: dict[str, Look] = {"vp8": _vp8_shows, "vp9": _vp9_shows}
