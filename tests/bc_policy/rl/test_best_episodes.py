"""Which episodes are kept, what of them is imitated, and that imitation moves the policy."""

import copy

import numpy as np
import pytest
import torch
from vidact.bc_policy.policy.policy import Policy
from vidact.bc_policy.rl.actor import Actor
from vidact.bc_policy.rl.best_episodes import BestEpisodes
from vidact.bc_policy.rl.config import ImitationConfig, PPOConfig
from vidact.bc_policy.rl.ppo import PPO
from vidact.bc_policy.rl.rollout import Rollout

from ..toy_env import TOY_NETWORK, TOY_SPEC, Bandit

CPU = torch.device("cpu")


def rollout(rows, ended):
    """Frames that hold their number; `ended`: (lane, tick, score)."""
    numbers = np.array(rows)  # (L, T)
    lanes, ticks = numbers.shape
    shape = (lanes, ticks, 8, 8, 3)
    frames = np.broadcast_to(numbers[..., None, None, None], shape).astype(np.uint8)
    nothing = np.zeros((lanes, ticks), np.float32)
    policy = Policy(TOY_SPEC, TOY_NETWORK)
    return Rollout(
        frames=frames,
        first=np.zeros((lanes, ticks), bool),
        joint=numbers.astype(np.int64) % 4,
        camera=np.zeros((lanes, ticks), np.int64),
        reward=nothing,
        terminated=nothing.astype(bool),
        truncated=nothing.astype(bool),
        final_value=nothing,
        last_value=nothing[:, 0],
        before=np.full((lanes, 2), -1),
        memory=policy.blocks.initial_memory(lanes, next(policy.parameters())),
        episodes=[
            {"lane": lane, "tick": tick, "score": score, "crashed": crashed}
            for lane, tick, score, crashed in (one if len(one) == 4 else (*one, 0) for one in ended)
        ],
        seconds={},
    )


def kept(best):
    """Score and frame numbers of each episode."""
    return [
        (
            one.score,
            [
                int(n)
                for row in one.rows
                for n in row.arrays["frames"][row.begin : row.end, 0, 0, 0]
            ],
        )
        for one in best.kept
    ]


def test_episodes_are_put_together_over_chunks():
    best = BestEpisodes(ImitationConfig(weight=1, ticks=100))
    best.add(rollout([[1, 2, 3], [11, 12, 13]], [(0, 0, 0.0), (1, 2, 0.0)]))
    assert kept(best) == []  # none is above the mean
    best.add(rollout([[4, 5, 6], [14, 15, 16]], [(0, 1, 3.0)]))
    assert kept(best) == [(3.0, [2, 3, 4, 5])]
    best.add(rollout([[7, 8, 9], [17, 18, 19]], [(0, 2, 0.5), (1, 1, 9.0)]))
    assert kept(best) == [(3.0, [2, 3, 4, 5]), (9.0, [14, 15, 16, 17, 18])]


def test_the_worst_go_where_there_is_no_place():
    best = BestEpisodes(ImitationConfig(weight=1, ticks=6))
    best.add(rollout([[1, 2, 3], [11, 12, 13]], [(0, 0, 0.0), (0, 2, 1.0), (1, 2, 2.0)]))
    best.add(rollout([[4, 5, 6], [14, 15, 16]], [(0, 2, 2.0), (1, 1, 2.0)]))
    # Of one score the shorter ones stay, which lead there faster; then the later ones.
    assert kept(best) == [(2.0, [4, 5, 6]), (2.0, [14, 15])]


def test_a_game_that_crashed_is_no_example():
    best = BestEpisodes(ImitationConfig(weight=1, ticks=100))
    best.add(rollout([[1, 2, 3], [11, 12, 13]], [(0, 0, 9.0, 1), (0, 2, 2.0), (1, 2, 1.0)]))
    assert kept(best) == [(2.0, [2, 3])]


def test_only_the_ticks_of_the_episode_are_imitated():
    best = BestEpisodes(ImitationConfig(weight=1, ticks=100, rows=3))
    assert best.draw(CPU) is None
    best.add(rollout([[1, 2, 3], [11, 12, 13]], [(0, 1, 5.0), (1, 0, 0.0)]))
    batch, imitated = best.draw(CPU)
    assert imitated.tolist() == [[1, 1, 0]] * 3
    assert batch.frames[0, :, 0, 0, 0].tolist() == [1, 2, 3]


def test_its_state_comes_back():
    one = BestEpisodes(ImitationConfig(weight=1, ticks=100))
    one.add(rollout([[1, 2, 3], [11, 12, 13]], [(0, 1, 5.0), (1, 0, 0.0)]))
    other = BestEpisodes(ImitationConfig(weight=1, ticks=100), seed=5)
    other.load_state_dict(one.state_dict())
    for best in (one, other):
        best.add(rollout([[4, 5, 6], [14, 15, 16]], [(0, 1, 9.0)]))
    assert kept(one) == kept(other)
    drawn = [best.draw(CPU)[0].frames for best in (one, other)]
    assert torch.equal(*drawn)


def test_a_policy_that_imitates_does_what_succeeded():
    """One tick, one right action in four; PPO's own steps are switched off by their rate's clip."""
    torch.manual_seed(0)
    policy = Policy(TOY_SPEC, TOY_NETWORK).eval()
    config = PPOConfig(
        kl=0.0, kl_end=0.0, value_warmup=0, target_kl=0.0, clip=1e-6, learning_rate=3e-3
    )
    learner = PPO(policy, config, imitation=ImitationConfig(weight=1.0, ticks=64))
    actor = Actor(copy.deepcopy(policy), Bandit, lanes=8, seed=1)
    for _ in range(10):
        measured = learner.learn(actor.collect(policy.state_dict(), 8))
    assert {int(row.arrays["joint"][row.begin]) for e in learner.best.kept for row in e.rows} == {3}
    assert measured["imitation_loss"] < 0.7 < np.log(4)
    assert measured["reward_per_tick"] == pytest.approx(1.0, abs=0.4)
