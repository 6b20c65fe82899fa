"""How long processes have been at nothing, on a machine that may be busy with other things.

Seconds on the wall say little: a process that waits for a processor is not stuck. So what counts is
the processor time that it used without a sign of life, and the time in which it slept. Waiting for
a disk does not count either: that is the disk's fault, and it ends. On disks that a program serves
(FUSE: sshfs, rclone, gcsfuse …) a process waits asleep, so it is seen by the call it is in.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Numbers of the kernel's calls that end at once, but for a disk: of an open file (read, pread64,
# readv, preadv, preadv2, fstat, lseek), and of a path (open, openat, stat, lstat, newfstatat,
# statx).
FILE_CALLS = {
    "x86_64": frozenset({0, 17, 19, 295, 327, 5, 8}),
    "aarch64": frozenset({63, 67, 65, 69, 286, 80, 62}),
}.get(platform.machine(), frozenset[int]())
PATH_CALLS = {
    "x86_64": frozenset({2, 257, 4, 6, 262, 332}),
    "aarch64": frozenset({56, 79, 291}),
}.get(platform.machine(), frozenset[int]())


class Inspection(NamedTuple):
    """What a process is at."""

    at_work: bool
    """Whether a thread runs, or waits for a processor."""
    cpu_s: float
    """The processor time of all its threads, seconds."""
    at_disk: bool = False
    """Whether none does, and one waits for a disk."""


class StallClock:
    """Counts seconds at nothing from the last `reset` on.

    Call `look` every second or so; what happens between two looks is guessed from what is seen at
    the second.

    Args:
        now: seconds on the wall.
        inspect: says what a process is at; None where it is gone.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.monotonic,
        inspect: Callable[[int], Inspection | None] | None = None,
    ) -> None:
        self.seconds = 0.0
        """Seconds without a sign of life that cannot be put down to a busy machine."""
        self.disk_s = 0.0
        """Seconds without a sign of life in which nothing was done but wait for a disk."""
        self._now, self._inspect = now, inspect or inspect_process
        self._looked_s = now()
        self._cpu_s: float | None = None

    def reset(self) -> None:
        """Start again from 0: there was a sign of life."""
        self.seconds, self.disk_s, self._looked_s, self._cpu_s = 0.0, 0.0, self._now(), None

    def look(self, pids: Iterable[int]) -> float:
        """Look at processes again, and return `seconds`."""
        now = self._now()
        found = [one for one in map(self._inspect, pids) if one is not None]
        cpu_s = sum(one.cpu_s for one in found)
        if self._cpu_s is not None:
            self.seconds += max(cpu_s - self._cpu_s, 0.0)
        if any(one.at_work for one in found):
            pass
        elif any(one.at_disk for one in found):
            self.disk_s += now - self._looked_s
        else:  # also where nothing is found: of what is gone, or without /proc, the wall tells
            self.seconds += now - self._looked_s
        self._looked_s, self._cpu_s = now, cpu_s
        return self.seconds


def group_members(group: int) -> list[int]:
    """Return the processes of a process group, without zombies.

    Containers without an init keep those.
    """
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == group and _fields(folder / "stat")[0] not in "ZX":
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def inspect_process(pid: int) -> Inspection | None:
    """Return what a process is at; None where there is no such process."""
    folder = Path(f"/proc/{pid}")
    try:
        own = _fields(folder / "stat")
        tasks = list((folder / "task").iterdir())
        states = [_fields(task / "stat")[0] for task in tasks]
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return None  # gone, or a thread of it at this moment; the next look tells
    at_work = "R" in states
    return Inspection(
        at_work,
        (int(own[11]) + int(own[12])) / TICKS_PER_S,
        not at_work and ("D" in states or any(_waits_for_file(folder, task) for task in tasks)),
    )


def _waits_for_file(process: Path, task: Path) -> bool:
    """Return whether a sleeping thread is in a call that waits for a disk.

    Reads of pipes and sockets are told from those of files by their names; a file itself is not
    asked for, since its disk may not answer.
    """
    try:
        call, *arguments = (task / "syscall").read_text().split()
        if call in ("running", "-1"):
            return False
        if int(call) in PATH_CALLS:
            return True
        if int(call) not in FILE_CALLS:
            return False
        name = os.readlink(process / "fd" / str(int(arguments[0], 16)))
    except (OSError, ValueError):  # gone at this moment, or not ours to look at
        return False
    return name.startswith("/") and not name.startswith(("/dev/", "/memfd:"))


def _fields(path: Path) -> list[str]:
    """Return the fields of a `stat` file from the state on.

    Before it stands the name, which may hold blanks and brackets.
    """
    return path.read_text().rsplit(")", 1)[1].split()
