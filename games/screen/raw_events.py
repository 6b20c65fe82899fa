"""Raw events of XInput2 as they come over the wire: what devices did, whatever the pointer did.

Every window gets them, whichever has grabbed the pointer. The format is that of the XI2 protocol
(XI2proto.txt of the X.Org Foundation), in the byte order of this machine.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

KEY_PRESS, KEY_RELEASE, BUTTON_PRESS, BUTTON_RELEASE, MOTION = 13, 14, 15, 16, 17
MASK = sum(1 << kind for kind in (KEY_PRESS, KEY_RELEASE, BUTTON_PRESS, BUTTON_RELEASE, MOTION))
ALL_MASTER_DEVICES = 1
GENERIC_EVENT = 35
# response type, extension, sequence, length, kind, device, time, detail, source, mask words, flags.
HEAD = struct.Struct("=BBHIHHIIHHI4x")
FIXED_POINT = struct.Struct("=iI")  # XI2's FP3232: whole part and 2**-32ths


@dataclass(frozen=True, slots=True)
class RawEvent:
    """What a device did."""

    kind: int
    time_ms: int
    """On the server's clock, modulo 2**32."""
    detail: int
    """The number of the key or button."""
    source: int
    """The device's number."""
    dx: float = 0.0
    """Motion before acceleration; of a device that tells places, the place."""
    dy: float = 0.0
    has_x: bool = False
    """Whether the event tells of this axis."""
    has_y: bool = False
    request: int = 0
    """The newest request of this connection that the server had done by then."""

    @property
    def of_key(self) -> bool:
        """Whether a key did it, not the mouse."""
        return self.kind in (KEY_PRESS, KEY_RELEASE)


def parse(wire: bytes, request: int = 0) -> RawEvent | None:
    """Read a generic event of XInput2; None for one of another kind.

    Args:
        wire: the event's 32 bytes and all that follow.
        request: number of the newest request that was done before it.

    Raises:
        ValueError: it is shorter than it says.
    """
    try:
        (_, _, _, _, kind, _, time, detail, source, words, _) = HEAD.unpack_from(wire)
        if not KEY_PRESS <= kind <= MOTION:
            return None
        event = RawEvent(kind, time, detail, source, request=request)
        if kind != MOTION:
            return event
        mask = int.from_bytes(wire[HEAD.size : HEAD.size + 4 * words], "little")
        values = HEAD.size + 4 * words
        # The accelerated values of all axes in the mask come first, then the raw ones.
        raw = values + 8 * mask.bit_count()
        found = [0.0, 0.0]
        for axis in (0, 1):
            if mask >> axis & 1:
                whole, part = FIXED_POINT.unpack_from(wire, raw)
                found[axis] = whole + part / 2**32
                raw += FIXED_POINT.size
        has_x, has_y = bool(mask & 1), bool(mask & 2)
        return RawEvent(kind, time, detail, source, found[0], found[1], has_x, has_y, request)
    except struct.error as error:
        raise ValueError(f"a raw event of {len(wire)} bytes is cut short: {error}") from error
