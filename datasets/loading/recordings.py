"""Batches straight from recordings, decoded as they are needed, with nothing on disk.

    loader = RecordingLoader(["runs/play"], ActionSpec.load("doom"), batch_size=8)

Each row of the batch is a lane that plays one recording after the other, so a video is decoded
once, from its start to its end, at the speed of the decoder. For shuffled clips, or for many
passes, `vidact pack` is the better way.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ...errors import RecordingError
from ..actions.devices import TickActions
from ..actions.spec import ActionSpec
from ..recordings.recording import Recording, find_recordings
from ..recordings.stream import TickStream
from ..shards.lengths import CLIP_TICKS
from .batch import Batch
from .order import EMPTY, EpochOrder, Items, episodes_order
from .resumable import ResumableLoader, Session, require_settings

MAX_TICKS = 4096  # of one row; a batch of 8 such rows of 128x128 pixels takes 1.6 GB


class RecordingLoader(ResumableLoader):
    """Iterates batches of consecutive ticks with true actions.

    Rows are as in `ClipLoader` with order `episodes`.

    Args:
        recordings: folders, mp4 files or stems, or recordings that are open already.
        spec: of the actions and frames.
        batch_size: rows over all ranks: how many recordings are open at a time.
        ticks: T.
        all_phases: take every possible first frame of a recording that is faster than the ticks.
        seed: of the order of recordings.
        rank, world_size, threads, prefetch: as in `ClipLoader`.
        drop_last: leave out what does not fill a step; False gives empty rows instead.

    `keys` of a batch are `<name>:<phase>:<tick>`. Confidence is 1 where valid.

    Raises:
        RecordingError: no recordings, or one that cannot be read.
    """

    def __init__(
        self,
        recordings: Sequence[str | os.PathLike[str] | Recording],
        spec: ActionSpec,
        *,
        batch_size: int,
        ticks: int = CLIP_TICKS,
        all_phases: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        threads: int = 2,
        prefetch: int = 1,
        drop_last: bool = True,
    ):
        require_settings(
            batch_size=batch_size,
            ticks=ticks,
            max_ticks=MAX_TICKS,
            rank=rank,
            world_size=world_size,
            threads=threads,
            prefetch=prefetch,
        )
        self.seed, self._drop_last = seed, drop_last
        paths = [
            Path(recording) for recording in recordings if not isinstance(recording, Recording)
        ]
        opened = [recording for recording in recordings if isinstance(recording, Recording)]
        self.recordings = opened + (find_recordings(paths) if paths or not opened else [])
        self._runs = [
            (recording, phase)
            for recording in self.recordings
            for phase in range(recording.phases(spec) if all_phases else 1)
        ]
        self._actions: dict[int, TickActions] = {}
        self._lock = threading.Lock()
        episodes = [recording.episodes(spec, phase) for recording, phase in self._runs]
        self._starts = [{start for start, _ in of_run} for of_run in episodes]
        rows = [
            (0, run, begin, min(begin + ticks, end))
            for run, of_run in enumerate(episodes)
            for start, end in of_run
            for begin in range(start, end, ticks)
        ]
        self._items = Items(*np.array(rows, np.int64).reshape(-1, 4).T)
        steps = len(rows) // batch_size if drop_last else -(-len(rows) // batch_size)
        if not steps:
            raise RecordingError(
                f"{len(self.recordings)} recordings hold {len(rows)} stretches of {ticks} ticks, "
                f"fewer than batch_size {batch_size}; take a smaller batch or drop_last=False"
            )
        identity = "\n".join(
            f"{r.sha256}:{r.labels_sha256}:{phase}:{r.num_ticks(spec, phase)}"
            for r, phase in self._runs
        )
        self._manifest = hashlib.sha256(identity.encode()).hexdigest()
        super().__init__(
            f"{len(self.recordings)} recordings",
            spec=spec,
            batch_size=batch_size,
            ticks=ticks,
            rank=rank,
            world_size=world_size,
            threads=threads,
            prefetch=prefetch,
            frame_size=(spec.frame.height, spec.frame.width),
            rows_in_turn=True,
            steps_per_epoch=steps,
            identity={
                "manifest": self._manifest,
                "spec": spec.sha256,
                "batch_size": batch_size,
                "ticks": ticks,
                "seed": seed,
                "drop_last": drop_last,
            },
        )

    def epoch_order(self, epoch: int) -> EpochOrder:
        """What each step of an epoch loads, over all ranks; no file is read."""
        return episodes_order(
            self._items,
            manifest=self._manifest,
            seed=self.seed,
            epoch=epoch,
            batch_size=self.batch_size,
            draws=[len(self._items)],
            drop_last=self._drop_last,
        )

    @contextmanager
    def _open(self) -> Iterator[Session]:
        # By row: the run that it plays, and its decoder.
        lanes: dict[int, tuple[int, TickStream]] = {}

        def fill(batch: Batch, row: int, item: int) -> None:
            if item == EMPTY:
                batch.frames[row] = 0
                return
            run, begin, end = (
                int(column[item])
                for column in (self._items.run, self._items.begin, self._items.end)
            )
            recording, phase = self._runs[run]
            playing, stream = lanes.get(row, (-1, None))
            if stream is None or playing != run or stream.tick != begin:
                stream = TickStream(recording, self.spec, phase, begin)
                lanes[row] = (run, stream)
            batch.ticks[row] = ticks = end - begin
            batch.first[row, 0] |= begin in self._starts[run]
            stream.take(begin, batch.frames[row, :ticks])
            batch.frames[row, ticks:] = 0
            actions = self._actions_of(run)
            batch.buttons[row, :ticks] = actions.buttons[begin:end]
            batch.camera[row, :ticks] = actions.camera[begin:end]
            # A policy's action is all buttons at once: where one is not known, there is none.
            batch.valid[row, :ticks] = actions.whole[begin:end]
            batch.confidence[row] = batch.valid[row]
            batch.keys[row] = f"{recording.name}:{phase}:{begin}"

        try:
            yield Session(fill)
        finally:
            lanes.clear()

    def _actions_of(self, run: int) -> TickActions:
        """The actions of a run; summed up once, since they are a thousandth of the frames' size."""
        with self._lock:
            if run not in self._actions:
                recording, phase = self._runs[run]
                self._actions[run] = recording.actions(self.spec, phase)
            return self._actions[run]
