"""How long processes have been at nothing, on a machine that may be busy with other things.

Seconds on the wall say little: a process that waits for a processor is not stuck. So what counts is
the processor time that it used without a sign of life, and the time in which it slept. Waiting for
a disk does not count either: that is the disk's fault, and it ends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
Inspection = tuple[bool, float]


class StallClock:
    """Counts seconds at nothing from the last `reset` on.

    Call `look` every second or so; what happens between two looks is guessed from what is seen at
    the second.

    Args:
        now: seconds on the wall.
        inspect: of a process, whether it runs or waits for a processor or a disk, and the processor
            time that it used; None where it is gone.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.monotonic,
        inspect: Callable[[int], Inspection | None] | None = None,
    ) -> None:
        self.seconds = 0.0
        """Seconds without a sign of life that cannot be put down to a busy machine."""
        self._now, self._inspect = now, inspect or inspect_process
        self._looked_s = now()
        self._cpu_s: float | None = None

    def reset(self) -> None:
        """Start again from 0: there was a sign of life."""
        self.seconds, self._looked_s, self._cpu_s = 0.0, self._now(), None

    def look(self, pids: Iterable[int]) -> float:
        """Look at processes again, and return `seconds`."""
        now = self._now()
        found = [one for one in map(self._inspect, pids) if one is not None]
        cpu_s = sum(cpu for _, cpu in found)
        if self._cpu_s is not None:
            self.seconds += max(cpu_s - self._cpu_s, 0.0)
        # Where nothing is found (gone, or a system without /proc), only the wall's clock is left.
        if not any(waits for waits, _ in found):
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
    """Return whether a process is at work, and the processor time of all its threads.

    It is at work where a thread runs or waits for a processor (R) or a disk (D). None where there
    is no such process.
    """
    folder = Path(f"/proc/{pid}")
    try:
        own = _fields(folder / "stat")
        states = [_fields(task / "stat")[0] for task in (folder / "task").iterdir()]
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return None  # gone, or a thread of it at this moment; the next look tells
    return any(state in "RD" for state in states), (int(own[11]) + int(own[12])) / TICKS_PER_S


def _fields(path: Path) -> list[str]:
    """Return the fields of a `stat` file from the state on.

    Before it stands the name, which may hold blanks and brackets.
    """
    return path.read_text().rsplit(")", 1)[1].split()
