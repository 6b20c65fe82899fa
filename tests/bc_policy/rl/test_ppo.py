"""PPO on games whose optimum is known: with and without prior, with memory, over time limits."""

import copy

import numpy as np
import pytest
import torch
from vidact.bc_policy.policy.policy import Policy
from vidact.bc_policy.rl.actor import Actor
from vidact.bc_policy.rl.actors import LocalActors
from vidact.bc_policy.rl.config import FinetuneConfig, PPOConfig
from vidact.bc_policy.rl.ppo import PPO
from vidact.errors import ConfigError

from ..toy_env import TOY_NETWORK, TOY_SPEC, Bandit, Endless, Recall

GREY = torch.full((1, 1, 8, 8, 3), 128, dtype=torch.uint8)
PRIOR = np.array([0.1, 0.5, 0.25, 0.15])
RHO = 0.4
FREE = {"kl": 0.0, "kl_end": 0.0, "learning_rate": 3e-3, "target_kl": 0.0, "value_warmup": 0}
HALF_LIFE_OF_0_8 = float(np.log(0.5) / np.log(0.8)) / 10  # seconds, at the toy's 10 Hz


def new_policy(prior=None):
    torch.manual_seed(0)
    policy = Policy(TOY_SPEC, TOY_NETWORK)
    if prior is not None:
        with torch.no_grad():
            policy.head.joint.weight.zero_()
            policy.head.joint.bias.copy_(torch.tensor(prior).log())
    return policy


def train(policy, make_env, config, *, iterations, lanes=16, ticks=16):
    """Trains in place; returns the metrics of each iteration."""
    actors = LocalActors([Actor(copy.deepcopy(policy), make_env, lanes=lanes, seed=1)])
    learner = PPO(policy, config, prior=config.kl > 0)
    return [learner.learn(actors.collect(policy.state_dict(), ticks)) for _ in range(iterations)]


def probabilities(policy):
    with torch.no_grad():
        return torch.softmax(
            policy.eval()(GREY, torch.ones(1, 1, dtype=torch.bool)).logits.joint[0, 0], -1
        ).numpy()


def test_without_prior_it_finds_the_best_action():
    policy = new_policy()
    steps = {"minibatches": 2, "learning_rate": 1e-2}
    train(policy, Bandit, PPOConfig(**FREE | steps), iterations=15, lanes=64, ticks=4)
    assert probabilities(policy)[3] > 0.97


def settled(policy, config):
    """The policy's distribution, averaged over the last half of a long run.

    Each iteration is a noisy step. Many lanes and few ticks: a forward pass of all lanes takes
    hardly longer than one of few.
    """
    actors = LocalActors([Actor(copy.deepcopy(policy), Bandit, lanes=32, seed=1)])
    learner = PPO(policy, config)
    seen = []
    for iteration in range(40):
        learner.learn(actors.collect(policy.state_dict(), 8))
        if iteration >= 20:
            seen.append(probabilities(policy))
    return np.mean(seen, axis=0)


def held_to_prior(direction):
    return PPOConfig(
        kl=RHO,
        kl_end=RHO,
        target_kl=0.0,
        learning_rate_end=1.0,
        kl_direction=direction,
        learning_rate=4e-3,
        minibatches=2,
        normalise_advantages=False,
        value_warmup=0,
    )


def test_with_kl_to_the_prior_it_finds_the_regularised_optimum():
    """max E[r] - rho KL(pi ‖ prior) has the solution pi = prior exp(r / rho) / Z."""
    optimum = PRIOR * np.exp(np.array(Bandit.rewards) / RHO)
    optimum /= optimum.sum()
    found = settled(new_policy(PRIOR), held_to_prior("policy_to_prior"))
    np.testing.assert_allclose(found, optimum, atol=0.03)


def test_with_vpts_direction_of_the_kl_too():
    """max E[r] - rho KL(prior ‖ pi) has the solution pi = rho prior / (mu - r).

    It is stationary where r + rho prior / pi = mu.
    """
    rewards = np.array(Bandit.rewards)
    low, high = rewards.max() + 1e-9, rewards.max() + 10
    for _ in range(200):  # the sum falls with mu: bisect until it is 1
        mu = (low + high) / 2
        low, high = (mu, high) if (RHO * PRIOR / (mu - rewards)).sum() > 1 else (low, mu)
    found = settled(new_policy(PRIOR), held_to_prior("prior_to_policy"))
    np.testing.assert_allclose(found, RHO * PRIOR / (mu - rewards), atol=0.03)


def test_memory_carries_what_was_seen_over_chunks():
    """Episodes of 4 ticks in chunks of 6: what decides the reward is often in the chunk before."""
    policy = new_policy()
    steps = {"epochs": 3, "minibatches": 2, "learning_rate": 6e-3}
    config = PPOConfig(**{**FREE, **steps}, half_life_seconds=1e6)
    metrics = train(policy, Recall, config, iterations=30, lanes=32, ticks=6)
    # The best is 1/4, without memory 1/8.
    assert np.mean([m["reward_per_tick"] for m in metrics[-5:]]) > 0.24


def test_value_at_time_limits_is_that_of_going_on():
    policy = new_policy()
    config = PPOConfig(
        kl=1.0,
        learning_rate=3e-3,
        value_learning_rate=1e-2,
        value_warmup=0,
        half_life_seconds=HALF_LIFE_OF_0_8,
    )
    metrics = train(policy, Endless, config, iterations=30, lanes=8, ticks=8)
    # A termination would give at most 3.4.
    assert metrics[-1]["value"] == pytest.approx(1 / (1 - 0.8), rel=0.1)


def test_mistakes_are_named():
    common = {"checkpoint": "x", "task": "explore", "out": "y"}
    for name in ("seed", "threads", "minutes"):
        with pytest.raises(ConfigError, match=f"{name} must be at least 0, got -1"):
            FinetuneConfig(**common, **{name: -1})
    for name in ("warmup_steps", "value_warmup", "kl"):
        with pytest.raises(ConfigError, match=f"{name} must be at least 0, got -1"):
            PPOConfig(**{name: -1})
    one = {"actors": 1, "lanes": 1, "ppo": PPOConfig(minibatches=1)}
    FinetuneConfig(**common, **one, ticks=2)
    with pytest.raises(
        ConfigError, match="ticks must be 2 or more where one game is played, got 1"
    ):
        FinetuneConfig(**common, **one, ticks=1)
