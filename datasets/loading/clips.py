"""Batches of clips from one or several datasets, in an order that can be resumed exactly.

    loader = ClipLoader(["runs/dataset"], batch_size=8)
    for batch in loader:        # the rest of the epoch
        ...
        state = loader.state_dict()

Resume is exact: the order follows from (version of the manifest, seed, epoch) alone, and the state
is (version, epoch, step). It holds as long as `batch_size`, `ticks`, `order` and the filters stay
the same; the number of ranks and threads may change, and the datasets may grow: a state takes the
loader back to its version. Rows whose source was taken down since come empty.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigError, DatasetError, ShardError
from ...machine import launched_rank
from ..shards.codec import decode_arrays, decode_video
from ..shards.dataset import Dataset
from ..shards.lengths import CLIP_TICKS
from .batch import Batch
from .faults import Faults
from .frame_cache import FrameCache, Piece, Shrink
from .items import ORDERS, ClipItems, Filter, conditions_of, emptied_by, read_items
from .order import EMPTY, EpochOrder, clips_order, draws_per_epoch, episodes_order
from .reader import open_reader
from .resumable import ResumableLoader, Session, require_settings
from .samples import Samples
from .shard_cache import ShardCache

__all__ = ["Batch", "ClipLoader"]

MIN_BLOCK_BYTES = 64 << 20
BLOCK_CLIPS = 8  # 2 MB: a read that long takes little more than one of a clip
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
        rank, world_size: which of how many processes this is; as torchrun's variables say unless
            given.
        threads: that decode.
        prefetch: steps that are decoded ahead.
        weights: share of each dataset in an epoch, in any unit; by their size where None.
        filters: conditions on manifest columns, all of which must hold: `("mean_confidence", ">=",
            0.5)`, `("source_uri", "not in", [...])`.
        drop_last: leave out the clips that do not fill a step (others in each epoch); False gives a
            last step with empty rows instead, so that every clip is seen once; None does so only
            where all clips do not fill one step.
        block_clips: neighboring clips that stay close in the `clips` order, for long reads from
            buckets; 1 shuffles best, for local disks. The same wherever the clips lie unless given,
            since a run must not depend on that.
        shuffle_clips: the `clips` order mixes within windows of about so many clips.
        cache_dir, cache_gb: keep whole remote shards here, up to this size, which must hold all of
            the datasets' shards.
        frames: False leaves pixels out: labels only, a hundred times as fast.
        shrink: makes frames smaller as they are decoded.
        frame_cache: keeps decoded items in memory: the batches are the same, and come without
            decoding from the second epoch on.
        probabilities: whether batches have those of buttons and bins.
        version: of the manifest, by the beginning of its name, or one for each dataset; "" for the
            newest, which is kept until the loader is made again.
        retries: how often a read is tried again after storage failed, with pauses that grow from
            half a second to a minute: two minutes in all with 8.
        timeout_s: seconds after which a read from a bucket has failed; 0 for never.
        max_bad_clips: how many damaged or missing clips may be left out, as empty rows, before the
            loader raises; each is told, and `faults` counts them.
        faults: shares patience, budget and counters with other loaders of the same datasets, in
            place of the three settings before.
        pin_memory: frames come in page-locked memory, for GPUs.

    Raises:
        ConfigError: a setting is not allowed.
        DatasetError: no clips are left, or too few for one step, or a version was collected.
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
        rank: int | None = None,
        world_size: int | None = None,
        threads: int = 2,
        prefetch: int = 2,
        weights: Sequence[float] | None = None,
        filters: Sequence[Filter] = (),
        drop_last: bool | None = True,
        block_clips: int = BLOCK_CLIPS,
        shuffle_clips: int = 1024,
        cache_dir: str | None = None,
        cache_gb: float = 20.0,
        frames: bool = True,
        shrink: Shrink | None = None,
        frame_cache: FrameCache | None = None,
        probabilities: bool = False,
        version: str | Sequence[str] = "",
        retries: int = 8,
        timeout_s: float = 60.0,
        max_bad_clips: int = 0,
        faults: Faults | None = None,
        pin_memory: bool = False,
    ):
        rank, world_size = _ranks(rank, world_size)
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
        self.faults = faults or Faults(
            retries=retries, timeout_s=timeout_s, max_bad_clips=max_bad_clips
        )
        """What was met; its `counts` are of retries, timeouts, bad_clips, removed_clips …"""
        self._wants_to_drop, self._weights = drop_last, weights
        self._window_steps = max(shuffle_clips // batch_size, 2 * block_clips)
        self._block_clips, self._conditions = block_clips, conditions_of(split, filters)
        self._remote = any(dataset.local is None for dataset in self.datasets)
        self._cache = ShardCache(cache_dir, int(cache_gb * 1e9)) if cache_dir else None
        self._shrink, self._frame_cache = shrink, frame_cache
        self._labels = LABELS + (PROBABILITIES if probabilities else ())
        self._read_items(_versions(version, len(self.datasets)), batch_size, ticks)
        # Blocks that are open at a time on this rank: those of this shuffle window and the next.
        open_clips = 2 * self._window_steps * (batch_size // world_size)
        self._block_bytes = max(MIN_BLOCK_BYTES, open_clips * self._items.mean_size_bytes())
        if pin_memory:
            _require_cuda()
        frame = self._items.spec.frame
        size = (frame.height, frame.width) if shrink is None else shrink.size
        super().__init__(
            ", ".join(map(str, self.datasets)),
            spec=self._items.spec,
            batch_size=batch_size,
            ticks=ticks,
            rank=rank,
            world_size=world_size,
            threads=threads,
            prefetch=prefetch,
            frame_size=size if frames else (0, 0),
            rows_in_turn=False,
            steps_per_epoch=self._steps(batch_size),
            probabilities=probabilities,
            identity=self._order_identity(batch_size, ticks),
            pin_memory=pin_memory,
        )

    def _read_items(self, versions: Sequence[str], batch_size: int, ticks: int) -> None:
        """Read versions of the manifests, and see that what passes the filters is enough."""
        self._items: ClipItems = read_items(
            self.datasets,
            self._conditions,
            ticks=ticks,
            order=self.order,
            block_clips=self._block_clips,
            versions=versions,
        )
        of_dataset = self._items.index.dataset
        counts = np.bincount(of_dataset, minlength=len(self.datasets)).tolist()
        split = next((value for name, _, value in self._conditions if name == "split"), None)
        if self._weights is not None and 0 in counts:
            empty = self.datasets[counts.index(0)]
            raise DatasetError(
                f"{empty}: no clip passes split {split!r} and the filters, "
                "so it cannot have a weight" + emptied_by(empty, self._conditions)
            )
        self._draws = draws_per_epoch(counts, self._weights)
        enough = sum(self._draws) >= batch_size
        self._drop_last = enough if self._wants_to_drop is None else self._wants_to_drop
        if not self._steps(batch_size):
            raise DatasetError(
                f"{', '.join(map(str, self.datasets))}: {sum(self._draws)} clips of split "
                f"{split!r} pass the filters, "
                f"fewer than batch_size {batch_size}; take a smaller batch, fewer ticks a piece, "
                "a weaker filter, or drop_last=False"
                + "".join(emptied_by(dataset, self._conditions) for dataset in self.datasets)
            )
        if self._cache is not None:
            remote = [
                (dataset, self._items.shard_bytes(number))
                for number, dataset in enumerate(self.datasets)
                if dataset.local is None
            ]
            names = ", ".join(str(dataset) for dataset, _ in remote)
            self._cache.require_room(sum(size for _, size in remote), names)

    def _steps(self, batch_size: int) -> int:
        total = sum(self._draws)
        return total // batch_size if self._drop_last else -(-total // batch_size)

    def _order_identity(self, batch_size: int, ticks: int) -> dict[str, Any]:
        return {
            "manifest": self._items.manifest,
            "batch_size": batch_size,
            "ticks": ticks,
            "order": self.order,
            "seed": self.seed,
            "draws": self._draws,
            "drop_last": self._drop_last,
            "window_steps": self._window_steps,
            "block_clips": self._block_clips,
        }

    def _state_problem(self, state: object) -> str | None:
        if isinstance(state, Mapping) and isinstance(state.get("identity"), Mapping):
            # States of before do not say of how many clips their blocks are.
            state = {**state, "identity": {"block_clips": BLOCK_CLIPS, **state["identity"]}}
        return super()._state_problem(state)

    @property
    def versions(self) -> list[str]:
        """The version of each dataset's manifest; "" where a dataset of before has none."""
        return [manifest.version for manifest in self._items.manifests]

    def state_dict(self) -> dict[str, Any]:
        """The position after the last batch that the loader gave, and the versions that it counts
        in.
        """
        return {**super().state_dict(), "versions": self.versions}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where `state` was taken, in the versions of the datasets of then.

        Raises DatasetError where a version was collected since, where the order is no longer the
        same, or where `state` is none that `state_dict` gave.
        """
        versions = state.get("versions") if isinstance(state, Mapping) else None
        if isinstance(versions, Sequence) and not isinstance(versions, str):
            # A dataset that had no versions then may have been upgraded: its clips are the same.
            wanted = [str(then) or now for then, now in zip(versions, self.versions, strict=False)]
            if len(wanted) == len(self.versions) and wanted != self.versions:
                self._read_items(wanted, self.batch_size, self.ticks)
                self.steps_per_epoch = self._steps(self.batch_size)
                self._identity = self._order_identity(self.batch_size, self.ticks)
        super().load_state_dict(state)

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
            open_reader(
                dataset,
                self._items.manifests[number].shards,
                self._cache,
                self._block_bytes,
                self.faults,
            )
            for number, dataset in enumerate(self.datasets)
        ]
        try:
            samples = Samples(self.datasets, self._items, readers, self.faults)
            yield Session(
                fill=lambda batch, row, item: self._fill(batch, row, item, samples),
                announce=samples.announce if self._remote else lambda item: None,
            )
        finally:
            for reader in readers:
                reader.close()

    def _fill(self, batch: Batch, row: int, item: int, samples: Samples) -> None:
        """Put an item into its row; runs in a thread."""
        piece = None
        if item != EMPTY and self._frame_cache is not None and not samples.is_gone(item):
            piece = self._frame_cache.find((self, item))
        if item != EMPTY and piece is None:
            piece = self._decoded(item, samples, batch.frames[row])
        if piece is None:
            batch.frames[row] = 0
            return
        batch.keys[row] = self._items.key(item)
        batch.ticks[row] = ticks = len(piece.labels["valid"])
        batch.first[row, 0] |= piece.begins
        for name, array in piece.labels.items():
            getattr(batch, name)[row, :ticks] = array
        if piece.frames is not None:
            batch.frames[row, :ticks] = piece.frames
        batch.frames[row, ticks:] = 0
        batch.confidence[row][~batch.valid[row]] = 0

    def _decoded(self, item: int, samples: Samples, place: NDArray[np.uint8]) -> Piece | None:
        """Read and decode an item; None where it is left out.

        Where nothing else is done with its frames they are decoded into their `place`, uint8
        [T, H, W, 3], and the piece has none.
        """
        members = samples.read(item)
        if members is None:
            return None
        number, manifest_row, start, ticks = self._items.locate(item)
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
            bad = ShardError(f"{where}: {error}; run `vidact verify` on the dataset")
            self.faults.leave_out(bad, number, key)
            return None
        piece = Piece(frames, labels, begins)
        if self._frame_cache is not None:
            self._frame_cache.keep((self, item), piece)
        return piece


def _ranks(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Rank and number of ranks; as torchrun's variables say where neither is given."""
    if rank is None and world_size is None:
        return launched_rank()
    return rank or 0, 1 if world_size is None else world_size


def _versions(version: str | Sequence[str], datasets: int) -> list[str]:
    versions = [version] * datasets if isinstance(version, str) else list(version)
    if len(versions) != datasets or (isinstance(version, str) and version and datasets > 1):
        raise ConfigError(
            f"version must be one for each of {datasets} datasets, '' for the newest, "
            f"got {version!r}"
        )
    return versions


def _require_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        raise ConfigError("pin_memory must be False where there is no GPU, got True")


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
