"""What all tests need: Ctrl-C reaches the processes they start, threads that wait sleep, and what
the processes that play share is imported once.

A shell starts what it puts in the background deaf to SIGINT, and children inherit that; tests of
interruption send it. Threads of OpenMP spin while they wait for work unless told otherwise: where
tests run side by side they would take the processor from those that have some. Bytecode is kept,
whatever the environment says: hundreds of processes would compile the package anew.
"""

import os
import signal

from vidact.games.workers import import_ahead
from vidact.machine import cores

import_ahead("vidact.bc_policy.scoring.pool", "vidact.bc_policy.rl.actors")
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_xdist_auto_num_workers() -> int:
    """Half again as many processes as cores: browsers, clusters and killed jobs are waited for."""
    return min(8, max(2, cores() + cores() // 2))
