"""How much one person, and one task, may add to the log of operations.

A person at work makes a few operations a second; a script that never stops would fill the disk and
make the task too long to open.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from ..problems import Problem

MAX_OPERATIONS = 20_000  # of a task: some hundred for each of its frames
MAX_PAYLOAD_BYTES = 4 << 20  # of a task: the page loads all of it
OPERATION_BYTES = 100  # what a row takes beside its payload
BURST = 3000  # operations at once: what a device kept while it was offline
PER_S = 50.0  # operations a second for ever: ten times the fastest hand


class Pace:
    """A person's allowance, which refills steadily; counted in this process."""

    def __init__(self) -> None:
        self._empty_at: dict[int, float] = {}  # when each person's debt is paid
        self._lock = threading.Lock()

    def spend(self, user_id: int, operations: int) -> None:
        """Take operations from the allowance. Raises 429 where it is used up."""
        now = time.monotonic()
        with self._lock:
            due = max(self._empty_at.get(user_id, now), now) + operations / PER_S
            if due - now > BURST / PER_S:
                wait_s = max(1, round(due - now - BURST / PER_S))
                raise Problem(
                    429,
                    "too_fast",
                    f"That is more than {PER_S:.0f} edits a second. They are kept on this device "
                    f"and sent in {wait_s} s.",
                    retry_after_s=wait_s,
                )
            self._empty_at[user_id] = due
            if len(self._empty_at) > 10_000:  # people whose debt is paid need not be remembered
                self._empty_at = {who: at for who, at in self._empty_at.items() if at > now}


def require_room(operations: int, used_bytes: int, payloads: list[dict[str, Any]]) -> int:
    """Return the bytes that a task's operations take with these ones added.

    Args:
        operations: how many the task would have.
        used_bytes: what its operations take so far.
        payloads: the new ones.

    Raises:
        Problem: 409 `full`.
    """
    size = used_bytes + sum(
        OPERATION_BYTES + len(json.dumps(payload, separators=(",", ":"))) for payload in payloads
    )
    if operations > MAX_OPERATIONS or size > MAX_PAYLOAD_BYTES:
        raise Problem(
            409,
            "full",
            f"This task's history is full ({MAX_OPERATIONS} edits or {MAX_PAYLOAD_BYTES >> 20} "
            "MiB). Submit what is there.",
        )
    return size
