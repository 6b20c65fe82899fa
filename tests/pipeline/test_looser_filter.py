"""`label --filter` again with looser thresholds decodes what comes back, and gives what a job with
these thresholds would have given at first.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.shards.commits import DeadLetter
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import check_dataset
from vidact.datasets.video.decoder import TickReader
from vidact.errors import ConfigError, DatasetError, Interrupted
from vidact.pipeline.config import LabelConfig, RemoveConfig
from vidact.pipeline.filtering.config import CleanConfig
from vidact.pipeline.labelling.changed_ticks import ChangedTicks, divided
from vidact.pipeline.remove import remove
from vidact.pipeline.running.looser_filter import set_aside_for_loosening

from .conftest import config, members, moving_picture, run_label, write_video
from .toy_clean_labels import menu

FPS = 30
TIGHT = {"min_seconds": 7.0, "min_share": 1.0}
LOOSE = {"min_seconds": 7.0, "min_share": 0.7}


@dataclass(frozen=True)
class Toy:
    """Two films, and datasets of them under tight and under loose thresholds."""

    folder: Path
    idm: str
    clean_filter: str

    @property
    def films(self) -> Path:
        return self.folder / "films"

    @property
    def tight(self) -> Path:
        return self.folder / "tight"

    @property
    def fresh(self) -> Path:
        return self.folder / "fresh"

    def job(self, out: Path, **clean: float) -> LabelConfig:
        # Runs of which every frame must be clean: by a lower threshold than the filter's own.
        clean = {"smoothed_seconds": 0.0, "threshold": 0.2, **clean}
        settings = CleanConfig(filter=self.clean_filter, **clean)
        return config(self.films, self.idm, out, clean=settings, verify=False)


@pytest.fixture(scope="module")
def toy(idm: str, clean_filter: str, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    found = Toy(tmp_path_factory.mktemp("toy"), idm, clean_filter)
    frames = moving_picture(32 * FPS, seed=70)
    for start, end in ((22, 23), (26, 27)):  # between them no run of seven seconds is all clean
        frames[start * FPS : end * FPS] = menu(FPS)
    write_video(found.films / "menus.mp4", frames)
    write_video(found.films / "play.mp4", moving_picture(10 * FPS, seed=5))  # labels know it
    assert run_label(found.job(found.tight, **TIGHT)) == 0
    assert run_label(found.job(found.fresh, **LOOSE)) == 0
    return found


def commits(dataset: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((dataset / "_commits").iterdir())}


def test_what_comes_back_equals_a_fresh_job(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(toy.tight, out)
    assert members(toy.tight) != members(toy.fresh)
    decoded: dict[str, set[int]] = {}
    read = TickReader.read

    def counted(self: TickReader, start: int, end: int) -> object:
        decoded.setdefault(Path(self._path).name, set()).update(range(start, end))
        return read(self, start, end)

    monkeypatch.setattr(TickReader, "read", counted)
    assert run_label(toy.job(out, **LOOSE)) == 0
    assert members(out) == members(toy.fresh)
    assert commits(out) == commits(toy.fresh)
    assert not (out / "_set_aside").exists()
    assert Dataset(out).content()["options"]["clean"]["min_share"] == LOOSE["min_share"]
    # What comes back begins at tick 387. The clip before it is labeled again, and needs two strides
    # and the filters' 65 ticks more; the first clip stays, and the other video is not opened.
    assert decoded.keys() == {"menus.mp4"}
    assert 110 < min(decoded["menus.mp4"]) < 256


def test_a_stopped_run_is_resumed_and_what_cannot_be_read_stays(toy: Toy, tmp_path: Path) -> None:
    out, dropped, away = (tmp_path / name for name in ("out", "dropped", "away.mp4"))
    shutil.copytree(toy.tight, out)
    menus = toy.films / "menus.mp4"
    loose = toy.job(out, **LOOSE)
    menus.rename(away)
    try:
        with pytest.raises(Interrupted, match=r"menus\.mp4"):
            run_label(loose)
        assert (out / "_set_aside").exists()
        shutil.copytree(out, dropped)
        assert run_label(replace(loose, out=str(dropped), drop_missing=True)) == 0
    finally:
        away.rename(menus)
    assert run_label(loose) == 0
    assert members(out) == members(toy.fresh)
    before, after = (
        {row["key"]: row["frames"] for row in Dataset(one).manifest().to_pylist()}
        for one in (toy.tight, dropped)
    )
    assert after == before
    assert Dataset(dropped).content()["dead_letter_reasons"].keys() == {"source_missing"}
    assert not check_dataset(Dataset(dropped)).problems


def test_what_is_set_aside_is_of_one_time(toy: Toy, tmp_path: Path) -> None:
    out, first = tmp_path / "out", commits(toy.tight)
    shutil.copytree(toy.tight, out)
    aside = out / "_set_aside"
    set_aside_for_loosening(Dataset(out))
    made = sorted(first)[0]
    (out / "_commits" / made).write_bytes(b"made anew, before thresholds became looser still")
    set_aside_for_loosening(Dataset(out))
    assert not commits(out)
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == first
    # Of a run that was stopped at its very end nothing is left to wait for.
    shutil.copytree(toy.fresh / "_commits", out / "_commits", dirs_exist_ok=True)
    set_aside_for_loosening(Dataset(out))
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == commits(toy.fresh)


def test_dead_letters_are_tried_again_with_looser_thresholds(toy: Toy, tmp_path: Path) -> None:
    tight = tmp_path / "tight"
    shutil.copytree(toy.tight, tight)
    dataset = Dataset(tight)
    lost = next(record for record in dataset.commits() if record.rows)
    source = lost.rows[0]["source_sha256"]
    letter = DeadLetter(
        source_uri=lost.rows[0]["source_uri"],
        source_sha256=source,
        start_tick=lost.segments[0][1] if lost.segments else 0,
        end_tick=lost.segments[0][2] if lost.segments else 0,
        stage="label",
        reason="error",
    )
    # As a program that failed in all of the shard leaves it: without scores that others need.
    failed = replace(
        lost,
        tar=None,
        rows=(),
        statistics={**lost.statistics, "clips": 0, "ticks": 0},
        dead_letters=(letter,),
        drops={},
        extra={name: {} for name in lost.extra},
    )
    (tight / "_commits" / f"{lost.shard}.json").write_bytes(failed.to_json())
    (tight / "shards" / f"{lost.shard}.tar").unlink()
    for out, reasons in ((tmp_path / "left", ()), (tmp_path / "retried", ("error",))):
        shutil.copytree(tight, out)
        job = replace(toy.job(out, **LOOSE), retry_dead_letters=reasons, max_failed_share=1.0)
        assert run_label(job) == 0
        letters = Dataset(out).content()["dead_letter_reasons"]
        assert letters == ({} if reasons else {"error": 1})
    assert members(tmp_path / "retried") == members(toy.fresh)
    assert commits(tmp_path / "retried") == commits(toy.fresh)


def test_a_takedown_reaches_what_is_set_aside(toy: Toy, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(toy.tight, out)
    dataset = Dataset(out)
    gone = next(
        row["source_sha256"]
        for row in dataset.manifest().to_pylist()
        if row["source_uri"].endswith("play.mp4")
    )
    held = [record.shard for record in dataset.commits() if gone in record.sources]
    set_aside_for_loosening(dataset)
    remove(RemoveConfig(dataset=str(out), source=(gone,)))
    assert held
    assert not set(held).intersection(dataset.aside.shards())
    assert not any((out / "shards" / f"{shard}.tar").exists() for shard in held)


def test_only_looser_thresholds_go_into_the_same_dataset(toy: Toy, tmp_path: Path) -> None:
    before = commits(toy.tight)
    with pytest.raises(ConfigError, match=r"clean\.min_seconds must be at most 7, .* relabel"):
        run_label(toy.job(toy.tight, min_seconds=9.0, min_share=0.7))
    with pytest.raises(DatasetError, match=r"begun with clean\."):
        run_label(toy.job(toy.tight, **LOOSE | {"smoothed_seconds": 1.0}))
    with pytest.raises(ConfigError, match="part must be"):
        run_label(replace(toy.job(toy.tight, **LOOSE), part="1/2"))
    assert commits(toy.tight) == before
    out = tmp_path / "out"
    shutil.copytree(toy.tight, out)
    Dataset(out).forget_commits(["train-00000"])
    with pytest.raises(DatasetError, match="1 shards are still to be labeled"):
        run_label(toy.job(out, **LOOSE))


def ticks_of(before: str, kept: str) -> ChangedTicks:
    """Ticks that are in a clip (`c`), dropped by the filter (`f`), lost otherwise (`x`) or left out
    without a word (`.`); of those, which the new thresholds keep (`1`).
    """
    was = np.array(list(before))
    keep = np.array([one == "1" for one in kept])
    return ChangedTicks(
        before=np.where(was == "f", "menu", None),
        clips=was == "c",
        lost=was == "x",
        kept=keep,
        clean=keep,
        parts=np.zeros(len(was), np.int64),
    )


@pytest.mark.parametrize(
    ("before", "kept", "scenes", "stay", "again"),
    [
        # Nothing changes: all clips stay, wherever they lie.
        ("ccccccccff..cccc", "1111111100111111", (), [(0, 4), (4, 8), (12, 16)], []),
        # What follows comes back: the first clip sees none of it, the second is made again with it.
        ("ccccccccffff", "111111111111", (), [(0, 4)], [(4, 12)]),
        # What comes before shifts all clips of its stretch.
        ("ffffcccccccc", "111111111111", (), [], [(0, 12)]),
        # A rest beside it that was too short joins; what damage took does not.
        ("cccc..ffxxxx", "111111111111", (), [(0, 4)], [(4, 8)]),
        # A scene that begins at a clip keeps it apart, but for what its labels see.
        ("ffffcccccccc", "111111111111", (4,), [(8, 12)], [(0, 8)]),
        # A shorter run may ask for more: what goes is decoded too.
        ("cccccccc", "11111100", (), [(0, 4)], [(4, 8)]),
    ],
)
def test_divided_by_hand(
    before: str,
    kept: str,
    scenes: tuple[int, ...],
    stay: list[tuple[int, int]],
    again: list[tuple[int, int]],
) -> None:
    clips = [(at, at + 4) for at in range(0, len(before), 4) if before[at] == "c"]
    ticks = ticks_of(before, kept)
    span = 0, len(before)
    found = divided(
        span, clips, scenes, ticks, lambda clip: (max(clip[0] - 2, 0), min(clip[1] + 2, span[1]))
    )
    assert found == (stay, again)
