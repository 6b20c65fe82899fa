"""In which order clips become batches: pure index arithmetic, with no file and no state.

An epoch's order is a function of (manifest hash, seed, epoch) and of the options that cut it into
batches; never of ranks, threads or time. That is all that exact resume needs.

Legend: N items (clips, or pieces of clips), B batch size over all ranks, S steps of an epoch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

EMPTY = -1  # a row of the last batch of an epoch for which no item is left

Index = NDArray[np.int64]
Numbers = NDArray[np.integer[Any]]  # of whatever size holds them


@dataclass(frozen=True, slots=True)
class EpochOrder:
    """What each step of an epoch loads."""

    items: Index
    """int64 [S, B]: item numbers; EMPTY where a row has none."""
    first: NDArray[np.bool_]
    """bool [S, B]: whether the row's item does not continue the row's item of the step before."""


@dataclass(frozen=True, slots=True)
class Items:
    """What the order needs to know of items, which are sorted by dataset and place in it."""

    dataset: Numbers
    """[N]: the number of the dataset, rising."""
    run: Numbers
    """[N]: the run of an item: a block of a shard for `clips`, an episode for `episodes`."""
    begin: Numbers
    """[N]: first tick in the source."""
    end: Numbers
    """[N]: the tick after the last."""

    def __len__(self) -> int:
        return len(self.dataset)


def permutation(n: int, *seed: object) -> Index:
    """A permutation of `range(n)` that depends on nothing but `seed`.

    It sorts raw bits of a counter generator: NumPy promises that these never change, but promises
    nothing of `Generator.permutation`.
    """
    digest = hashlib.sha256(repr(seed).encode()).digest()
    bits = np.random.Philox(key=np.frombuffer(digest[:16], np.uint64)).random_raw(n)
    return np.argsort(bits, kind="stable")


def draws_per_epoch(counts: Sequence[int], weights: Sequence[float] | None) -> list[int]:
    """How many items of each dataset an epoch has.

    Each is drawn once; with `weights` there are as many in all, and at least one per dataset.
    """
    if weights is None:
        return list(counts)
    total = sum(counts)
    shares = np.asarray(weights, np.float64) / sum(weights) * total
    draws = np.floor(shares).astype(np.int64)
    by_remainder = np.argsort(draws - shares, kind="stable")  # the largest first
    draws[by_remainder[: total - int(draws.sum())]] += 1
    # However small its weight, no dataset is left out for ever.
    for number in np.flatnonzero(draws == 0):
        draws[draws.argmax()] -= 1
        draws[number] = 1
    return draws.tolist()


def clips_order(
    items: Items,
    *,
    manifest: str,
    seed: int,
    epoch: int,
    batch_size: int,
    draws: Sequence[int],
    window_steps: int,
    drop_last: bool,
) -> EpochOrder:
    """The shuffled order.

    Runs (blocks of neighboring clips) are shuffled, then cut into windows of `window_steps` steps.
    Within a window each row of the batch owns a stretch of the sequence, which is shuffled; so a
    block is read by one row, within one window, which keeps reads from buckets long, and two clips
    of a block are hardly ever in one batch.
    """
    sequence = _sequence_of_runs(items, manifest, seed, epoch, draws)
    steps, rest = divmod(len(sequence), batch_size)
    order = np.full((steps + (rest > 0 and not drop_last), batch_size), EMPTY, np.int64)
    for window, start in enumerate(range(0, steps, window_steps)):
        end = min(start + window_steps, steps)
        rows = sequence[start * batch_size : end * batch_size]
        rows = rows.reshape(batch_size, end - start)  # (B, steps of window)
        for row in range(batch_size):
            shuffled = permutation(end - start, "row", manifest, seed, epoch, window, row)
            order[start:end, row] = rows[row, shuffled]
    if len(order) > steps:
        order[steps, :rest] = sequence[steps * batch_size :]
    return EpochOrder(order, order != EMPTY)


def episodes_order(
    items: Items,
    *,
    manifest: str,
    seed: int,
    epoch: int,
    batch_size: int,
    draws: Sequence[int],
    drop_last: bool,
) -> EpochOrder:
    """The order for policies with memory: row b of all batches plays one episode after the other.

    The shuffled episodes are laid end to end and cut into B lanes of the same length, so an episode
    may begin at the end of a lane and continue, as if it were new, at the start of the next.
    """
    sequence = _sequence_of_runs(items, manifest, seed, epoch, draws)
    steps, rest = divmod(len(sequence), batch_size)
    longer = 0 if drop_last else rest  # that many lanes are an item longer
    order = np.full((steps + (longer > 0), batch_size), EMPTY, np.int64)
    position = 0
    for lane in range(batch_size):
        length = steps + (lane < longer)
        order[:length, lane] = sequence[position : position + length]
        position += length
    before, after = order[:-1], order[1:]  # (S - 1, B)
    continues = (
        (before != EMPTY)
        & (after != EMPTY)
        & (items.dataset[before] == items.dataset[after])
        & (items.run[before] == items.run[after])
        & (items.end[before] == items.begin[after])
    )
    first = np.ones(order.shape, bool)
    first[1:] = ~continues
    return EpochOrder(order, first & (order != EMPTY))


def _sequence_of_runs(
    items: Items, manifest: str, seed: int, epoch: int, draws: Sequence[int]
) -> Index:
    """The epoch's items, int64 [sum of draws], run after run, runs of all datasets mixed.

    Each dataset is an endless stream of passes over its shuffled runs; an epoch takes the next
    `draws` items of it, so that weights neither repeat an item before its pass is over nor leave
    an item out for ever.
    """
    parts: list[Index] = []
    for number, count in enumerate(draws):
        own = np.flatnonzero(items.dataset == number)
        taken = 0
        while taken < count:
            turn, offset = divmod(epoch * count + taken, len(own))
            shuffled = _shuffle_runs(own, items.run[own], "pass", manifest, seed, number, turn)
            part = shuffled[offset : offset + count - taken]
            parts.append(part)
            taken += len(part)
    if not parts:
        return np.zeros(0, np.int64)
    sequence = np.concatenate(parts)
    # A run is told from the next by pass and number: two passes may meet at the same run, and their
    # items must not be taken for one run.
    passes = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    runs = items.run[sequence]
    borders = np.flatnonzero((np.diff(passes) != 0) | (np.diff(runs) != 0)) + 1
    run_numbers = np.zeros(len(sequence), np.int64)
    run_numbers[borders] = 1
    return _shuffle_runs(sequence, np.cumsum(run_numbers), "mix", manifest, seed, epoch)


def _shuffle_runs(values: Index, run: Numbers, *seed: object) -> Index:
    """`values` with its runs (stretches of equal `run`) in a random order, each kept as it is."""
    if not len(values):
        return values
    starts = np.concatenate([[0], np.flatnonzero(np.diff(run)) + 1])
    lengths = np.diff(np.append(starts, len(values)))
    chosen = permutation(len(starts), *seed)
    # How far each run moves: from where it starts now back to where it started.
    new_starts = np.cumsum(lengths[chosen]) - lengths[chosen]
    shift = np.repeat(starts[chosen] - new_starts, lengths[chosen])
    return values[shift + np.arange(len(values))]
