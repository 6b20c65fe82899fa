"""Reads a LeRobot dataset of version 3: its features, its episodes, and the rows of each.

Rows are read an episode at a time, so that memory holds no more than that. Layout: see
`lerobot_layout.py`.
"""

from __future__ import annotations

import json
import re
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

MIN_FPS, MAX_FPS = 0.1, 240.0
# A file holds some hundred MB; parquet packs any number of equal rows into a few bytes.
MAX_ROWS = 20_000_000
MAX_NUMBERS = 100_000_000  # of all actions in a file: some GB in memory, were they of one episode
MAX_S = 1e9  # of a file's time; more does not fit into nanoseconds
# What a place may name; of anything else, such as a width of a gigabyte, nothing good can come.
PLACE = re.compile(r"([^{}]|\{video_key\}|\{(chunk|file)_index(:0?\d?d)?\}){1,500}")
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


DAMAGED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What content raises that is not as it must be."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of an episode in the order of their frames; N of them."""

    timestamp_s: NDArray[np.float64]
    """[N], from the episode's beginning."""
    action: NDArray[np.float64]
    """[N, D]."""
    valid: NDArray[np.bool_]
    """[N]."""
    first: NDArray[np.bool_]
    """Whether the row before is missing, [N]."""


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
            rate = float(info["fps"])
        except FileNotFoundError as error:
            raise ConfigError(f"{path}: is missing: {root} is no LeRobot dataset") from error
        except DAMAGED as error:
            raise ConfigError(f"{path}: is damaged: {error!r:.200}") from error
        if not version.startswith("v3."):
            raise ConfigError(
                f"{path}: expected version v3.0, got {version:.20}; LeRobot's own scripts convert "
                "older datasets"
            )
        if not MIN_FPS <= rate <= MAX_FPS:
            raise ConfigError(f"{path}: fps must be from {MIN_FPS} to {MAX_FPS:g}, got {rate:g}")
        try:
            origin = json.loads((root / layout.ORIGIN).read_bytes())
        except (OSError, ValueError, RecursionError):
            origin = {}
        names = _names(features.get(layout.ACTION), path)
        key = _camera(features, camera, path)
        fps = Fraction(str(rate)).limit_denominator(1001)  # 29.97002997 is 30000/1001
        return cls(root, info, key, names, fps, origin if isinstance(origin, dict) else {})

    def own_spec(self) -> ActionSpec | None:
        """Return the action spec of an export of ours; None of others' datasets."""
        if not isinstance(content := self.origin.get("spec"), Mapping):
            return None
        try:
            return ActionSpec.from_dict(content)
        except SpecError as error:
            raise ConfigError(f"{self.root / layout.ORIGIN}: {error}") from error

    @property
    def total_episodes(self) -> int | None:
        """How many episodes there are, where it is told."""
        total = self.info.get("total_episodes")
        return total if isinstance(total, int) and total > 0 else None

    def episodes(self) -> Iterator[dict[str, Any] | RecordingError]:
        """Yield what the tables of episodes say of each, with the statistics of its actions and
        frames alone; of a table that cannot be read, the error.

        Raises ConfigError where there is none.
        """
        folder = self.root / "meta/episodes"
        own = [f"stats/{name}/" for name in (layout.ACTION, self.camera)]
        paths = sorted(folder.glob("chunk-*/file-*.parquet"))
        if not paths:
            raise ConfigError(f"{folder}: has no tables of episodes")
        for path in paths:
            try:
                file = pq.ParquetFile(path)
                columns = [
                    name
                    for name in file.schema_arrow.names
                    if name in COLUMNS or name.startswith(("data/", f"videos/{self.camera}/", *own))
                ]
                for batch in file.iter_batches(columns=columns):
                    yield from batch.to_pylist()
            except (pa.ArrowException, OSError, *DAMAGED) as error:
                yield RecordingError(f"{path}: cannot be read: {error}")

    def data_path(self, episode: Mapping[str, Any]) -> Path:
        """Return where the rows of an episode lie."""
        return self._path("data_path", layout.DATA_PATH, episode, "data")

    def video_path(self, episode: Mapping[str, Any]) -> Path:
        """Return where the frames of an episode lie."""
        return self._path("video_path", layout.VIDEO_PATH, episode, f"videos/{self.camera}")

    def _path(self, field_name: str, usual: str, episode: Mapping[str, Any], what: str) -> Path:
        place = str(self.info.get(field_name) or usual)
        if PLACE.fullmatch(place) is None:
            raise RecordingError(f"{field_name}: expected one like {usual}, got {place:.80}")
        try:
            name = place.format(
                video_key=self.camera,
                chunk_index=int(episode[f"{what}/chunk_index"]),
                file_index=int(episode[f"{what}/file_index"]),
            )
        except (*DAMAGED, IndexError) as error:
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
        number = episode_number(episode)
        wanted = ["timestamp", "frame_index", layout.ACTION, layout.VALID]
        try:
            file = pq.read_metadata(path)
            if file.num_rows > MAX_ROWS:
                raise ValueError(f"{file.num_rows:,} rows; at most {MAX_ROWS:,} are read")
            if (numbers := _num_values(file, layout.ACTION)) > MAX_NUMBERS:
                raise ValueError(
                    f"{numbers:,} numbers of actions; at most {MAX_NUMBERS:,} are read"
                )
            there = file.schema.to_arrow_schema().names
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
            if frame.dtype.kind not in "iu":  # NumPy takes durations for integers, too
                raise ValueError(f"frame_index must be whole numbers, got {frame.dtype}")
            valid = _flags(table[layout.VALID]) if layout.VALID in columns else None
        except FileNotFoundError as error:
            raise RecordingError(f"{path}: the rows are missing") from error
        except (pa.ArrowException, OSError, *DAMAGED) as error:
            raise RecordingError(f"{path}: cannot be read: {error}") from error
        if action.shape[1:] != (len(self.names),):
            raise RecordingError(
                f"{path}: actions of shape {list(action.shape[1:])}, expected [{len(self.names)}]"
            )
        possible = np.flatnonzero((frame >= 0) & (frame < MAX_S * float(self.fps)))
        counts["impossible_rows"] += len(frame) - len(possible)
        frame, first = np.unique(frame[possible], return_index=True)  # sorted
        counts["duplicated_rows"] += len(possible) - len(frame)
        counts["rows_out_of_order"] += int(np.count_nonzero(np.diff(first) < 0))
        first = possible[first]
        if isinstance(told := episode.get("length"), int):
            counts["missing_rows"] += max(told - len(frame), 0)
        # Some writers stamp rows by a clock: what counts is the frame's number.
        even = (frame / float(self.fps)).astype(np.float64)
        counts["uneven_timestamps"] += int(
            np.count_nonzero(np.abs(stamps[first] - even) > 0.5 / float(self.fps))
        )
        kept = np.ones(len(first), bool) if valid is None else valid[first]
        return Rows(even, action[first], kept, np.diff(frame, prepend=frame[:1]) > 1)


def episode_number(episode: Mapping[str, Any]) -> int:
    """Return the number of an episode. Raises RecordingError where it has none."""
    number = episode.get("episode_index")
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise RecordingError(f"episode_index: expected a whole number, got {number!r:.40}")
    return number


def _num_values(file: pq.FileMetaData, name: str) -> int:
    """Return how many numbers the column of a name holds, those of all of its lists together."""
    columns = (
        group.column(number)
        for group in map(file.row_group, range(file.num_row_groups))
        for number in range(group.num_columns)
    )
    return sum(c.num_values for c in columns if c.path_in_schema.split(".")[0] == name)


def _flags(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return booleans [N] of a column; what is not told is false. Raises ValueError."""
    if not pa.types.is_boolean(column.type) and not pa.types.is_integer(column.type):
        raise ValueError(f"{layout.VALID} must be true or false, got {column.type}")
    told = pc.fill_null(column.cast(pa.bool_()), False)
    return np.asarray(told.to_numpy(zero_copy_only=False).astype(bool))


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
        raise ConfigError(
            f"{path}: the feature {layout.ACTION!r} has no names of its components: "
            "write them there (`names`), as the action spec calls its buttons and axes"
        )
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
