"""The verb itself, on a real game: from scratch, what it logs, and what makes two runs the same."""

import json
import shutil

import numpy as np
import pytest
import torch
from vidact.bc_policy.finetune import (
    achievements_of,
    finetune,
    open_run,
    run_finetuning,
    run_of,
    starting_point,
)
from vidact.bc_policy.policy.policy import Policy, policy_checkpoint_config
from vidact.bc_policy.rl.actor import Actor
from vidact.bc_policy.rl.actors import LocalActors
from vidact.bc_policy.rl.config import SCRATCH, FinetuneConfig, PPOConfig
from vidact.datasets.actions.joint import JointActions
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import ConfigError
from vidact.networks.checkpoints import save_checkpoint

from .toy_env import TOY_NETWORK, TOY_SPEC, ToyEnv

SMALL = {"actors": 1, "lanes": 2, "ticks": 4, "threads": 1, "device": "cpu", "check_episodes": 0}
TWO = PPOConfig(minibatches=2)
SECONDS = ("play_s", "step_s", "inference_s", "wait_s", "send_s", "learn_s")


def from_scratch(out, **more):
    more = {"env_steps": 20, "task": "crafter", **SMALL, **more}
    return FinetuneConfig(scratch=True, out=str(out), ppo=TWO, **more)


@pytest.mark.filterwarnings("ignore")
def test_from_scratch_by_environment_steps(tmp_path, capsys):
    pytest.importorskip("crafter")
    config = from_scratch(tmp_path / "scratch")
    finetune(config)
    rows = [json.loads(row) for row in (tmp_path / "scratch" / "metrics.jsonl").open()]
    assert [row["env_steps"] for row in rows] == [8, 16, 24]  # 20, in whole iterations
    for row in rows:
        assert all(row[name] >= 0 for name in SECONDS)
        assert row["step_s"] + row["inference_s"] <= row["play_s"]
        assert row["entropy"] > 2
        assert row["kl_weight"] == 0
        assert "kl_to_prior" not in row
        assert {"explained_variance", "scores", "crashes", "env_steps_per_s"} <= row.keys()
    made = json.loads((tmp_path / "scratch" / "config.json").read_text())
    assert made["training"]["ppo"]["entropy"] == SCRATCH["entropy"]
    assert (made["preset"], made["metrics"]["env_steps"]) == ("tiny", 24)
    finetune(config)
    assert "nothing to do" in capsys.readouterr().err
    # A checkpoint that was moved is the same start, and another seed is another network.
    shutil.copytree(tmp_path / "scratch", tmp_path / "moved")
    identities = []
    for folder in ("scratch", "moved"):
        tuned = FinetuneConfig(
            checkpoint=str(tmp_path / folder), task="crafter", out=str(tmp_path / "out"), ppo=TWO
        )
        identities.append(run_of(tuned, starting_point(tuned), "crafter")[1])
    assert identities[0] == identities[1]
    assert str(tmp_path) not in json.dumps(identities)


def test_scratch_has_defaults_of_its_own_and_no_prior(tmp_path):
    config = from_scratch(tmp_path)
    assert all(getattr(config.learner_settings(), name) == SCRATCH[name] for name in SCRATCH)
    given = FinetuneConfig(
        scratch=True, task="crafter", out="y", ppo=PPOConfig(entropy=0.5, learning_rate=1e-3)
    )
    assert given.learner_settings().entropy == 0.5
    assert given.learner_settings().learning_rate == 1e-3
    with pytest.raises(ConfigError, match=r"ppo\.kl must be 0 with --scratch"):
        FinetuneConfig(scratch=True, task="crafter", out="y", ppo=PPOConfig(kl=0.1))
    one, other = (
        starting_point(FinetuneConfig(scratch=True, task="crafter", out="y", seed=seed)).policy
        for seed in (0, 1)
    )
    assert not (one.head.joint.weight == other.head.joint.weight).all()


def test_doom_by_three_actions():
    spec = ActionSpec.load("doom-classic")
    actions = JointActions(spec)
    assert (actions.num_joint, actions.num_camera) == (4, 3)
    assert spec.axes[0].quantiser.centres().tolist() == pytest.approx([-10, 0, 10])
    assert spec.tick_hz == ActionSpec.load("doom").tick_hz


def test_mistakes_are_named():
    with pytest.raises(ConfigError, match="give either a checkpoint or --scratch"):
        FinetuneConfig(task="crafter", out="y")
    with pytest.raises(ConfigError, match="give either a checkpoint or --scratch"):
        FinetuneConfig(checkpoint="x", scratch=True, task="crafter", out="y")
    with pytest.raises(ConfigError, match="only --scratch is told one"):
        FinetuneConfig(checkpoint="x", spec="doom", task="crafter", out="y")
    with pytest.raises(ConfigError, match="give either minutes or env_steps"):
        FinetuneConfig(checkpoint="x", task="crafter", out="y", minutes=1, env_steps=5)
    with pytest.raises(ConfigError, match=r"ppo\.kl_end must be 0 where ppo\.kl is"):
        PPOConfig(kl=0.0)


class Proud(ToyEnv):
    """Achieves something in every second episode, of two ticks each."""

    length = 2
    episodes = 0

    def begin(self):
        self.episodes += 1

    def reward(self, pressed):
        return 0.0

    def step(self, buttons, camera_deg):
        frame, reward, done, info = super().step(buttons, camera_deg)
        achieved = ["wake_up"] if self.episodes % 2 else []
        return frame, reward, done, {**info, "achievements": achieved}


def test_it_is_logged_in_how_many_episodes_each_was_achieved():
    policy = Policy(TOY_SPEC, TOY_NETWORK)
    actor = Actor(policy, Proud, lanes=2, seed=0)
    rollout = actor.collect(policy.state_dict(), 9)
    assert achievements_of(rollout) == {"achieved": {"wake_up": 4}}
    others = Actor(policy, Noted, lanes=1, seed=0)
    assert achievements_of(others.collect(policy.state_dict(), 7)) == {}


class Noted(ToyEnv):
    """Notes what is pressed in each of its episodes of six ticks."""

    length = 6

    def begin(self):
        self.pressed = []

    def reward(self, pressed):
        self.pressed.append(pressed)
        return 0.0


def test_an_action_is_done_as_late_as_the_policy_was_cloned(tmp_path):
    torch.manual_seed(0)
    policy = Policy(TOY_SPEC, TOY_NETWORK)
    made = policy_checkpoint_config(policy, preset="custom", action_delay=2)
    save_checkpoint(tmp_path / "clone", policy.state_dict(), made)
    config = FinetuneConfig(
        checkpoint=str(tmp_path / "clone"),
        task="toy",
        out=str(tmp_path / "tuned"),
        iterations=1,
        **{**SMALL, "ticks": 6},
        ppo=TWO,
    )
    start = starting_point(config)
    assert start.action_delay == 2
    games: list[Noted] = []

    def make_env():
        games.append(Noted())
        return games[-1]

    actor = Actor(start.policy, make_env, lanes=3, seed=0, action_delay=start.action_delay)
    chosen = actor.collect(policy.state_dict(), 5).joint  # (L, T): one action a button, and none
    assert len(np.unique(chosen)) > 2
    for lane, game in enumerate(games):
        assert game.pressed == [0, 0, *chosen[lane, :3]]
    # What is still to be done belongs to the episode.
    actor.collect(policy.state_dict(), 3)
    assert all(game.pressed == [0, 0] for game in games)
    player = Actor(start.policy, make_env, lanes=2, seed=0, action_delay=start.action_delay)
    with open_run(config, {"run": 1}) as run:
        run_finetuning(config, start, run, LocalActors([player]))
    written = json.loads((tmp_path / "tuned" / "config.json").read_text())
    assert written["action_delay"] == 2
