"""What counts as being at nothing: sleeping and spinning do, waiting for a processor or a disk
does not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from vidact.stall import Inspection, StallClock, group_members, inspect_process

from .hanging_disk import NAME, hanging_disk


class Machine:
    """A wall's clock and one process, both set by hand."""

    def __init__(self) -> None:
        self.wall_s = 0.0
        self.process: Inspection | None = Inspection(False, 0.0)
        self.clock = StallClock(now=lambda: self.wall_s, inspect=lambda pid: self.process)
        self.clock.look([1])

    def after(self, wall_s: float, process: Inspection | None) -> float:
        self.wall_s += wall_s
        self.process = process
        return self.clock.look([1])


def test_sleeping_counts_by_the_wall() -> None:
    machine = Machine()
    assert machine.after(10, Inspection(False, 0.0)) == 10
    assert machine.after(5, Inspection(False, 0.0)) == 15


def test_spinning_counts_by_the_processor() -> None:
    machine = Machine()
    assert machine.after(10, Inspection(True, 9.5)) == 9.5


def test_waiting_for_a_processor_does_not_count() -> None:
    machine = Machine()
    assert machine.after(1000, Inspection(True, 0.25)) == 0.25
    assert machine.clock.disk_s == 0


def test_what_is_gone_counts_by_the_wall() -> None:
    machine = Machine()
    assert machine.after(3, None) == 3


def test_a_sign_of_life_begins_anew() -> None:
    machine = Machine()
    machine.after(10, Inspection(False, 0.0))
    machine.clock.reset()
    assert machine.clock.seconds == 0
    assert (
        machine.after(2, Inspection(False, 50.0)) == 2
    )  # what was used before the first look after the sign is not known


def test_waiting_for_a_disk_counts_apart() -> None:
    machine = Machine()
    assert machine.after(1000, Inspection(False, 0.25, at_disk=True)) == 0.25
    assert machine.clock.disk_s == 1000
    assert machine.after(5, Inspection(False, 0.25)) == 5.25  # not any more


def test_reading_a_pipe_is_no_wait_for_a_file(tmp_path: Path) -> None:
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while (found := inspect_process(process.pid)) and found.at_work:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert found is not None
        assert not found.at_disk
    finally:
        process.communicate()


def test_a_disk_that_a_program_serves(tmp_path: Path) -> None:
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(hanging_disk(tmp_path, b"x" * 100_000))
        except OSError as error:
            pytest.skip(f"no disk can be mounted here: {error}")
        disk.answers.clear()
        process = subprocess.Popen(["cat", tmp_path / NAME], stdout=subprocess.DEVNULL)
        assert disk.asked.wait(10)
        clock, deadline = StallClock(), time.monotonic() + 20
        while clock.disk_s < 0.2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
            assert clock.look([process.pid]) < 0.2
        disk.answers.set()
        assert process.wait(10) == 0


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
        assert not found.at_work  # stopped: neither running nor waiting for anything
        assert not found.at_disk
        assert found.cpu_s > 0  # starting Python took some time
        me = inspect_process(os.getpid())
        assert me is not None
        assert me.at_work  # this test runs
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    assert inspect_process(process.pid) is None
