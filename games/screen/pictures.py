"""Pictures of a window, which the X server lays into memory that it shares with this process."""

from __future__ import annotations

import ctypes

import numpy as np
from xcffib.xproto import MatchError

from ...errors import ConfigError
from .display import GONE, Display


class Pictures:
    """Memory that is shared with the server, with room for some pictures of one size.

    Args:
        display: whose.
        width: in pixels.
        height: in pixels.
        count: how many pictures.

    Raises ConfigError where the screen's pixels have another layout than BGRX in 32 bits.
    """

    def __init__(self, display: Display, width: int, height: int, count: int):
        formats = {f.depth: f.bits_per_pixel for f in display.connection.get_setup().pixmap_formats}
        if formats.get(display.screen.root_depth) != 32:
            raise ConfigError("display: its pixels must have 32 bits (a depth of 24 or 32)")
        self._display, self._size = display, (width, height)
        self._bytes = width * height * 4
        libc = ctypes.CDLL(None, use_errno=True)
        libc.shmat.restype = ctypes.c_void_p
        libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
        libc.shmdt.argtypes = [ctypes.c_void_p]
        # IPC_PRIVATE; 0o1600 is IPC_CREAT for this user alone.
        shared = libc.shmget(0, ctypes.c_size_t(self._bytes * count), 0o1600)
        address = libc.shmat(shared, None, 0) if shared >= 0 else None
        if address is None or address == ctypes.c_void_p(-1).value:
            raise ConfigError(f"{self._bytes * count:,} bytes of shared memory are not to be had")
        self._detach = lambda: libc.shmdt(address)
        self._segment = display.connection.generate_id()
        display.shm.Attach(self._segment, shared, False, is_checked=True).check()
        libc.shmctl(shared, 0, None)  # IPC_RMID: it goes with the last process that has it
        memory = (ctypes.c_uint8 * (self._bytes * count)).from_address(address)
        self.pictures = np.frombuffer(memoryview(memory), np.uint8).reshape(count, height, width, 4)
        """The pictures, uint8 [count, height, width, 4] BGRX."""

    def take(self, window: int, number: int) -> bool:
        """Take a picture of a window from its upper left corner; whether it is whole on screen."""
        width, height = self._size
        try:
            self._display.shm.GetImage(
                window, 0, 0, width, height, 0xFFFFFFFF, 2, self._segment, number * self._bytes
            ).reply()  # as whole pixels: `ZPixmap`
        except (*GONE, MatchError):
            return False
        return True

    def close(self) -> None:
        """Give the memory back; nobody may look at the pictures any more."""
        self._display.shm.Detach(self._segment)
        self._display.connection.flush()
        self._detach()
