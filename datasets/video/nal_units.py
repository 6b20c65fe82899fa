"""The units of H.264 and HEVC packets: enough of them to tell pictures that others refer to.

Skipping what no other picture refers to loses nothing, unlike the decoder's own `skip_frame`, which
drops pictures that are wanted.
"""

from __future__ import annotations

import av

H264_SLICES = range(1, 6)  # unit types that hold picture data (H.264 table 7-1)
H264_IDR = 5
HEVC_SLICES = range(0, 32)  # (H.265 table 7-1)
HEVC_STARTS = range(16, 24)  # pictures where decoding can start (H.265, table 7-1)
# Even types below 16 are not referred to within their own sub-layer.
HEVC_SUBLAYER_NON_REFERENCE = range(0, 15, 2)
SEQUENCE_PARAMETERS = 7  # unit type of H.264
# A slice's frame number lies within the first 20 bytes even with the longest codes before it.
HEAD_BYTES = 24
MAX_PARAMETER_BYTES = 1024


class NalUnits:
    """Reads the packets of one H.264 or HEVC stream; in other codecs it finds no units."""

    def __init__(self, stream: av.VideoStream):
        context = stream.codec_context
        self.codec = context.codec.canonical_name
        header = context.extradata or b""
        self._length_size, self._layers = 0, 0
        if self.codec == "h264" and len(header) > 4 and header[0] == 1:  # avcC, in mp4 and mkv
            self._length_size = (header[4] & 3) + 1
        elif self.codec == "hevc" and len(header) > 21 and header[0] == 1:  # hvcC
            self._length_size = (header[21] & 3) + 1
            # numTemporalLayers; 0 means that nobody counted them.
            self._layers = header[21] >> 3 & 7

    def heads(self, packet: av.Packet) -> list[bytes]:
        """Return the first 24 bytes, at least two, of each unit of a packet.

        Of H.264's sequence parameters it is up to 1 kB.
        """
        if self.codec != "h264" and not self._length_size:
            return []
        data = memoryview(packet)  # type: ignore[arg-type]
        found = []
        for start, end in self._bounds(data):
            if end - start >= 2:
                length = (
                    MAX_PARAMETER_BYTES if data[start] & 31 == SEQUENCE_PARAMETERS else HEAD_BYTES
                )
                found.append(bytes(data[start : min(start + length, end)]))
        return found

    def can_start(self, heads: list[bytes]) -> bool:
        """Return whether decoding can start at what its container calls a key frame.

        Of H.264 that is believed: its streams also start where they say so in words of their own.
        """
        return (
            self.codec != "hevc" or not heads or any(u[0] >> 1 & 63 in HEVC_STARTS for u in heads)
        )

    def starts_cleanly(self, heads: list[bytes]) -> bool:
        """Return whether no picture after this key frame refers to one before it.

        H.264 also starts at other pictures than IDR, after which some do. HEVC names those that do,
        and its decoder leaves them out; of other codecs any key frame will do.
        """
        return self.codec != "h264" or any(unit[0] & 31 == H264_IDR for unit in heads)

    def nobody_needs(self, heads: list[bytes]) -> bool:
        """Return whether no other picture can refer to this packet's."""
        if not self._length_size:
            return False  # start codes would have to be searched for byte by byte
        slices = False
        for unit in heads:
            if self.codec == "h264":
                if unit[0] & 31 in H264_SLICES:
                    slices = True
                    # nal_ref_idc: this picture, or one field of it, is referred to.
                    if unit[0] >> 5 & 3:
                        return False
            elif (kind := unit[0] >> 1 & 63) in HEVC_SLICES:
                slices = True
                # Not referred to within its sub-layer: then only from a higher one, so it must be
                # the highest.
                if (
                    kind not in HEVC_SUBLAYER_NON_REFERENCE
                    or not self._layers
                    or unit[1] & 7 != self._layers
                ):
                    return False
        return slices

    def parameter_sets(self, stream: av.VideoStream) -> list[bytes]:
        """Return the H.264 sequence parameter sets of the stream's header."""
        header = stream.codec_context.extradata or b""
        if self._length_size:  # avcC: 5 bytes, a count, then sets with a 2-byte length each
            found, at = [], 6
            for _ in range(header[5] & 31 if len(header) > 5 else 0):
                size = int.from_bytes(header[at : at + 2], "big")
                found.append(header[at + 2 : at + 2 + size])
                at += 2 + size
        else:
            found = [header[start:end] for start, end in self._bounds(memoryview(header))]
        return [unit for unit in found if len(unit) > 4 and unit[0] & 31 == SEQUENCE_PARAMETERS]

    def _bounds(self, data: memoryview) -> list[tuple[int, int]]:
        found, at, size, length_size = [], 0, len(data), self._length_size
        if length_size:
            while at + length_size < size:
                start = at + length_size
                at = start + int.from_bytes(data[at:start], "big")
                found.append((start, min(at, size)))
            return found
        content = bytes(data)  # start codes in between, as in transport streams and bare H.264
        start = content.find(b"\x00\x00\x01")
        while start >= 0:
            following = content.find(b"\x00\x00\x01", start + 3)
            found.append((start + 3, following if following >= 0 else size))
            start = following
        return found
