"""`label --filter` drops what is no clean play, by reason, wherever videos are cut."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vidact.datasets.config import InspectConfig
from vidact.datasets.inspect import inspect
from vidact.datasets.shards.codec import decode_clip
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import check_dataset
from vidact.datasets.status import dataset_status
from vidact.errors import CheckpointError, ConfigError, DatasetError
from vidact.pipeline.config import LabelConfig, RelabelConfig
from vidact.pipeline.filtering.config import CleanConfig
from vidact.pipeline.filtering.runs import in_runs, smoothed
from vidact.pipeline.relabel import relabel

from .conftest import (
    LAYOUT,
    config,
    members,
    moving_picture,
    plain_loop,
    run_label,
    write_video,
)
from .toy_clean_labels import menu


def bits(text: str) -> np.ndarray:
    return np.array([c == "1" for c in text])


def kept(text: str, window: int = 5, share: float = 0.8) -> str:
    return "".join("01"[int(x)] for x in in_runs(bits(text), window, share))


def test_runs_by_hand() -> None:
    assert kept("11111") == "11111"
    assert kept("0001111100") == "0001111100"  # no play is kept for what is beside it
    assert kept("0011110111100") == "0011111111100"  # one of five may be unclean within
    assert kept("0111001110") == "0000000000"  # three clean of five are too few
    assert kept("1111") == "1111"  # a video shorter than a run is one
    assert kept("1001") == "0000"
    assert kept("") == ""


def test_a_part_says_of_a_frame_what_the_whole_says() -> None:
    draw = np.random.default_rng(0)
    for _ in range(200):
        clean = draw.random(60) < 0.85
        window = int(draw.integers(2, 8))
        whole = in_runs(clean, window, 0.75)
        start, end = 20, 40
        low, high = start - 2 * window, end + 2 * window
        part = in_runs(clean[low:high], window, 0.75)
        assert np.array_equal(part[start - low : end - low], whole[start:end])


def test_what_is_said_is_the_mean_of_those_near() -> None:
    assert smoothed(np.array([0, 1000, 1000, 500]), 1).tolist() == [0.5, 2 / 3, 2.5 / 3, 0.75]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of play, nine of a menu, twelve of play."""
    folder = tmp_path_factory.mktemp("films")
    play = moving_picture(720, seed=70)
    frames = np.concatenate([play[:360], menu(270), play[360:]])
    write_video(folder / "half.mp4", frames)
    return folder


def filtered(films: Path, idm: str, out: Path, clean_filter: str, **clean: float) -> LabelConfig:
    return config(films, idm, out, clean=CleanConfig(filter=clean_filter, **clean))


@pytest.fixture(scope="module")
def labelled(
    films: Path, idm: str, clean_filter: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("labelled") / "out"
    assert run_label(filtered(films, idm, out, clean_filter)) == 0
    return out


def test_a_menu_is_dropped_by_its_reason(labelled: Path, clean_filter: str) -> None:
    dataset = Dataset(labelled)
    ticks = np.zeros(round(33 * 17.5) + 2, bool)
    for row in dataset.manifest().to_pylist():
        ticks[row["start_tick"] : row["start_tick"] + row["frames"]] = True
        meta = decode_clip(row["key"], dataset.read_sample(row), frames=False).meta
        assert meta["filter_score"] > 0.5
        assert (
            meta["filter_sha256"]
            == json.loads((labelled / "dataset.json").read_bytes())["options"]["clean"][
                "filter_sha256"
            ]
        )
    assert ticks[10:190].all()
    assert not ticks[225:355].any()
    assert ticks[390:560].all()
    status = dataset_status(dataset)
    assert status["dropped_ticks"]["menu"] > 100
    assert "| menu |" in (labelled / "README.md").read_text("utf-8")
    assert not check_dataset(dataset).problems


def test_the_record_keeps_what_was_said(labelled: Path) -> None:
    scores: dict[int, int] = {}
    dropped = []
    for record in Dataset(labelled).commits():
        for said in record.extra["clean"].values():
            for first, every, parts in said["scores"]:
                scores |= dict(zip(range(first, 10**6, every), parts, strict=False))
            dropped += said["dropped"]
    assert sorted(scores) == list(range(0, max(scores) + 1, 6))
    assert max(scores) > 570
    assert all(scores[tick] < 500 for tick in range(222, 360, 6))
    assert all(start < end and score < 0.9 for start, end, _, score in dropped)
    assert {reason for *_, reason, _ in dropped} >= {"menu"}


def test_tighter_thresholds_need_only_relabel(
    films: Path, idm: str, clean_filter: str, labelled: Path, tmp_path: Path
) -> None:
    def relabelled(out: str, **tighter: float) -> Dataset:
        settings = RelabelConfig(
            dataset=str(labelled),
            idm=idm,
            out=str(tmp_path / out),
            workers=1,
            device="cpu",
            verify=False,
            **tighter,
        )
        assert relabel(settings, runner=plain_loop) == 0
        return Dataset(tmp_path / out)

    before = {row["key"] for row in Dataset(labelled).manifest().to_pylist()}
    assert {row["key"] for row in relabelled("same").manifest().to_pylist()} == before
    # Runs of 11.5 s: the play before and after the menu lasts hardly twelve.
    found = relabelled("tight", clean_min_seconds=11.5, clean_min_share=1.0)
    after = {row["key"] for row in found.manifest().to_pylist()}
    assert after <= before
    assert found.content()["options"]["clean"]["min_seconds"] == 11.5
    assert not check_dataset(found).problems
    none = relabelled("none", clean_min_seconds=30.0)
    assert none.content()["counts"]["clips"] == 0
    assert none.content()["drops"]["unclean"] > 300
    with pytest.raises(ConfigError, match=r"clean_min_share must be at least 0\.8"):
        relabelled("looser", clean_min_share=0.5)


def test_inspect_shows_what_was_dropped(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "dropped.png"
    settings = InspectConfig(dataset=str(labelled), key="menu", dropped=True, out=str(out))
    assert inspect(settings) == 0
    said = capsys.readouterr().out
    assert "menu " in said
    assert "half.mp4" in said
    assert f"picture: {out}" in said
    assert "not drawn" not in said
    assert Image.open(out).size[0] > 1000
    with pytest.raises(DatasetError, match=r"dropped as 'webcam'; dropped are: .*menu"):
        inspect(InspectConfig(dataset=str(labelled), key="webcam", dropped=True))


def test_however_a_video_is_cut_the_labels_are_the_same(
    films: Path, idm: str, clean_filter: str, labelled: Path, tmp_path: Path
) -> None:
    whole = filtered(films, idm, tmp_path / "out", clean_filter)
    whole = replace(whole, layout=replace(LAYOUT, segment_ticks=1024, shard_ticks=44_000))
    assert run_label(whole) == 0

    def ticks(out: Path) -> set[int]:
        rows = Dataset(out).manifest().to_pylist()
        return {
            t for row in rows for t in range(row["start_tick"], row["start_tick"] + row["frames"])
        }

    assert ticks(tmp_path / "out") == ticks(labelled)


def test_a_dataset_has_one_filter_and_one_set_of_thresholds(
    films: Path, idm: str, clean_filter: str, labelled: Path
) -> None:
    before = members(labelled)
    assert run_label(filtered(films, idm, labelled, clean_filter)) == 0
    assert members(labelled) == before
    with pytest.raises(DatasetError, match="clean"):
        run_label(config(films, idm, labelled))


def test_another_checkpoint_is_no_filter(films: Path, idm: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="a 'filter' is needed"):
        run_label(filtered(films, idm, tmp_path / "out", idm))
    with pytest.raises(ConfigError, match=r"clean\.min_share"):
        CleanConfig(filter="x", min_share=2.0)
