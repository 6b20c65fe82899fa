"""A least-recently-used store for threads, in which each value is made once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Shared(Generic[Key, Value]):
    """Keeps values up to a budget. Whoever asks for one first makes it, while others wait.

    Values that are lent out stay until they come back, even above the budget.

    Args:
        budget: how much to keep.
        size: how much of the budget a value takes.
        drop: what to do with a value that has to go.
    """

    def __init__(self, budget: int, size: Callable[[Value], int], drop: Callable[[Value], None]):
        self._budget, self._size, self._drop = budget, size, drop
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, Future[Value]] = OrderedDict()
        self._lent: dict[Key, int] = {}
        self._used = 0

    def lend(self, key: Key, make: Callable[[Key], Value]) -> _Loan[Key, Value]:
        """Lend the value of `key`, made by `make(key)` where it is not kept."""
        return _Loan(self, key, make)

    def close(self) -> None:
        """Drop everything that is not lent out."""
        with self._lock:
            self._budget = 0
            self._shrink()

    def take(self, key: Key, make: Callable[[Key], Value]) -> Value:
        with self._lock:
            found = self._kept.get(key)
            future: Future[Value] = found or Future()
            self._kept[key] = future
            self._kept.move_to_end(key)
            self._lent[key] = self._lent.get(key, 0) + 1
        if found is None:
            try:
                value = make(key)
            except BaseException as error:
                with self._lock:
                    self._kept.pop(key, None)  # the next one tries again
                future.set_exception(error)
                self.give_back(key)
                raise
            with self._lock:
                self._used += self._size(value)
            future.set_result(value)
            return value
        try:
            return future.result()
        except BaseException:
            self.give_back(key)
            raise

    def give_back(self, key: Key) -> None:
        with self._lock:
            self._lent[key] -= 1
            if not self._lent[key]:
                del self._lent[key]
            self._shrink()

    def _shrink(self) -> None:
        for key in list(self._kept):
            if self._used <= self._budget:
                return
            future = self._kept[key]
            if key not in self._lent and future.done() and future.exception() is None:
                del self._kept[key]
                value = future.result()
                self._used -= self._size(value)
                self._drop(value)


class _Loan(Generic[Key, Value]):
    def __init__(self, store: Shared[Key, Value], key: Key, make: Callable[[Key], Value]):
        self._store, self._key, self._make = store, key, make

    def __enter__(self) -> Value:
        return self._store.take(self._key, self._make)

    def __exit__(self, *_: object) -> None:
        self._store.give_back(self._key)
