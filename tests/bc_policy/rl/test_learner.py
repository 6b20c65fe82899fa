"""What a learner does with a rollout, step by step: rates, norms, weights and stops."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from vidact.bc_policy.policy.policy import Policy
from vidact.bc_policy.rl.actor import Actor
from vidact.bc_policy.rl.actors import LocalActors
from vidact.bc_policy.rl.config import PPOConfig
from vidact.bc_policy.rl.ppo import PPO

from ..toy_env import TOY_NETWORK, TOY_SPEC, Bandit, Endless, ToyEnv

COLD = {"value_warmup": 0, "target_kl": 0.0}


class Nothing(ToyEnv):
    """No reward, whatever is done."""

    length = 4

    def reward(self, pressed):
        return 0.0


def new_policy(**sizes):
    torch.manual_seed(0)
    return Policy(TOY_SPEC, dataclasses.replace(TOY_NETWORK, **sizes)).eval()


def play(policy, make_env, *, lanes=8, ticks=8, seed=1):
    actor = Actor(copy.deepcopy(policy), make_env, lanes=lanes, seed=seed)
    return LocalActors([actor]).collect(policy.state_dict(), ticks)


def weights(policy):
    return {name: tensor.clone() for name, tensor in policy.state_dict().items()}


def changed(policy, before):
    return {name for name, now in policy.state_dict().items() if not torch.equal(now, before[name])}


def test_the_policy_does_not_move_before_its_value_is_warm():
    policy = new_policy()
    before = weights(policy)
    actors = LocalActors([Actor(copy.deepcopy(policy), Nothing, lanes=8, seed=1)])
    learner = PPO(policy, PPOConfig(value_warmup=2))
    for _ in range(2):
        assert learner.learn(actors.collect(policy.state_dict(), 8))["steps"] == 0
    assert all(name.startswith("value_head.") for name in changed(policy, before))
    # No reward, no value: the warm-up ended with its last iteration.
    assert learner.learn(actors.collect(policy.state_dict(), 8))["steps"] == 8


def test_warm_up_of_the_rate_counts_the_steps_of_the_policy():
    """Its first step is a tenth of the rate, however long the value was warmed before."""
    policy = new_policy()
    learner = PPO(policy, PPOConfig(value_warmup=3, epochs=1, learning_rate=3e-3))
    for _ in range(3):
        learner.learn(play(policy, Endless))
    while learner.warmup is not None:
        learner.learn(play(policy, Endless))
    before = weights(policy)
    learner.config = dataclasses.replace(learner.config, minibatches=1)
    learner.learn(play(policy, Bandit))
    assert learner.optimizer.param_groups[0]["lr"] == pytest.approx(3e-4)
    # Adam's first step is at most the rate in each weight.
    name = "head.joint.weight"
    assert float((policy.state_dict()[name] - before[name]).abs().max()) <= 3e-4 * 1.001


def test_without_warm_up_the_first_step_has_the_whole_learning_rate():
    policy = new_policy()
    learner = PPO(policy, PPOConfig(**COLD, warmup_steps=0, learning_rate=3e-3, epochs=1))
    learner.learn(play(policy, Bandit, lanes=4, ticks=2))
    assert learner.optimizer.param_groups[0]["lr"] == 3e-3


def test_the_rate_and_the_weight_of_the_kl_fall_over_the_budget():
    """However many ticks an iteration has: both are functions of the share that is spent."""
    policy = new_policy()
    config = PPOConfig(**COLD, warmup_steps=0, learning_rate=1e-3, kl=0.2, kl_end=0.002)
    learner = PPO(policy, config)
    assert [learner.kl_weight(at) for at in (0, 0.5, 1)] == pytest.approx([0.2, 0.02, 0.002])
    measured = learner.learn(play(policy, Bandit), 0.5)
    assert measured["kl_weight"] == pytest.approx(0.02)
    assert learner.optimizer.param_groups[0]["lr"] == pytest.approx(5.5e-4)  # ends at a tenth


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_ratio_is_one_before_the_first_step(dropout):
    """In training mode dropout would make another policy of it than the one that played."""
    policy = new_policy(output_dropout=dropout)
    config = PPOConfig(**COLD, epochs=1, minibatches=1)
    policy.train()  # as cloning leaves it
    measured = PPO(policy, config).learn(play(policy, Bandit))
    assert not policy.training
    assert measured["approx_kl"] == pytest.approx(0, abs=1e-6)
    assert measured["clip_fraction"] == 0
    assert measured["kl_to_prior"] == pytest.approx(0, abs=1e-6)
    assert measured["entropy"] == pytest.approx(np.log(4), abs=0.1)


def test_steps_end_where_the_policy_left_the_one_that_played():
    policy = new_policy()
    fast = {"learning_rate": 0.1, "warmup_steps": 0, "value_warmup": 0, "epochs": 8}
    measured = PPO(policy, PPOConfig(**fast, target_kl=0.01)).learn(play(policy, Bandit))
    assert 0 < measured["steps"] < 8 * 4
    policy = new_policy()
    measured = PPO(policy, PPOConfig(**fast, target_kl=0.0)).learn(play(policy, Bandit))
    assert measured["steps"] == 8 * 4


def moved(make_env, *, share):
    """How far a step along the policy's gradient goes: the head's part of the norm that is clipped.

    A first reward of 1,000 lies far above what the value head foretells.
    """
    policy = new_policy()
    config = PPOConfig(**COLD, epochs=1, minibatches=1, value_share=share, clip_norm=1e9)
    return PPO(policy, config).learn(play(policy, make_env))["gradient_norm"]


def test_the_value_loss_cannot_silence_the_policy():
    class Jackpot(Bandit):
        rewards = (0.0, 0.0, 0.0, 1000.0)

    alone, together = moved(Jackpot, share=0.0), moved(Jackpot, share=0.5)
    assert together < 2 * alone  # under a common norm the policy keeps half of what is clipped
    policy = new_policy()
    measured = PPO(policy, PPOConfig(**COLD, epochs=1)).learn(play(policy, Jackpot))
    assert measured["value_loss"] < 20  # Huber: with squares the largest is in the hundreds


def test_value_and_policy_have_optimizers_of_their_own():
    learner = PPO(new_policy(), PPOConfig())
    sizes = [
        sum(p.numel() for group in optimizer.param_groups for p in group["params"])
        for optimizer in (learner.optimizer, learner.value_optimizer)
    ]
    assert sizes[1] == TOY_NETWORK.width + 1
    assert sum(sizes) == sum(p.numel() for p in learner.policy.parameters())


def test_what_adam_remembers_of_the_value_is_rescaled_with_it():
    policy = new_policy()
    learner = PPO(policy, PPOConfig(**COLD, value_beta=0.0))
    learner.learn(play(policy, Bandit))
    state = learner.value_optimizer.state[policy.value_head.linear.weight]
    first, second = state["exp_avg"].clone(), state["exp_avg_sq"].clone()
    before = policy.value_head.statistics()[1].item()
    learner._update_normalizer(torch.tensor([[-30.0, 30.0]]))
    scale = before / policy.value_head.statistics()[1].item()
    assert scale < 0.1
    torch.testing.assert_close(state["exp_avg"], first * scale)
    torch.testing.assert_close(state["exp_avg_sq"], second * scale**2)


def test_entropy_bonus_keeps_a_policy_open():
    def entropy_after(weight):
        policy = new_policy()
        config = PPOConfig(
            **COLD, kl=0.0, kl_end=0.0, entropy=weight, learning_rate=3e-3, learning_rate_end=1.0
        )
        learner = PPO(policy, config, prior=False)
        actors = LocalActors([Actor(copy.deepcopy(policy), Bandit, lanes=8, seed=1)])
        for _ in range(15):
            measured = learner.learn(actors.collect(policy.state_dict(), 8))
        assert "kl_to_prior" not in measured
        return measured["entropy"]

    assert entropy_after(1.0) > entropy_after(0.0) + 0.3
