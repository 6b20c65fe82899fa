"""The two action heads, both made from an action spec.

B batch, T frames (or any leading shape ...), D width, K buttons, A axes, J joint actions, G groups
of axes, C their classes, one group after the other

- `FactoredHead` (the IDM): one Bernoulli per button, one categorical per axis.
- `JointHead` (policies): one categorical over the product of the button groups and the camera
  meta-action, and one a group of axes. The camera, the first group, counts only where the meta-
  action says that the mouse moves: in the log-probability, the entropy, the divergence and the
  sample alike. Sticks, triggers, wheel and pointer always count.
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
    """float [..., C], the logits of one group of axes after the other, or None where there is none.
    """


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
        self.num_joint = int(actions.num_joint)
        self.group_sizes, self._strides = actions.group_sizes, actions.group_strides
        self.has_camera = actions.has_camera
        self.joint = _classes(width, self.num_joint, joint_traits(actions) if shared else None)
        self.camera = None
        if self.group_sizes:
            traits = axis_traits(actions) if shared else None
            self.camera = _classes(width, sum(self.group_sizes), traits)
        moves = np.asarray(actions.camera_on(np.arange(self.num_joint)), dtype=bool)
        self.register_buffer("camera_on", torch.from_numpy(moves), persistent=False)

    @property
    def draws(self) -> int:
        """How many numbers of chance `sample` takes: one for the joint action and one a group."""
        return 1 + max(1, len(self.group_sizes))  # without axes there is one that is not looked at

    def forward(self, x: Tensor) -> JointLogits:
        return JointLogits(self.joint(x), None if self.camera is None else self.camera(x))

    def split(self, camera: Tensor) -> list[Tensor]:
        """What the axes do, int64 [...] ► the class of each group, int64 [...] each."""
        return [
            camera // stride % size
            for stride, size in zip(self._strides, self.group_sizes, strict=True)
        ]

    def of_groups(self, classes: Tensor) -> tuple[Tensor, ...]:
        """Logits or probabilities [..., C] ► those of each group."""
        return classes.split(self.group_sizes, dim=-1)

    def log_prob(self, logits: JointLogits, joint: Tensor, camera: Tensor | None = None) -> Tensor:
        """log p(action), float [...].

        Args:
            joint: int64 [...]. camera: int64 [...]; what it says of the mouse is ignored where the
                joint action leaves that still.
        """
        result = _log_softmax(logits.joint).gather(-1, joint[..., None])[..., 0]
        if logits.camera is not None:
            if camera is None:
                raise ValueError("this spec has axes: log_prob needs the camera bins too")
            own = zip(self.of_groups(logits.camera), self.split(camera), strict=True)
            for group, (of_group, chosen) in enumerate(own):
                term = _log_softmax(of_group).gather(-1, chosen[..., None])[..., 0]
                if group == 0 and self.has_camera:
                    term = torch.where(self.camera_on[joint], term, torch.zeros_like(term))
                result = result + term
        return result

    def sample(
        self, logits: JointLogits, *, temperature: float = 1.0, uniforms: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw actions: joint int64 [...], camera int64 [...] (0 where the spec has no axes).

        Args:
            temperature: the logits are divided by it; 0 takes the most likely action.
            uniforms: float64 [..., draws] in [0, 1), the chance to use (so that every episode can
                bring its own generator); by default torch's own.
        """
        if uniforms is None:
            uniforms = torch.rand(
                *logits.joint.shape[:-1],
                self.draws,
                dtype=torch.float64,
                device=logits.joint.device,
            )
        joint = _draw(logits.joint, temperature, uniforms[..., 0])
        camera = torch.zeros_like(joint)
        if logits.camera is not None:
            for group, of_group in enumerate(self.of_groups(logits.camera)):
                drawn = _draw(of_group, temperature, uniforms[..., 1 + group])
                camera = camera + drawn * self._strides[group]
        return joint, camera

    def entropy(self, logits: JointLogits) -> Tensor:
        """Entropy of the action in nats, float [...]."""
        log_joint = _log_softmax(logits.joint)
        result = -(log_joint.exp() * log_joint).sum(-1)
        if logits.camera is not None:
            for group, of_group in enumerate(self.of_groups(logits.camera)):
                log_p = _log_softmax(of_group)
                term = (log_p.exp() * log_p).sum(-1)
                if group == 0 and self.has_camera:
                    term = self.camera_probability(logits) * term
                result = result - term
        return result

    def kl(self, p: JointLogits, q: JointLogits) -> Tensor:
        """KL(p ‖ q) in nats, float [...]: the camera's share is weighted by p's probability of
        moving it.
        """
        result = _kl(p.joint, q.joint)
        if p.camera is not None and q.camera is not None:
            both = zip(self.of_groups(p.camera), self.of_groups(q.camera), strict=True)
            for group, (of_p, of_q) in enumerate(both):
                term = _kl(of_p, of_q)
                if group == 0 and self.has_camera:
                    term = self.camera_probability(p) * term
                result = result + term
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


def axis_traits(actions: JointActions) -> NDArray[np.float32]:
    """What classes of a group of axes have in common; across groups it is nothing: [C, traits]."""
    blocks = [group_traits(actions, group) for group in range(len(actions.axis_groups))]
    traits = np.zeros(
        [sum(sizes) for sizes in zip(*(one.shape for one in blocks), strict=True)], np.float32
    )
    row = column = 0
    for one in blocks:
        traits[row : row + len(one), column : column + one.shape[1]] = one
        row, column = row + len(one), column + one.shape[1]
    return traits


def group_traits(actions: JointActions, group: int) -> NDArray[np.float32]:
    """How near each class of a group is to places on each of its axes, 0..1: [classes, traits].

    Places are every bin, every second, every fourth and every eighth one, counted from the bin of
    rest so that left and right are alike; a class has some of the two places that it lies between.
    """
    traits = []
    columns = zip(actions.bins_tables[group].T, actions.axis_groups[group], strict=True)
    for bins, axis in columns:
        rest = actions.spec.axes[axis].quantiser.null_bin
        places = np.arange(bins.max() + 1)
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
