"""A policy that acts in several games at once: what it remembers, draws and is about to do.

L lanes (games side by side), H, W pixels, K buttons, A axes, N ticks between choosing and doing

A lane's actions depend on its own frames and its own chance alone, never on what its neighbors do,
so that the score of an episode does not depend on which others were played beside it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...datasets.actions.joint import JointActions
from ...networks.attention import Memory
from .policy import Policy


class Agent:
    """A policy that acts.

    Args:
        policy: in evaluation mode.
        lanes: L; the batch always has this size, idle lanes included, because the last bits of a
            sum depend on it.
        temperature: the action logits are divided by it; 0 always takes the likeliest action.
        action_delay: N; so many ticks after it was chosen an action is done, as the policy was
            trained. Nothing is pressed before the first.
    """

    def __init__(
        self, policy: Policy, lanes: int, *, temperature: float = 1.0, action_delay: int = 0
    ):
        self.spec, self.policy, self.temperature = policy.spec, policy, temperature
        self.actions = JointActions(policy.spec)
        weights = next(policy.parameters())
        self._device = weights.device
        self.memory: list[Memory] = policy.blocks.initial_memory(lanes, weights)
        self.first = np.ones(lanes, dtype=bool)
        """[L]: which lanes' next frame begins an episode."""
        self.previous = np.full((lanes, 2), -1)
        """int64 [L, 2]: joint action and camera bin that were chosen last; -1 where there are none.
        """
        self.chance = [np.random.default_rng(0) for _ in range(lanes)]
        self.coming = np.zeros((action_delay, lanes, 2), np.int64)
        """[N, L, 2]: chosen and not yet done, the oldest first."""

    def start(self, lane: int, seed: int) -> None:
        """An episode begins in this lane with the next frame, with a chance of its own."""
        self.begin(lane)
        # 7: not the stream that the game draws its map from.
        self.chance[lane] = np.random.default_rng([seed, 7])

    def begin(self, lane: int) -> None:
        """An episode begins in this lane with the next frame; its chance goes on."""
        self.first[lane] = True
        self.previous[lane] = -1
        self.coming[:, lane] = (self.actions.null, self.actions.null_camera)

    def act(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Frames uint8 [L, H, W, 3] ► buttons uint8 [L, K] and camera float32 [L, A] in degrees."""
        return self.pressed(self.due(self.choose(frames)))

    @torch.no_grad()
    def choose(self, frames: np.ndarray) -> np.ndarray:
        """Sample each lane's action, int64 [L, 2], and take the frame into the memory.

        Args:
            frames: uint8 [L, H, W, 3], of the spec's size or of the network's.
        """
        out = self.policy(*self._inputs(frames))
        self.memory = out.memory
        self.first = np.zeros_like(self.first)
        draws = self.policy.head.draws
        # A generator a lane: its play does not depend on how many lanes there are.
        uniforms = torch.from_numpy(np.stack([one.random((1, draws)) for one in self.chance]))
        joint, camera = self.policy.head.sample(
            out.logits, temperature=self.temperature, uniforms=uniforms.to(self._device)
        )  # (L, 1)
        self.previous = torch.cat([joint, camera], dim=1).cpu().numpy()
        return self.previous

    def due(self, chosen: np.ndarray) -> np.ndarray:
        """What is done now, int64 [L, 2], where `chosen` was chosen now."""
        waiting = np.concatenate([self.coming, chosen[None]])
        now, self.coming = waiting[0], waiting[1:]
        return now

    def pressed(self, done: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joint actions and camera bins int64 [..., 2] ► buttons uint8 [..., K], camera float32
        [..., A].
        """
        buttons, bins = self.actions.decode(done[..., 0], done[..., 1])
        return buttons, self.spec.dequantise(bins)

    @torch.no_grad()
    def value(self, frames: np.ndarray) -> np.ndarray:
        """float [L]: what the frames are worth in the reward's units; the memory stays."""
        value = self.policy.value_head.denormalized(self.policy(*self._inputs(frames)).value)
        return value[:, 0].float().cpu().numpy()

    def _inputs(self, frames: np.ndarray) -> tuple[Tensor, Tensor, list[Memory], Tensor]:
        """The policy's arguments for one tick, [L, 1, …] each."""
        arrays = (frames, self.first, self.previous)
        tensors = (torch.from_numpy(array)[:, None].to(self._device) for array in arrays)
        seen, first, previous = tensors
        return seen, first, self.memory, previous
