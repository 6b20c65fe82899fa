"""A disk of one file that can be made to hang: the kernel's FUSE, served by a thread."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "video.mp4"
LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT = 1, 2, 3, 14, 15, 18, 25, 26
INTERRUPT, BATCH_FORGET = 36, 42
DIRECT_IO = 1  # each read is a request of its own, in which the reader sleeps interruptibly
ENOENT, ENOSYS = 2, 38
MNT_DETACH = 2
IN = struct.Struct("<IIQQIIII")  # length, opcode, unique, node, and who asks


class HangingDisk:
    """Serves one file. While `answers` is cleared, reads of its bytes hang."""

    def __init__(self, device: int, data: bytes):
        self._device, self._data = device, data
        self.answers = threading.Event()
        self.answers.set()
        self.asked = threading.Event()
        """A read waits for its answer."""

    def serve(self) -> None:
        """Answer until the disk is unmounted."""
        while True:
            try:
                request = os.read(self._device, 1 << 17)
            except OSError:
                return
            _, opcode, unique, node, *_ = IN.unpack_from(request)
            body = request[IN.size :]
            if opcode == READ and not self.answers.is_set():
                threading.Thread(target=self._later, args=(unique, body), daemon=True).start()
            elif opcode not in (FORGET, BATCH_FORGET, INTERRUPT):
                self._answer(unique, *self._handle(opcode, node, body))

    def _later(self, unique: int, body: bytes) -> None:
        self.asked.set()
        self.answers.wait()
        self._answer(unique, 0, self._read(body))

    def _handle(self, opcode: int, node: int, body: bytes) -> tuple[int, bytes]:
        if opcode == INIT:
            return 0, struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 16, 12, 4096, 1, 0, 0, 0)
        if opcode == LOOKUP:
            if body.rstrip(b"\0").decode() != NAME:
                return -ENOENT, b""
            return 0, struct.pack("<QQQQII", 2, 0, 3600, 3600, 0, 0) + self._attributes(2)
        if opcode == GETATTR:
            return 0, struct.pack("<QII", 3600, 0, 0) + self._attributes(node)
        if opcode == OPEN:
            return 0, struct.pack("<QII", 0, DIRECT_IO, 0)
        if opcode == READ:
            return 0, self._read(body)
        return (0 if opcode in (FLUSH, RELEASE) else -ENOSYS), b""

    def _read(self, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        return self._data[offset : offset + size]

    def _attributes(self, node: int) -> bytes:
        file = node == 2
        mode = (stat.S_IFREG if file else stat.S_IFDIR) | 0o755
        size = len(self._data) if file else 0
        no_times, nobody = (0,) * 6, (0,) * 3
        return struct.pack("<6Q10I", node, size, 1, *no_times, mode, 1, *nobody, 4096, 0)

    def _answer(self, unique: int, error: int, data: bytes) -> None:
        try:
            os.write(self._device, struct.pack("<IiQ", 16 + len(data), error, unique) + data)
        except OSError:  # who asked is gone
            return


@contextmanager
def hanging_disk(folder: Path, data: bytes) -> Iterator[HangingDisk]:
    """Mount a disk whose only file, `NAME`, has these bytes. Raises OSError where that is not
    allowed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    try:
        options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
        if libc.mount(b"test", os.fsencode(folder), b"fuse", 0, options):
            raise OSError(ctypes.get_errno(), "mount")
        disk = HangingDisk(device, data)
        server = threading.Thread(target=disk.serve, daemon=True)
        server.start()
        try:
            yield disk
        finally:
            disk.answers.set()
            libc.umount2(os.fsencode(folder), MNT_DETACH)
            server.join(10)
    finally:
        os.close(device)
