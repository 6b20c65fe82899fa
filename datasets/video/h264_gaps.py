"""Lost reference pictures in H.264, which the decoder conceals without a word.

Every picture carries the number of the reference pictures before it, modulo a power of two. A
number that skips one means that a packet is missing, and that what follows refers to a picture that
the decoder made up. (H.264, 7.4.3 and 8.2.5.2)
"""

from __future__ import annotations

import av

from .nal_units import H264_IDR, H264_SLICES, SEQUENCE_PARAMETERS, NalUnits

# Profiles whose parameters name a chroma format (7.3.2.1.1).
WITH_CHROMA_FORMAT = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_ESCAPED, _PLAIN = b"\x00\x00\x03", b"\x00\x00"  # bytes that keep start codes out of the payload


class LostReferences:
    """Watches the packets of an H.264 stream in decoding order; in other codecs it sees nothing."""

    def __init__(self, units: NalUnits, stream: av.VideoStream):
        self._watching = units.codec == "h264"
        self._bits = 0  # of a frame number; 0 where nothing can be told
        self._planes = False
        self._last: int | None = None  # number of the last reference picture
        if self._watching:
            for unit in units.parameter_sets(stream):
                self._read_parameters(unit)

    def before(self, heads: list[bytes]) -> bool:
        """Return whether a reference picture is missing just before the packet of these units."""
        if not self._watching:
            return False
        missing = False
        for unit in heads:
            kind = unit[0] & 31
            if kind == SEQUENCE_PARAMETERS:
                self._read_parameters(unit)
            elif kind in H264_SLICES and self._bits:
                missing |= self._follow(unit)
        return missing

    def _follow(self, unit: bytes) -> bool:
        data = unit[1:].replace(_ESCAPED, _PLAIN)
        value, left = int.from_bytes(data, "big"), 8 * len(data)
        # First macroblock, slice type and picture parameters are Exp-Golomb codes: as many zeros
        # as bits follow the one.
        for _ in range(3):
            left = 2 * value.bit_length() - left - 1
            if left < 0:
                return False
            value &= (1 << left) - 1
        left -= self._bits + 2 * self._planes
        if left < 0:
            return False
        number, last = value >> left & ((1 << self._bits) - 1), self._last
        if unit[0] & 31 == H264_IDR:
            self._last = number
            return False
        follows = last is None or number in (last, (last + 1) % (1 << self._bits))
        if unit[0] >> 5 & 3:
            self._last = number
        return not follows

    def _read_parameters(self, unit: bytes) -> None:
        """Learn the width of frame numbers, and whether gaps between them are meant."""
        self._bits, reader = 0, _Bits(unit[1:])
        profile = reader.take(8)
        reader.take(16)
        reader.exp_golomb()
        self._planes = False
        if profile in WITH_CHROMA_FORMAT:
            if reader.exp_golomb() == 3:  # 4:4:4
                self._planes = bool(reader.take(1))
            reader.exp_golomb()
            reader.exp_golomb()
            reader.take(1)
            if reader.take(1):
                return  # scaling matrices lie in between; rare, and not worth their parser
        bits = reader.exp_golomb() + 4
        order = reader.exp_golomb()
        if order == 0:
            reader.exp_golomb()
        elif order == 1:
            reader.take(1)
            reader.exp_golomb()
            reader.exp_golomb()
            for _ in range(min(reader.exp_golomb(), 255)):
                reader.exp_golomb()
        reader.exp_golomb()  # reference pictures
        gaps_allowed = reader.take(1)
        self._bits = 0 if gaps_allowed or bits > 16 else bits


class _Bits:
    """Reads bits of the head of a unit; behind its end all are 0."""

    def __init__(self, data: bytes):
        data = data.replace(_ESCAPED, _PLAIN)
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            return 0
        return self._value >> self._left & ((1 << count) - 1)

    def exp_golomb(self) -> int:
        zeros = 0
        while zeros < 32 and self._left > 0 and not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)
