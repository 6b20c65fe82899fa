"""Threads of their own for what logging in asks of the database.

A crowd that logs in at once waits in line for them, and takes none of the threads by which
everybody else's work is saved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

AT_ONCE = 2  # the database writes one thing at a time: more would only wait within it
Result = TypeVar("Result")


async def run_apart(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a function in one of these threads, when its turn comes."""
    return await asyncio.wrap_future(_pool().submit(function, *arguments))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="login")
