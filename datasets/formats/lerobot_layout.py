"""How a LeRobot dataset of version 3.0 is laid out, and what clips become in it.

    meta/info.json                                  features, counts; without it there is no dataset
    meta/stats.json meta/tasks.parquet              moments of every feature; what is done
    meta/episodes/chunk-000/file-000.parquet        a row an episode: where it lies
    data/chunk-000/file-000.parquet                 a row a frame: actions, labels, times
    videos/<key>/chunk-000/file-000.mp4             the frames of the same episodes

Written from LeRobot's own writer and reader, release 0.6.2. Legend: T ticks, K buttons, A axes, Q
bins of the axis with most bins.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..actions.spec import ActionSpec
from ..shards.clip import Clip

CODEBASE_VERSION = "v3.0"
# LeRobot's own defaults, which its tools go by when they add episodes; our files are smaller.
CHUNK_FILES, DATA_MB, VIDEO_MB = 1000, 100, 200
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
INFO, STATS, TASKS, ORIGIN = (
    "meta/info.json",
    "meta/stats.json",
    "meta/tasks.parquet",
    "meta/vidact.json",
)
ACTION = "action"
# Not named `action.…` or `observation.…`, which LeRobot's policies take for actions and inputs.
CONFIDENCE, VALID, IN_GAME = "labels.confidence", "labels.valid", "labels.in_game"
BUTTONS_PROB, CAMERA_PROB = "labels.buttons_prob", "labels.camera_prob"
SOURCE_TIME = "source.pts_ns"
TIMES = ("timestamp", "frame_index", "episode_index", "index", "task_index")


def image_key(camera: str) -> str:
    """The name of the feature of frames."""
    return f"observation.images.{camera}"


def place(number: int) -> dict[str, int]:
    """Chunk and number in it of the file with this number in the dataset."""
    return {"chunk_index": number // CHUNK_FILES, "file_index": number % CHUNK_FILES}


def paths(out: Path, number: int, camera: str) -> list[Path]:
    """Video, data and episodes of a file: in the order in which they take their places, so that
    where there are the episodes there is the rest.
    """
    where = place(number)
    return [
        out / VIDEO_PATH.format(video_key=image_key(camera), **where),
        out / DATA_PATH.format(**where),
        out / EPISODES_PATH.format(**where),
    ]


def features(spec: ActionSpec, camera: str, *, in_game: bool) -> dict[str, dict[str, Any]]:
    """The features of `info.json`, in the order of the columns."""
    found: dict[str, dict[str, Any]] = {
        image_key(camera): {
            "dtype": "video",
            "shape": [spec.frame.height, spec.frame.width, 3],
            "names": ["height", "width", "channels"],
            "info": {
                "video.height": spec.frame.height,
                "video.width": spec.frame.width,
                "video.codec": "h264",
                "video.pix_fmt": "yuv420p",
                "video.fps": fps_of(spec),
                "video.channels": 3,
                "is_depth_map": False,
                "has_audio": False,
            },
        },
        ACTION: _vector("float32", [*spec.button_names, *spec.axis_names]),
        CONFIDENCE: _vector("float32"),
        VALID: _vector("bool"),
    }
    if in_game:
        found[IN_GAME] = _vector("float32")
    if spec.num_buttons:
        found[BUTTONS_PROB] = _vector("float32", spec.button_names)
    if spec.num_axes:
        bins = [
            f"{axis.name} {center:+.4g}"
            for number, axis in enumerate(spec.axes)
            for center in spec.bin_centres(number)
        ]
        found[CAMERA_PROB] = _vector("float32", bins)
    found[SOURCE_TIME] = _vector("int64")
    for name in TIMES:
        found[name] = _vector("float32" if name == "timestamp" else "int64")
    return found


def _vector(dtype: str, names: Sequence[str] | None = None) -> dict[str, Any]:
    length = 1 if names is None else len(names)
    return {"dtype": dtype, "shape": [length], "names": None if names is None else list(names)}


def fps_of(spec: ActionSpec) -> int | float:
    """Ticks per second; a whole number where it is one, as in other projects' files."""
    return int(spec.tick_hz) if spec.tick_hz.denominator == 1 else float(spec.tick_hz)


def label_columns(clip: Clip, spec: ActionSpec, *, in_game: bool) -> dict[str, NDArray[Any]]:
    """[T, D] by feature: the labels, whose float16 values are the same ones as float32.

    Parquet has had float16 for a short time only, and few readers know it.
    """
    ticks = clip.ticks
    columns = {
        ACTION: np.concatenate([clip.buttons.astype(np.float32), clip.camera], axis=1),
        CONFIDENCE: clip.confidence.astype(np.float32)[:, None],
        VALID: clip.valid[:, None],
    }
    if in_game:  # 1 where nobody asked: such ticks were kept as play
        own = np.ones(ticks) if clip.in_game is None else clip.in_game
        columns[IN_GAME] = own.astype(np.float32)[:, None]
    if spec.num_buttons:
        columns[BUTTONS_PROB] = clip.buttons_prob.astype(np.float32)
    if spec.num_axes:  # (T, A, Q) -> (T, sum of bins): what is padded is left out
        axes = [clip.camera_prob[:, axis, :bins] for axis, bins in enumerate(spec.num_bins)]
        columns[CAMERA_PROB] = np.concatenate(axes, axis=1).astype(np.float32)
    columns[SOURCE_TIME] = np.array(clip.meta["pts_ns"], np.int64)[:, None]
    return columns


def data_schema(described: Mapping[str, Mapping[str, Any]]) -> pa.Schema:
    """The columns of the data files: a number where a feature has one component, else a list."""
    types = {}
    for name, feature in described.items():
        if feature["dtype"] == "video":
            continue
        kind = pa.bool_() if feature["dtype"] == "bool" else getattr(pa, feature["dtype"])()
        length = feature["shape"][0]
        types[name] = kind if length == 1 else pa.list_(kind, length)
    return pa.schema(types)


def data_table(columns: Mapping[str, NDArray[Any]], schema: pa.Schema) -> pa.Table:
    """The rows of columns [T, D]."""
    arrays = []
    for item in schema:
        values = columns[item.name]
        if pa.types.is_fixed_size_list(item.type):
            flat = pa.array(np.ascontiguousarray(values).ravel(), item.type.value_type)
            arrays.append(pa.FixedSizeListArray.from_arrays(flat, type=item.type))
        else:
            arrays.append(pa.array(values[:, 0], item.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def episodes_schema(described: Mapping[str, Mapping[str, Any]]) -> pa.Schema:
    """The columns of the tables of episodes: LeRobot's, and ours of where each comes from."""
    number, text = pa.int64(), pa.string()
    types: dict[str, pa.DataType] = {
        "episode_index": number,
        "tasks": pa.list_(text),
        "length": number,
        "dataset_from_index": number,
        "dataset_to_index": number,
        **_places("data"),
        **_places("meta/episodes"),
    }
    for name, feature in described.items():
        picture = feature["dtype"] == "video"
        if picture:
            types |= _places(f"videos/{name}")
            types |= dict.fromkeys(
                (f"videos/{name}/from_timestamp", f"videos/{name}/to_timestamp"), pa.float64()
            )
        numbers = pa.list_(pa.float64())
        if picture:
            numbers = pa.list_(pa.list_(numbers))
        for moment in ("min", "max", "mean", "std"):
            types[f"stats/{name}/{moment}"] = numbers
        types[f"stats/{name}/count"] = pa.list_(number)
    types |= dict.fromkeys(("source_uri", "source_sha256", "episode_id", "licence", "split"), text)
    types["start_tick"] = number
    return pa.schema(types)


def _places(what: str) -> dict[str, pa.DataType]:
    return dict.fromkeys((f"{what}/chunk_index", f"{what}/file_index"), pa.int64())


def tasks_table(task: str) -> pa.Table:
    """One task; its text is the table's index, as pandas writes and reads it."""
    described = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {
                "name": name,
                "field_name": name,
                "pandas_type": kind,
                "numpy_type": dtype,
                "metadata": None,
            }
            for name, kind, dtype in (
                ("task_index", "int64", "int64"),
                ("task", "unicode", "object"),
            )
        ],
        "pandas_version": "2.0.0",
    }
    schema = pa.schema({"task_index": pa.int64(), "task": pa.string()})
    schema = schema.with_metadata({"pandas": json.dumps(described)})
    return pa.Table.from_pydict({"task_index": [0], "task": [task]}, schema=schema)


def info(
    spec: ActionSpec,
    described: Mapping[str, Mapping[str, Any]],
    *,
    episodes: int,
    frames: int,
    splits: Mapping[str, tuple[int, int]],
) -> dict[str, Any]:
    """The content of `info.json`."""
    return {
        "codebase_version": CODEBASE_VERSION,
        "robot_type": None,
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": 1,
        "chunks_size": CHUNK_FILES,
        "data_files_size_in_mb": DATA_MB,
        "video_files_size_in_mb": VIDEO_MB,
        "fps": fps_of(spec),
        "splits": {split: f"{first}:{end}" for split, (first, end) in splits.items()},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH,
        "features": dict(described),
    }
