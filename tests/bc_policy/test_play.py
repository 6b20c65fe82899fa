"""Real games played by worker processes: scores that do not depend on the workers, and a video."""

import json

import av
import numpy as np
import pytest
import torch
from vidact.bc_policy.play import play
from vidact.bc_policy.policy.agent import Agent
from vidact.bc_policy.policy.config import PolicyConfig
from vidact.bc_policy.policy.policy import Policy, policy_checkpoint_config
from vidact.bc_policy.scoring.config import PlayConfig
from vidact.bc_policy.scoring.overlay import ActionOverlay
from vidact.bc_policy.scoring.pool import play_worker
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import CheckpointError, ConfigError
from vidact.games.workers import Worker, WorkerError, working
from vidact.networks.checkpoints import save_checkpoint

NETWORK = PolicyConfig(
    width=16,
    heads=2,
    blocks=1,
    memory=4,
    channels=(4, 4),
    residual_blocks=1,
    pool=4,
    stride=2,
    dense=16,
)


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    policy = Policy(ActionSpec.load("doom"), NETWORK)
    save_checkpoint(
        tmp_path / "ckpt", policy.state_dict(), policy_checkpoint_config(policy, preset="custom")
    )
    return str(tmp_path / "ckpt")


SHORT = """
name: short
game: doom
description: Two seconds in the maze, less where the vest is near.
score: a cell
counts: cells
seconds: 2
maps: my_way_home
"""


@pytest.fixture
def short(tmp_path):
    pytest.importorskip("vizdoom")
    (tmp_path / "short.yaml").write_text(SHORT)
    return {"task": str(tmp_path / "short.yaml"), "lanes": 2, "episodes": 5, "video": False}


def test_a_policy_plays_the_same_whatever_the_workers(tmp_path, short, checkpoint):
    results = []
    for workers in (1, 2):
        out = tmp_path / f"workers-{workers}"
        settings = {**short, "episodes": 2, "lanes": 1, "seed": 4, "video": True}
        assert (
            play(PlayConfig(checkpoint=checkpoint, out=str(out), workers=workers, **settings)) == 0
        )
        results.append(json.loads((out / "score.json").read_text()))
    for name in ("scores", "ticks", "seeds", "mean", "ci95", "checkpoint_sha256"):
        assert results[0][name] == results[1][name], name
    assert results[0]["seeds"] == [4, 5]
    assert results[0]["episodes"] == 2
    assert results[0]["ci95"][0] <= results[0]["mean"] <= results[0]["ci95"][1]
    with av.open(str(tmp_path / "workers-1" / "episode.mp4")) as film:
        stream = film.streams.video[0]
        frames = sum(1 for _ in film.decode(video=0))
        assert frames == results[0]["ticks"][0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
    data = (tmp_path / "workers-1" / "episode.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # the index in front: it plays while it loads


def test_random_play_needs_no_checkpoint(tmp_path, short):
    config = PlayConfig(out=str(tmp_path), random=True, **{**short, "episodes": 1, "lanes": 1})
    assert play(config) == 0
    result = json.loads((tmp_path / "score.json").read_text())
    assert result["player"] == "random (human)"
    assert result["checkpoint_sha256"] is None
    assert not (tmp_path / "episode.mp4").exists()


def test_crafter_is_scored_with_its_achievements(tmp_path):
    pytest.importorskip("crafter")
    settings = {
        "task": "crafter",
        "random": True,
        "episodes": 1,
        "lanes": 1,
        "video": False,
    }
    assert play(PlayConfig(out=str(tmp_path), **settings)) == 0
    result = json.loads((tmp_path / "score.json").read_text())
    assert result["achievements"]["collect_diamond"]["rate"] == 0
    achieved = result["infos"][0]["achievements"]
    assert achieved == sorted(achieved)
    assert [len(achieved)] == result["scores"]
    assert result["ci95"] is None


def test_mistakes_are_named(tmp_path):
    with pytest.raises(ConfigError, match="either a checkpoint or --random"):
        PlayConfig(task="explore", out="x")
    for name in ("seed", "workers", "temperature"):
        with pytest.raises(ConfigError, match=f"{name} must be at least 0, got -1"):
            PlayConfig(task="explore", out="x", random=True, **{name: -1})
    with pytest.raises(ConfigError, match="there is no task 'chess'"):
        play(PlayConfig(task="chess", out=str(tmp_path), random=True))
    with pytest.raises(CheckpointError, match="no checkpoint"):
        play(PlayConfig(task="explore", out=str(tmp_path), checkpoint=str(tmp_path)))


def test_overlay_lights_the_pressed_keys_and_points_where_the_mouse_goes():
    spec = ActionSpec.load("doom")
    overlay, frame = ActionOverlay(spec), np.zeros((240, 320, 3), dtype=np.uint8)
    nothing, still = np.zeros(spec.num_buttons, np.uint8), np.zeros(2, np.float32)
    idle = overlay.draw(frame, nothing, still)
    assert idle.shape == (480 + 96, 640, 3)
    forward = nothing.copy()
    forward[spec.button_names.index("forward")] = 1
    changed = np.argwhere((overlay.draw(frame, forward, still) != idle).any(-1))
    assert changed[:, 0].min() > 480
    assert changed[:, 1].max() < 70  # only the W key, at the left
    right = np.argwhere(
        (overlay.draw(frame, nothing, np.array([0.0, 10.0], np.float32)) != idle).any(-1)
    )
    assert right[:, 1].mean() > 640 - 48  # to the right of the dial's centre


def test_what_goes_wrong_in_a_worker_is_raised_in_the_parent():
    chess = PlayConfig(task="chess", out="x", random=True, lanes=1)
    mistake, defect, killed = (
        Worker(play_worker, chess, "", ActionSpec.load("doom").to_dict(), False),
        Worker(len),
        Worker(print),
    )
    killed._process.kill()
    with working([mistake, defect, killed]):
        with pytest.raises(WorkerError, match="exit code -9"):
            killed.receive()
        with pytest.raises(WorkerError, match="TypeError: object of type 'Connection' has no len"):
            defect.receive()
        with pytest.raises(ConfigError, match="there is no task 'chess'"):
            mistake.receive()


def test_a_delayed_policy_does_what_it_chose_ticks_ago():
    torch.manual_seed(0)
    policy = Policy(ActionSpec.load("doom"), NETWORK).eval()
    at_once, later = Agent(policy, 1), Agent(policy, 1, action_delay=2)
    frames = np.random.default_rng(0).integers(0, 255, (6, 1, 128, 128, 3), dtype=np.uint8)
    for agent in (at_once, later):
        agent.start(0, seed=3)
    chosen = [at_once.act(frame) for frame in frames]
    done = [later.act(frame) for frame in frames]
    for buttons, camera in done[:2]:
        assert not buttons.any()
        assert not camera.any()
    for now, before in zip(done[2:], chosen, strict=False):
        assert np.array_equal(now[0], before[0])
        assert np.array_equal(now[1], before[1])
