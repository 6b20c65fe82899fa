"""Batches of clips from one or several datasets, in an order that can be resumed exactly.

    loader = ClipLoader(["runs/dataset"], batch_size=8)
    for batch in loader:        # the rest of the epoch
        ...
        state = loader.state_dict()

Resume is exact: the order follows from (manifest, seed, epoch) alone, and the state is (epoch,
step). It holds as long as the datasets, `batch_size`, `ticks`, `order` and the filters stay the
same; the number of ranks and threads may change.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigError, DatasetError, ShardError
from ..shards.codec import decode_arrays, decode_video
from ..shards.dataset import Dataset
from ..shards.lengths import CLIP_TICKS
from .batch import Batch
from .frame_cache import FrameCache, Piece, Shrink
from .items import ORDERS, ClipItems, Filter, conditions_of, emptied_by, read_items
from .order import EMPTY, EpochOrder, clips_order, draws_per_epoch, episodes_order
from .reader import SampleReader, open_reader
from .resumable import ResumableLoader, Session, require_settings
from .shard_cache import ShardCache

__all__ = ["Batch", "ClipLoader"]

MIN_BLOCK_BYTES = 64 << 20
LABELS = ("buttons", "camera", "confidence", "valid")
PROBABILITIES = ("buttons_prob", "camera_prob")


class ClipLoader(ResumableLoader):
    """Iterates batches of clips; see the module's head.

    Args:
        datasets: datasets, or their folders or fsspec URLs, with the same action spec.
        batch_size: rows of a step over ALL ranks; a rank gets `batch_size / world_size` of them.
        ticks: T; longer clips are cut into pieces, shorter ones padded.
        order: `clips` (shuffled), or `episodes` (row b continues where row b of the batch before
            ended, and `batch.first` says where it does not; for policies with memory).
        split: `train`, `val`, `test`, or None for all.
        seed: of the order.
        rank, world_size: which of how many processes this is.
        threads: that decode.
        prefetch: steps that are decoded ahead.
        weights: share of each dataset in an epoch, in any unit; by their size where None.
        filters: conditions on manifest columns, all of which must hold: `("mean_confidence", ">=",
            0.5)`, `("source_uri", "not in", [...])`.
        drop_last: leave out the clips that do not fill a step (others in each epoch); False gives a
            last step with empty rows instead, so that every clip is seen once.
        block_clips: neighboring clips that stay close in the `clips` order, for long reads from
            buckets.
        shuffle_clips: the `clips` order mixes within windows of about so many clips.
        cache_dir, cache_gb: keep whole remote shards here, up to this size.
        frames: False leaves pixels out: labels only, a hundred times as fast.
        shrink: makes frames smaller as they are decoded.
        frame_cache: keeps decoded items in memory: the batches are the same, and come without
            decoding from the second epoch on.
        probabilities: whether batches have those of buttons and bins.

    Raises:
        ConfigError: a setting is not allowed.
        DatasetError: no clips are left, or too few for one step.
        SpecMismatchError: the datasets were made under different specs.
        ShardError: while iterating: a shard is not the one that the manifest describes.
    """

    def __init__(
        self,
        datasets: Sequence[str | os.PathLike[str]],
        *,
        batch_size: int,
        ticks: int = CLIP_TICKS,
        order: str = "clips",
        split: str | None = "train",
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        threads: int = 2,
        prefetch: int = 2,
        weights: Sequence[float] | None = None,
        filters: Sequence[Filter] = (),
        drop_last: bool = True,
        block_clips: int = 8,
        shuffle_clips: int = 1024,
        cache_dir: str | None = None,
        cache_gb: float = 20.0,
        frames: bool = True,
        shrink: Shrink | None = None,
        frame_cache: FrameCache | None = None,
        probabilities: bool = False,
    ):
        require_settings(
            batch_size=batch_size,
            ticks=ticks,
            max_ticks=CLIP_TICKS,
            rank=rank,
            world_size=world_size,
            threads=threads,
            prefetch=prefetch,
            block_clips=block_clips,
            shuffle_clips=shuffle_clips,
        )
        _check_choices(datasets, order, weights)
        self.datasets = [Dataset(dataset) for dataset in datasets]
        self.order, self.seed = order, seed
        self._drop_last = drop_last
        self._window_steps = max(shuffle_clips // batch_size, 2 * block_clips)
        conditions = conditions_of(split, filters)
        self._items: ClipItems = read_items(
            self.datasets, conditions, ticks=ticks, order=order, block_clips=block_clips
        )
        counts = [
            int((self._items.index.dataset == number).sum()) for number in range(len(self.datasets))
        ]
        if weights is not None and 0 in counts:
            empty = self.datasets[counts.index(0)]
            raise DatasetError(
                f"{empty}: no clip passes split {split!r} and the filters, "
                "so it cannot have a weight" + emptied_by(empty, conditions)
            )
        self._draws = draws_per_epoch(counts, weights)
        total = sum(self._draws)
        steps = total // batch_size if drop_last else -(-total // batch_size)
        name = ", ".join(map(str, self.datasets))
        if not steps:
            raise DatasetError(
                f"{name}: {total} clips of split {split!r} pass the filters, "
                f"fewer than batch_size {batch_size}; take a smaller batch, fewer ticks a piece, "
                "a weaker filter, or drop_last=False"
                + "".join(emptied_by(dataset, conditions) for dataset in self.datasets)
            )
        # Blocks that are open at a time on this rank: those of this shuffle window and the next.
        open_clips = 2 * self._window_steps * (batch_size // world_size)
        self._block_bytes = max(MIN_BLOCK_BYTES, open_clips * self._items.mean_size_bytes())
        self._remote = any(dataset.local is None for dataset in self.datasets)
        self._cache = ShardCache(cache_dir, int(cache_gb * 1e9)) if cache_dir else None
        self._shrink, self._frame_cache = shrink, frame_cache
        self._labels = LABELS + (PROBABILITIES if probabilities else ())
        frame = self._items.spec.frame
        size = (frame.height, frame.width) if shrink is None else shrink.size
        super().__init__(
            name,
            spec=self._items.spec,
            batch_size=batch_size,
            ticks=ticks,
            rank=rank,
            world_size=world_size,
            threads=threads,
            prefetch=prefetch,
            frame_size=size if frames else (0, 0),
            rows_in_turn=False,
            steps_per_epoch=steps,
            probabilities=probabilities,
            identity={
                "manifest": self._items.manifest,
                "batch_size": batch_size,
                "ticks": ticks,
                "order": order,
                "seed": seed,
                "draws": self._draws,
                "drop_last": drop_last,
                "window_steps": self._window_steps,
            },
        )

    @property
    def num_clips(self) -> int:
        """The number of items that pass the filters: a clip longer than `ticks` is several."""
        return len(self._items.index)

    @property
    def num_ticks(self) -> int:
        """How many ticks all items hold."""
        return int((self._items.index.end - self._items.index.begin).sum())

    def epoch_order(self, epoch: int) -> EpochOrder:
        """What each step of an epoch loads, over all ranks; no file is read."""
        common: dict[str, Any] = {
            "manifest": self._items.manifest,
            "seed": self.seed,
            "epoch": epoch,
            "batch_size": self.batch_size,
            "draws": self._draws,
            "drop_last": self._drop_last,
        }
        if self.order == "episodes":
            return episodes_order(self._items.index, **common)
        return clips_order(self._items.index, window_steps=self._window_steps, **common)

    def epoch_keys(self, epoch: int) -> list[list[str]]:
        """The clip keys of each step of an epoch, over all ranks; "" for a row without a clip."""
        return [
            ["" if item == EMPTY else self._items.key(item) for item in step]
            for step in self.epoch_order(epoch).items
        ]

    @contextmanager
    def _open(self) -> Iterator[Session]:
        readers = [
            open_reader(dataset, self._items.shards[number], self._cache, self._block_bytes)
            for number, dataset in enumerate(self.datasets)
        ]

        def announce(item: int) -> None:
            number, row, _, _ = self._items.locate(item)
            readers[number].announce(row)

        try:
            yield Session(
                fill=lambda batch, row, item: self._fill(batch, row, item, readers),
                announce=announce if self._remote else lambda item: None,
            )
        finally:
            for reader in readers:
                reader.close()

    def _fill(self, batch: Batch, row: int, item: int, readers: Sequence[SampleReader]) -> None:
        """Put an item into its row; runs in a thread."""
        if item == EMPTY:
            batch.frames[row] = 0
            return
        piece = None if self._frame_cache is None else self._frame_cache.find((self, item))
        if piece is None:
            piece = self._decoded(item, readers, batch.frames[row])
        batch.keys[row] = self._items.key(item)
        batch.ticks[row] = ticks = len(piece.labels["valid"])
        batch.first[row, 0] |= piece.begins
        for name, array in piece.labels.items():
            getattr(batch, name)[row, :ticks] = array
        if piece.frames is not None:
            batch.frames[row, :ticks] = piece.frames
        batch.frames[row, ticks:] = 0
        batch.confidence[row][~batch.valid[row]] = 0

    def _decoded(
        self, item: int, readers: Sequence[SampleReader], place: NDArray[np.uint8]
    ) -> Piece:
        """Read and decode an item.

        Where nothing else is done with its frames they are decoded into their `place`, uint8
        [T, H, W, 3], and the piece has none.
        """
        number, manifest_row, start, ticks = self._items.locate(item)
        members = readers[number].read(manifest_row)
        frames = None
        try:
            labels = {  # copies: a view of a part would keep the whole clip's array
                name: array[start : start + ticks].copy()
                for name, array in decode_arrays(members["npz"], self._labels).items()
            }
            if wrong := [name for name, array in labels.items() if len(array) != ticks]:
                raise ShardError(f"{wrong[0]} lacks ticks of {start} to {start + ticks}")
            # Where clips are shuffled every one begins with an empty memory, without a look.
            begins = self.order == "episodes" and start == 0 and begins_scene(members["json"])
            if self.frame_size != (0, 0):
                if self._shrink is None and self._frame_cache is None:
                    decode_video(members["mp4"], start=start, out=place[:ticks])
                else:
                    frame = self.spec.frame
                    frames = np.empty((ticks, frame.height, frame.width, 3), np.uint8)
                    decode_video(members["mp4"], start=start, out=frames)
                    if self._shrink is not None:
                        frames = self._shrink.apply(frames)
        except (ShardError, KeyError, ValueError) as error:
            shard, key = manifest_row["shard"], manifest_row["key"]
            where = f"{self.datasets[number]}, shard {shard}, clip {key}"
            raise ShardError(f"{where}: {error}; run `vidact verify` on the dataset") from error
        piece = Piece(frames, labels, begins)
        if self._frame_cache is not None:
            self._frame_cache.keep((self, item), piece)
        return piece


def begins_scene(meta: bytes) -> bool:
    """Whether a clip's lineage, its `json` member, says that it begins an episode or a scene.

    Lineages of before `pack` said so do not: their episodes begin where their source does.
    """
    content = json.loads(meta)
    return isinstance(content, dict) and bool(content.get("begins_scene"))


def _check_choices(
    datasets: Sequence[str | os.PathLike[str]], order: str, weights: Sequence[float] | None
) -> None:
    if isinstance(datasets, str | os.PathLike) or not datasets:
        raise ConfigError(f"datasets must be a list of one dataset at least, got {datasets!r}")
    if order not in ORDERS:
        raise ConfigError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
    if weights is not None and (
        len(weights) != len(datasets) or not all(0 < weight < math.inf for weight in weights)
    ):
        raise ConfigError(
            f"weights must be one positive number for each of {len(datasets)} datasets, "
            f"got {weights}"
        )
