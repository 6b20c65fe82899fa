"""Which clips of a dataset are exported, in which order, and where episodes may begin."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError, ShardError
from ..loading.clips import begins_scene
from ..loading.items import Columns, conditions_of, emptied_by, filtered
from ..shards.clip import VIDEO_DIGITS, Clip, removed_video_ids
from ..shards.codec import decode_clip
from ..shards.dataset import Dataset
from .joined_video import OtherParametersError

AHEAD = 8  # clips that are fetched while one is written: a bucket answers late


@dataclass(frozen=True, slots=True)
class Sample:
    """A clip on its way out."""

    clip: Clip
    """Without its frames."""
    mp4: bytes
    begins: bool
    """Whether an episode begins with it."""
    where: str
    """For errors: shard and key."""

    @contextmanager
    def told_where(self) -> Iterator[None]:
        """Name the clip in a ShardError of the block; one that cannot be joined is not damaged."""
        try:
            yield
        except OtherParametersError:
            raise
        except ShardError as error:
            where = f"{self.where}: {error}"
            raise ShardError(f"{where}; run `vidact verify` on the dataset") from error


@dataclass(frozen=True, slots=True)
class Plan:
    """The clips of one export: split by split, episode by episode, in the order of time."""

    dataset: Dataset
    version: str
    """Of the manifest."""
    columns: Columns
    begins: NDArray[np.bool_]
    """[N]: whether play before the clip is missing; a cut in the picture begins one as well."""
    left: NDArray[np.int64]
    """[N]: how many ticks of consecutive play there are from the clip on, itself included."""
    ends: NDArray[np.int64]
    """[N]: how many ticks there are up to the end of the clip, over all of the export."""

    @classmethod
    def of(cls, dataset: Dataset, split: str) -> Plan:
        """All clips of a split, or of all splits where it is empty, but for what was taken down.

        Raises DatasetError where there are none.
        """
        conditions = conditions_of(split or None, ())
        manifest = dataset.open_manifest()
        columns, own, _ = filtered(dataset, manifest, conditions, named="episode_id")
        gone = [one.encode() for one in removed_video_ids(dataset.tombstones())]
        videos = columns.keys.astype(f"S{VIDEO_DIGITS}")
        kept = np.flatnonzero(~np.isin(videos, gone))
        if own is None or not len(kept):
            raise DatasetError(
                f"{dataset}: there is no clip to export" + emptied_by(dataset, conditions)
            )
        # Episodes in the order in which shards hold them: what is read is read in one go.
        _, first, episode = np.unique(own[kept], return_index=True, return_inverse=True)
        ticks = columns.numbers["start_tick"][kept]
        order = np.lexsort((ticks, first[episode]))
        columns.take(kept[order])
        episode, start = episode[order], columns.numbers["start_tick"].astype(np.int64)
        ends = np.cumsum(columns.numbers["frames"], dtype=np.int64)
        joined = (np.diff(episode) == 0) & (
            start[1:] == start[:-1] + columns.numbers["frames"][:-1].astype(np.int64)
        )
        begins = np.concatenate([[True], ~joined])
        stretch = np.cumsum(begins) - 1
        last = np.append(np.flatnonzero(begins)[1:], len(ends)) - 1  # of each stretch
        left = ends[last][stretch] - ends + columns.numbers["frames"]
        return cls(dataset, manifest.version, columns, begins, left, ends)

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def ticks(self) -> int:
        """How many there are."""
        return int(self.ends[-1])

    def row_after(self, ticks: int) -> int:
        """The number of the clip that follows so many ticks, which are whole clips."""
        return int(np.searchsorted(self.ends, ticks, side="right"))

    def samples(self, row: int) -> Iterator[tuple[int, Sample]]:
        """Read the clips from a row on, a few ahead.

        Raises ShardError where one is damaged or not the one that the manifest describes.
        """
        with ThreadPoolExecutor(AHEAD) as pool:
            waiting: deque[tuple[int, Future[Sample]]] = deque()
            try:
                for number in range(row, len(self)):
                    waiting.append((number, pool.submit(self._read, number)))
                    if len(waiting) > AHEAD:
                        found, future = waiting.popleft()
                        yield found, future.result()
                while waiting:
                    found, future = waiting.popleft()
                    yield found, future.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _read(self, number: int) -> Sample:
        row = self.columns.row(number)
        members = self.dataset.read_sample(row)
        clip = decode_clip(row["key"], members, frames=False)
        where = f"{self.dataset.shard_uri(row['shard'])}, clip {row['key']}"
        begins = bool(self.begins[number]) or begins_scene(members["json"])
        return Sample(clip, members["mp4"], begins, where)

    def identity(self) -> str:
        """The hash of the clips in their order."""
        return self.columns.hash()


@dataclass(slots=True)
class Episodes:
    """Reads the clips of a plan episode by episode; a cut in the picture is seen on the way."""

    plan: Plan
    _samples: Iterator[tuple[int, Sample]] = field(default_factory=lambda: iter(()))
    _waiting: tuple[int, Sample] | None = None
    """The next clip, which is read."""

    def clips(self, row: int) -> Iterator[Sample]:
        """Yield the clips of the episode that begins with a row. Raises ShardError."""
        if self._waiting is None or self._waiting[0] != row:
            self._samples = self.plan.samples(row)
            self._waiting = next(self._samples, None)
        begun = False
        while self._waiting is not None and not (begun and self._waiting[1].begins):
            begun = True
            yield self._waiting[1]
            self._waiting = next(self._samples, None)
