"""A bonus for what the policy has not seen yet: random network distillation (Burda et al. 2018).

N frames, L lanes, T ticks, h, w pixels at the network's size, F features

    frame ► a network of random weights, which stay ► F numbers
          ► another one, which learns to say the same ► F numbers: the error is the novelty

What was seen often is foretold well. Where rewards are so rare that chance never finds one, the
bonus leads on to what is new. A frame's novelty is paid in the tick that shows it, so that the last
tick of a chunk needs no frame that is not there yet.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...networks.area import averaged
from .config import BonusConfig

FEATURES = 64
SIDE = 40  # about as many pixels a side are looked at: places are told apart by less than aims
CHANNELS = (16, 32, 32)
# Ten times what was published for billions of frames: a run here has a million.
LEARNING_RATE = 1e-3
LEARNED_AT_ONCE = 64
FRAMES_AT_ONCE = 256
MOST = 5.0  # deviations that a pixel may lie from its mean
SMALLEST = 1e-8  # variance; where there is none nothing is divided


class RunningMoments:
    """Mean and variance of all that was taken in (Chan et al. 1979)."""

    def __init__(self, shape: tuple[int, ...] = ()):
        self.count = 0.0
        self.mean = torch.zeros(shape, dtype=torch.float64)
        self.variance = torch.ones(shape, dtype=torch.float64)

    def add(self, values: Tensor) -> None:
        """Take in [N, *shape]."""
        values = values.detach().double().cpu()
        new, mean, variance = len(values), values.mean(0), values.var(0, unbiased=False)
        total, apart = self.count + new, mean - self.mean
        if not self.count:
            self.mean, self.variance = mean, variance
        else:
            squares = self.variance * self.count + variance * new
            squares = squares + apart.square() * self.count * new / total
            self.mean, self.variance = self.mean + apart * new / total, squares / total
        self.count = total

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "mean": self.mean, "variance": self.variance}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count, self.mean, self.variance = state["count"], state["mean"], state["variance"]


class Novelty:
    """The two networks, and what their errors are measured by.

    Args:
        frame_size: h, w.
        discount: of a tick, in the sums of novelty by whose deviation the bonus is divided.
        seed: of both networks and of the order in which frames are learned.
    """

    def __init__(
        self,
        config: BonusConfig,
        frame_size: tuple[int, int],
        *,
        discount: float,
        seed: int = 0,
        device: torch.device | None = None,
    ):
        self.config, self.discount = config, discount
        self.device = device or torch.device("cpu")
        self._pool = max(1, min(frame_size) // SIDE)
        height, width = (-(-side // self._pool) for side in frame_size)
        # Not by torch's own generator, whose state others may have changed.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.target = _network(height, width, hidden=0).requires_grad_(False).to(self.device)
            self.predictor = _network(height, width, hidden=2 * FEATURES).to(self.device)
        self.optimizer = torch.optim.Adam(self.predictor.parameters(), lr=LEARNING_RATE)
        self.pixels = RunningMoments((height, width))
        self.returns = RunningMoments()
        self._running: Tensor | None = None  # (L,): discounted novelty so far, forwards in time
        self._order = np.random.default_rng([seed, 2])

    def bonus(self, frames: Tensor) -> Tensor:
        """What frames uint8 [L, T, h, w, 3] pay, float32 [L, T]; then they are learned.

        In units of the deviation of discounted sums of novelty, times the weight.
        """
        lanes, ticks = frames.shape[:2]
        seen = self._seen(frames.flatten(0, 1))  # (N, 1, h', w')
        self.pixels.add(seen[:, 0])
        with torch.no_grad():
            parts = seen.split(FRAMES_AT_ONCE)
            novelty = torch.cat([self._errors(part) for part in parts]).view(lanes, ticks)
        if self._running is None or len(self._running) != lanes:
            self._running = torch.zeros(lanes, device=self.device)
        sums = []
        for tick in range(ticks):
            self._running = self._running * self.discount + novelty[:, tick]
            sums.append(self._running)
        self.returns.add(torch.cat(sums))
        self._learn(seen)
        deviation = float(self.returns.variance.clamp_min(SMALLEST).sqrt())
        return self.config.weight * novelty / deviation

    def _seen(self, frames: Tensor) -> Tensor:
        """uint8 [N, h, w, 3] ► gray float [N, 1, h', w'] in 0..1."""
        small = averaged(frames, self._pool).to(self.device)
        return small.float().mean(-1)[:, None] / 255

    def _errors(self, seen: Tensor) -> Tensor:
        """The mean squared error of each frame, [N]."""
        mean = self.pixels.mean.float().to(self.device)
        deviation = self.pixels.variance.clamp_min(SMALLEST).sqrt().float().to(self.device)
        x = ((seen - mean) / deviation).clamp(-MOST, MOST)
        return F.mse_loss(self.predictor(x), self.target(x), reduction="none").mean(-1)

    def _learn(self, seen: Tensor) -> None:
        """One pass over a share of the frames: learned whole, the new would be old at once."""
        order = torch.from_numpy(self._order.permutation(len(seen))).to(self.device)
        learned = order[: max(1, round(self.config.learned * len(seen)))]
        for chosen in learned.split(LEARNED_AT_ONCE):
            self.optimizer.zero_grad(set_to_none=True)
            self._errors(seen[chosen]).mean().backward()
            self.optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        return {
            "target": self.target.state_dict(),
            "predictor": self.predictor.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "pixels": self.pixels.state_dict(),
            "returns": self.returns.state_dict(),
            "running": self._running,
            "order": self._order.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in ("target", "predictor", "optimizer", "pixels", "returns"):
            getattr(self, name).load_state_dict(state[name])
        running = state["running"]
        self._running = None if running is None else running.to(self.device)
        self._order.bit_generator.state = state["order"]


def _network(height: int, width: int, *, hidden: int) -> nn.Sequential:
    """Three strided convolutions and a linear layer [N, 1, h', w'] ► [N, F]; a predictor has a
    hidden layer more, so that it can say whatever the target says.
    """
    layers: list[nn.Module] = []
    before = 1
    for channels in CHANNELS:
        layers += [nn.Conv2d(before, channels, 3, stride=2, padding=1), nn.LeakyReLU()]
        before, height, width = channels, -(-height // 2), -(-width // 2)
    flat = before * height * width
    layers.append(nn.Flatten())
    if hidden:
        layers += [nn.Linear(flat, hidden), nn.ReLU()]
    layers.append(nn.Linear(hidden or flat, FEATURES))
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            # Without gain, random features would hardly differ from picture to picture.
            nn.init.orthogonal_(layer.weight, 2**0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)
