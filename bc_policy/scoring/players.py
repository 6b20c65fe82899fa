"""Players of several episodes at once: a policy with its memory, or random play.

L lanes (episodes side by side), H, W pixels, K buttons, A axes

A lane's actions depend on its own frames and its own seed alone, never on what its neighbours do,
so that the score of an episode does not depend on which others were played beside it.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from ...datasets.actions.joint import JointActions
from ...datasets.actions.spec import ActionSpec
from ...games.random_play import RandomPlay
from ...networks.attention import Memory
from ..policy.policy import Policy


class Player(Protocol):
    """Something that acts in L lanes."""

    spec: ActionSpec

    def start(self, lane: int, seed: int) -> None:
        """An episode begins in this lane with the next frame."""

    def act(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Frames uint8 [L, H, W, 3] ► buttons uint8 [L, K] and camera float32 [L, A] in degrees."""


class Agent:
    """A policy that acts.

    Args:
        policy: in evaluation mode.
        lanes: L; the batch always has this size, idle lanes included, because the last bits of a
            sum depend on it.
        temperature: the action logits are divided by it; 0 always takes the likeliest action.
        action_delay: so many ticks after it was chosen an action is done, as the policy was
            trained; nothing is pressed before the first.
    """

    def __init__(
        self, policy: Policy, lanes: int, *, temperature: float = 1.0, action_delay: int = 0
    ):
        self.spec = policy.spec
        self.policy = policy
        self.temperature = temperature
        self._actions = JointActions(policy.spec)
        self._device = next(policy.parameters()).device
        self._first = np.ones(lanes, dtype=bool)
        self._chance = [np.random.default_rng(0) for _ in range(lanes)]
        self._memory: list[Memory] | None = None
        self._previous = np.full((lanes, 1, 2), -1)
        # (D, L, 2): chosen and not yet done, the oldest first.
        self._coming = np.zeros((action_delay, lanes, 2), np.int64)

    def start(self, lane: int, seed: int) -> None:
        self._first[lane] = True
        self._previous[lane] = -1
        self._coming[:, lane] = (self._actions.null, self._actions.null_camera)
        # 7: not the stream that the game draws its map from.
        self._chance[lane] = np.random.default_rng([seed, 7])

    @torch.inference_mode()
    def act(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        out = self.policy(
            torch.from_numpy(frames)[:, None].to(self._device),  # (L, 1, H, W, 3)
            torch.from_numpy(self._first)[:, None].to(self._device),
            self._memory,
            torch.from_numpy(self._previous).to(self._device),
        )
        self._memory = out.memory
        self._first = np.zeros(len(frames), dtype=bool)
        # (L, 1, 2)
        uniforms = torch.from_numpy(np.stack([chance.random((1, 2)) for chance in self._chance]))
        joint, camera = self.policy.head.sample(
            out.logits, temperature=self.temperature, uniforms=uniforms.to(self._device)
        )
        self._previous = torch.stack([joint, camera], dim=-1).cpu().numpy()  # (L, 1, 2)
        self._coming = np.concatenate([self._coming, self._previous[None, :, 0]])
        now, self._coming = self._coming[0], self._coming[1:]  # (L, 2)
        buttons, bins = self._actions.decode(now[:, 0], now[:, 1])
        return buttons, self.spec.dequantise(bins)


class RandomPlayer:
    """Plays without looking, in the manner `style` of `games.random_play`."""

    def __init__(self, spec: ActionSpec, lanes: int, style: str):
        self.spec = spec
        self._style = style
        self._players = [RandomPlay(spec, 0, style) for _ in range(lanes)]

    def start(self, lane: int, seed: int) -> None:
        self._players[lane] = RandomPlay(self.spec, seed, self._style)

    def act(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        buttons, camera = zip(*(player.act() for player in self._players), strict=True)
        return np.stack(buttons), np.stack(camera)
