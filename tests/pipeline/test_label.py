"""One shard at a time, without Beam: what is kept, what is dropped, and that the segmentation
does not show.
"""

from __future__ import annotations

import errno
import tarfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact import storage, storage_failures
from vidact.datasets.shards.clip import Clip
from vidact.datasets.shards.codec import decode_clip
from vidact.datasets.shards.commits import CommitRecord
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.video.decoder import InProcessDecoder
from vidact.errors import ConfigError, VideoError
from vidact.idm.labels.predict import Predictor
from vidact.pipeline.labelling.labeller import LabelWork, ShardLabeller, ShardTask
from vidact.pipeline.planning.layout import Segment

from .conftest import moving_picture, write_video

HZ = Fraction(35, 2)


@pytest.fixture(scope="session")
def predictor(idm: str) -> Predictor:
    return Predictor.load(idm, device="cpu", threads=1)


def segments(
    path: Path, *starts: int, ticks: int, shard: str = "train-00000"
) -> tuple[Segment, ...]:
    """Segments of one video that begin at `starts`; the last one ends with the video."""
    sha256 = InProcessDecoder().probe(path, HZ).sha256
    return tuple(
        Segment(
            shard=shard,
            segment=i,
            split="train",
            source_uri=str(path),
            source_sha256=sha256,
            episode_id=sha256[:12],
            start_tick=start,
            end_tick=end,
            source_ticks=ticks,
        )
        for i, (start, end) in enumerate(zip(starts, [*starts[1:], ticks], strict=True))
    )


def label(
    dataset: Path,
    predictor: Predictor,
    parts: tuple[Segment, ...],
    *,
    decoder: InProcessDecoder | None = None,
    drop_missing: bool = False,
    quarantined: tuple[int, ...] = (),
) -> str:
    """Label one shard; returns the status of the outcome."""
    labeller = ShardLabeller(
        predictor,
        decoder or InProcessDecoder(),
        Dataset(dataset),
        LabelWork(drop_missing=drop_missing),
    )
    task = ShardTask(shard=parts[0].shard, segments=parts, quarantined=quarantined)
    return labeller.label(task).status


def clips_of(dataset: Path, shard: str = "train-00000") -> list[Clip]:
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(Dataset(dataset).shard_uri(shard)) as tar:
        for member in tar:
            key, _, extension = member.name.partition(".")
            file = tar.extractfile(member)
            assert file is not None
            found.setdefault(key, {})[extension] = file.read()
    return [decode_clip(key, members) for key, members in found.items()]


def by_tick(clips: list[Clip], name: str) -> dict[int, np.ndarray]:
    return {
        clip.meta["start_tick"] + i: row
        for clip in clips
        for i, row in enumerate(getattr(clip, name))
    }


def record_of(dataset: Path) -> CommitRecord:
    return Dataset(dataset).read_commit("train-00000")


def test_every_tick_is_labelled_once(videos: Path, tmp_path: Path, predictor: Predictor) -> None:
    path = videos / "a.mp4"
    assert label(tmp_path, predictor, segments(path, 0, 256, ticks=700)) == "labelled"
    clips = clips_of(tmp_path)
    spans = [(clip.meta["start_tick"], clip.meta["start_tick"] + clip.ticks) for clip in clips]
    assert spans == [(0, 128), (128, 256), (256, 384), (384, 512), (512, 640), (640, 700)]
    assert [clip.key.rsplit("-", 1)[1] for clip in clips[:2]] == ["000000000", "000000128"]
    meta = clips[1].meta
    assert meta["pts_ns"][:2] == [
        7_300_000_000,
        7_366_666_667,
    ]  # 128 / 17.5 Hz = 7.314 s: frame 219 of 30 fps
    assert meta["source_uri"] == str(path)
    assert meta["idm_sha256"] == predictor.sha256
    assert record_of(tmp_path).statistics["ticks"] == 700
    assert label(tmp_path, predictor, segments(path, 0, 256, ticks=700)) == "was_done"


def test_labels_are_what_the_model_says_of_the_whole_video(
    videos: Path, tmp_path: Path, predictor: Predictor
) -> None:
    path = videos / "a.mp4"
    label(tmp_path, predictor, segments(path, 0, 256, 512, ticks=700))
    batches = InProcessDecoder().ticks(path, predictor.spec.frame, HZ, start_tick=0, end_tick=700)
    whole = list(
        predictor.predict((b.frames for b in batches), start=0, stretch=(0, 700), keep=(0, 700))
    )
    for name, kind in (
        ("buttons_prob", np.float16),
        ("camera_prob", np.float16),
        ("buttons", np.uint8),
    ):
        wanted = np.concatenate([getattr(part, name) for part in whole]).astype(kind)
        got = by_tick(clips_of(tmp_path), name)
        np.testing.assert_array_equal(np.stack([got[tick] for tick in range(700)]), wanted)


def test_the_segmentation_does_not_show(videos: Path, tmp_path: Path, predictor: Predictor) -> None:
    cut = np.concatenate(
        [moving_picture(530, seed=4), moving_picture(700, seed=5)[:, :, ::-1] // 3]
    )
    path = write_video(tmp_path / "cut.mp4", cut)
    ticks = 717
    label(tmp_path / "one", predictor, segments(path, 0, ticks=ticks))
    label(tmp_path / "many", predictor, segments(path, 0, 256, 384, 512, 640, ticks=ticks))
    one, many = clips_of(tmp_path / "one"), clips_of(tmp_path / "many")
    assert sum(clip.meta["begins_scene"] for clip in one) == 2  # the start, and the cut
    for name in ("frames", "buttons", "buttons_prob", "camera", "camera_prob", "confidence"):
        a, b = by_tick(one, name), by_tick(many, name)
        assert set(b) <= set(a)
        assert (
            len(b) > 650
        )  # the cut falls 3 ticks behind a segment's start: those 3 are too short for a clip
        if name != "frames":  # each clip is encoded anew
            for tick, value in b.items():
                np.testing.assert_array_equal(a[tick], value)


def test_same_bytes_again(videos: Path, tmp_path: Path, predictor: Predictor) -> None:
    parts = segments(videos / "b.mp4", 0, 256, ticks=455)
    label(tmp_path / "a", predictor, parts)
    label(tmp_path / "b", predictor, parts)
    for name in ("shards/train-00000.tar", "_commits/train-00000.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_frozen_and_black_ticks_are_dropped(tmp_path: Path, predictor: Predictor) -> None:
    play = moving_picture(600, seed=6)
    frames = np.concatenate(
        [play[:300], np.repeat(play[299:300], 300, axis=0), play[300:], np.zeros_like(play[:120])]
    )
    path = write_video(tmp_path / "paused.mp4", frames)
    label(tmp_path / "data", predictor, segments(path, 0, 256, 512, ticks=595))
    drops = record_of(tmp_path / "data").drops
    assert 160 <= drops["frozen"] <= 175
    assert 65 <= drops["black"] <= 70
    kept = sum(clip.ticks for clip in clips_of(tmp_path / "data"))
    assert kept + sum(drops.values()) == 595


def test_damage_keeps_what_came_before(videos: Path, tmp_path: Path, predictor: Predictor) -> None:
    class Damaged(InProcessDecoder):
        def ticks(  # type: ignore[no-untyped-def, override]
            self, path, frame, tick_hz, *, start_tick, end_tick
        ):
            bad = range(300, 330)
            if start_tick < 330:
                stop = max(start_tick, 300)
                if stop > start_tick:
                    yield from super().ticks(
                        path, frame, tick_hz, start_tick=start_tick, end_tick=stop
                    )
                raise VideoError("damaged", path, "a hole", tick=stop)
            assert start_tick not in bad
            yield from super().ticks(path, frame, tick_hz, start_tick=start_tick, end_tick=end_tick)

    parts = segments(videos / "a.mp4", 0, 256, 384, ticks=700)
    label(tmp_path, predictor, parts, decoder=Damaged())
    (letter,) = record_of(tmp_path).dead_letters
    assert (letter.start_tick, letter.end_tick, letter.stage, letter.reason) == (
        300,
        384,
        "decode",
        "damaged",
    )
    got = by_tick(clips_of(tmp_path), "buttons")
    assert sorted(got) == [*range(300), *range(384, 700)]


class Odd(InProcessDecoder):
    """A decoder with a bug on the segment at tick 256, `times` times."""

    def __init__(self, times: int, error: Exception):
        super().__init__()
        self.times, self.error = times, error

    def ticks(  # type: ignore[no-untyped-def, override]
        self, path, frame, tick_hz, *, start_tick, end_tick
    ):
        for batch in super().ticks(path, frame, tick_hz, start_tick=start_tick, end_tick=end_tick):
            if self.times and batch.start_tick + len(batch.frames) > 500:
                self.times -= 1
                raise self.error
            yield batch


def test_an_exception_costs_its_segment_after_two_more_tries(
    videos: Path, tmp_path: Path, predictor: Predictor
) -> None:
    parts = segments(videos / "a.mp4", 0, 256, 512, ticks=700)
    label(tmp_path / "calm", predictor, parts)
    odd = Odd(2, ZeroDivisionError("an odd file"))
    assert label(tmp_path / "twice", predictor, parts, decoder=odd) == "labelled"
    for name in ("shards/train-00000.tar", "_commits/train-00000.json"):
        assert (tmp_path / "twice" / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()
    assert label(tmp_path / "thrice", predictor, parts, decoder=Odd(3, odd.error)) == "labelled"
    (letter,) = record_of(tmp_path / "thrice").dead_letters
    assert (letter.start_tick, letter.end_tick, letter.stage, letter.reason) == (
        256,
        512,
        "label",
        "error",
    )
    assert letter.detail == "ZeroDivisionError: an odd file"
    kept = by_tick(clips_of(tmp_path / "thrice"), "buttons")
    assert sorted(kept) == [*range(256), *range(512, 700)]


@pytest.mark.parametrize(
    "error", [OSError(28, "no room"), MemoryError(), ConfigError("no"), RuntimeError("CUDA error")]
)
def test_what_no_segment_is_to_blame_for(
    videos: Path, tmp_path: Path, predictor: Predictor, error: Exception
) -> None:
    with pytest.raises(type(error)):
        label(tmp_path, predictor, segments(videos / "a.mp4", 0, ticks=700), decoder=Odd(9, error))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_quarantined_segments_are_not_read(
    videos: Path, tmp_path: Path, predictor: Predictor
) -> None:
    parts = segments(videos / "a.mp4", 0, 256, 512, ticks=700)
    label(tmp_path / "one", predictor, parts, quarantined=(1,))
    (letter,) = record_of(tmp_path / "one").dead_letters
    assert (letter.start_tick, letter.end_tick, letter.reason) == (256, 512, "killed_worker")
    assert sorted(by_tick(clips_of(tmp_path / "one"), "buttons")) == [*range(256), *range(512, 700)]


def test_a_missing_source_waits_or_is_let_go(
    videos: Path, tmp_path: Path, predictor: Predictor
) -> None:
    path = tmp_path / "gone.mp4"
    path.write_bytes((videos / "b.mp4").read_bytes())
    parts = segments(path, 0, 256, ticks=455)
    path.write_bytes((videos / "a.mp4").read_bytes())
    assert label(tmp_path / "data", predictor, parts) == "waiting"
    path.unlink()
    assert label(tmp_path / "data", predictor, parts) == "waiting"
    assert not list((tmp_path / "data").rglob("*.json"))
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert label(tmp_path / "data", predictor, parts, drop_missing=True) == "labelled"
    assert [letter.reason for letter in record_of(tmp_path / "data").dead_letters] == [
        "source_missing"
    ] * 2
    path.write_bytes((videos / "b.mp4").read_bytes())
    assert label(tmp_path / "other", predictor, parts) == "labelled"


def test_a_segment_of_another_video_follows(
    videos: Path, tmp_path: Path, predictor: Predictor
) -> None:
    first = segments(videos / "a.mp4", 0, 512, ticks=700)[1:]
    second = tuple(
        replace(s, segment=s.segment + 2) for s in segments(videos / "b.mp4", 0, ticks=455)
    )
    label(tmp_path, predictor, first + second)
    assert [clip.ticks for clip in clips_of(tmp_path)] == [128, 60, 128, 128, 128, 71]


class BadDisk(InProcessDecoder):
    """FFmpeg's view of a disk that fails: what is asked for from tick 256 on is damaged, as often
    as it says.
    """

    def __init__(self, times: int):
        super().__init__()
        self.times = times

    def ticks(  # type: ignore[no-untyped-def, override]
        self, path, frame, tick_hz, *, start_tick, end_tick
    ):
        for batch in super().ticks(path, frame, tick_hz, start_tick=start_tick, end_tick=end_tick):
            if self.times and batch.start_tick + len(batch.frames) > 500:
                self.times -= 1
                raise VideoError("damaged", path, "Invalid data found", tick=batch.start_tick)
            yield batch


def reading(monkeypatch: pytest.MonkeyPatch, failures: int) -> None:
    """The first readings of a whole file fail."""
    whole, left = storage.sha256_file, [failures]

    def sha256_file(uri: storage.Uri) -> str:
        if str(uri).endswith("a.mp4") and left[0]:
            left[0] -= 1
            raise OSError(errno.EIO, "Input/output error", str(uri))
        return whole(uri)

    monkeypatch.setattr(storage, "sha256_file", sha256_file)
    monkeypatch.setattr(storage_failures, "PAUSE_S", 0.001)


@pytest.mark.parametrize(("times", "failures"), [(1, 0), (2, 1), (2, 3)])
def test_what_a_disk_could_not_read_for_a_moment_is_no_damage(  # noqa: PLR0917 - fixtures
    videos: Path,
    tmp_path: Path,
    predictor: Predictor,
    monkeypatch: pytest.MonkeyPatch,
    times: int,
    failures: int,
) -> None:
    parts = segments(videos / "a.mp4", 0, 256, 512, ticks=700)
    label(tmp_path / "calm", predictor, parts)
    reading(monkeypatch, failures)
    assert label(tmp_path / "eio", predictor, parts, decoder=BadDisk(times)) == "labelled"
    for name in ("shards/train-00000.tar", "_commits/train-00000.json"):
        assert (tmp_path / "eio" / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()


def test_what_a_disk_cannot_read_is_unreachable(
    videos: Path, tmp_path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = segments(videos / "a.mp4", 0, 256, 512, ticks=700)
    reading(monkeypatch, 100)
    assert label(tmp_path, predictor, parts, decoder=BadDisk(100)) == "labelled"
    letters = record_of(tmp_path).dead_letters
    assert {(letter.stage, letter.reason) for letter in letters} == {("read", "unreachable")}
    assert "Input/output error" in letters[0].detail
    assert [letter.start_tick for letter in letters] == [256, 512]
