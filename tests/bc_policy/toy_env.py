"""Games whose best policy can be computed, with the same methods as the real ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from vidact.bc_policy.policy.config import PolicyConfig
from vidact.datasets.actions.spec import ActionSpec

TOY_SPEC = ActionSpec.from_dict(
    {
        "name": "toy",
        "version": 1,
        "tick_hz": "10",
        "frame": {"width": 8, "height": 8},
        "buttons": {"a": "key.keyboard.a", "b": "key.keyboard.b", "c": "key.keyboard.c"},
        "groups": [{"members": ["a", "b", "c"]}],  # four joint actions: nothing, a, b, c
        "axes": [],
    }
)
TOY_NETWORK = PolicyConfig(
    width=16, heads=2, blocks=1, memory=8, channels=(4,), residual_blocks=1, dense=16
)


class ToyEnv:
    """An episode of `length` ticks of grey frames; subclasses say what is shown and rewarded."""

    length = 1
    truncates = False

    def __init__(self) -> None:
        self.spec = TOY_SPEC
        self.tick = 0
        self.score = 0.0
        self.random = np.random.default_rng(0)

    def reset(self, seed: int) -> np.ndarray:
        self.random = np.random.default_rng(seed)
        self.tick, self.score = 0, 0.0
        self.begin()
        return self.frame()

    def step(
        self, buttons: np.ndarray, camera_deg: np.ndarray
    ) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
        pressed = int(np.flatnonzero(buttons)[0]) + 1 if buttons.any() else 0
        reward = self.reward(pressed)
        self.tick += 1
        self.score += reward
        done = self.tick == self.length
        return (
            self.frame(),
            reward,
            done,
            {"score": self.score, "truncated": done and self.truncates},
        )

    def begin(self) -> None:
        """What an episode draws at its start."""

    def frame(self) -> np.ndarray:
        return np.full((8, 8, 3), 128, dtype=np.uint8)

    def reward(self, pressed: int) -> float:
        raise NotImplementedError

    def render(self) -> np.ndarray:
        return self.frame()

    def close(self) -> None:
        pass


class Bandit(ToyEnv):
    """One tick; each action has its reward."""

    rewards = (0.0, 0.3, 0.6, 1.0)

    def reward(self, pressed: int) -> float:
        return self.rewards[pressed]


class Recall(ToyEnv):
    """The first frame is bright or dark; at the fourth tick `a` or `b` is right.

    Only a memory can tell which.
    """

    length = 4

    def begin(self) -> None:
        self.bright = bool(self.random.integers(2))

    def frame(self) -> np.ndarray:
        if self.tick == 0:
            return np.full((8, 8, 3), 255 if self.bright else 0, dtype=np.uint8)
        # So that the policy knows what time it is.
        return np.full((8, 8, 3), 60 * self.tick, dtype=np.uint8)

    def reward(self, pressed: int) -> float:
        return float(self.tick == 3 and pressed == (1 if self.bright else 2))


class Endless(ToyEnv):
    """Reward 1 a tick, whatever is done; cut after five ticks."""

    length = 5
    truncates = True

    def reward(self, pressed: int) -> float:
        return 1.0
