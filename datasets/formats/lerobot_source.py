"""Reads a LeRobot dataset of version 3: its features, its episodes, and the rows of each.

Rows are read an episode at a time, so that memory holds no more than that. Layout: see
`lerobot_layout.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ...errors import ConfigError, RecordingError, SpecError
from ..actions.spec import ActionSpec
from . import lerobot_layout as layout

MAX_FPS = 240
COLUMNS = (
    "episode_index",
    "length",
    "tasks",
    "source_sha256",
    "source_uri",
    "episode_id",
    "start_tick",
    "licence",
    "split",
)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of an episode in the order of their frames; N of them."""

    timestamp_s: NDArray[np.float64]
    """[N], from the episode's beginning."""
    action: NDArray[np.float64]
    """[N, D]."""
    valid: NDArray[np.bool_]
    """[N]."""


@dataclass(slots=True)
class LerobotSource:
    """A dataset on this machine. `open` reads what is known of all of it."""

    root: Path
    info: dict[str, Any]
    camera: str
    """The key of the frames."""
    names: list[str]
    """Of the action's components."""
    fps: Fraction
    origin: dict[str, Any] = field(default_factory=dict)
    """What an export of ours says of itself; empty in others' datasets."""

    @classmethod
    def open(cls, root: Path, camera: str) -> LerobotSource:
        """Read `meta/info.json`.

        Args:
            root: the folder.
            camera: a feature of frames, whole or by its last word; empty where there is one only.

        Raises:
            ConfigError: it is no dataset of version 3, or has no such frames or actions.
        """
        path = root / layout.INFO
        try:
            info = json.loads(path.read_bytes())
            version, features = str(info["codebase_version"]), dict(info["features"])
            fps = Fraction(str(info["fps"]))
        except FileNotFoundError as error:
            raise ConfigError(f"{path}: is missing: {root} is no LeRobot dataset") from error
        except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
            raise ConfigError(f"{path}: is damaged: {error!r:.200}") from error
        if not version.startswith("v3."):
            raise ConfigError(
                f"{path}: expected version v3.0, got {version:.20}; LeRobot's own scripts convert "
                "older datasets"
            )
        if not 0 < fps <= MAX_FPS:
            raise ConfigError(f"{path}: fps must be from 0 to {MAX_FPS}, got {float(fps):g}")
        try:
            origin = json.loads((root / layout.ORIGIN).read_bytes())
        except (OSError, ValueError):
            origin = {}
        names = _names(features.get(layout.ACTION), path)
        key = _camera(features, camera, path)
        return cls(root, info, key, names, fps, origin if isinstance(origin, dict) else {})

    def own_spec(self) -> ActionSpec | None:
        """Return the action spec of an export of ours; None of others' datasets."""
        if not isinstance(content := self.origin.get("spec"), Mapping):
            return None
        try:
            return ActionSpec.from_dict(content)
        except SpecError as error:
            raise ConfigError(f"{self.root / layout.ORIGIN}: {error}") from error

    def episodes(self) -> Iterator[dict[str, Any]]:
        """Yield what the tables of episodes say of each, without its statistics."""
        folder = self.root / "meta/episodes"
        paths = sorted(folder.glob("chunk-*/file-*.parquet"))
        if not paths:
            raise ConfigError(f"{folder}: has no tables of episodes")
        for path in paths:
            try:
                file = pq.ParquetFile(path)
                columns = [
                    name
                    for name in file.schema_arrow.names
                    if name in COLUMNS or name.startswith(("data/", f"videos/{self.camera}/"))
                ]
                for batch in file.iter_batches(columns=columns):
                    yield from batch.to_pylist()
            except (pa.ArrowException, OSError) as error:
                raise ConfigError(f"{path}: cannot be read: {error}") from error

    def data_path(self, episode: Mapping[str, Any]) -> Path:
        """Return where the rows of an episode lie."""
        return self._path("data_path", layout.DATA_PATH, episode, "data")

    def video_path(self, episode: Mapping[str, Any]) -> Path:
        """Return where the frames of an episode lie."""
        return self._path("video_path", layout.VIDEO_PATH, episode, f"videos/{self.camera}")

    def _path(self, field_name: str, usual: str, episode: Mapping[str, Any], what: str) -> Path:
        try:
            name = str(self.info.get(field_name) or usual).format(
                video_key=self.camera,
                chunk_index=int(episode[f"{what}/chunk_index"]),
                file_index=int(episode[f"{what}/file_index"]),
            )
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise RecordingError(f"where its {what} lie is not told ({error!r:.80})") from error
        path = self.root / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise RecordingError(f"{name:.200}: lies outside the dataset")
        return path

    def rows(self, episode: Mapping[str, Any], counts: Any) -> Rows:
        """Read the rows of an episode; quirks are counted.

        Raises:
            RecordingError: they are not there, or their actions have another width.
        """
        path = self.data_path(episode)
        number = int(episode["episode_index"])
        wanted = ["timestamp", "frame_index", layout.ACTION, layout.VALID]
        try:
            there = pq.read_schema(path).names
            columns = [name for name in wanted if name in there]
            table = pq.read_table(
                path,
                columns=columns,
                filters=[("episode_index", "=", number)],
                partitioning=None,
            )
            frame = table["frame_index"].to_numpy()
            stamps = table["timestamp"].to_numpy().astype(np.float64)
            action = _matrix(table[layout.ACTION])
        except FileNotFoundError as error:
            raise RecordingError(f"{path}: the rows are missing") from error
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise RecordingError(f"{path}: cannot be read: {error}") from error
        if action.shape[1:] != (len(self.names),):
            raise RecordingError(
                f"{path}: actions of shape {list(action.shape[1:])}, expected [{len(self.names)}]"
            )
        valid = np.ones(len(frame), bool)
        if layout.VALID in columns:
            valid = table[layout.VALID].to_numpy(zero_copy_only=False).astype(bool).reshape(-1)
        frame, first = np.unique(frame, return_index=True)  # sorted
        counts["duplicated_rows"] += len(valid) - len(frame)
        counts["rows_out_of_order"] += int(np.count_nonzero(np.diff(first) < 0))
        if isinstance(told := episode.get("length"), int):
            counts["missing_rows"] += max(told - len(frame), 0)
        # Some writers stamp rows by a clock: what counts is the frame's number.
        even = (frame / float(self.fps)).astype(np.float64)
        counts["uneven_timestamps"] += int(
            np.count_nonzero(np.abs(stamps[first] - even) > 0.5 / float(self.fps))
        )
        return Rows(even, action[first], valid[first])


def _matrix(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return numbers [N, D] of a column of lists, or [N, 1] of numbers. Raises ValueError."""
    if not pa.types.is_list(column.type) and not pa.types.is_fixed_size_list(column.type):
        return column.to_numpy().astype(np.float64)[:, None]
    lengths = pc.list_value_length(column).to_numpy()
    if len(lengths) == 0:
        raise ValueError("no rows")
    if column.null_count or (lengths != lengths[0]).any():
        raise ValueError("actions of different lengths")
    flat = pc.list_flatten(column).to_numpy().astype(np.float64)
    return np.asarray(flat.reshape(len(lengths), -1))


def _names(feature: Any, path: Path) -> list[str]:
    """Return the names of the action's components; some datasets nest them in a mapping."""
    names = feature.get("names") if isinstance(feature, Mapping) else None
    if isinstance(names, Mapping):
        names = [one for own in names.values() for one in (own if isinstance(own, list) else [own])]
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ConfigError(f"{path}: the feature {layout.ACTION!r} has no names of its components")
    return names


def _camera(features: Mapping[str, Any], camera: str, path: Path) -> str:
    videos = [k for k, v in features.items() if isinstance(v, dict) and v.get("dtype") == "video"]
    fitting = [key for key in videos if not camera or camera in (key, key.rsplit(".", 1)[-1])]
    if len(fitting) == 1:
        return fitting[0]
    if not videos:
        raise ConfigError(f"{path}: has no frames as video; single images are not read")
    raise ConfigError(
        f"camera: {f'no frames are called {camera!r}' if camera else 'choose whose frames'}; "
        f"there are {', '.join(videos)}"
    )
