"""A bonus for the new: it falls with what was seen, and leads to what chance does not find."""

import copy

import numpy as np
import torch
from vidact.bc_policy.policy.policy import Policy
from vidact.bc_policy.rl.actor import Actor
from vidact.bc_policy.rl.actors import LocalActors
from vidact.bc_policy.rl.config import BonusConfig, PPOConfig
from vidact.bc_policy.rl.novelty import Novelty, RunningMoments
from vidact.bc_policy.rl.ppo import PPO

from ..toy_env import TOY_NETWORK, TOY_SPEC, ToyEnv


def test_running_moments_are_those_of_everything_at_once():
    values = torch.from_numpy(np.random.default_rng(0).normal(3, 2, (50, 4)))
    moments = RunningMoments((4,))
    for part in values.split([7, 1, 42]):
        moments.add(part)
    torch.testing.assert_close(moments.mean, values.mean(0))
    torch.testing.assert_close(moments.variance, values.var(0, unbiased=False))
    again = RunningMoments((4,))
    again.load_state_dict(moments.state_dict())
    torch.testing.assert_close(again.variance, moments.variance)


def frames(*places, lanes=4, ticks=32):
    """Frames with a bright square at one of the places after the other."""
    made = torch.full((lanes, ticks, 16, 16, 3), 100, dtype=torch.uint8)
    for tick in range(ticks):
        at = places[tick % len(places)]
        made[:, tick, at : at + 4, at : at + 4] = 255
    return made


def test_what_was_seen_often_pays_little():
    novelty = Novelty(BonusConfig(weight=1.0, learned=1.0), (16, 16), discount=0.9)
    first = float(novelty.bonus(frames(0, 3, 6)).mean())
    for _ in range(10):
        known = float(novelty.bonus(frames(0, 3, 6)).mean())
    paid = novelty.bonus(torch.cat([frames(0, 3), frames(10)])).mean(1)
    assert known < 0.1 * first
    assert paid[4:].min() > 5 * paid[:4].max()


def test_the_bonus_is_in_units_of_its_sums():
    """Discounted sums of what weight 1 pays have the deviation 1."""
    torch.manual_seed(0)
    seen = torch.randint(0, 255, (8, 64, 16, 16, 3), dtype=torch.uint8)
    paid, half = (
        Novelty(BonusConfig(weight=weight), (16, 16), discount=0.9).bonus(seen)
        for weight in (1.0, 0.5)
    )
    torch.testing.assert_close(2 * half, paid)
    running, sums = torch.zeros(8), []
    for tick in range(64):
        running = 0.9 * running + paid[:, tick]
        sums.append(running)
    assert abs(float(torch.cat(sums).std()) - 1) < 0.01


class Corridor(ToyEnv):
    """`a` leads a cell on, everything else back to the start; at the end lies the only reward.

    Chance comes to the end in one of 4^6 episodes.
    """

    length = 6

    def begin(self):
        self.cell = 0

    def frame(self):
        shown = np.zeros((8, 8, 3), dtype=np.uint8)
        shown[:, self.cell] = 255
        return shown

    def reward(self, pressed):
        self.cell = self.cell + 1 if pressed == 1 else 0
        return float(self.cell == self.length)


def played(bonus, iterations):
    """What was measured in each iteration."""
    torch.manual_seed(0)
    policy = Policy(TOY_SPEC, TOY_NETWORK).eval()
    free = {"kl": 0.0, "kl_end": 0.0, "target_kl": 0.0, "value_warmup": 0, "warmup_steps": 0}
    config = PPOConfig(**free, learning_rate=1e-2, entropy=0.003, minibatches=2)
    learner = PPO(policy, config, prior=False, bonus=bonus)
    actors = LocalActors([Actor(copy.deepcopy(policy), Corridor, lanes=16, seed=1)])
    return [
        learner.learn(actors.collect(policy.state_dict(), Corridor.length), at / iterations)
        for at in range(iterations)
    ]


def test_it_leads_to_a_reward_that_chance_does_not_find():
    alone = played(None, iterations=4)
    assert not any(row["reward_per_tick"] for row in alone)
    assert "bonus_per_tick" not in alone[-1]
    led = played(BonusConfig(weight=0.5), iterations=12)
    assert Corridor.length * np.mean([row["reward_per_tick"] for row in led[-3:]]) > 0.7
    assert led[-1]["bonus_per_tick"] > 0
