"""Face cams and other insets are found by their sides, wherever they stand, and play is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vidact.datasets.actions.spec import FrameSpec
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.status import dataset_status
from vidact.errors import CheckpointError
from vidact.pipeline.config import LabelConfig, RelabelConfig
from vidact.pipeline.filtering.clean_filter import CleanFilter
from vidact.pipeline.filtering.config import CleanConfig
from vidact.pipeline.filtering.insets import CHANGES, OwnLines, find_inset, gray_of, votes
from vidact.pipeline.filtering.labeled_frames import read_labels
from vidact.pipeline.labelling import clean_stretches
from vidact.pipeline.labelling.clean_stretches import CleanJudge
from vidact.pipeline.labelling.filter import Verdicts
from vidact.pipeline.labelling.picture_in_picture import PICTURE_IN_PICTURE, InsetFinder
from vidact.pipeline.relabel import relabel
from vidact.pipeline.train_filter import embedded

from .conftest import config, members, moving_picture, plain_loop, run_label, write_video
from .toy_clean_labels import write_labels

SIDE = 128
BAR = 16  # rows of the toy game's status bar
HZ = 17.5


def scene(count: int, seed: int, *, side: int = SIDE) -> np.ndarray:
    """A camera that turns here and there before a wall of stains of all sizes, uint8 [n, s, s, 3],
    as it is asked: a third of a second apart.
    """
    draw = np.random.default_rng(seed)
    canvas = np.zeros((512, 512, 3))
    for size in (4, 8, 16, 32):
        stains = draw.normal(0, 1, (512 // size, 512 // size, 3))
        canvas += np.kron(stains, np.ones((size, size, 1))) * 12
    for axis in (0, 1, 0, 1):  # as a picture is that was made smaller
        canvas = (np.roll(canvas, 1, axis) + canvas + np.roll(canvas, -1, axis)) / 3
    canvas = np.clip(110 + 1.5 * canvas, 0, 255).astype(np.uint8)
    steps = draw.integers(-14, 15, (count, 2))
    steps[:, 0] //= 3  # more to the sides than up and down
    places = 512 + np.cumsum(steps, axis=0)
    tiled = np.tile(canvas, (3, 3, 1))
    return np.stack(
        [tiled[y % 512 :, x % 512 :][:side, :side] for y, x in places.tolist()], dtype=np.uint8
    )


def with_bar(frames: np.ndarray) -> np.ndarray:
    """Over a status bar that stands still."""
    out = frames.copy()
    out[:, SIDE - BAR :] = np.random.default_rng(1).integers(0, 200, (BAR, SIDE, 3))
    return out


def under(play: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    """Play under another moving picture."""
    out = play.copy()
    out[:, top : top + height, left : left + width] = scene(len(play), 99)[:, :height, :width]
    return out


@pytest.fixture(scope="module")
def own() -> OwnLines:
    """Of clean frames of the toy game."""
    clean = with_bar(np.concatenate([scene(10, seed) for seed in range(8)]))
    return OwnLines.of(gray_of(clean), seed=0)


def found_in(frames: np.ndarray, own: OwnLines) -> tuple[int, int, int, int] | None:
    changes = np.diff(gray_of(frames), axis=0)
    inset = find_inset(votes(changes[:CHANGES]), own)
    return None if inset is None else (inset.top, inset.left, inset.bottom, inset.right)


@pytest.mark.parametrize(
    ("place", "visible"),
    [
        ((0, 0, 30, 40), (0, 0, 30, 40)),
        ((0, 88, 30, 40), (0, 88, 30, 128)),
        ((88, 0, 40, 44), (88, 0, 128, 44)),  # over the status bar, which hides its lower part
        ((80, 84, 48, 44), (80, 84, 128, 128)),
        ((0, 40, 28, 36), (0, 40, 28, 76)),
        ((40, 0, 28, 36), (40, 0, 68, 36)),
        ((50, 98, 36, 30), (50, 98, 86, 128)),
        ((8, 80, 26, 38), (8, 80, 34, 118)),
        ((60, 20, 32, 40), (60, 20, 92, 60)),
    ],
)
@pytest.mark.parametrize("border", [0, 2])
def test_an_inset_is_found_wherever_it_stands(
    place: tuple[int, int, int, int],
    visible: tuple[int, int, int, int],
    border: int,
    own: OwnLines,
) -> None:
    top, left, height, width = place
    play = with_bar(scene(CHANGES + 1, 56))
    if border:
        play[:, top : top + height, left : left + width] = (250, 250, 250)
    inside = top + border, left + border, height - 2 * border, width - 2 * border
    found = found_in(under(play, *inside), own)
    assert found is not None
    assert np.abs(np.subtract(found, visible)).max() <= 3


def test_a_picture_that_stands_still_in_the_picture_is_one(own: OwnLines) -> None:
    play = with_bar(scene(CHANGES + 1, 51))
    play[:, 4:40, 84:124] = scene(1, 3)[:, :36, :40]
    assert found_in(play, own) is not None


def test_play_as_it_is_has_none(own: OwnLines) -> None:
    for seed in range(60, 72):
        assert found_in(with_bar(scene(CHANGES + 1, seed)), own) is None


def test_where_nothing_moves_nothing_is_said(own: OwnLines) -> None:
    still = np.repeat(under(with_bar(scene(1, 52)), 8, 80, 26, 38), CHANGES + 1, axis=0)
    noise = np.random.default_rng(0).integers(0, 3, still.shape).astype(np.uint8)
    assert found_in(still, own) is None
    assert found_in(still // 2 + 60 + noise, own) is None  # what a codec leaves


def test_letter_boxes_are_none(own: OwnLines) -> None:
    for place in (np.s_[:, :20], np.s_[:, -20:], np.s_[:, :, :18], np.s_[:, :, -18:]):
        play = scene(CHANGES + 1, 53)
        play[place] = 0
        assert found_in(play, own) is None
    boxed = scene(CHANGES + 1, 54)
    boxed[:, :18] = boxed[:, -18:] = boxed[:, :, :16] = boxed[:, :, -16:] = 0
    assert found_in(boxed, own) is None


def tiles(count: int, seed: int) -> np.ndarray:
    """A game whose world moves by whole tiles of 16 pixels."""
    draw = np.random.default_rng(seed)
    world = np.kron(draw.integers(0, 4, (22, 22)), np.ones((3, 3), int))  # patches of tiles
    kinds = np.random.default_rng(2).integers(0, 200, (4, 1, 1, 3)).astype(np.uint8)
    grain = np.random.default_rng(3).integers(0, 50, (4, 16, 16, 1)).astype(np.uint8)
    shown = (kinds + grain)[world]  # (64, 64, 16, 16, 3)
    places = (20 + np.cumsum(draw.integers(-1, 2, (count, 2)), axis=0)) % 56
    return np.stack(
        [
            shown[y : y + 8, x : x + 8].swapaxes(1, 2).reshape(SIDE, SIDE, 3)
            for y, x in places.tolist()
        ]
    )


def test_lines_of_the_game_itself_do_not_count() -> None:
    moves = [tiles(CHANGES + 1, seed) for seed in range(6)]
    of_tiles = OwnLines.of(gray_of(np.concatenate(moves[:4])), seed=0)
    of_nothing = OwnLines(**{n: np.zeros_like(x) for n, x in of_tiles.arrays().items()})
    assert [found_in(one, of_tiles) for one in moves[4:]] == [None, None]
    assert any(found_in(one, of_nothing) for one in moves)
    # What a checkpoint keeps is of its pictures' size.
    frame = {"height": SIDE, "width": SIDE}
    assert OwnLines.of_arrays(of_tiles.arrays(), frame) is not None
    assert OwnLines.of_arrays({}, {"height": 64, "width": 64}) is None
    with pytest.raises(CheckpointError, match=r"upright lines have shape \(128, 128\)"):
        OwnLines.of_arrays(of_tiles.arrays(), {"height": SIDE, "width": 100})
    with pytest.raises(CheckpointError, match="upright lines have shape None"):
        OwnLines.of_arrays({}, frame)


def test_a_filter_keeps_the_lines_of_its_clean_frames(clean_filter: str, tmp_path: Path) -> None:
    frames, _ = read_labels([str(write_labels(tmp_path / "labels"))])
    nothing: Any = lambda pictures: np.zeros((len(pictures), 1, 1), np.float32)  # noqa: E731
    *_, lines = embedded(frames, nothing, FrameSpec(SIDE, SIDE), 0)
    assert lines is not None
    assert lines.upright.shape == (SIDE, SIDE)
    assert 0 < (lines.level < 1).mean() < 1
    trained = CleanFilter.load(clean_filter)
    assert trained.own_lines is None  # of 32 pixels a side
    frame = {"height": SIDE, "width": SIDE, "resize": "area"}
    replace(trained, own_lines=lines, frame=frame).save(str(tmp_path / "filter"), {})
    kept = CleanFilter.load(str(tmp_path / "filter")).own_lines
    assert kept is not None
    assert all(np.array_equal(kept.arrays()[n], x) for n, x in lines.arrays().items())


def film(own: OwnLines) -> np.ndarray:
    """150 asked frames, from the 40th to the 89th with a face cam."""
    frames = with_bar(scene(150, 55))
    frames[40:90] = under(frames[40:90], 6, 84, 34, 40)
    return frames


def test_a_stretch_is_found_from_end_to_end(own: OwnLines) -> None:
    inside = np.flatnonzero(InsetFinder(own).inside(film(own), 0))
    assert np.array_equal(inside, np.arange(inside[0], inside[-1] + 1))
    # A stretch that shows it for most of its time counts as a whole.
    assert abs(inside[0] - 40) <= 12
    assert abs(inside[-1] - 89) <= 12
    assert not InsetFinder(None).inside(film(own), 0).any()


def test_a_part_says_what_the_whole_says(own: OwnLines) -> None:
    frames = film(own)
    whole = InsetFinder(own).inside(frames, 0)
    for length in (20, 55):
        finder = InsetFinder(own)
        for start in range(0, len(frames), length):
            end = min(start + length, len(frames))
            low, high = max(0, start - finder.reach), min(len(frames), end + finder.reach)
            part = finder.inside(frames[low:high], low)
            assert np.array_equal(part[start - low : end - low], whole[start:end])


class Clean:
    """A filter to which every frame is as clean as can be, but for one of a menu."""

    sha256, reasons = "digest", ("menu", "webcam")

    def __init__(self, own: OwnLines | None):
        self.own_lines = own

    def ask(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        dark = (frames[:, :100] == 0).all((1, 2, 3))
        return np.where(dark, 0.0, 1.0), np.tile([1.0, 0.0], (len(frames), 1))


def judged(own: OwnLines, frames: np.ndarray, length: int, **clean: Any) -> tuple[Any, Any]:
    """Why ticks are dropped, and the record's scores, in segments of so many ticks."""
    stub: Any = Clean(own)
    judge = CleanJudge(stub, CleanConfig(filter="x", threshold=0.6, **clean), HZ)
    judge.begin()
    reasons = []
    for start in range(0, len(frames), length):
        end = min(start + length, len(frames))
        low, high = max(0, start - judge.context), min(len(frames), end + judge.context)
        nothing = Verdicts(
            start=start,
            cuts=np.zeros(end - start, bool),
            reasons=np.full(end - start, None, object),
            differences=np.zeros(end - start, np.float32),
        )
        verdicts, parts = judge.judge(frames[low:high], low, nothing, "source")
        judge.note("source", "uri", (start, end), verdicts, parts)
        reasons += verdicts.reasons.tolist()
    return reasons, judge.for_record()["clean"]["source"]


def test_ticks_are_dropped_as_that_however_a_video_is_cut(own: OwnLines) -> None:
    frames = np.repeat(film(own), 6, axis=0)  # ticks of which every sixth is asked
    frames[700:760, :100] = 0
    reasons, record = judged(own, frames, len(frames))
    assert set(reasons[250:530]) == {PICTURE_IN_PICTURE}
    assert reasons.count(None) > 400
    assert "menu" in reasons[690:770]
    ((first, every, scores),) = record["scores"]
    assert (first, every, len(scores)) == (0, 6, 150)
    assert set(scores[45:85]) == {0}
    assert [PICTURE_IN_PICTURE in why for *_, why, _ in record["dropped"]].count(True) == 1
    cut, parts = judged(own, frames, 128)
    assert cut == reasons
    assert [part for _, _, some in parts["scores"] for part in some] == scores
    kept, record = judged(own, frames, len(frames), picture_in_picture="keep")
    assert set(kept[:690]) == {None}
    assert set(record["scores"][0][2][:115]) == {1000}


class Marked:
    """Says that there are insets at asked frames of some numbers, whatever these show."""

    reach = 27

    def __init__(self, own: OwnLines | None):
        assert own is None  # frames of toys are too small

    def begin(self) -> None:
        """There is nothing to forget."""

    def inside(self, frames: np.ndarray, first: int) -> np.ndarray:
        numbers = first + np.arange(len(frames))
        return (abs(numbers - 30) <= 2) | ((numbers >= 50) & (numbers < 66))


def test_thresholds_are_tightened_and_loosened_exactly(
    idm: str, clean_filter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_stretches, "InsetFinder", Marked)
    write_video(tmp_path / "films" / "play.mp4", moving_picture(32 * 30, seed=70))

    def job(out: str, share: float) -> LabelConfig:
        clean = CleanConfig(
            filter=clean_filter,
            threshold=0.2,
            smoothed_seconds=0.3,
            min_seconds=7,
            min_share=share,
        )
        return config(tmp_path / "films", idm, tmp_path / out, clean=clean, verify=False)

    def records(out: str) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in (tmp_path / out / "_commits").iterdir()}

    assert run_label(job("tight", 1.0)) == 0
    assert run_label(job("loose", 0.7)) == 0
    # What is there for less than two seconds comes back, the rest stays away.
    counts = [
        dataset_status(Dataset(tmp_path / out))["dropped_ticks"][PICTURE_IN_PICTURE]
        for out in ("tight", "loose")
    ]
    assert counts[0] - 40 < counts[1] < counts[0] - 20
    assert f"| {PICTURE_IN_PICTURE} |" in (tmp_path / "loose" / "README.md").read_text("utf-8")
    tightened = RelabelConfig(
        dataset=str(tmp_path / "loose"),
        idm=idm,
        out=str(tmp_path / "tightened"),
        clean_min_share=1.0,
        workers=1,
        device="cpu",
        verify=False,
    )
    assert relabel(tightened, runner=plain_loop) == 0
    kept, loose, tight = (
        {row["key"] for row in Dataset(tmp_path / out).manifest().to_pylist()}
        for out in ("tightened", "loose", "tight")
    )
    assert kept < loose
    assert kept <= tight
    assert run_label(job("tight", 0.7)) == 0
    assert members(tmp_path / "tight") == members(tmp_path / "loose")
    assert records("tight") == records("loose")
