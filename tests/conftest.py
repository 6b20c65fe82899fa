"""What all tests need: Ctrl-C reaches the processes they start, threads that wait sleep, and what
the processes that play share is imported once.

A shell starts what it puts in the background deaf to SIGINT, and children inherit that; tests of
interruption send it. Threads of OpenMP spin while they wait for work unless told otherwise: where
tests run side by side they would take the processor from those that have some. Bytecode is kept,
whatever the environment says: hundreds of processes would compile the package anew.
"""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from vidact.games.workers import import_ahead
from vidact.machine import cores

from .warm import CHILDREN_NEED, Warm

import_ahead(*CHILDREN_NEED)
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# How long an example takes says nothing on a busy machine: timing never decides a test.
settings.register_profile("vidact", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vidact")


TESTS = Path(__file__).parent
LONGEST = [
    TESTS / name
    for name in (
        "demo/test_demo.py",
        "pipeline/test_flink.py",
        "pipeline/test_job.py",
        "labeling_tool/frontend/test_browser_review.py",
        "labeling_tool/frontend/test_browser_pages.py",
        "kept/test_kept.py",
        "idm/test_train_idm.py",
        "labeling_tool/test_durability.py",
        "labeling_tool/test_full_day.py",
        "bc_policy/rl/test_ppo.py",
        "labeling_tool/pictures/test_pictures.py",
        "pipeline/test_s3.py",
        "labeling_tool/frontend/test_browser_looking.py",
    )
]
"""Files of tests that take a minute or more, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that no process is left alone with it at the end."""
    ranks = {path: rank for rank, path in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def pytest_xdist_auto_num_workers() -> int:
    """Two processes more than cores: browsers, clusters and killed jobs are waited for, by about as
    many of them as there are such files among the longest, however many cores there are.
    """
    return min(8, cores() + 2)


def pytest_configure(config: pytest.Config) -> None:
    """Where tests run in several processes, these are forked from one."""
    commands: list[str] = getattr(config.option, "tx", None) or []
    if "popen" in commands and not hasattr(config, "workerinput"):
        warm = Warm()
        config.add_cleanup(warm.close)
        forks = f"popen//python={warm.command}"
        config.option.tx = [forks if how == "popen" else how for how in commands]
