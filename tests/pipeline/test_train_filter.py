"""`train-filter`: labels of the tool become a filter, with honest figures, or a clear error."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from vidact.errors import CheckpointError, ConfigError
from vidact.idm.in_game.embedding import TrunkEmbedding
from vidact.idm.labels.checkpoint import load_idm, load_network
from vidact.networks.checkpoints import load_checkpoint, save_checkpoint
from vidact.pipeline.filtering.clean_filter import CleanFilter
from vidact.pipeline.filtering.config import TrainFilterConfig
from vidact.pipeline.filtering.embeddings import Backbone, read_weights
from vidact.pipeline.filtering.fitting import figures_of, lowest_threshold
from vidact.pipeline.filtering.labeled_frames import read_labels
from vidact.pipeline.filtering.next_frames import choose
from vidact.pipeline.train_filter import train_filter

from .conftest import moving_picture, write_video
from .toy_clean_labels import film, menu, write_labels


def small(frames: np.ndarray) -> np.ndarray:
    """At the spec's size: means over 3 x 3 pixels."""
    return frames.reshape(len(frames), 32, 3, 32, 3, 3).mean((2, 4)).astype(np.uint8)


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_labels(tmp_path_factory.mktemp("labels"), each=8)


@pytest.fixture(scope="module")
def trained(labels: Path, idm: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    frames = np.concatenate([moving_picture(90, seed=9), film(60)])
    write_video(folder / "new.mp4", frames)
    out = folder / "filter"
    settings = TrainFilterConfig(
        labels=(str(labels),),
        out=str(out),
        idm=idm,
        folds=3,
        unlabeled=(str(folder / "new.mp4"),),
        next_frames=4,
        frame_step_s=0.5,
    )
    assert train_filter(settings) == 0
    return out


def test_a_filter_knows_play_of_videos_it_has_not_seen(trained: Path) -> None:
    metrics = json.loads((trained / "config.json").read_bytes())["metrics"]
    assert metrics["labels"] == {"clean": 48, "unclean": 48, "videos": 6}
    assert metrics["held_out"]["precision"] >= 0.97
    assert metrics["held_out"]["recall"] >= 0.9
    assert [point["labels"] for point in metrics["curve"]] == [12, 24, 48, 96]
    assert set(metrics["by_reason"]) == {"menu", "not_play"}
    found = CleanFilter.load(str(trained))
    assert found.sha256 == load_checkpoint(trained).sha256
    p, reasons = found.ask(small(np.concatenate([moving_picture(4, seed=50), menu(4), film(4)])))
    assert (p[:4] >= found.threshold).all()
    assert (p[4:] < found.threshold).all()
    assert [found.reasons[place] for place in reasons[4:].argmax(1)] == 4 * ["menu"] + 4 * [
        "not_play"
    ]


def test_the_report_shows_the_hardest_frames_and_carries_its_pictures(trained: Path) -> None:
    page = (trained / "report.html").read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") == 48
    assert page.count("data:image/png;base64,") == 2
    assert "http" not in page
    assert "called clean" in page


def test_the_queue_names_frames_of_the_unlabeled_video(trained: Path) -> None:
    rows = pq.read_table(trained / "next_frames.parquet").to_pylist()
    assert 1 <= len(rows) <= 4
    assert {Path(row["source_uri"]).name for row in rows} == {"new.mp4"}
    assert len({row["pts_ns"] for row in rows}) == len(rows)
    assert all(0 <= row["clean"] <= 1 for row in rows)


def test_what_is_chosen_is_unsure_and_diverse() -> None:
    features = np.array([[0.0], [0.0], [0.1], [5.0], [9.0]])
    uncertainty = np.array([3.0, 2.9, 2.8, 2.0, 1.0])
    assert choose(uncertainty, features, 3) == [0, 4, 3]
    assert choose(np.ones(3), np.zeros((3, 1)), 3) == [0]  # the others show the same


def test_the_threshold_is_the_lowest_that_is_precise_enough() -> None:
    p = np.array([0.9, 0.8, 0.7, 0.6, 0.6])
    clean = np.array([True, True, False, True, True])
    assert lowest_threshold(p, clean, 0.8) == 0.6
    assert lowest_threshold(p, ~clean, 0.97) == 0.7  # never reached: as strict as may be
    assert lowest_threshold(p, clean, 0.97) == 0.6  # from 0.8 on it would keep two of four
    found = figures_of(p, clean, 0.8)
    assert found["confusion"] == {
        "clean_called_clean": 2,
        "unclean_called_clean": 0,
        "clean_called_unclean": 2,
        "unclean_called_unclean": 1,
    }
    assert (found["precision"], found["recall"]) == (1.0, 0.5)


def rewritten(labels: Path, folder: Path, change: Any) -> Path:
    rows = pq.read_table(labels / "labels.parquet")
    folder.mkdir()
    (folder / "frames-00000.tar").write_bytes((labels / "frames-00000.tar").read_bytes())
    changed = rows.from_pylist(change(rows.to_pylist()), schema=rows.schema)
    pq.write_table(changed, folder / "labels.parquet")
    return folder


def test_people_who_disagree_are_heard_where_one_is_approved(labels: Path, tmp_path: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        first, second, third = rows[:3]
        other = {"label": "artifacts", "reasons": ["webcam"], "annotator": "bea"}
        approved = {**first, **other, "approved": True}
        return [first, approved, second, {**second, **other}, {**third, "label": "unsure"}]

    frames, left_out = read_labels([str(rewritten(labels, tmp_path / "two", change))])
    assert [(one.clean, one.reason) for one in frames] == [(False, "webcam")]
    assert left_out == {"unsure": 1, "contradicted": 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [row for row in rows if row["label"] == "clean"], "0 frames are unclean"),
        (
            lambda rows: [
                {**row, "source_sha256": "f" * 64} if row["label"] == "clean" else row
                for row in rows
            ],
            "all clean frames are of one video",
        ),
        (lambda rows: [{**row, "key": row["key"] + "0"} for row in rows], "lacks the pictures"),
        (lambda rows: [{**row, "label": None} for row in rows], "nobody has marked"),
    ],
)
def test_too_little_is_told(
    change: Any, message: str, labels: Path, idm: str, tmp_path: Path
) -> None:
    folder = rewritten(labels, tmp_path / "labels", change)
    settings = TrainFilterConfig(labels=(str(folder),), out=str(tmp_path / "out"), idm=idm)
    with pytest.raises(ConfigError, match=message):
        train_filter(settings)
    assert not (tmp_path / "out").exists()


def test_what_is_no_export_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no export of clean-or-not labels"):
        read_labels([str(tmp_path)])


def test_a_pickle_is_not_read_as_weights(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "executed",))

    for name, protocol in (("a.pth", 2), ("b.pt", 4)):
        (tmp_path / name).write_bytes(pickle.dumps(Evil(), protocol=protocol))
        with pytest.raises(ConfigError, match="not read"):
            read_weights(str(tmp_path / name))
    assert not (tmp_path / "executed").exists()
    (tmp_path / "c.h5").write_bytes(b"x")
    with pytest.raises(ConfigError, match="other formats are not read"):
        read_weights(str(tmp_path / "c.h5"))
    torch.save({"a": 1}, tmp_path / "d.pth")
    with pytest.raises(ConfigError, match="no state_dict"):
        read_weights(str(tmp_path / "d.pth"))


def test_weights_of_ones_own_look_at_pictures(tmp_path: Path) -> None:
    from torchvision.models import mobilenet_v3_small

    torch.manual_seed(0)
    torch.save(mobilenet_v3_small().state_dict(), tmp_path / "own.pth")
    entry = {"name": "backbone", "architecture": "mobilenet_v3_small"}
    found = Backbone.of(entry, read_weights(str(tmp_path / "own.pth")))
    frames = np.stack([np.asarray(Image.new("RGB", (32, 32), (c, 0, 0))) for c in (0, 250)])
    vectors = found(frames)
    assert vectors.shape[:2] == (2, 1)
    again = Backbone.of(found.entry, found.state())(frames[1:])
    assert np.array_equal(again[0], vectors[1])  # whatever is looked at beside it
    with pytest.raises(CheckpointError, match="not the weights of torchvision's resnet18"):
        Backbone.of({**entry, "architecture": "resnet18"}, found.state())


def test_a_picture_that_stands_still_is_a_clip_of_it(idm: str) -> None:
    checkpoint = load_idm(idm)
    trunk = TrunkEmbedding(load_network(checkpoint, checkpoint.spec()).eval())
    frames = small(moving_picture(3, seed=4))[:, None]
    repeated = np.repeat(frames, 2 * trunk.radius + 1, axis=1)
    for still, clip in zip(
        trunk.maps(frames, lambda x: x), trunk.maps(repeated, lambda x: x), strict=True
    ):
        assert np.array_equal(still, clip)


def test_a_filter_of_before_is_refused(trained: Path, tmp_path: Path) -> None:
    whole = load_checkpoint(trained)
    config = {k: v for k, v in whole.config.items() if k not in ("model_sha256", "version")}
    del config["format"]
    save_checkpoint(tmp_path / "before", whole.state, config)
    with pytest.raises(CheckpointError, match="has format 1, this vidact reads 3; train it again"):
        CleanFilter.load(str(tmp_path / "before"))


def test_a_filter_that_was_changed_is_refused(trained: Path, tmp_path: Path) -> None:
    whole = load_checkpoint(trained)
    state = {**whole.state, "model.slope": torch.zeros(3, dtype=torch.float64)}
    config = {k: v for k, v in whole.config.items() if k not in ("model_sha256", "version")}
    save_checkpoint(tmp_path / "changed", state, config)
    with pytest.raises(CheckpointError, match="slope has shape"):
        CleanFilter.load(str(tmp_path / "changed"))
