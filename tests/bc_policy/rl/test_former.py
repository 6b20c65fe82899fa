"""What the first learner's settings and states mean today."""

import json

import pytest
import torch
from vidact.bc_policy.policy.policy import Policy
from vidact.bc_policy.rl.config import FinetuneConfig, PPOConfig
from vidact.bc_policy.rl.former import (
    DEFAULTS,
    PPO_DEFAULTS,
    begun_by_first_learner,
    learner_state,
    settings_of,
)
from vidact.bc_policy.rl.ppo import PPO

from ..toy_env import TOY_NETWORK, TOY_SPEC

COMMON = {"checkpoint": "x", "task": "explore", "out": "y"}
BEGUN = {**DEFAULTS, "ppo": PPO_DEFAULTS, "task": "explore", "start_sha256": "0"}


def test_what_was_left_at_its_default_has_the_default_of_then():
    settings = settings_of(FinetuneConfig(**COMMON), BEGUN, tick_hz=10)
    assert (settings.iterations, settings.ticks, settings.check_episodes) == (20, 64, 0)
    assert settings.ppo.discount(10) == pytest.approx(0.99)
    assert settings.ppo.kl_end == pytest.approx(0.2 * 0.9995**20)
    assert (settings.ppo.learning_rate, settings.ppo.learning_rate_end) == (2e-4, 1.0)
    assert (settings.ppo.target_kl, settings.ppo.entropy) == (0, 0)


def test_other_settings_are_another_run():
    for changed in ({"lanes": 4}, {"ppo": PPOConfig(clip=0.1)}, {"seed": 1}):
        assert settings_of(FinetuneConfig(**{**COMMON, **changed}), BEGUN, tick_hz=10) is None
    given = {**BEGUN, "lanes": 4, "ppo": {**PPO_DEFAULTS, "clip": 0.1}}
    config = FinetuneConfig(**COMMON, lanes=4, ppo=PPOConfig(clip=0.1))
    assert settings_of(config, given, tick_hz=10).ppo.clip == 0.1


def test_only_its_runs_are_found(tmp_path):
    assert begun_by_first_learner(str(tmp_path), None) is None
    assert begun_by_first_learner(str(tmp_path), BEGUN) == BEGUN
    assert begun_by_first_learner(str(tmp_path), {**BEGUN, "learner": 2}) is None
    folder = tmp_path / "snapshots" / "state-000000004"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text(json.dumps({"run": {**BEGUN, "seed": 5}}))
    assert begun_by_first_learner(str(tmp_path), None)["seed"] == 5


def test_one_optimizer_becomes_two():
    policy = Policy(TOY_SPEC, TOY_NETWORK)
    names = [name for name, _ in policy.named_parameters()]
    parameters = list(policy.parameters())
    adam = torch.optim.Adam(parameters)
    for number, parameter in enumerate(parameters):
        parameter.grad = torch.full_like(parameter, float(number))
    adam.step()
    config = PPOConfig(value_warmup=1)
    learner = PPO(policy, config)
    state = {**learner.state_dict(), "optimizer": adam.state_dict(), "iteration": 3, "steps": 24}
    del state["value_optimizer"]
    learner.load_state_dict(state)
    assert learner.steps == 24 - 8  # the policy's alone
    assert learner.warmup is None
    for optimizer in (learner.optimizer, learner.value_optimizer):
        for parameter in optimizer.param_groups[0]["params"]:
            number = next(i for i, one in enumerate(parameters) if one is parameter)
            found = optimizer.state[parameter]["exp_avg"]
            torch.testing.assert_close(found, torch.full_like(parameter, 0.1 * number))
    early = {**state, "iteration": 0, "steps": 0}
    assert learner_state(early, names, config)["warmup"] == {}
