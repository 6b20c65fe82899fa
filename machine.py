"""The machine this process runs on: its cores, its CPU."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Environment of a worker's libraries: workers run side by side, and more threads would change the
bytes.
"""

SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""Environment of Python processes that must not import what lies in the working folder: a user's
`random.py` there is not the library's.
"""
HERE = ("localhost", "127.0.0.1", "::1")
"""How processes on this machine call each other, which no proxy can do for them."""

CONTAINER = Path("/sys/fs/cgroup")  # where Linux tells a container its limits


# What torchrun sets; one of them alone is a leftover in somebody's shell.
LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR")


def launched_rank() -> tuple[int, int]:
    """Return this process's rank and how many torchrun started; (0, 1) without it."""
    if not os.environ.keys() >= set(LAUNCHED):
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def child_environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of worker processes: one thread for each library, modules of the
    working folder left alone, and own processes spoken to directly.

    Args:
        given: what it begins with; this process's own unless given.
    """
    own = dict(os.environ if given is None else given)
    return own | ONE_THREAD | SAFE_PATH | _direct(own)


def speak_directly() -> None:
    """Let this process, and what it starts, reach processes on this machine without a proxy.

    Libraries read the variables when they open a connection, gRPC in C.
    """
    os.environ.update(_direct(os.environ))


@cache
def share_heaps() -> None:
    """Let all threads of this process use the same two heaps of the C library.

    Each of the many that wait for a store would get one of its own, and what it frees there no
    other thread could use: 2 % of the memory of a job of 100,000 sources.
    """
    set_malloc(-8, 2)  # M_ARENA_MAX; another libc (musl) has one heap anyway


def set_malloc(option: int, value: int) -> None:
    """Set an option of glibc's `mallopt` in this process; nothing happens with another libc."""
    try:
        ctypes.CDLL("libc.so.6").mallopt(option, value)
    except (OSError, AttributeError):
        return


def _direct(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep clients from asking a proxy for this machine."""
    found = {}
    for name in ("no_proxy", "NO_PROXY"):  # libraries look at one or the other first
        hosts = [host.strip() for host in environment.get(name, "").split(",") if host.strip()]
        if "*" not in hosts:
            found[name] = ",".join([*hosts, *(host for host in HERE if host not in hosts)])
    return found


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory_bytes() -> int:
    """Return how much more memory this process may take before the machine has none left.

    A container's limit counts as the machine's.
    """
    import psutil

    free = psutil.virtual_memory().available
    try:
        limit, used = (
            int((CONTAINER / name).read_text()) for name in ("memory.max", "memory.current")
        )
    except (OSError, ValueError):  # no container, or one without a limit
        return int(free)
    return int(min(free, max(0, limit - used)))


def cpu_model() -> str:
    """Return the model of the CPU: kernels are chosen by what it can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
