"""Shards: whole or not at all, the same bytes twice, and samples that are where the record says."""

from __future__ import annotations

import os
import tarfile

import numpy as np
import pytest
from vidact import storage
from vidact.datasets.shards.codec import decode_clip, encode_clip
from vidact.datasets.shards.commits import CommitRecord, DeadLetter
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.samples import iter_samples
from vidact.datasets.shards.writer import ShardWriter
from vidact.errors import DatasetError, ShardError


@pytest.fixture
def dataset(tmp_path):
    return str(tmp_path / "data")


def write(dataset, spec, clips, shard="train-00000"):
    with ShardWriter(dataset, shard, spec) as writer:
        for clip in clips:
            writer.add(clip)
        return writer.commit({"environment": "test"})


def test_samples_lie_where_the_record_says(dataset, toy_spec, toy_clip):
    clips = [toy_clip(1, 0, 64), toy_clip(1, 64, 100), toy_clip(2, 0, 128)]
    record = write(dataset, toy_spec, clips)
    assert Dataset(dataset).read_commit("train-00000") == record
    uri = Dataset(dataset).shard_uri("train-00000")
    assert record.tar == {"sha256": storage.sha256_file(uri), "size_bytes": storage.size_bytes(uri)}
    for clip, row in zip(clips, record.rows, strict=True):
        back = decode_clip(clip.key, Dataset(dataset).read_sample(row))
        assert np.array_equal(back.buttons, clip.buttons)
    assert [key for key, _ in iter_samples(uri)] == [clip.key for clip in clips]
    with tarfile.open(uri) as tar:
        assert {info.mtime for info in tar} == {0}
        assert tar.getnames()[:3] == [
            f"{clips[0].key}.{member}" for member in ("json", "mp4", "npz")
        ]


def test_rows_and_statistics_are_counted_by_hand(dataset, toy_spec, toy_clip):
    clip = toy_clip(1, 0, 40, confidence=0.75)
    clip.valid[30:] = False
    record = write(dataset, toy_spec, [clip])
    row = record.rows[0]
    # go is held in the odd ticks 1, 3 … 29; the middle bin of yaw is tick % 5 == 2: ticks 2, 12, 22
    # are null
    assert (row["frames"], row["valid_frames"], row["presses"]) == (40, 30, {"go": 15, "fire": 0})
    assert (row["mean_confidence"], row["p10_confidence"], row["null_fraction"]) == (
        0.75,
        0.75,
        0.1,
    )
    statistics = record.statistics
    assert statistics["held_ticks"] == {"go": 15, "fire": 0}
    assert statistics["camera_bins"] == {"yaw": [6, 6, 6, 6, 6]}
    assert (statistics["null_ticks"], statistics["valid_ticks"], statistics["confidence"][7]) == (
        3,
        30,
        30,
    )


def test_a_press_is_counted_once_however_long_it_is_held(dataset, toy_spec, toy_clip):
    clip = toy_clip(1, 0, 32)
    clip.buttons[:, 1] = [1] * 4 + [0] * 4 + [1] * 24
    clip.valid[16:20] = False  # held through a stretch without labels: released and pressed again
    assert write(dataset, toy_spec, [clip]).rows[0]["presses"]["fire"] == 3


def test_the_same_clips_give_the_same_bytes(tmp_path, toy_spec, toy_clip):
    records = [write(str(tmp_path / name), toy_spec, [toy_clip(1, 0, 64)]) for name in "ab"]
    assert records[0].to_json() == records[1].to_json()


def test_without_commit_nothing_exists(dataset, toy_spec, toy_clip):
    with ShardWriter(dataset, "train-00000", toy_spec) as writer:
        writer.add(toy_clip(1, 0, 64))
    assert not Dataset(dataset).is_committed("train-00000")
    assert [name for _, _, names in os.walk(dataset) for name in names] == []


def test_a_second_attempt_clears_what_a_killed_one_left(dataset, toy_spec, toy_clip):
    pid = os.fork()
    if pid == 0:
        writer = ShardWriter(dataset, "train-00000", toy_spec)
        writer.add(toy_clip(1, 0, 64))
        os._exit(9)  # as kill -9: no clean-up
    os.waitpid(pid, 0)
    spool = os.path.join(dataset, "_spool")
    assert len(os.listdir(spool)) == 1
    write(dataset, toy_spec, [toy_clip(1, 0, 64)])
    assert os.listdir(spool) == []
    assert Dataset(dataset).committed_shards() == ["train-00000"]


def test_an_empty_shard_has_a_record_and_no_tar(dataset, toy_spec):
    with ShardWriter(dataset, "train-00007", toy_spec) as writer:
        writer.drop("menu", 120)
        writer.drop("menu", 8)
        writer.dead_letter(
            DeadLetter(
                source_uri="a.mp4",
                start_tick=0,
                end_tick=90,
                stage="decode",
                reason="truncated",
                detail="…",
            )
        )
        record = writer.commit()
    assert record.tar is None
    assert not storage.exists(Dataset(dataset).shard_uri("train-00007"))
    back = Dataset(dataset).read_commit("train-00007")
    assert back.drops == {"menu": 128}
    assert back.dead_letters[0].reason == "truncated"


def test_relabelling_keeps_the_pixels(dataset, toy_spec, toy_clip):
    clip = toy_clip(1, 0, 64)
    members = encode_clip(clip, toy_spec.tick_hz)
    with ShardWriter(dataset, "train-00000", toy_spec) as writer:
        writer.add_encoded(clip, members)
        record = writer.commit()
    assert Dataset(dataset).read_sample(record.rows[0])["mp4"] == members["mp4"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c.meta.update(split="val"), r"meta.split: expected 'train', got 'val'"),
        (lambda c: c.meta.update(spec_sha256="0"), "meta.spec_sha256"),
        (lambda c: c.meta.update(pts_ns=[0]), r"meta.pts_ns: expected 64 times, got 1"),
        (lambda c: setattr(c, "key", "video-1"), "expected a key"),
        (
            lambda c: setattr(c, "buttons", c.buttons[:, :1]),
            r"buttons: expected shape \[64, 2\], got \[64, 1\]",
        ),
        (
            lambda c: c.buttons_prob.__setitem__((3, 0), 2),
            r"buttons_prob: expected finite values in \[0, 1\]",
        ),
        (lambda c: c.camera.__setitem__((3, 0), np.nan), "camera.yaw: expected finite degrees"),
        (
            lambda c: c.camera_prob.__setitem__((3, 0), 0),
            "camera_prob.yaw: expected each tick to sum to 1, got 0",
        ),
    ],
)
def test_a_clip_that_does_not_fit_is_refused(dataset, toy_spec, toy_clip, spoil, message):
    clip = toy_clip(1, 0, 64)
    spoil(clip)
    with (
        ShardWriter(dataset, "train-00000", toy_spec) as writer,
        pytest.raises(ShardError, match=message),
    ):
        writer.add(clip)


def test_an_inferred_camera_stays_in_range_and_a_true_one_may_not(dataset, toy_spec, toy_clip):
    clip = toy_clip(1, 0, 64)
    clip.camera[0] = 25
    with ShardWriter(dataset, "train-00000", toy_spec) as writer:
        writer.add(clip)
        clip = toy_clip(1, 64, 128, idm_sha256="ab" * 32)
        clip.camera[0] = 25
        with pytest.raises(ShardError, match=r"camera.yaw: expected at most 10"):
            writer.add(clip)


def test_a_key_twice_is_refused(dataset, toy_spec, toy_clip):
    with ShardWriter(dataset, "train-00000", toy_spec) as writer:
        writer.add(toy_clip(1, 0, 64))
        with pytest.raises(ShardError, match="this key already"):
            writer.add(toy_clip(1, 0, 64))


def test_a_shard_that_changed_is_an_error_that_names_it(dataset, toy_spec, toy_clip):
    record = write(dataset, toy_spec, [toy_clip(1, 0, 64), toy_clip(1, 64, 128)])
    uri = Dataset(dataset).shard_uri("train-00000")
    whole = storage.read_bytes(uri)
    row = record.rows[1]
    middle = row["offset_bytes"] + row["size_bytes"] // 2
    storage.write_atomic(uri, whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    with pytest.raises(ShardError, match=f"{row['key']}.*checksum.*vidact verify"):
        Dataset(dataset).read_sample(row)
    storage.write_atomic(uri, whole[:middle])
    with pytest.raises(ShardError, match=r"expected \d+ bytes, got \d+"):
        Dataset(dataset).read_sample(row)
    storage.write_atomic(uri, whole[1:])
    with pytest.raises(ShardError, match="no tar header"):
        Dataset(dataset).read_sample(record.rows[0])
    storage.remove(uri)
    with pytest.raises(ShardError, match="is missing"):
        Dataset(dataset).read_sample(row)


def test_names_and_records_that_are_none(dataset, toy_spec):
    with pytest.raises(DatasetError, match="expected <split>-<nnnnn>"):
        ShardWriter(dataset, "shard7", toy_spec)
    with pytest.raises(DatasetError, match=r"a\.json: not a commit record"):
        CommitRecord.from_json(b"{}", "a.json")
    with pytest.raises(DatasetError, match="schema version 99"):
        CommitRecord.from_json(b'{"schema_version": 99}', "a.json")
