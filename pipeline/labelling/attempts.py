"""What an exception in a shard costs: the shard is tried again, then the segment it came from.

A process that dies is the supervisor's business; here nobody dies. A bug on one odd file, or labels
that the writer refuses, must not stop the other shards of a job of weeks.
"""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...errors import ShardError, VidactError, VideoError
from ...storage_failures import is_of_this_machine, storage_failure

COMMITTING = -1  # instead of a segment's position
# Tries of a shard that fail in the same segment: what fails three times in a row is no accident.
ATTEMPTS = 3
DETAIL_CHARACTERS = 500
# Words of PyTorch's errors that leave the process, or its GPU, unable to do anything more.
GPU_LOST = ("AcceleratorError", "OutOfMemoryError")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class ShardOutcome:
    """What came of a shard."""

    shard: str
    status: str
    """`labelled`, `was_done` (it had its record) or `waiting` (a source or the store is away)."""
    detail: str = ""
    ticks: int = 0


def label_despite_errors(
    attempt: Callable[[Mapping[int, str]], ShardOutcome], at: Callable[[], int]
) -> ShardOutcome:
    """Label a shard, trying again where it raises.

    Args:
        attempt: labels the shard from its beginning, but for the segments that it is given, each
            with what it failed of: they become dead letters.
        at: the segment that the attempt was at when it raised.

    Raises:
        Exception: what is no segment's fault (see `is_of_a_segment`), or came while committing.
    """
    failed: dict[int, str] = {}
    tries: Counter[int] = Counter()
    while True:
        try:
            return attempt(failed)
        except Exception as error:
            segment = at()
            if segment == COMMITTING or segment in failed or not is_of_a_segment(error):
                raise
            tries[segment] += 1
            log.warning("segment %d failed", segment, exc_info=True)
            if tries[segment] == ATTEMPTS:
                failed[segment] = last_line(error)


def is_of_a_segment(error: Exception) -> bool:
    """Whether an exception can be put down to the segment in which it was raised: no disk, network
    or store, no lack of memory, no lost GPU, and no mistake of the user.
    """
    if storage_failure(error) or is_of_this_machine(error):
        return False
    if type(error).__name__ in GPU_LOST or "CUDA" in str(error):
        return False
    return isinstance(error, ShardError | VideoError) or not isinstance(error, VidactError)


def last_line(error: BaseException) -> str:
    """The last line of an exception's traceback: its name and message."""
    text = traceback.format_exception_only(type(error), error)[-1].strip()
    return " ".join(text.split())[:DETAIL_CHARACTERS]
