"""Writing shards: WebDataset tars of clips, whole or not at all.

The order of a commit is tar, then record. Until the record is there, nothing has happened, and a
second attempt writes the same bytes over the first one's.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from ... import storage
from ...attempts import is_abandoned, spool_name
from ...errors import DatasetError, ShardError
from ..actions.spec import ActionSpec
from .clip import Clip
from .codec import decode_clip, encode_clip
from .commits import CLEAN, IN_GAME, CommitRecord, DeadLetter, SegmentKey, split_of_shard
from .dataset import Dataset
from .label_checks import label_problems
from .samples import iter_samples, members_crc32
from .statistics import ShardStatistics, clip_row

KEY_NAME = re.compile(r"[0-9a-f]{12}-\d{9}")


class ShardWriter:
    """Writes one shard: `add` clips, then `commit`.

    To leave the `with` block without a commit aborts: nothing is left behind.

    Args:
        dataset: the shard's dataset.
        shard: `<split>-<nnnnn>`; every clip must be of this split.
        spec: the action spec of all labels.
        chroma: "420" or "444", see `clips.encode_video`.
        spool: a local folder to write into before the upload. A local dataset spools beside its
            shards, so that a shard gets to its place by a rename.
    """

    def __init__(
        self,
        dataset: Dataset | str,
        shard: str,
        spec: ActionSpec,
        *,
        chroma: str = "420",
        spool: storage.Uri | None = None,
    ):
        from webdataset import TarWriter

        self.dataset = Dataset(dataset)
        self.shard = shard
        self.split = split_of_shard(shard)
        self.spec = spec
        self.chroma = chroma
        self.statistics = ShardStatistics(spec)
        self.dead_letters: list[DeadLetter] = []
        self.drops: Counter[str] = Counter()
        self._rows: list[dict[str, Any]] = []
        self._keys: set[str] = set()
        self._path = _spool_path(self.dataset, shard, spool)
        # Closed by `commit` or `abort`.
        self._file: IO[bytes] | None = open(self._path, "wb")  # noqa: SIM115
        self._tar = TarWriter(self._file, mtime=0, encoder=False, user="", group="")

    @property
    def size_bytes(self) -> int:
        """Bytes of samples so far."""
        return self._tar.tarstream.offset

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, clip: Clip) -> None:
        """Encode a clip and append it. Raises ShardError where its labels do not fit the spec."""
        clip = self._check(clip)
        self._append(clip, encode_clip(clip, self.spec.tick_hz, chroma=self.chroma))

    def add_encoded(self, clip: Clip, members: Mapping[str, bytes]) -> None:
        """Append members that are encoded already; `clip` needs no frames.

        So relabeling keeps pixels bit by bit.
        """
        self._append(self._check(clip), members)

    def dead_letter(self, letter: DeadLetter) -> None:
        """Note a part of a source that failed."""
        self.dead_letters.append(letter)

    def drop(self, reason: str, ticks: int) -> None:
        """Count ticks that are left out on purpose."""
        self.drops[reason] += int(ticks)

    def commit(
        self,
        extra: Mapping[str, Any] | None = None,
        *,
        segments: Sequence[SegmentKey] | None = None,
    ) -> CommitRecord:
        """Put the tar in its place, then its record. Returns the record.

        Sources that were taken down meanwhile are left out: before the upload where that is known,
        else right after the record is there. Who takes a source down writes its tombstone before
        looking at the records, so one of the two sees the other.

        Args:
            extra: what the record is to keep beside.
            segments: the planned segments that the shard was made of.
        """
        if self._file is None:
            raise ValueError(f"shard {self.shard} was committed or aborted before")
        self._tar.close()
        self._file.close()
        self._file = None
        record = self._record(extra, segments)
        if gone := record.sources & self.dataset.tombstones():
            samples = iter_samples(str(self._path)) if self._rows else ()
            record = _write_without(self._like(), record, samples, gone)
            self._path.unlink(missing_ok=True)
            return record
        record = self._put(record)
        if gone := record.sources & self.dataset.tombstones():
            return take_down(self.dataset, self.shard, gone, self.spec, spool=self._path.parent)
        return record

    def _record(
        self, extra: Mapping[str, Any] | None, segments: Sequence[SegmentKey] | None
    ) -> CommitRecord:
        return CommitRecord(
            shard=self.shard,
            spec={"name": self.spec.name, "version": self.spec.version, "sha256": self.spec.sha256},
            tar=None,
            rows=tuple(self._rows),
            statistics=self.statistics.to_dict(),
            dead_letters=tuple(self.dead_letters),
            drops=dict(sorted(self.drops.items())),
            extra=dict(extra or {}),
            segments=None if segments is None else tuple(segments),
        )

    def _like(self) -> ShardWriter:
        """Another attempt at the same shard."""
        folder = self._path.parent
        return ShardWriter(self.dataset, self.shard, self.spec, chroma=self.chroma, spool=folder)

    def _put(self, record: CommitRecord) -> CommitRecord:
        """Put the finished tar in its place, then the record, which is returned."""
        tar = None
        if self._rows:
            tar = {
                "sha256": storage.sha256_file(self._path),
                "size_bytes": self._path.stat().st_size,
            }
            storage.put_atomic(self._path, self.dataset.shard_uri(self.shard), consume=True)
        else:
            self._path.unlink()
            # What an attempt with other options left.
            storage.remove(self.dataset.shard_uri(self.shard))
        record = replace(record, tar=tar)
        self.dataset.write_commit(record)
        return record

    def abort(self) -> None:
        """Forget everything; nothing is left behind. Harmless after a commit."""
        if self._file is not None:
            self._tar.close()  # before the file: its buffer is written out when it is collected
            self._file.close()
            self._file = None
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def _check(self, clip: Clip) -> Clip:
        """Check a clip, and give it the arrays that will lie in the shard.

        So what is counted is what is stored.
        """
        where = f"shard {self.shard}, clip {clip.key}"
        if not KEY_NAME.fullmatch(clip.key):
            raise ShardError(
                f"{where}: expected a key <12 hex digits>-<9 digits>, got {clip.key!r}"
            )
        if clip.key in self._keys:
            raise ShardError(
                f"{where}: the shard has a clip of this key already; "
                "two sources with the same content?"
            )
        for name, expected in (("split", self.split), ("spec_sha256", self.spec.sha256)):
            if clip.meta.get(name) != expected:
                raise ShardError(
                    f"{where}: meta.{name}: expected {expected!r}, got {clip.meta.get(name)!r}"
                )
        if len(clip.meta["pts_ns"]) != clip.ticks:
            raise ShardError(
                f"{where}: meta.pts_ns: expected {clip.ticks} times, got {len(clip.meta['pts_ns'])}"
            )
        inferred = clip.meta.get("idm_sha256") is not None
        arrays: dict[str, Any] = clip.arrays()
        if problems := label_problems(arrays, self.spec, inferred=inferred):
            raise ShardError(f"{where}: " + "; ".join(problems))
        return replace(clip, **arrays)

    def _append(self, clip: Clip, members: Mapping[str, bytes]) -> None:
        start = self._tar.tarstream.offset
        self._tar.write({"__key__": clip.key, **members})
        row = clip_row(clip, self.spec, self.shard, self.split)
        row |= {
            "offset_bytes": start,
            "size_bytes": self._tar.tarstream.offset - start,
            "sample_crc32": members_crc32(members),
        }
        self._rows.append(row)
        self._keys.add(clip.key)
        self.statistics.add(clip)


def take_down(
    dataset: Dataset,
    shard: str,
    gone: Collection[str],
    spec: ActionSpec,
    *,
    spool: storage.Uri | None = None,
) -> CommitRecord:
    """Write a committed shard again without some sources, where it holds or tells anything of them.

    Samples are copied as they are. The tar may be that of an interrupted attempt, so they are
    chosen by what they say of themselves.

    Args:
        gone: content hashes.
        spool: as for `ShardWriter`.

    Returns:
        The record that lies there now.

    Raises:
        DatasetError: the tar is missing.
    """
    record = dataset.read_commit(shard)
    if not record.sources.intersection(gone):
        return record
    uri = dataset.shard_uri(shard)
    samples: Iterable[tuple[str, Mapping[str, bytes]]] = ()
    if storage.exists(uri):
        samples = iter_samples(uri)
    elif any(row["source_sha256"] not in gone for row in record.rows):
        # Without these rows there is nothing to copy: an interrupted attempt took the tar away.
        raise DatasetError(f"{uri}: is missing; run `vidact verify` on the dataset")
    return _write_without(ShardWriter(dataset, shard, spec, spool=spool), record, samples, gone)


def _write_without(
    writer: ShardWriter,
    record: CommitRecord,
    samples: Iterable[tuple[str, Mapping[str, bytes]]],
    gone: Collection[str],
) -> CommitRecord:
    """Commit what is left of a record and its samples."""
    rows = {row["key"] for row in record.rows}
    extra = dict(record.extra)
    for name in (name for name in ("degrees", IN_GAME, CLEAN) if name in extra):
        extra[name] = {sha: value for sha, value in extra[name].items() if sha not in gone}
    segments = record.segments
    with writer:
        writer.dead_letters += [x for x in record.dead_letters if x.source_sha256 not in gone]
        writer.drops.update(record.drops)
        for key, members in samples:
            if key in rows and json.loads(members["json"])["source_sha256"] not in gone:
                writer.add_encoded(decode_clip(key, members, frames=False), members)
        return writer.commit(
            extra,
            segments=None if segments is None else [s for s in segments if s[0] not in gone],
        )


def _spool_path(dataset: Dataset, shard: str, spool: storage.Uri | None) -> Path:
    """A file of this attempt alone.

    What dead attempts of this machine left behind for the shard is removed.
    """
    folder = dataset.spool or Path(spool or tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    if dataset.local:
        for left in folder.glob(f"{shard}.*.tar"):
            with suppress(FileNotFoundError):
                if is_abandoned(left.name, left.stat().st_mtime):
                    left.unlink()
    return folder / spool_name(shard)
