"""Everything that can be wrong with one shard and its samples; `verify` asks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np

from ... import storage
from ...errors import ShardError
from ..actions.spec import ActionSpec
from .clip import LATER_DTYPES, MEMBERS, Clip
from .codec import decode_arrays, decode_video
from .commits import CommitRecord
from .dataset import Dataset
from .label_checks import label_problems
from .samples import iter_samples, members_crc32
from .statistics import clip_row

LINEAGE = (
    "source_uri",
    "source_sha256",
    "episode_id",
    "start_tick",
    "split",
    "spec_sha256",
    "idm_sha256",
    "group",
)
COUNTED = ("mean_confidence", "p10_confidence", "null_fraction", "presses", "valid_frames")


def shard_problems(
    dataset: Dataset, record: CommitRecord, spec: ActionSpec, *, decode: bool
) -> Iterator[str]:
    """Everything wrong with one shard, read from end to end.

    Raises OSError where it lies elsewhere and cannot be read now: that passes, or is no damage.
    """
    uri = dataset.shard_uri(record.shard)
    tar = record.tar or {}
    rows = {row["key"]: row for row in record.rows}
    seen: set[str] = set()
    try:
        with storage.open_uri(uri, "rb") as file:
            hashed = _Hashed(file)
            try:
                for key, members in iter_samples(uri, hashed):
                    where = f"{record.shard} / {key}"
                    if key not in rows:
                        yield f"{where}: is in the shard, but not in its commit record"
                    elif key in seen:
                        yield f"{where}: is twice in the shard"
                    else:
                        yield from (
                            f"{where} / {p}"
                            for p in sample_problems(members, rows[key], spec, decode=decode)
                        )
                    seen.add(key)
            except ShardError as error:
                yield f"{record.shard}: {error}"
            hashed.drain()
    except FileNotFoundError:
        yield f"{record.shard}: {uri} is missing"
        return
    except OSError as error:
        if storage.local_path(uri) is None:
            raise
        yield f"{record.shard}: {uri} cannot be read: {error}"
        return
    if hashed.size_bytes != tar["size_bytes"]:
        yield f"{record.shard}: expected {tar['size_bytes']} bytes, got {hashed.size_bytes}"
    if hashed.hexdigest() != tar["sha256"]:
        yield f"{record.shard}: expected sha256 {tar['sha256'][:16]}, got {hashed.hexdigest()[:16]}"
    for key in rows.keys() - seen:
        yield f"{record.shard} / {key}: is in the commit record, but not in the shard"


def sample_problems(
    members: Mapping[str, bytes], row: Mapping[str, Any], spec: ActionSpec, *, decode: bool
) -> Iterator[str]:
    """Everything wrong with one sample, as `field: what`."""
    if sorted(members) != sorted(MEMBERS):
        yield f"members: expected {', '.join(MEMBERS)}, got {', '.join(sorted(members))}"
        return
    if (crc := members_crc32(members)) != row["sample_crc32"]:
        yield f"checksum: expected {row['sample_crc32']:08x}, got {crc:08x}"
    try:
        meta = json.loads(members["json"])
        arrays = decode_arrays(members["npz"], later=tuple(LATER_DTYPES))
    except (ShardError, ValueError) as error:
        yield f"labels: {error}"
        return
    problems = label_problems(arrays, spec, inferred=meta.get("idm_sha256") is not None)
    yield from problems
    ticks = len(arrays["buttons"])
    if ticks != row["frames"]:
        yield f"buttons: expected {row['frames']} ticks, got {ticks}"
    for name in LINEAGE:
        if meta.get(name) != row[name]:
            yield f"json.{name}: expected {row[name]!r} as in the manifest, got {meta.get(name)!r}"
    if (licence := meta.get("licence") or None) != row.get("licence"):
        yield f"json.licence: expected {row.get('licence')!r} as in the manifest, got {licence!r}"
    pts_ns = np.asarray(meta.get("pts_ns", []), np.int64)
    if len(pts_ns) != ticks:
        yield f"json.pts_ns: expected {ticks} times, got {len(pts_ns)}"
    elif len(back := np.flatnonzero(np.diff(pts_ns) < 0)):
        yield f"json.pts_ns: goes back in time at tick {int(back[0]) + 1}"
    if not problems and meta.keys() >= {*LINEAGE, "label_source"}:
        clip = Clip(key=row["key"], frames=None, meta=meta, **arrays)
        counted = clip_row(clip, spec, row["shard"], row["split"])
        for name in COUNTED:
            if not _close(counted[name], row[name]):
                yield (
                    f"{name}: expected {row[name]!r} as in the manifest, "
                    f"got {counted[name]!r} from the labels"
                )
    if decode:
        yield from _video_problems(members["mp4"], ticks, spec)


def _video_problems(data: bytes, ticks: int, spec: ActionSpec) -> Iterator[str]:
    try:
        shape = decode_video(data).shape
    except ShardError as error:
        yield f"frames: {error}"
        return
    expected = (ticks, spec.frame.height, spec.frame.width, 3)
    if shape != expected:
        yield f"frames: expected {list(expected)}, got {list(shape)}"


def _close(a: Any, b: Any) -> bool:
    return abs(a - b) <= 1e-5 if isinstance(a, float) else a == b


class _Hashed:
    """A file that hashes what is read, so that a remote shard is fetched once."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        self.size_bytes += len(data)
        return data

    def drain(self) -> None:
        """Read what is left: the end of a tar, or what follows damage."""
        while self.read(1 << 20):
            pass

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
