"""What counts as being at nothing: sleeping and spinning do, waiting for a processor or a disk
does not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from vidact.stall import Inspection, StallClock, group_members, inspect_process


class Machine:
    """A wall's clock and one process, both set by hand."""

    def __init__(self) -> None:
        self.wall_s = 0.0
        self.process: Inspection | None = (False, 0.0)
        self.clock = StallClock(now=lambda: self.wall_s, inspect=lambda pid: self.process)
        self.clock.look([1])

    def after(self, wall_s: float, process: Inspection | None) -> float:
        self.wall_s += wall_s
        self.process = process
        return self.clock.look([1])


def test_sleeping_counts_by_the_wall() -> None:
    machine = Machine()
    assert machine.after(10, (False, 0.0)) == 10
    assert machine.after(5, (False, 0.0)) == 15


def test_spinning_counts_by_the_processor() -> None:
    machine = Machine()
    assert machine.after(10, (True, 9.5)) == 9.5


def test_waiting_for_a_processor_or_a_disk_does_not_count() -> None:
    machine = Machine()
    assert machine.after(1000, (True, 0.25)) == 0.25


def test_what_is_gone_counts_by_the_wall() -> None:
    machine = Machine()
    assert machine.after(3, None) == 3


def test_a_sign_of_life_begins_anew() -> None:
    machine = Machine()
    machine.after(10, (False, 0.0))
    machine.clock.reset()
    assert machine.clock.seconds == 0
    assert (
        machine.after(2, (False, 50.0)) == 2
    )  # what was used before the first look after the sign is not known


def test_real_processes() -> None:
    code = (
        "import signal, subprocess, sys; p = subprocess.Popen(['sleep', '600']); "
        "print(p.pid, flush=True); p.wait()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert sorted(group_members(process.pid)) == sorted([process.pid, child])
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        found = inspect_process(process.pid)
        assert found is not None
        assert found[0] is False  # stopped: neither running nor waiting for anything
        assert found[1] > 0  # starting Python took some time
        me = inspect_process(os.getpid())
        assert me is not None
        assert me[0] is True  # this test runs
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    assert inspect_process(process.pid) is None
