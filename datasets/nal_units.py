"""The units of H.264 and HEVC packets: enough of them to tell pictures that others lean on from those nobody needs.

Skipping what nobody needs loses nothing, unlike the decoder's own `skip_frame`, which drops pictures that are wanted.
"""

from __future__ import annotations

from collections.abc import Iterator

import av

H264_SLICES = range(1, 6)  # unit types that hold picture data (H.264 table 7-1)
H264_IDR = 5
HEVC_SLICES = range(0, 32)  # (H.265 table 7-1)
HEVC_CLEAN_STARTS = range(16, 21)  # BLA and IDR: no picture shown after them leans on one before them
HEVC_SUBLAYER_NON_REFERENCE = range(0, 15, 2)  # even types below 16 are not referred to within their own sub-layer


class NalUnits:
    """Reads the packets of one H.264 or HEVC stream; knows nothing of any other codec and then always answers no."""

    def __init__(self, stream: av.VideoStream):
        context = stream.codec_context
        self.codec = context.codec.canonical_name
        header = context.extradata or b""
        self._length_size, self._layers = 0, 0
        if self.codec == "h264" and len(header) > 4 and header[0] == 1:  # avcC, in mp4 and mkv
            self._length_size = (header[4] & 3) + 1
        elif self.codec == "hevc" and len(header) > 21 and header[0] == 1:  # hvcC
            self._length_size = (header[21] & 3) + 1
            self._layers = header[21] >> 3 & 7  # numTemporalLayers; 0 means that nobody counted them

    def starts_cleanly(self, packet: av.Packet) -> bool:
        """Whether decoding can start here with every later picture right: an IDR or its like."""
        if self.codec == "h264":
            return any(header & 31 == H264_IDR for header, _ in self._headers(packet))
        if self.codec == "hevc":
            return any(header >> 1 & 63 in HEVC_CLEAN_STARTS for header, _ in self._headers(packet))
        return False

    def nobody_needs(self, packet: av.Packet) -> bool:
        """Whether no other picture can lean on this packet's."""
        if not self._length_size:
            return False  # framing by start codes would have to be searched for byte by byte
        slices = False
        for header, second in self._headers(packet):
            if self.codec == "h264":
                if header & 31 in H264_SLICES:
                    slices = True
                    if header >> 5 & 3:  # nal_ref_idc: this picture, or one field of it, is referred to
                        return False
            elif (kind := header >> 1 & 63) in HEVC_SLICES:
                slices = True
                # Not referred to within its sub-layer: then only from a higher one, so it must be the highest.
                if kind not in HEVC_SUBLAYER_NON_REFERENCE or not self._layers or second & 7 != self._layers:
                    return False
        return slices

    def _headers(self, packet: av.Packet) -> Iterator[tuple[int, int]]:
        """The first two bytes of each unit."""
        data = bytes(packet) if not self._length_size else memoryview(packet)
        at = 0
        if self._length_size:
            while at + self._length_size + 1 < len(data):
                unit = at + self._length_size
                yield data[unit], data[unit + 1]
                at = unit + int.from_bytes(data[at:unit], "big")
            return
        while (at := bytes(data).find(b"\x00\x00\x01", at)) >= 0:
            at += 3
            if at + 1 < len(data):
                yield data[at], data[at + 1]
