"""What people marked: the labeling tool's export of clean-or-not labels.

An export is a folder with `labels.parquet`, a row per judgment, and `frames-*.tar`, which holds the
picture of each as `<key>.jpg`.
"""

from __future__ import annotations

import io
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ...errors import ConfigError

CLEAN, ARTIFACTS, OTHER = "clean", "artifacts", "none"
NOT_PLAY = "not_play"  # the reason of frames labeled as no play at all
UNNAMED = "unclean"  # of those whose reason nobody gave
COLUMNS = ("key", "source_uri", "source_sha256", "label", "reasons", "approved")


@dataclass(frozen=True, kw_only=True, slots=True)
class LabeledFrame:
    """A frame, and what people say of it."""

    key: str
    """`<12 hex digits of the video>-<frame>`."""
    video: str
    """Content hash."""
    uri: str
    clean: bool
    reason: str
    """Why it is not clean; empty where it is."""
    folder: Path
    """Of the export that has its picture."""


def read_labels(folders: Sequence[str]) -> tuple[list[LabeledFrame], Counter[str]]:
    """The frames of exports, each once, in the order of their keys.

    Returns:
        The frames, and by reason how many judgments were left out: `unsure`, or `contradicted`
        where people disagree and none of them, or several, were approved.

    Raises:
        ConfigError: a folder is no such export.
    """
    judged: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    left_out: Counter[str] = Counter()
    for name in folders:
        folder = Path(name)
        file = folder / "labels.parquet"
        if not file.is_file() or not any(folder.glob("frames-*.tar")):
            raise ConfigError(
                f"labels: {name} is no export of clean-or-not labels: it needs labels.parquet and "
                "frames-00000.tar (unpack the tar that the labeling tool gives)"
            )
        try:
            rows = pq.read_table(file, columns=list(COLUMNS)).to_pylist()
        except (pa.ArrowInvalid, KeyError, OSError) as error:
            raise ConfigError(f"labels: {file} is no table of such labels: {error}") from error
        for row in rows:
            if row["label"] not in (CLEAN, ARTIFACTS, OTHER):
                left_out["unsure"] += 1
            else:
                judged[row["key"]].append({**row, "folder": folder})
    frames = []
    for key in sorted(judged):
        rows = judged[key]
        if len({row["label"] == CLEAN for row in rows}) > 1:
            rows = [row for row in rows if row["approved"]]
        if len({row["label"] == CLEAN for row in rows}) != 1:
            left_out["contradicted"] += len(judged[key])
            continue
        row = rows[0]
        frames.append(
            LabeledFrame(
                key=key,
                video=row["source_sha256"],
                uri=row["source_uri"],
                clean=row["label"] == CLEAN,
                reason=_reason(rows),
                folder=row["folder"],
            )
        )
    return frames, left_out


def _reason(rows: Sequence[Mapping[str, Any]]) -> str:
    """What most of them give as the reason; of several the first in the alphabet."""
    if rows[0]["label"] == CLEAN:
        return ""
    given = Counter(
        reason
        for row in rows
        for reason in (row["reasons"] or [NOT_PLAY if row["label"] == OTHER else UNNAMED])
    )
    return min(given, key=lambda reason: (-given[reason], reason))


def pictures(frames: Sequence[LabeledFrame]) -> Iterator[tuple[LabeledFrame, bytes]]:
    """The JPEG of each frame, in the order in which the exports have them.

    Raises ConfigError where one is missing.
    """
    wanted: defaultdict[Path, dict[str, LabeledFrame]] = defaultdict(dict)
    for frame in frames:
        wanted[frame.folder][f"{frame.key}.jpg"] = frame
    for folder, own in wanted.items():
        for tar in sorted(folder.glob("frames-*.tar")):
            with tarfile.open(tar) as members:
                for member in members:
                    found = own.pop(member.name, None)
                    data = members.extractfile(member) if found else None
                    if found and data:
                        yield found, data.read()
        if own:
            raise ConfigError(
                f"labels: {folder} lacks the pictures of {len(own)} labels, such as {min(own)}"
            )


def decode_picture(data: bytes, where: str) -> NDArray[np.uint8]:
    """A JPEG as uint8 [H, W, 3]. Raises ConfigError, naming `where` it lies."""
    import av

    try:
        with av.open(io.BytesIO(data), "r", format="mjpeg") as container:
            frame = next(container.decode(video=0))
            return frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    except (av.error.FFmpegError, StopIteration) as error:
        raise ConfigError(f"labels: the picture of {where} cannot be read: {error!r}") from error
