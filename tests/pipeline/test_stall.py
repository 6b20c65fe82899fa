"""What counts as being at nothing: sleeping and spinning do, waiting for a processor does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from vidact.pipeline.stall import StallClock, group_members


def _start(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True)


def _look_until(clock: StallClock, pids: list[int], seconds: float) -> float:
    """Look until the clock has counted so much; returns the seconds on the wall."""
    begun = time.monotonic()
    while clock.look(pids) < seconds and time.monotonic() - begun < 60:
        time.sleep(0.05)
    return time.monotonic() - begun


def test_sleeping_and_spinning_count() -> None:
    for code in ("import time; time.sleep(100)", "while True: pass"):
        process = _start(code)
        clock = StallClock()
        _look_until(clock, [process.pid], 1.0)
        assert clock.seconds >= 1.0
        clock.reset()
        assert clock.seconds == 0.0
        process.kill()
        process.wait()


def test_waiting_for_a_processor_does_not_count() -> None:
    """Three processes spin on one processor: each is at work a third of the time, and never asleep."""
    core = min(os.sched_getaffinity(0))
    processes = [_start(f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass") for _ in range(3)]
    time.sleep(1.0)
    clock = StallClock()
    clock.look([processes[0].pid])
    wall = _look_until(clock, [processes[0].pid], 0.5)
    assert wall > 0.9  # half a second of work takes a second and a half
    for process in processes:
        process.kill()
        process.wait()


def test_what_is_gone_counts_by_the_wall() -> None:
    process = _start("pass")
    process.wait()
    clock = StallClock()
    time.sleep(0.2)
    assert clock.look([process.pid]) >= 0.2


def test_group() -> None:
    process = _start("import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(100)'])")
    deadline = time.monotonic() + 30
    while len(group_members(process.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(group_members(process.pid)) == 2
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
