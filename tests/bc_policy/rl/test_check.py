"""At the end the better of clone and fine-tuned policy is kept, judged on the same fresh games."""

import numpy as np
import pytest
import torch
from vidact.bc_policy.policy.policy import Policy
from vidact.bc_policy.rl.actor import Actor
from vidact.bc_policy.rl.actors import LocalActors
from vidact.bc_policy.rl.check import better_of

from ..toy_env import TOY_NETWORK, TOY_SPEC, Bandit, ToyEnv


class Seeded(ToyEnv):
    """The score is the seed, after as many ticks as its last digit and one."""

    def reset(self, seed):
        self.seed, self.length = seed, seed % 10 + 1
        return super().reset(seed)

    def reward(self, pressed):
        return float(self.seed) if self.tick + 1 == self.length else 0.0


def weights(favorite):
    """Of a policy that mostly takes one action."""
    torch.manual_seed(0)
    policy = Policy(TOY_SPEC, TOY_NETWORK)
    with torch.no_grad():
        policy.head.joint.weight.zero_()
        policy.head.joint.bias.copy_(3 * torch.eye(4)[favorite])
    return policy.state_dict()


def actors(make_env, count=2, lanes=3):
    return LocalActors(
        [
            Actor(Policy(TOY_SPEC, TOY_NETWORK), make_env, lanes=lanes, seed=0, index=i, actors=2)
            for i in range(count)
        ]
    )


@pytest.mark.parametrize("episodes", [1, 7, 20])
def test_each_seed_is_played_once_and_scores_come_in_order(episodes):
    seeds = list(np.random.default_rng(0).integers(1, 1000, episodes))
    assert actors(Seeded).score(weights(0), seeds) == seeds


def test_the_better_one_is_kept_and_it_is_said():
    good, bad = weights(3), weights(0)
    kept, found = better_of(actors(Bandit), bad, good, episodes=20)
    assert kept is good
    assert found["kept"] == "finetuned"
    assert found["gain"] > 0.5
    kept, found = better_of(actors(Bandit), good, bad, episodes=20)
    assert kept is good
    assert found["kept"] == "clone"
    assert found["gain_ci95"][1] < 0


def test_games_of_the_check_have_the_same_chance_for_both():
    _, found = better_of(actors(Bandit), weights(2), weights(2), episodes=9)
    # Of differences that are all alike nothing can be resampled: there is no interval.
    assert (found["gain"], found["gain_ci95"], found["kept"]) == (0, None, "finetuned")
