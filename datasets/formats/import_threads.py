"""The threads of an import, which end soon where it is interrupted or fails: a recording that is
being written may take hours.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from ...errors import Interrupted
from ...machine import cores

_stopping = threading.Event()


@contextmanager
def import_threads(number: int) -> Iterator[ThreadPoolExecutor]:
    """Yield so many threads (0: one a core); whatever the block raises stops their work."""
    _stopping.clear()
    with ThreadPoolExecutor(number or cores()) as pool:
        try:
            yield pool
        except BaseException:
            _stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def require_going_on() -> None:
    """Raise Interrupted where the import is to end; called with each picture."""
    if _stopping.is_set():
        raise Interrupted("the import was stopped; the same command goes on from there")
