"""What every loader does the same way: steps, ranks, decoding ahead, a state of two numbers.

A loader knows its order (`order.py`) and how to fill one row of a batch; this module does
the rest. Threads of this process decode: PyAV frees the GIL, and nothing is pickled across
processes.
"""

from __future__ import annotations

import itertools
import math
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigError, DatasetError
from ..actions.spec import ActionSpec
from ..video.resize import keep_freed_memory
from .batch import Batch
from .order import EMPTY, EpochOrder

# Beyond the steps that are being decoded: a bucket takes a tenth of a second to answer.
READ_AHEAD_STEPS = 8


@dataclass(frozen=True, slots=True)
class Session:
    """What an epoch needs while it runs."""

    fill: Callable[[Batch, int, int], None]
    """`fill(batch, row, item)` fills a row with an item; it is called in the decoding threads."""
    announce: Callable[[int], None] = lambda item: None
    """`announce(item)` says that an item will be wanted soon; must return at once."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of an epoch, as far as this rank has to do with it."""

    number: int
    items: list[int]
    """Of its rows; EMPTY where a row has none."""
    first: NDArray[np.bool_]
    """bool [rows]: whether a row's item does not continue the one of the step before."""
    after: tuple[int, int]
    """The epoch and step that follow, as a state has them."""


class ResumableLoader(ABC):
    """Base of `ClipLoader` and `RecordingLoader`.

    Args:
        name: of the data, for errors.
        spec: the action spec of the batches.
        batch_size: rows over all ranks.
        ticks: T.
        rank, world_size: which of how many processes this is.
        threads: that decode.
        prefetch: steps that are decoded ahead.
        frame_size: height and width of the batches' frames; (0, 0) for batches without.
        probabilities: whether batches have those of buttons and bins.
        rows_in_turn: a row's steps must be filled one after the other.
        steps_per_epoch: of every rank.
        identity: everything beside the epoch that the order depends on.
        pin_memory: whether the batches' frames lie in page-locked memory.
    """

    def __init__(
        self,
        name: str,
        *,
        spec: ActionSpec,
        batch_size: int,
        ticks: int,
        rank: int,
        world_size: int,
        threads: int,
        prefetch: int,
        frame_size: tuple[int, int],
        rows_in_turn: bool,
        steps_per_epoch: int,
        identity: Mapping[str, Any],
        probabilities: bool = False,
        pin_memory: bool = False,
    ):
        self.name, self.spec = name, spec
        self.batch_size, self.ticks = batch_size, ticks
        self.rank, self.world_size = rank, world_size
        self.threads, self.prefetch = threads, prefetch
        self.steps_per_epoch = steps_per_epoch
        self.frame_size, self._probabilities = frame_size, probabilities
        self._rows_in_turn, self._pin_memory = rows_in_turn, pin_memory
        self._identity = dict(identity)
        # A batch is given back as another is made; to map its pages anew costs 3 % of decoding.
        keep_freed_memory()
        self.epoch = 0
        self.step = 0

    @abstractmethod
    def epoch_order(self, epoch: int) -> EpochOrder:
        """What each step of an epoch loads, over all ranks; no file is read."""

    @abstractmethod
    def _open(self) -> AbstractContextManager[Session]:
        """Open what an epoch needs."""

    def __len__(self) -> int:
        return self.steps_per_epoch

    def state_dict(self) -> dict[str, Any]:
        """The position after the last batch that the loader gave.

        Plain values, valid for another number of ranks and threads.
        """
        return {"epoch": self.epoch, "step": self.step, "identity": dict(self._identity)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where `state` was taken.

        Raises DatasetError where the order is no longer the same, or where `state` is none that
        `state_dict` gave.
        """
        if problem := self._state_problem(state):
            raise DatasetError(
                f"{self.name}: cannot resume where the last run stopped: {problem}; "
                "restore it, or start a new run"
            )
        self.epoch, self.step = int(state["epoch"]), int(state["step"])

    def _state_problem(self, state: object) -> str | None:
        if not isinstance(state, Mapping):
            return f"the loader's state must be a mapping, got a {type(state).__name__}"
        if missing := [name for name in ("epoch", "step", "identity") if name not in state]:
            return f"the loader's state lacks {', '.join(missing)}"
        identity = state["identity"]
        if not isinstance(identity, Mapping):
            return f"the state's identity must be a mapping, got {identity!r:.40}"
        if missing := sorted(self._identity.keys() - identity.keys()):
            return f"the state's identity lacks {', '.join(missing)}"
        for field, expected in identity.items():
            if (got := self._identity.get(field)) != expected:
                what = (
                    "its content or the filters changed"
                    if field == "manifest"
                    else f"{field} differs"
                )
                return f"{what} (expected {expected!r}, got {got!r})"
        steps = self.steps_per_epoch
        for name, end, allowed in (
            ("epoch", math.inf, "from 0 on"),
            ("step", steps, f"from 0 to {steps - 1}"),
        ):
            value = state[name]
            if (
                not isinstance(value, Integral)
                or isinstance(value, bool)
                or not 0 <= int(value) < end
            ):
                return f"the state's {name} must be a whole number {allowed}, got {value!r:.40}"
        return None

    def batches(self) -> Iterator[Batch]:
        """Batches without end, epoch after epoch: the next is decoded ahead across its border."""
        _refuse_workers()
        for _, batch in self._in_order(endless=True):
            yield batch

    def __iter__(self) -> Iterator[Batch]:
        """The batches of this rank from the present step to the end of the epoch."""
        _refuse_workers()
        for _, batch in self.numbered():
            yield batch

    def numbered(self, offset: int = 0, stride: int = 1) -> Iterator[tuple[int, Batch]]:
        """Each batch and the number of its step, from the present step to the end of the epoch.

        Args:
            offset: leave out so many steps at first.
            stride: give each so manieth step: several loaders share an epoch step by step.
        """
        yield from self._in_order(offset, stride)

    def _in_order(
        self, offset: int = 0, stride: int = 1, *, endless: bool = False
    ) -> Iterator[tuple[int, Batch]]:
        """Each batch of this epoch, or without end, and the number of its step."""
        rows = self.batch_size // self.world_size
        announced: deque[_Step] = deque()
        ahead: deque[tuple[_Step, Batch, list[Future[None]]]] = deque()
        last: list[Future[None] | None] = [None] * rows
        with (
            closing(self._steps_of(offset, stride, endless=endless)) as steps,
            self._open() as session,
            _Pool(self.threads) as pool,
        ):
            while True:
                while len(announced) < self.prefetch + READ_AHEAD_STEPS and (
                    step := next(steps, None)
                ):
                    for item in step.items:
                        if item != EMPTY:
                            session.announce(item)
                    announced.append(step)
                while announced and len(ahead) <= self.prefetch:
                    step = announced.popleft()
                    batch = self._empty_batch(rows)
                    batch.first[:, 0] = step.first
                    for row, item in enumerate(step.items):
                        before = last[row] if self._rows_in_turn else None
                        last[row] = pool.submit(_after, before, session, batch, row, item)
                    ahead.append((step, batch, [future for future in last if future is not None]))
                if not ahead:
                    return
                step, batch, filled = ahead.popleft()
                for future in filled:
                    future.result()
                # Before the batch is given: `state_dict` then says what comes after it.
                self.epoch, self.step = step.after
                yield step.number, batch

    def _steps_of(self, offset: int, stride: int, *, endless: bool) -> Generator[_Step, None, None]:
        """This rank's steps, from the present step to the end of the epoch, or without end.

        The order of the next epoch is computed in the second half of each: of ten million clips
        that takes some seconds.
        """
        rows = self.batch_size // self.world_size
        mine = slice(self.rank * rows, (self.rank + 1) * rows)
        begin = self.step + offset
        following: Future[EpochOrder] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="vidact-order") as thread:
            for epoch in itertools.count(self.epoch):
                order = self.epoch_order(epoch) if following is None else following.result()
                following = None
                for number in range(begin, self.steps_per_epoch, stride):
                    if endless and following is None and 2 * number >= self.steps_per_epoch:
                        following = thread.submit(self.epoch_order, epoch + 1)
                    is_last = number + stride >= self.steps_per_epoch
                    after = (epoch + 1, 0) if is_last else (epoch, number + 1)
                    items = order.items[number, mine].tolist()
                    yield _Step(number, items, order.first[number, mine], after)
                if not endless:
                    return
                begin = offset

    def _empty_batch(self, rows: int) -> Batch:
        return Batch.empty(
            self.spec,
            rows,
            self.ticks,
            frame_size=self.frame_size,
            probabilities=self._probabilities,
            pinned=self._pin_memory,
        )


def _refuse_workers() -> None:
    """Raise ConfigError in a worker of torch's DataLoader: each would give the same batches."""
    data = sys.modules.get("torch.utils.data")
    if data is not None and data.get_worker_info() is not None:
        raise ConfigError(
            "a loader in a worker of torch's DataLoader gives the same batches as in all others; "
            "give the DataLoader a vidact.IterableClips, whose workers share an epoch"
        )


def _after(
    before: Future[None] | None, session: Session, batch: Batch, row: int, item: int
) -> None:
    """Fill a row after its step before, which was submitted earlier: it is running or done."""
    if before is not None:
        before.result()
    session.fill(batch, row, item)


class _Pool(ThreadPoolExecutor):
    """Threads that drop what still waits when their work is interrupted."""

    def __init__(self, threads: int):
        super().__init__(threads, thread_name_prefix="vidact-loader")

    def __exit__(self, *_: object) -> None:
        self.shutdown(wait=True, cancel_futures=True)


def require_settings(
    *,
    batch_size: int,
    ticks: int,
    max_ticks: int,
    rank: int,
    world_size: int,
    threads: int,
    prefetch: int,
    **more: int,
) -> None:
    """Raise ConfigError, naming the setting and what is allowed; `more` must be 1 or more each."""
    counts = {"batch_size": batch_size, "ticks": ticks, "world_size": world_size}
    for name, value in {**counts, "threads": threads, **more}.items():
        if value < 1:
            raise ConfigError(f"{name} must be 1 or more, got {value}")
    if ticks > max_ticks:
        raise ConfigError(
            f"ticks must be at most {max_ticks}, the longest a clip can be, got {ticks}"
        )
    if prefetch < 0:
        raise ConfigError(f"prefetch must be 0 or more steps, got {prefetch}")
    if batch_size % world_size:
        raise ConfigError(
            "batch_size counts rows over all ranks and must divide by "
            f"world_size {world_size}, got {batch_size}"
        )
    if not 0 <= rank < world_size:
        raise ConfigError(f"rank must be from 0 to {world_size - 1}, got {rank}")
