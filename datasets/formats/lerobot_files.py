"""Writes one file of a LeRobot dataset: its video, its rows and its table of episodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..actions.spec import ActionSpec
from ..shards.clip import Clip
from ..shards.codec import decode_video
from . import lerobot_layout as layout
from .export_plan import Sample
from .joined_video import JoinedVideo
from .moments import NAMES, Moments

ROW_GROUP = 8192  # rows of an episode that are in memory at a time
CHANNELS = 3


@dataclass(slots=True)
class _Episode:
    """What is known so far of the episode that is being written."""

    row: dict[str, Any]
    length: int = 0
    waiting: list[pa.Table] = field(default_factory=list)
    moments: dict[str, Moments] = field(default_factory=dict)


class FileWriter:
    """Writes samples into the files of these paths; a context manager.

    Args:
        files: video, data, episodes; temporary ones.
        number: of the file in the dataset.
        spec: of the samples.
        described: the features.
        camera: the name of the frames.
        task: what is done.
        first_episode, first_index: how many episodes and frames the files before hold.
        anew: encode every clip again, since this file's cannot be joined as they are.
    """

    def __init__(
        self,
        files: list[Path],
        number: int,
        spec: ActionSpec,
        described: Mapping[str, Mapping[str, Any]],
        *,
        camera: str,
        task: str,
        first_episode: int,
        first_index: int,
        anew: bool,
    ):
        self._paths, self._number, self._spec = files, number, spec
        self._described, self._task = described, task
        self._key = layout.image_key(camera)
        self._first, self._index, self._anew = first_episode, first_index, anew
        self._in_game = layout.IN_GAME in described
        self._schema = layout.data_schema(described)
        self._fps = Fraction(spec.tick_hz)
        self._rows: list[dict[str, Any]] = []
        self._episode: _Episode | None = None

    def __enter__(self) -> FileWriter:
        video, data, _ = self._paths
        self._video = JoinedVideo(video, self._fps, anew=self._anew)
        self._data = pq.ParquetWriter(data, self._schema, compression="snappy")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._end_episode()
        self._video.close()
        self._data.close()
        if kind is None:
            schema = layout.episodes_schema(self._described)
            pq.write_table(pa.Table.from_pylist(self._rows, schema=schema), self._paths[2])

    @property
    def episodes(self) -> int:
        """How many have ended."""
        return len(self._rows)

    def add(self, sample: Sample) -> None:
        """Append a clip.

        Raises:
            OtherParametersError: its video cannot be joined to those before it.
            ShardError: it is damaged.
        """
        clip = sample.clip
        with sample.told_where():
            first = np.empty((1, self._spec.frame.height, self._spec.frame.width, 3), np.uint8)
            decode_video(sample.mp4, out=first)
            episode = self._episode
            if sample.begins or episode is None:
                episode = self._begin_episode(clip)
            self._video.add(sample.mp4, clip.ticks)
        self._add_rows(episode, clip, first)

    def _begin_episode(self, clip: Clip) -> _Episode:
        self._end_episode()
        where = layout.place(self._number)
        places = {
            f"{what}/{name}": value
            for what in ("data", "meta/episodes", f"videos/{self._key}")
            for name, value in where.items()
        }
        origin = {name: clip.meta.get(name) for name in ("source_uri", "source_sha256", "licence")}
        self._episode = episode = _Episode(
            {
                "episode_index": self._first + len(self._rows),
                "tasks": [self._task],
                "dataset_from_index": self._index,
                f"videos/{self._key}/from_timestamp": float(self._video.frames / self._fps),
                **places,
                **origin,
                "episode_id": clip.meta.get("episode_id"),
                "split": clip.meta.get("split"),
                "start_tick": clip.meta.get("start_tick"),
            }
        )
        return episode

    def _add_rows(self, episode: _Episode, clip: Clip, first: NDArray[np.uint8]) -> None:
        ticks = np.arange(clip.ticks, dtype=np.int64)
        frame = ticks + episode.length
        columns = layout.label_columns(clip, self._spec, in_game=self._in_game)
        times: dict[str, NDArray[Any]] = {
            "timestamp": (frame / float(self._fps)).astype(np.float32),
            "frame_index": frame,
            "episode_index": np.full_like(ticks, episode.row["episode_index"]),
            "index": ticks + self._index,
            "task_index": np.zeros_like(ticks),
        }
        columns |= {name: values[:, None] for name, values in times.items()}
        for name, values in columns.items():
            episode.moments.setdefault(name, Moments()).add(Moments.of(values))
        # A picture a clip stands for all: moments need no more, and decoding is what takes time.
        pixels = first.reshape(-1, CHANNELS) / 255
        episode.moments.setdefault(self._key, Moments()).add(Moments.of(pixels))
        episode.waiting.append(layout.data_table(columns, self._schema))
        episode.length += clip.ticks
        self._index += clip.ticks
        if sum(map(len, episode.waiting)) >= ROW_GROUP:
            self._write_rows(episode)

    def _write_rows(self, episode: _Episode) -> None:
        if episode.waiting:
            table = pa.concat_tables(episode.waiting)
            self._data.write_table(table, row_group_size=len(table))
            episode.waiting.clear()

    def _end_episode(self) -> None:
        episode = self._episode
        if episode is None:
            return
        self._write_rows(episode)
        row = episode.row | {
            "length": episode.length,
            "dataset_to_index": self._index,
            f"videos/{self._key}/to_timestamp": float(self._video.frames / self._fps),
        }
        for name, moments in episode.moments.items():
            stats = moments.to_dict(picture=name == self._key)
            row |= {f"stats/{name}/{moment}": values for moment, values in stats.items()}
        self._rows.append(row)
        self._episode = None


def read_episodes(path: Path, columns: list[str] | None = None) -> pa.Table:
    """The table of episodes of a file that is whole."""
    return pq.read_table(path, columns=columns, partitioning=None)


@dataclass(slots=True)
class Totals:
    """What the episodes of all files add up to; they are added a file at a time, in order."""

    described: Mapping[str, Mapping[str, Any]]
    """The features."""
    episodes: int = 0
    splits: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By split: its first episode, and the one after its last."""
    moments: dict[str, Moments] = field(default_factory=dict)

    def add(self, table: pa.Table) -> None:
        """Add the table of episodes of a file."""
        for row in table.to_pylist():
            first, _ = self.splits.get(row["split"], (self.episodes, 0))
            self.episodes += 1
            self.splits[row["split"]] = first, self.episodes
            for name in self.described:
                stats = {moment: row[f"stats/{name}/{moment}"] for moment in NAMES}
                self.moments.setdefault(name, Moments()).add(Moments.read(stats))

    def stats(self) -> dict[str, Any]:
        """The content of `stats.json`."""
        return {
            name: moments.to_dict(picture=self.described[name]["dtype"] == "video")
            for name, moments in self.moments.items()
        }
