"""A record knows the segments it was made of, and nothing that was taken down enters a dataset."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from vidact import storage
from vidact.datasets.shards.commits import CommitRecord, DeadLetter, hash_segments
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.foreign import foreign_shards, forget_foreign
from vidact.datasets.shards.inventory import Inventory
from vidact.datasets.shards.samples import iter_samples
from vidact.datasets.shards.summaries import names_by_shard
from vidact.datasets.shards.writer import ShardWriter, take_down

from ..conftest import source_hash

ONE, TWO = source_hash(1), source_hash(2)
SEGMENTS = [(ONE, 0, 256), (TWO, 0, 128)]
SHARD = "train-00000"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "data")


def write(dataset, spec, clips, segments=None, before_record=lambda: None) -> CommitRecord:
    with ShardWriter(dataset, SHARD, spec) as writer:
        for clip in clips:
            writer.add(clip)
        for clip in clips:
            writer.dead_letter(
                DeadLetter(
                    source_uri=clip.meta["source_uri"],
                    source_sha256=clip.meta["source_sha256"],
                    start_tick=100,
                    end_tick=120,
                    stage="decode",
                    reason="damaged",
                )
            )
        before_record()
        extra = {"degrees": {clip.meta["source_sha256"]: [1.0] for clip in clips}}
        return writer.commit(extra, segments=segments)


def test_the_record_keeps_its_segments_and_their_hash(dataset, toy_spec, toy_clip):
    record = write(dataset, toy_spec, [toy_clip(1, 0, 128)], SEGMENTS)
    content = json.loads(storage.read_bytes(dataset.commit_uri(SHARD)))
    assert content["segments_sha256"] == hash_segments(SEGMENTS)
    assert dataset.read_commit(SHARD) == record
    assert dataset.is_committed(SHARD)
    assert dataset.is_committed(SHARD, SEGMENTS)
    assert not dataset.is_committed(SHARD, [(ONE, 0, 256)])
    assert not dataset.is_committed(SHARD, [(ONE, 0, 256), (TWO, 0, 64)])
    assert not dataset.is_committed("train-00001", SEGMENTS)


def test_a_record_of_before_is_compared_by_its_rows(dataset, toy_spec, toy_clip):
    record = write(dataset, toy_spec, [toy_clip(1, 0, 128)])
    assert "segments" not in json.loads(storage.read_bytes(dataset.commit_uri(SHARD)))
    assert record.is_made_of([(ONE, 0, 128)])
    assert record.is_made_of(SEGMENTS)
    assert not record.is_made_of([(TWO, 0, 128)])
    assert not record.is_made_of([(ONE, 64, 256)])
    empty = replace(record, rows=(), dead_letters=(), extra={"planned_ticks": 128})
    assert empty.is_made_of([(ONE, 0, 128)])
    assert not empty.is_made_of([(ONE, 0, 256)])


def test_other_segments_under_the_same_name_are_found_without_reading_records(
    dataset, toy_spec, toy_clip, monkeypatch
):
    write(dataset, toy_spec, [toy_clip(1, 0, 128)], SEGMENTS)
    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "read_commit", None)
        assert foreign_shards(Inventory(dataset), {SHARD: SEGMENTS, "train-00001": SEGMENTS}) == []
    (name,) = names_by_shard(dataset.summaries.times()).values()
    assert dataset.summaries.read(name) == {
        "segments_sha256": hash_segments(SEGMENTS),
        "clips": 1,
        "ticks": 128,
        "drops": {},
        "dead_letters": {"damaged": 1},
        "size_bytes": storage.size_bytes(dataset.shard_uri(SHARD)),
        "sources": [source_hash(1)],
    }
    storage.remove(storage.join(dataset.summaries.folder, name))  # killed after the record
    assert foreign_shards(Inventory(dataset), {SHARD: SEGMENTS}) == []
    assert names_by_shard(dataset.summaries.times()) == {SHARD: name}
    forget_foreign(Inventory(dataset), {SHARD: [(TWO, 0, 128)]})
    assert dataset.committed_shards() == []
    assert names_by_shard(dataset.summaries.times()) == {}


def test_what_was_taken_down_before_the_commit_is_never_put_in_place(dataset, toy_spec, toy_clip):
    clips = [toy_clip(1, 0, 128), toy_clip(2, 0, 128)]
    record = write(dataset, toy_spec, clips, SEGMENTS, lambda: dataset.bury([ONE]))
    _only_two_is_left(dataset, record)
    assert dataset.tombstones() == {ONE}
    assert dataset.removed_sources() == [ONE]


def test_what_is_taken_down_while_its_shard_goes_up_is_cut_out(
    dataset, toy_spec, toy_clip, monkeypatch
):
    whole = Dataset.write_commit

    def bury_first(self: Dataset, record: CommitRecord) -> None:
        whole(self, record)
        self.bury([ONE])

    monkeypatch.setattr(Dataset, "write_commit", bury_first)
    record = write(dataset, toy_spec, [toy_clip(1, 0, 128), toy_clip(2, 0, 128)], SEGMENTS)
    _only_two_is_left(dataset, record)


def test_a_committed_shard_without_a_source(dataset, toy_spec, toy_clip):
    before = write(dataset, toy_spec, [toy_clip(1, 0, 128), toy_clip(2, 0, 128)], SEGMENTS)
    assert take_down(dataset, SHARD, {source_hash(3)}, toy_spec) == before
    dataset.bury([ONE])
    _only_two_is_left(dataset, take_down(dataset, SHARD, {ONE}, toy_spec))
    # The plan may have the source still, or not any more.
    assert dataset.is_committed(SHARD, SEGMENTS)
    assert dataset.is_committed(SHARD, SEGMENTS[1:])
    assert foreign_shards(Inventory(dataset), {SHARD: SEGMENTS}) == []
    assert foreign_shards(Inventory(dataset), {SHARD: SEGMENTS[1:]}) == []
    dataset.bury([TWO])
    empty = take_down(dataset, SHARD, {TWO}, toy_spec)
    assert (empty.rows, empty.tar, empty.segments) == ((), None, ())
    assert dataset.tars() == []
    assert list(Path(dataset.uri).rglob("*.tmp")) == []


def _only_two_is_left(dataset: Dataset, record: CommitRecord) -> None:
    assert dataset.read_commit(SHARD) == record
    assert [row["source_sha256"] for row in record.rows] == [TWO]
    assert [letter.source_sha256 for letter in record.dead_letters] == [TWO]
    assert record.extra == {"degrees": {TWO: [1.0]}}
    assert record.segments == ((TWO, 0, 128),)
    assert record.statistics["clips"] == 1
    assert [key for key, _ in iter_samples(dataset.shard_uri(SHARD))] == [record.rows[0]["key"]]
    assert list(Path(dataset.uri, "_spool").glob("*")) == []
