"""Cloning learns what can be learnt, weighs ticks as asked, and resumes exactly."""

import dataclasses
import json
import math
import signal
import time
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import vidact.bc_policy.clone
from vidact.bc_policy.clone import clone, initial_checkpoint, run_identity
from vidact.bc_policy.cloning.cloner import Cloner, Lanes, asked
from vidact.bc_policy.cloning.config import CloneConfig
from vidact.bc_policy.cloning.imitation import imitation_loss
from vidact.bc_policy.cloning.targets import TargetMaker, Targets
from vidact.bc_policy.policy.config import PolicyConfig
from vidact.bc_policy.policy.policy import Policy, load_policy, policy_checkpoint_config
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.loading.batch import Batch
from vidact.errors import ConfigError, DatasetError, SpecMismatchError
from vidact.networks.checkpoints import config_in, save_checkpoint
from vidact.networks.heads import JointHead, JointLogits
from vidact.training.resume import plain_run

from ..forked import Forked
from .toy_data import DATA_SPEC, RIGHT, lights, lights_dataset
from .toy_runs import clone_or_explain

NETWORK = PolicyConfig(
    width=16, heads=2, blocks=1, memory=8, channels=(4,), residual_blocks=1, dense=16
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return lights_dataset(str(tmp_path_factory.mktemp("lights")))


def settings(data, out, **changes):
    small = {"network": NETWORK, "steps": 12, "batch_size": 2, "ticks": 16, "threads": 1}
    learning = {"learning_rate": 1e-2, "ema_decay": 0.5, "save_every": 4, "eval_batches": 2}
    return CloneConfig(**{"data": (data,), "out": str(out), **small, **learning, **changes})


def rows_of(out):
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    timed = ("elapsed_s", "frames_per_s", "seconds")
    return [{name: value for name, value in row.items() if name not in timed} for row in rows]


def test_it_learns_what_the_pictures_tell(tmp_path, data):
    assert clone(settings(data, tmp_path, steps=80, precision="float32")) == 0
    last = rows_of(tmp_path)[-1]
    assert last["val_loss"] < 0.1
    assert last["val_accuracy"] > 0.97
    policy, checkpoint = load_policy(str(tmp_path))
    assert checkpoint.config["metrics"]["steps"] == 80
    assert checkpoint.config["data"][0]["uri"] == data
    assert not (tmp_path / "snapshots").exists()
    right = torch.from_numpy(lights(np.array([RIGHT])))[None]
    logits = policy(right, torch.ones(1, 1, dtype=torch.bool)).logits
    joint, camera = policy.head.sample(logits, temperature=0)
    buttons, bins = TargetMaker(DATA_SPEC, settings(data, "x")).actions.decode(
        joint.numpy(), camera.numpy()
    )
    assert (buttons[0, 0].tolist(), bins[0, 0].tolist()) == ([1, 0], [4])
    before = (tmp_path / "model.safetensors").stat().st_mtime_ns
    assert clone(settings(data, tmp_path, steps=80, precision="float32")) == 0  # nothing to do
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == before


def test_the_best_policy_is_kept_and_may_be_chosen(tmp_path, data, monkeypatch):
    """Held-out losses of 3, 1, 2, 4 and 5: the second one's policy is the best."""
    losses = iter([3.0, 1.0, 2.0, 4.0, 5.0, 5.0])
    measured = []

    def measure(cloner, held_out):
        measured.append({name: part.clone() for name, part in cloner.averaged_state().items()})
        return {"val_loss": next(losses)}

    monkeypatch.setattr(Cloner, "measure", measure)
    with monkeypatch.context() as stopped:  # as the best policy is about to take its place
        stopped.setattr(
            vidact.bc_policy.clone, "copy_checkpoint", Mock(side_effect=KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            clone(settings(data, tmp_path, steps=10, choose="best"))
    assert clone(settings(data, tmp_path, steps=10, choose="best")) == 0
    saved = {place: load_policy(str(tmp_path / place)) for place in (".", "best", "last")}
    for place, which, number in ((".", "best", 1), ("best", "best", 1), ("last", "last", 4)):
        policy, checkpoint = saved[place]
        assert checkpoint.config["saved"] == {"which": which, "step": 2 * (number + 1)}
        for name, tensor in policy.state_dict().items():
            assert torch.equal(tensor, measured[number][name])
    assert clone(settings(data, tmp_path, steps=10, choose="best")) == 0  # it knows itself
    assert len(measured) == 6  # the run that was stopped measured its end once more


def test_scores_during_training_are_noted(tmp_path, data, monkeypatch):
    def play(config):
        policy, _ = load_policy(config.checkpoint)
        assert policy.spec.name == "lights"
        Path(config.out).mkdir(parents=True)
        score = {"mean": 4.0, "ci95": [3.0, 5.0]}
        (Path(config.out) / "score.json").write_text(json.dumps(score))
        return 0

    monkeypatch.setattr(vidact.bc_policy.clone, "play", play)
    assert clone(settings(data, tmp_path, steps=6, play_task="explore", play_every=2)) == 0
    scores = {row["step"]: row["score"] for row in rows_of(tmp_path) if "score" in row}
    assert scores == {2: 4.0, 4: 4.0}
    assert sorted(path.name for path in (tmp_path / "rollouts").iterdir()) == [
        "step-0000002",
        "step-0000004",
    ]
    assert (tmp_path / "curves.png").exists()


def batch(buttons, camera, valid=None, confidence=None, first=None):
    shape = np.asarray(buttons).shape[:2]
    return Batch(
        frames=np.zeros((*shape, 0, 0, 3), np.uint8),
        first=np.zeros(shape, bool) if first is None else np.asarray(first),
        ticks=np.full(shape[0], shape[1]),
        keys=[""] * shape[0],
        buttons=np.asarray(buttons, np.uint8),
        camera=np.asarray(camera, np.float32),
        valid=np.ones(shape, bool) if valid is None else np.asarray(valid),
        confidence=np.ones(shape, np.float32)
        if confidence is None
        else np.asarray(confidence, np.float32),
    )


def test_weights_of_ticks():
    played = batch(
        [[[1, 0], [0, 0], [0, 0], [0, 1]]],
        [[[0.0], [0.0], [10.0], [0.0]]],
        [[True, True, True, False]],
    )
    assert targets_of(played).weight.tolist() == [[1, 1, 1, 0]]
    # Turning alone is an action.
    assert targets_of(played, null_actions="mask").weight.tolist() == [[1, 0, 1, 0]]
    unsure = batch(played.buttons, played.camera, confidence=[[0.5, 0.75, 1.0, 0.25]])
    assert targets_of(unsure, min_confidence=0.6).weight.tolist() == [[0, 1, 1, 0]]
    assert targets_of(unsure, weight_by_confidence=True).weight.tolist() == [[0.5, 0.75, 1.0, 0.25]]


def targets_of(played, **changes):
    return TargetMaker(DATA_SPEC, settings("d", "x", **changes))(played)


def test_the_camera_costs_nothing_where_it_does_not_move():
    head = JointHead(4, DATA_SPEC)
    still, turning = 0, 1
    logits = JointLogits(
        torch.zeros(1, 2, 8), torch.tensor([0.0, 0.0, 9.0, 0.0, 0.0]).expand(1, 2, 5)
    )
    camera = torch.tensor([[0, 0]])
    loss = imitation_loss(
        head, logits, Targets(torch.tensor([[still, still]]), camera, torch.ones(1, 2))
    )
    assert loss.total.item() == pytest.approx(math.log(8))
    loss = imitation_loss(
        head, logits, Targets(torch.tensor([[still, turning]]), camera, torch.ones(1, 2))
    )
    of_bin = math.log(math.exp(9) + 4)
    assert loss.total.item() == pytest.approx(math.log(8) + of_bin / 2)
    assert loss.camera.item() == pytest.approx(of_bin / 2)
    loss = imitation_loss(
        head, logits, Targets(torch.tensor([[still, turning]]), camera, torch.tensor([[1.0, 0.0]]))
    )
    assert loss.total.item() == pytest.approx(math.log(8))


@pytest.mark.parametrize("order", ["clips", "episodes"])
def test_resumed_run_equals_an_uninterrupted_one(tmp_path, data, order):
    whole, resumed = (Cloner(settings(data, "x", order=order)) for _ in range(2))
    first = [whole.step(step, step / 12) for step in range(12)]
    assert [resumed.step(step, step / 12) for step in range(5)] == first[:5]
    state = resumed.state_dict()
    state["memory"] = state["memory"] and [
        tuple(part.clone() for part in block) for block in state["memory"]
    ]
    fresh = Cloner(settings(data, "x", order=order))
    fresh.load_state_dict(state)
    assert [fresh.step(step, step / 12) for step in range(5, 12)] == first[5:]
    assert (fresh.lanes.memory is not None) == (order == "episodes")


def test_the_memory_follows_an_episode_through_padded_clips(tmp_path):
    # 16 and 4 ticks a clip, two clips an episode.
    data = lights_dataset(str(tmp_path), sources=2, ticks=20)
    network = dataclasses.replace(NETWORK, previous_action=True)
    cloner = Cloner(
        settings(data, "x", order="episodes", batch_size=1, network=network, precision="float32")
    )
    batches = [next(cloner.batches) for _ in range(4)]
    assert [batch.ticks.tolist() for batch in batches] == [[16], [4], [16], [4]]
    assert [bool(batch.first[0, 0]) for batch in batches] == [True, False, False, False]
    with torch.no_grad():
        losses, lanes = followed(cloner, batches)

        def joined(name):
            return np.concatenate(
                [getattr(batch, name)[:, : batch.ticks[0]] for batch in batches], axis=1
            )

        names = ("frames", "buttons", "camera", "confidence", "valid", "first")
        whole = Batch(
            **{name: joined(name) for name in names}, ticks=np.array([40]), keys=["whole"]
        )
        (expected,), unbroken = followed(cloner, [whole])
    assert torch.equal(lanes.last_actions, unbroken.last_actions)
    for got, other in zip(lanes.memory, unbroken.memory, strict=True):
        assert torch.equal(got.alive, other.alive)
        torch.testing.assert_close(got.keys, other.keys, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(got.values, other.values, rtol=1e-5, atol=1e-5)
    total = sum(loss.total * loss.weight for loss in losses) / sum(loss.weight for loss in losses)
    torch.testing.assert_close(total, expected.total, rtol=1e-5, atol=1e-5)


def followed(cloner, batches):
    """The losses of batches whose rows go on from one to the next, and what they leave."""
    lanes, losses = Lanes(), []
    for played in batches:
        lesson = cloner.make_targets.lesson(played, lanes.last_actions)
        inputs = cloner._inputs(played, lesson.previous, lanes, slice(None))
        out = asked(cloner.policy, inputs, cloner.dtype)
        losses.append(imitation_loss(cloner.policy.head, out.logits, lesson.targets))
        lanes = Lanes(out.memory, lesson.last)
    return losses, lanes


def wait_for_steps(process, out, steps):
    metrics = out / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if metrics.exists() and len(metrics.read_text().splitlines()) >= steps:
            return
        time.sleep(0.01)
    pytest.fail(f"the run never came to step {steps}: exit code {process.poll()}")


def test_killed_and_interrupted_runs_go_on_exactly(tmp_path, data):
    clone(settings(data, tmp_path / "whole", steps=40))
    config = settings(data, tmp_path / "stopped", steps=40)
    process = Forked(clone_or_explain, config)
    wait_for_steps(process, tmp_path / "stopped", 9)
    process.kill()
    process.wait()
    process = Forked(clone_or_explain, config, said=tmp_path / "said")
    wait_for_steps(process, tmp_path / "stopped", 14)
    process.send_signal(signal.SIGTERM)
    if process.wait(120) == 75:  # unless it was done before the signal came
        assert "everything is saved" in (tmp_path / "said").read_text()
        assert clone(config) == 0
    assert rows_of(tmp_path / "stopped") == rows_of(tmp_path / "whole")
    weights = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("stopped", "whole")]
    assert weights[0] == weights[1]


def test_a_folder_belongs_to_one_run_at_a_time(tmp_path, data):
    """Two runs in one folder would write over each other's snapshots, and neither could resume."""
    config = settings(data, tmp_path, steps=1000)
    first = Forked(clone_or_explain, config)
    wait_for_steps(first, tmp_path, 1)
    with pytest.raises(ConfigError, match=f"out: another run is at work in {tmp_path}"):
        clone(config)
    first.send_signal(signal.SIGTERM)
    assert first.wait(120) == 75


def test_minutes_bound_a_run(tmp_path, data):
    started = time.monotonic()
    assert clone(settings(data, tmp_path, steps=1, minutes=0.02, eval_batches=1)) == 0
    rows = rows_of(tmp_path)
    assert len(rows) > 2  # it went by the clock, not by `steps`
    assert rows[-2]["learning_rate"] < 1e-2 * 0.9
    assert time.monotonic() - started >= 1.2


def test_a_start_of_another_spec_is_refused(tmp_path, data):
    turned = DATA_SPEC.to_dict()
    turned["axes"][0]["degrees_per_pixel"] = 0.25  # the same shapes, other actions
    policy = Policy(ActionSpec.from_dict(turned), NETWORK)
    save_checkpoint(
        tmp_path, policy.state_dict(), policy_checkpoint_config(policy, preset="custom")
    )
    config = settings(data, "x", init=str(tmp_path))
    init = initial_checkpoint(config)
    with pytest.raises(SpecMismatchError, match=r"degrees_per_pixel differs: expected 0\.5"):
        Cloner(config, init)


def test_an_overwritten_start_makes_another_run(tmp_path, data):
    def save(seed):
        torch.manual_seed(seed)
        policy = Policy(DATA_SPEC, NETWORK)
        save_checkpoint(
            tmp_path / "init",
            policy.state_dict(),
            policy_checkpoint_config(policy, preset="custom"),
        )

    def identity(config):
        return plain_run(run_identity(config, initial_checkpoint(config)))

    config = settings(data, tmp_path / "out", init=str(tmp_path / "init"), steps=1)
    save(1)
    run = identity(config)
    assert run == identity(config)
    assert clone(config) == 0
    made = config_in(config.out)
    assert {"settings": made["training"], "data": made["data"]} == run
    save(2)
    assert identity(config) != run


def test_mistakes_are_named(tmp_path, data):
    with pytest.raises(ConfigError, match="preset must be one of"):
        settings(data, "x", preset="huge")
    with pytest.raises(ConfigError, match="steps or minutes"):
        settings(data, "x", steps=0)
    for name in ("seed", "threads", "weight_decay", "warmup_steps", "minutes", "eval_every"):
        with pytest.raises(ConfigError, match=f"{name} must be at least 0, got -1"):
            settings(data, "x", **{name: -1})
    with pytest.raises(DatasetError):
        clone(settings(str(tmp_path / "nowhere"), tmp_path / "out"))
