"""Advantages by hand, and how they are scaled."""

import pytest
import torch
from vidact.bc_policy.rl.advantages import AdvantageScale, generalized_advantages
from vidact.bc_policy.rl.config import PPOConfig
from vidact.datasets.actions.spec import ActionSpec


def gae(*, reward, value, ends, cut, final, last, discount=0.5, lam=0.5):
    def row(numbers, dtype=torch.float32):
        return torch.tensor([numbers], dtype=dtype)

    result = generalized_advantages(
        reward=row(reward),
        value=row(value),
        terminated=row(ends, torch.bool),
        truncated=row(cut, torch.bool),
        final_value=row(final),
        last_value=torch.tensor([last]),
        discount=discount,
        gae_lambda=lam,
    )
    return result.advantages[0].tolist(), result.returns[0].tolist()


def test_advantages_by_hand():
    no = [False] * 3
    advantage, returns = gae(
        reward=[1.0, 2.0, 3.0], value=[0.5, 1.0, 1.5], ends=no, cut=no, final=[0.0] * 3, last=4.0
    )
    # The errors are 1+.5*1-.5 = 1; 2+.5*1.5-1 = 1.75; 3+.5*4-1.5 = 3.5; each advantage adds 1/4 of
    # the next.
    assert advantage == [1 + (1.75 + 3.5 / 4) / 4, 1.75 + 3.5 / 4, 3.5]
    assert returns == [advantage[0] + 0.5, advantage[1] + 1.0, advantage[2] + 1.5]


def test_nothing_follows_a_terminated_tick_and_the_final_value_follows_a_truncated_one():
    two = {"reward": [1.0, 2.0], "value": [0.5, 1.0], "last": 4.0}
    ended, _ = gae(**two, ends=[True, False], cut=[False, False], final=[0.0, 0.0])
    assert ended == [1 - 0.5, 2 + 0.5 * 4 - 1]
    cut, _ = gae(**two, ends=[False, False], cut=[True, False], final=[6.0, 0.0])
    assert cut == [1 + 0.5 * 6 - 0.5, 2 + 0.5 * 4 - 1]  # nothing of tick 1 flows back either


def test_a_half_life_is_in_seconds_of_the_game():
    config = PPOConfig(half_life_seconds=2.0)
    for game in ("doom", "crafter"):
        tick_hz = float(ActionSpec.load(game).tick_hz)
        assert config.discount(tick_hz) ** (2 * tick_hz) == pytest.approx(0.5)


def test_an_iteration_without_reward_is_not_amplified():
    """After rewards, the small errors of the values stay small; the first rewards are not."""
    noise = torch.randn(8, 16, generator=torch.Generator().manual_seed(0))
    scale = AdvantageScale()
    assert float(scale(noise).std()) == pytest.approx(1)
    assert float(scale(0.001 * noise).std()) < 0.002  # by their own deviation it would be 1
    assert float(scale(100 * noise).std()) == pytest.approx(1)
    assert float(scale(torch.zeros(8, 16)).abs().max()) == 0


def test_nothing_but_zeros_stays_zero():
    assert float(AdvantageScale()(torch.zeros(2, 3)).abs().max()) == 0
