"""A rollout: what several games and the policy that played them did for some ticks.

L lanes (games side by side), T ticks, h, w pixels at the network's size
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ...networks.attention import Memory, joined_memory

NOT_BY_LANE = ("memory", "episodes", "seconds")
ACHIEVED = "achieved "  # before the name of an achievement, in what is told of an episode


@dataclass(slots=True)
class Rollout:
    """T ticks of L games."""

    frames: np.ndarray
    """uint8 [L, T, h, w, 3]: what the policy saw before it acted, at the size that its network
    looks at.
    """
    first: np.ndarray
    """bool [L, T]: frames that begin an episode."""
    joint: np.ndarray
    """int64 [L, T]: the joint action that was sampled."""
    camera: np.ndarray
    """int64 [L, T]: the joint camera bin that was sampled."""
    reward: np.ndarray
    """float32 [L, T]: for the action of the tick."""
    terminated: np.ndarray
    """bool [L, T]: the episode ended with this tick, by itself: nothing comes after it."""
    truncated: np.ndarray
    """bool [L, T]: the time limit cut the episode here; what would follow is worth `final_value`.
    """
    final_value: np.ndarray
    """float32 [L, T]: the value of the frame after a truncated tick; 0 elsewhere."""
    last_value: np.ndarray
    """float32 [L]: the value of the frame after the last tick."""
    before: np.ndarray
    """int64 [L, 2]: joint action and camera bin of the tick before; -1 where there was none."""
    memory: list[Memory]
    """The policy's memory before the first tick, [L, M, D] each."""
    episodes: list[dict[str, float]]
    """Each episode that ended here: its `score`, `reward` and `ticks`, the `lane` and `tick` of the
    rollout with which it ended, and whether the game `crashed` (1 or 0): then the score is of a
    part. Where there are achievements, `achieved NAME` is 1 for those that it had.
    """
    seconds: dict[str, float]
    """Where an actor's time went: `play`, of that `step` (the games) and `inference`, then `wait`
    (for the slowest actor) and `send` (weights and play on their way); the mean over actors.
    """

    @property
    def ticks(self) -> int:
        """How many ticks all lanes have together."""
        return self.reward.size


def joined(rollouts: list[Rollout]) -> Rollout:
    """The rollouts of several actors as one, lane after lane."""
    arrays = {
        field.name: np.concatenate([getattr(rollout, field.name) for rollout in rollouts])
        for field in fields(Rollout)
        if field.name not in NOT_BY_LANE
    }
    memory = joined_memory([rollout.memory for rollout in rollouts])
    episodes, lane = [], 0
    for rollout in rollouts:
        episodes += [{**one, "lane": one["lane"] + lane} for one in rollout.episodes]
        lane += len(rollout.reward)
    seconds = {
        name: sum(rollout.seconds[name] for rollout in rollouts) / len(rollouts)
        for name in rollouts[0].seconds
    }
    return Rollout(**arrays, memory=memory, episodes=episodes, seconds=seconds)
