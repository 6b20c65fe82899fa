"""Which packets need not be decoded: pictures that no tick shows and no other picture refers to.

Skipping those loses nothing, unlike the decoder's own `skip_frame`, which drops pictures that are wanted.
"""

from __future__ import annotations

import av

SLICE_TYPES = range(1, 6)  # H.264 NAL units that hold picture data (H.264 table 7-1)


class UnreferencedPackets:
    """The packets of one stream that no other packet needs; none where codec or framing are not known to us."""

    def __init__(self, stream: av.VideoStream):
        context = stream.codec_context
        header = context.extradata
        # avcC (mp4, mkv): version byte 1, the length of each unit's size prefix in the low bits of byte 4
        self._length_size = (header[4] & 3) + 1 if context.name == "h264" and header and header[0] == 1 else 0

    def __contains__(self, packet: av.Packet) -> bool:
        if not self._length_size:
            return False
        data, at, seen = memoryview(packet), 0, False
        while at + self._length_size < len(data):
            header = data[at + self._length_size]
            if header & 31 in SLICE_TYPES:
                if header >> 5 & 3:  # nal_ref_idc: this picture, or one field of it, is referred to
                    return False
                seen = True
            at += self._length_size + int.from_bytes(data[at : at + self._length_size], "big")
        return seen
