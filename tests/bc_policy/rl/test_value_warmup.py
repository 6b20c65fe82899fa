"""The value head is fitted in closed form, and only as far as it holds in other games."""

import pytest
import torch
from vidact.bc_policy.policy.policy import ValueHead
from vidact.bc_policy.rl.value_warmup import Played, ValueWarmup

LANES, TICKS, WIDTH = 16, 32, 6


def played(reward, features):
    """Each tick an episode of its own: the return is the reward."""
    ends = torch.ones(LANES, TICKS, dtype=torch.bool)
    return Played(features, reward, ends, ~ends)


def features():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(LANES, TICKS, WIDTH, generator=generator)


def fit(warmup, head):
    return warmup.fit(head, discount=0.9, gae_lambda=0.95)


def test_it_finds_what_the_features_tell():
    x = features()
    reward = 3 * x[..., 0] - 2 * x[..., 3] + 5
    head, warmup = ValueHead(WIDTH), ValueWarmup()
    warmup.add(played(reward, x))
    assert fit(warmup, head) == pytest.approx(1, abs=0.01)
    torch.testing.assert_close(head.denormalized(head(x)), reward, rtol=0.02, atol=0.05)
    mean, deviation = head.statistics()
    assert mean.item() == pytest.approx(reward.mean().item(), rel=1e-4)
    assert deviation.item() == pytest.approx(reward.std(unbiased=False).item(), rel=1e-3)


def test_noise_is_not_learned_by_heart():
    """Two hundred features explain half of such noise where they are fitted, none elsewhere."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(LANES, TICKS, 200, generator=generator)
    reward = torch.randn(LANES, TICKS, generator=generator)
    head, warmup = ValueHead(200), ValueWarmup()
    warmup.add(played(reward, x))
    assert fit(warmup, head) < 0.05
    said = head.denormalized(head(x)).detach()
    assert float(said.std()) < 0.3
    assert float(said.mean()) == pytest.approx(float(reward.mean()), abs=0.05)


def test_returns_without_variance_teach_nothing():
    head, warmup = ValueHead(WIDTH), ValueWarmup()
    warmup.add(played(torch.zeros(LANES, TICKS), features()))
    assert fit(warmup, head) == 0
    assert float(head(features()).abs().max()) == 0


def test_a_reward_beyond_the_end_of_the_chunk_is_looked_for():
    """Always the same reward, never an end: the value is near 1 / (1 - discount)."""
    x = torch.ones(LANES, TICKS, WIDTH)
    never = torch.zeros(LANES, TICKS, dtype=torch.bool)
    head, warmup = ValueHead(WIDTH), ValueWarmup()
    warmup.add(Played(x, torch.ones(LANES, TICKS), never, never))
    fit(warmup, head)
    assert float(head.denormalized(head(x)).mean()) == pytest.approx(10, rel=0.1)


def test_its_state_comes_back():
    x = features()
    one, other = ValueWarmup(), ValueWarmup()
    other.load_state_dict(one.state_dict())
    assert other.played is None
    one.add(played(x[..., 1], x))
    other.load_state_dict(one.state_dict())
    heads = ValueHead(WIDTH), ValueHead(WIDTH)
    assert fit(one, heads[0]) == fit(other, heads[1])
    assert torch.equal(heads[0].linear.weight, heads[1].linear.weight)
