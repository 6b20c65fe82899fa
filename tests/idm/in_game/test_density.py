from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from vidact.datasets.actions.spec import ActionSpec, FrameSpec
from vidact.errors import CheckpointError, ConfigError, RecordingError
from vidact.idm.config import TrainIDMConfig
from vidact.idm.in_game import fit_density
from vidact.idm.in_game.asking import GameQuestion, question_of
from vidact.idm.in_game.density import GameDensity
from vidact.idm.in_game.drawn_scenes import SCENES
from vidact.idm.in_game.negatives import FOLDER, distorted, negative_clips
from vidact.idm.labels.checkpoint import load_idm, load_network
from vidact.idm.network.config import preset_config
from vidact.idm.network.model import InverseDynamicsModel
from vidact.idm.train_idm import train_idm
from vidact.networks.checkpoints import CONFIG_FILE, MODEL_FILE

from ..conftest import toy_play


def test_the_score_of_two_normal_clouds_is_the_log_ratio_of_their_densities() -> None:
    generator = np.random.default_rng(0)
    play = generator.normal(0, 1, (4000, 2)).astype(np.float32)
    others = generator.normal(4, 1, (4000, 2)).astype(np.float32)
    density = GameDensity.fit(play, [play[:1000]], others)
    # Of unit normals at 0 and at (4, 4) the log-ratio is 16 - 4 (x + y): 16 in the middle of play.
    points = np.array([[0, 0], [2, 2], [4, 4]], np.float32)
    scores = density.scores(points)
    assert scores[0] == pytest.approx(16, abs=2)
    assert scores[1] == pytest.approx(0, abs=1)
    odds = density.log_odds(points)
    assert odds[0] == pytest.approx(4, abs=0.5)  # the median of held-out play is four units up
    assert odds[2] < 0
    assert (density.log_odds(play) >= 0).mean() > 0.995


def test_a_density_comes_back_from_its_tensors_and_odd_ones_are_refused() -> None:
    generator = np.random.default_rng(1)
    play, others = (generator.normal(mean, 1, (500, 6)).astype(np.float32) for mean in (0.0, 3.0))
    density = GameDensity.fit(play, [play], others)
    entry = {"threshold": density.threshold, "scale": density.scale, "sha256": "0" * 64}
    again = GameDensity.of(density.tensors(), entry)
    np.testing.assert_allclose(again.log_odds(others), density.log_odds(others), rtol=1e-3)
    for wrong in ({"scale": 0.0}, {"threshold": float("nan")}, {"threshold": None}):
        with pytest.raises(CheckpointError, match="density of the game"):
            GameDensity.of(density.tensors(), {**entry, **wrong})
    cut = density.tensors() | {"play_mean": torch.zeros(3)}
    with pytest.raises(CheckpointError, match="does not fit together"):
        GameDensity.of(cut, entry)


def test_negatives_are_of_the_specs_size_and_the_same_for_a_seed() -> None:
    frame = FrameSpec(48, 32)
    count = 2 * max(len(SCENES), len(list(FOLDER.glob("*.jpg"))))
    clips = [list(negative_clips(frame, 3, count, np.random.default_rng(5))) for _ in range(2)]
    assert {clip.shape for clip in clips[0]} == {(3, 32, 48, 3)}
    for one, other in zip(*clips, strict=True):
        np.testing.assert_array_equal(one, other)
    assert all(clip.std() > 0 for clip in clips[0])


def test_distorted_play_has_the_pixels_of_play_in_other_places() -> None:
    clip = toy_play(3, seed=2)[0]
    for seed in range(8):
        other = distorted(clip, np.random.default_rng(seed))
        assert other.shape == clip.shape
        assert not np.array_equal(other, clip)
        same = np.sort(other, axis=None), np.sort(255 - clip, axis=None), np.sort(clip, axis=None)
        assert any(np.array_equal(same[0], one) for one in same[1:])


@pytest.fixture
def question(toy_spec: ActionSpec) -> GameQuestion:
    """Knows one toy's wall by a network that was never trained."""
    torch.manual_seed(0)
    model = InverseDynamicsModel(preset_config("tiny", toy_spec), toy_spec).eval()
    plain = GameQuestion(_empty(), model, 10.0)
    generator = np.random.default_rng(0)
    pictures = np.concatenate([toy_play(60, seed)[0] for seed in range(3)])
    clips = np.stack([pictures[i : i + 3] for i in range(len(pictures) - 2)])
    others = np.stack(list(negative_clips(toy_spec.frame, 3, 60, generator)))
    play = plain._embed(clips)
    density = GameDensity.fit(play, [play], plain._embed(others))
    return GameQuestion(density, model, 10.0)


def _empty() -> GameDensity:
    cloud = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
    return GameDensity.fit(cloud, [cloud], cloud + 1)


def test_what_is_said_of_a_tick_does_not_depend_on_where_a_video_was_cut(
    question: GameQuestion, toy_spec: ActionSpec
) -> None:
    film = next(negative_clips(toy_spec.frame, 60, 1, np.random.default_rng(3)))
    frames = np.concatenate([toy_play(60, seed=1)[0], film, toy_play(40, seed=2)[0]])
    whole = question.ask(frames, 0)
    assert whole.shape == (160,)
    assert whole[:40].min() >= 0.5 > whole[80:100].max()
    context = question.context
    for start, end in ((0, 64), (37, 101), (90, 160)):
        low, high = max(0, start - context), min(160, end + context)
        part = question.ask(frames[low:high], low)
        np.testing.assert_array_equal(part[start - low : end - low], whole[start:end])
    assert question.ask(frames[:1], 0).tolist() == [1.0]  # nothing to ask, nothing speaks against


def test_too_little_play_is_not_judged_and_more_is_added_without_touching_the_weights(
    trained: Path,
    toy_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_toy: Callable[..., Path],
) -> None:
    checkpoint = load_idm(str(trained))
    assert "game" not in checkpoint.config  # three toy recordings are 36 seconds
    copied = tmp_path / "idm"
    copied.mkdir()
    for name in (MODEL_FILE, CONFIG_FILE):
        (copied / name).write_bytes((trained / name).read_bytes())
    config = TrainIDMConfig(data=(str(toy_folder),), add_game_density=str(copied))
    with pytest.raises(RecordingError, match="too little play"):
        train_idm(config)
    monkeypatch.setattr(fit_density, "FEWEST_PLAY", 10)
    monkeypatch.setattr(fit_density, "FEWEST_HELD_OUT", 10)
    assert train_idm(config) == 0
    known = load_idm(str(copied))
    assert known.sha256 == checkpoint.sha256  # what labels and jobs know the IDM by
    assert (copied / MODEL_FILE).read_bytes() == (trained / MODEL_FILE).read_bytes()
    assert known.config["game"]["passed"]["held out"] > 0.9
    network = load_network(known, known.spec())
    question = question_of(known, network.eval(), 10.0)
    assert question is not None
    assert question.sha256 == known.config["game"]["sha256"]
    assert question_of(checkpoint, network, 10.0) is None
    (copied / "game.safetensors").write_bytes(b"another file")
    with pytest.raises(CheckpointError, match="is not the file that config"):
        load_idm(str(copied))


def test_a_training_needs_a_place_and_adding_a_density_none() -> None:
    for options in ({}, {"out": "somewhere", "add_game_density": "doom"}):
        with pytest.raises(ConfigError, match="out must be a folder"):
            TrainIDMConfig(data=("play",), **options)  # type: ignore[arg-type]


def test_the_idm_that_ships_knows_its_game_and_is_the_one_that_it_was() -> None:
    checkpoint = load_idm("doom")
    assert checkpoint.sha256.startswith("674a6d83047d")
    passed = checkpoint.config["game"]["passed"]
    assert passed["held out"] > 0.98
    assert passed["other pictures"] < 0.1
    readme = Path(checkpoint.uri, "README.md").read_text(encoding="utf-8")
    assert "674a6d83047d" in readme
    json.dumps(checkpoint.config["game"])
