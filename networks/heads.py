"""The two action heads, both made from an action spec.

B batch, T frames (or any leading shape ...), D width, K buttons, A axes, J joint actions, C joint
camera bins

- `FactoredHead` (the IDM): one Bernoulli per button, one categorical per axis.
- `JointHead` (policies): one categorical over the product of the button groups and the camera
  meta-action, and one over the joint camera bins. The camera counts only where the meta-action says
  that the mouse moves: in the log-probability, the entropy, the divergence and the sample alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..datasets.actions.joint import JointActions
from ..datasets.actions.mirror import Mirror
from ..datasets.actions.spec import ActionSpec
from .trunk import scale_rows_

CAMERA_STEPS = (1, 2, 4, 8)  # in bins: how coarse a place on an axis can be


class FactoredLogits(NamedTuple):
    """Logits of the IDM."""

    buttons: Tensor
    """float [B, T, K]: log-odds that a button is held."""
    axes: tuple[Tensor, ...]
    """For each axis float [B, T, bins]."""

    def mirrored(self, mirror: Mirror) -> FactoredLogits:
        """Logits of the mirrored clip; the bins of an axis lie evenly around its middle one."""
        axes = (
            axis.flip(-1) if sign < 0 else axis
            for axis, sign in zip(self.axes, mirror.axis_sign, strict=True)
        )
        return FactoredLogits(self.buttons[..., list(mirror.button_order)], tuple(axes))


class FactoredHead(nn.Module):
    """[B, T, D] ► FactoredLogits.

    Args:
        width: D.
        spec: the action spec.
        exclusive: groups of buttons, by index, of which one at most is held. Their log-odds come
            from one softmax over their members and none of them.
    """

    def __init__(self, width: int, spec: ActionSpec, *, exclusive: Sequence[Sequence[int]] = ()):
        super().__init__()
        self.bins = tuple(spec.num_bins)
        self.exclusive = [list(group) for group in exclusive]
        self.buttons = _small_linear(width, spec.num_buttons)
        self.axes = nn.ModuleList(_small_linear(width, bins) for bins in self.bins)

    def forward(self, x: Tensor) -> FactoredLogits:
        buttons = self.buttons(x)
        if self.exclusive:
            buttons = buttons.float()  # odds of 1 in 1,000 are nothing beside 1 in bfloat16
            for group in self.exclusive:
                odds = exclusive_log_odds(buttons[..., group])
                index = torch.tensor(group, device=odds.device)
                buttons = buttons.index_copy(-1, index, odds)
        return FactoredLogits(buttons, tuple(axis(x) for axis in self.axes))


def exclusive_log_odds(scores: Tensor) -> Tensor:
    """Log-odds of each of n states in one softmax over them and none of them, whose score is 0.

    The score less the logarithm of the sum over all others: [..., n] ► [..., n], whose sigmoids are
    the softmax's probabilities.
    """
    states = scores.shape[-1]
    all_states = F.pad(scores, (0, 1))  # (..., n + 1)
    others = all_states[..., None, :].expand(*scores.shape, states + 1)  # (..., n, n + 1)
    own = torch.eye(states, states + 1, dtype=torch.bool, device=scores.device)
    return scores - others.masked_fill(own, float("-inf")).logsumexp(-1)


class JointLogits(NamedTuple):
    """Logits of a policy."""

    joint: Tensor
    """float [..., J]."""
    camera: Tensor | None
    """float [..., C], or None where the spec has no axes."""


class JointHead(nn.Module):
    """[..., D] ► JointLogits, and what can be asked about the distribution that they stand for.

    All methods take logits of any leading shape and work in float32 whatever the logits' dtype.

    Args:
        width: D. spec: the action spec.
        shared: classes that have something in common also learn together, see `SharedLinear`.
            VPT's do not.
    """

    camera_on: Tensor

    def __init__(self, width: int, spec: ActionSpec, *, shared: bool = False):
        super().__init__()
        actions = JointActions(spec)
        self.num_joint, self.num_camera = int(actions.num_joint), int(actions.num_camera)
        self.joint = _classes(width, self.num_joint, joint_traits(actions) if shared else None)
        self.camera = None
        if self.num_camera:
            traits = camera_traits(actions) if shared else None
            self.camera = _classes(width, self.num_camera, traits)
        moves = np.asarray(actions.camera_on(np.arange(self.num_joint)), dtype=bool)
        self.register_buffer("camera_on", torch.from_numpy(moves), persistent=False)

    def forward(self, x: Tensor) -> JointLogits:
        return JointLogits(self.joint(x), None if self.camera is None else self.camera(x))

    def log_prob(self, logits: JointLogits, joint: Tensor, camera: Tensor | None = None) -> Tensor:
        """log p(action), float [...].

        Args:
            joint: int64 [...]. camera: int64 [...]; ignored where the joint action leaves the mouse
                still.
        """
        result = _log_softmax(logits.joint).gather(-1, joint[..., None])[..., 0]
        if logits.camera is not None:
            if camera is None:
                raise ValueError("this spec has axes: log_prob needs the camera bins too")
            of_camera = _log_softmax(logits.camera).gather(-1, camera[..., None])[..., 0]
            result = result + torch.where(
                self.camera_on[joint], of_camera, torch.zeros_like(of_camera)
            )
        return result

    def sample(
        self, logits: JointLogits, *, temperature: float = 1.0, uniforms: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw actions: joint int64 [...], camera int64 [...] (0 where the spec has no axes).

        Args:
            temperature: the logits are divided by it; 0 takes the most likely action.
            uniforms: float64 [..., 2] in [0, 1), the chance to use (so that every episode can bring
                its own generator); by default torch's own.
        """
        if uniforms is None:
            uniforms = torch.rand(
                *logits.joint.shape[:-1], 2, dtype=torch.float64, device=logits.joint.device
            )
        joint = _draw(logits.joint, temperature, uniforms[..., 0])
        if logits.camera is None:
            return joint, torch.zeros_like(joint)
        return joint, _draw(logits.camera, temperature, uniforms[..., 1])

    def entropy(self, logits: JointLogits) -> Tensor:
        """Entropy of the action in nats, float [...]."""
        log_joint = _log_softmax(logits.joint)
        result = -(log_joint.exp() * log_joint).sum(-1)
        if logits.camera is not None:
            log_camera = _log_softmax(logits.camera)
            result = result - self.camera_probability(logits) * (log_camera.exp() * log_camera).sum(
                -1
            )
        return result

    def kl(self, p: JointLogits, q: JointLogits) -> Tensor:
        """KL(p ‖ q) in nats, float [...]: the camera's share is weighted by p's probability of
        moving it.
        """
        result = _kl(p.joint, q.joint)
        if p.camera is not None and q.camera is not None:
            result = result + self.camera_probability(p) * _kl(p.camera, q.camera)
        return result

    def camera_probability(self, logits: JointLogits) -> Tensor:
        """The probability that the mouse moves, float [...]."""
        return _log_softmax(logits.joint).exp() @ self.camera_on.float()


class SharedLinear(nn.Module):
    """A linear layer over classes that have traits: logits = W x + b + S (V x + c).

    S, [classes, traits], is fixed; W, b, V and c are learned. It can say nothing that a linear
    layer cannot, since W + S V is one matrix. But what an example says of its class it also says of
    all that share its traits, so that a thousand classes are learned from few examples.

    Args:
        width: D. traits: S, float32 [classes, traits].
    """

    traits: Tensor

    def __init__(self, width: int, traits: NDArray[np.float32]):
        super().__init__()
        self.register_buffer("traits", torch.from_numpy(traits), persistent=False)
        self.own = _small_linear(width, traits.shape[0])
        self.common = _small_linear(width, traits.shape[1])

    def forward(self, x: Tensor) -> Tensor:
        return self.own(x) + F.linear(self.common(x), self.traits)  # type: ignore[no-any-return]


def joint_traits(actions: JointActions) -> NDArray[np.float32]:
    """What each joint action says of each group, and whether the camera moves: 0 or 1,
    [J, traits].
    """
    states = actions.states_table
    return np.concatenate(
        [np.equal.outer(column, np.arange(column.max() + 1)) for column in states.T], axis=1
    ).astype(np.float32)


def camera_traits(actions: JointActions) -> NDArray[np.float32]:
    """How near each camera class is to places on each axis, 0..1: [C, traits].

    Places are every bin, every second, every fourth and every eighth one, counted from the bin of
    rest so that left and right are alike; a class has some of the two places that it lies between.
    """
    traits = []
    for bins, axis in zip(actions.camera_bins_table.T, actions.spec.axes, strict=True):
        rest, places = axis.quantiser.null_bin, np.arange(bins.max() + 1)
        for step in CAMERA_STEPS:
            near = places[(places - rest) % step == 0]
            traits.append(np.clip(1 - np.abs(np.subtract.outer(bins, near)) / step, 0, 1))
    return np.concatenate(traits, axis=1).astype(np.float32)


def _classes(width: int, outputs: int, traits: NDArray[np.float32] | None) -> nn.Module:
    return _small_linear(width, outputs) if traits is None else SharedLinear(width, traits)


def _small_linear(width: int, outputs: int) -> nn.Linear:
    """A linear layer that starts near the uniform distribution."""
    layer = nn.Linear(width, outputs)
    scale_rows_(layer.weight, 0.1)
    nn.init.zeros_(layer.bias)
    return layer


def _log_softmax(logits: Tensor) -> Tensor:
    return torch.log_softmax(logits.float(), dim=-1)


def _kl(p: Tensor, q: Tensor) -> Tensor:
    log_p, log_q = _log_softmax(p), _log_softmax(q)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def _draw(logits: Tensor, temperature: float, uniform: Tensor) -> Tensor:
    """Invert the cumulative distribution at `uniform` (in float64: a thousand outcomes round badly
    in float32).
    """
    if temperature == 0:
        return logits.argmax(-1)
    cumulative = torch.softmax(logits.double() / temperature, dim=-1).cumsum(-1)  # (..., outcomes)
    target = (uniform.double() * cumulative[..., -1])[..., None]
    drawn = torch.searchsorted(cumulative, target.contiguous(), right=True)[..., 0]
    return drawn.clamp_max(logits.shape[-1] - 1)
