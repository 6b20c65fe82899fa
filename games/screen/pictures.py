"""Pictures of a window, which the X server lays into memory that it shares with this process."""

from __future__ import annotations

import ctypes

import numpy as np
from xcffib.xproto import AccessError, MatchError

from ...errors import ConfigError
from .display import GONE, Display

BGRX = (0xFF0000, 0xFF00, 0xFF)  # the bits of red, green and blue in a pixel


class Pictures:
    """Memory that is shared with the server, with room for some pictures of one size.

    Args:
        display: whose.
        width: in pixels.
        height: in pixels.
        count: how many pictures.

    Raises ConfigError where the screen's pixels have another layout than BGRX in 32 bits, or the
    server sees other memory.
    """

    def __init__(self, display: Display, width: int, height: int, count: int):
        screen = display.screen
        formats = {f.depth: f.bits_per_pixel for f in display.connection.get_setup().pixmap_formats}
        masks = (
            (visual.red_mask, visual.green_mask, visual.blue_mask)
            for depth in screen.allowed_depths
            for visual in depth.visuals
            if visual.visual_id == screen.root_visual
        )
        # A depth of 30, of displays with ten bits a color, has 32 bits, too.
        if formats.get(screen.root_depth) != 32 or next(masks, None) != BGRX:
            raise ConfigError(
                "display: its pixels must have 8 bits a color in 32 (a depth of 24 or 32), got a "
                f"depth of {screen.root_depth}"
            )
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
        try:
            display.shm.Attach(self._segment, shared, False, is_checked=True).check()
        except AccessError as error:
            self._detach()
            raise ConfigError(
                "display: its server cannot use this process's memory: record on the server's own "
                "machine, and not in a container (or in one with the host's IPC)"
            ) from error
        finally:
            libc.shmctl(shared, 0, None)  # IPC_RMID: it goes with the last process that has it
        memory = (ctypes.c_uint8 * (self._bytes * count)).from_address(address)
        self.pictures = np.frombuffer(memoryview(memory), np.uint8).reshape(count, height, width, 4)
        """The pictures, uint8 [count, height, width, 4] BGRX."""

    def take(self, window: int, number: int) -> int | None:
        """Take a picture of a window from its upper left corner.

        Returns:
            The number of the request: events of a smaller one are older than the picture, all
            others newer. None where the window is not whole on the screen.
        """
        width, height = self._size
        cookie = self._display.shm.GetImage(
            window, 0, 0, width, height, 0xFFFFFFFF, 2, self._segment, number * self._bytes
        )  # as whole pixels: `ZPixmap`
        try:
            cookie.reply()
        except (*GONE, MatchError):
            return None
        request: int = cookie.sequence
        return request

    def close(self) -> None:
        """Give the memory back; nobody may look at the pictures any more."""
        self._display.shm.Detach(self._segment)
        self._display.connection.flush()
        self._detach()
