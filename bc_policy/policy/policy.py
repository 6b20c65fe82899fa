"""The policy: a causal transformer over the shared trunk, with a joint action and a value head.

B batch, T frames, H, W pixels, D width, M memory, J joint actions, C joint camera bins

    frames ► trunk ► causal blocks ► ReLU ► last layer ► LayerNorm ► joint head (actions)
                                                                   ► value head (return)

The graph is VPT's: the presets 1x, 2x and 3x have its parameters one for one. `tiny` makes the same
shape small enough for two CPU cores: it has fewer, narrower blocks and a trunk that looks at a
smaller picture, which data are best kept at.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...datasets.actions.joint import JointActions
from ...datasets.actions.spec import ActionSpec
from ...networks.area import averaged
from ...networks.attention import Memory, TransformerStack
from ...networks.checkpoints import (
    Checkpoint,
    allocate,
    load_checkpoint,
    load_into,
    require_fit,
)
from ...networks.fast_trunks import PatchTrunk, StridedTrunk
from ...networks.heads import JointHead, JointLogits
from ...networks.trunk import Trunk, normed_linear
from .config import PolicyConfig

NORMALIZER_BETA = 0.99999  # of VPT's value normalizer


class PolicyOutput(NamedTuple):
    """What the policy says of a chunk of frames."""

    logits: JointLogits
    """Action logits [B, T, J] and [B, T, C]."""
    value: Tensor
    """float [B, T]: the expected return, in units of the value normalizer."""
    memory: list[Memory]
    """The memory, to be given with the next chunk."""
    features: Tensor
    """float [B, T, D]: what both heads read."""


class ValueHead(nn.Module):
    """A linear value over a running normalization of its targets.

    It starts at zero, so that at first it says nothing.
    """

    mean: Tensor
    mean_square: Tensor
    weight: Tensor

    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(width, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        # Sums of exponentially weighted targets, and of the weights themselves: their quotient
        # starts without bias.
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("mean_square", torch.zeros(1))
        self.register_buffer("weight", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)[..., 0]

    @torch.no_grad()
    def update(self, returns: Tensor, beta: float = NORMALIZER_BETA) -> None:
        """Take in returns [...] in the reward's own units.

        What the head says in these units stays the same: its layer is rescaled to the new
        statistics.

        Args:
            beta: share of the old average that is kept.
        """
        known, (mean, deviation) = bool(self.weight > 0), self.statistics()
        self.mean.mul_(beta).add_(returns.mean() * (1 - beta))
        self.mean_square.mul_(beta).add_(returns.square().mean() * (1 - beta))
        self.weight.mul_(beta).add_(1 - beta)
        if known:
            new_mean, new_deviation = self.statistics()
            self.linear.weight.mul_(deviation / new_deviation)
            self.linear.bias.mul_(deviation).add_(mean - new_mean).div_(new_deviation)

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the returns; (0, 1) before the first update."""
        if self.weight == 0:
            return torch.zeros_like(self.mean), torch.ones_like(self.mean)
        mean = self.mean / self.weight
        variance = (self.mean_square / self.weight - mean.square()).clamp_min(1e-4)
        return mean, variance.sqrt()

    def normalized(self, returns: Tensor) -> Tensor:
        mean, deviation = self.statistics()
        return (returns - mean) / deviation

    def denormalized(self, value: Tensor) -> Tensor:
        mean, deviation = self.statistics()
        return value * deviation + mean


class PreviousAction(nn.Module):
    """The last action as a vector of the transformer's width.

    It tells the buttons, the axes, and that there was an action.
    """

    table: Tensor

    def __init__(self, width: int, spec: ActionSpec):
        super().__init__()
        actions = JointActions(spec)
        buttons = np.concatenate(
            [
                actions.buttons_table,
                actions.camera_on_table[:, None],
                np.ones((actions.num_joint, 1)),
            ],
            1,
        )
        # Bins are even steps on the quantiser's curve, fine near rest: as features they are scaled
        # to -1..1.
        half = (np.array(spec.num_bins, dtype=np.float32) - 1) / 2
        self._groups = [
            (stride, size, group == 0 and actions.has_camera)
            for group, (stride, size) in enumerate(
                zip(actions.group_strides, actions.group_sizes, strict=True)
            )
        ]
        constants = {"table": buttons}
        for group, axes in enumerate(actions.axis_groups):
            constants[_camera_table(group)] = actions.bins_tables[group] / half[list(axes)] - 1
        # Of groups the axes come one after the other: a spec of one has them in its own order.
        inputs = buttons.shape[1] + (spec.num_axes or 1)
        # On the CPU even where the module is made without memory: constants have their values
        # always.
        for name, constant in constants.items():
            tensor = torch.tensor(constant, dtype=torch.float32, device="cpu")
            self.register_buffer(name, tensor, persistent=False)
        self.linear = nn.Linear(inputs, width)

    def forward(self, previous: Tensor) -> Tensor:
        """int64 [B, T, 2] ► float [B, T, D]."""
        joint, camera = previous[..., 0], previous[..., 1]
        known = (joint >= 0)[..., None]
        buttons = self.table[joint.clamp_min(0)]  # (B, T, K + 2)
        # A game without axes has one number that is always 0.
        stands = [] if self._groups else [torch.zeros_like(buttons[..., :1])]
        for group, (stride, size, is_camera) in enumerate(self._groups):
            own = self.get_buffer(_camera_table(group))[camera.clamp_min(0) // stride % size]
            stands.append(own * buttons[..., -2:-1] if is_camera else own)  # (B, T, axes) each
        # At the start of an episode all numbers are 0, the one that says "there was one" too.
        return self.linear(torch.cat([buttons, *stands], dim=-1) * known)


def _camera_table(group: int) -> str:
    """The name of the table of a group's bins."""
    return f"camera_table_{group}"


def previous_actions(
    joint: Tensor, camera: Tensor, first: Tensor, before: Tensor | None = None
) -> Tensor:
    """Each tick's last action.

    Args:
        joint, camera: int64 [B, T], what is done at each tick.
        first: bool [B, T], starts of episodes.
        before: int64 [B, 2], what was done in the tick before the first one; none by default.

    Returns int64 [B, T, 2], -1 at the start of an episode.
    """
    actions = torch.stack([joint, camera], dim=-1)  # (B, T, 2)
    if before is None:
        before = torch.full_like(actions[:, 0], -1)
    return torch.cat([before[:, None], actions[:, :-1]], dim=1).masked_fill(first[..., None], -1)


def last_actions(actions: Tensor, ticks: Tensor, before: Tensor | None = None) -> Tensor:
    """What was done last in each row.

    Args:
        actions: int64 [B, T, 2].
        ticks: int64 [B], how many of them exist; 0 leaves what was done before.
        before: int64 [B, 2], what was done in the tick before the first one; none by default.

    Returns int64 [B, 2], -1 where nothing was done.
    """
    if before is None:
        before = torch.full_like(actions[:, 0], -1)
    return torch.cat([before[:, None], actions], dim=1)[
        torch.arange(len(actions), device=actions.device), ticks
    ]


class Policy(nn.Module):
    """The network that the module's head draws.

    Args:
        spec: the game's actions and frame size.
        config: the network's sizes.
    """

    def __init__(self, spec: ActionSpec, config: PolicyConfig):
        super().__init__()
        self.spec, self.config = spec, config
        self.frame_size = frame_size(spec, config)
        """Height and width in pixels of what the network looks at: what `shrink` makes."""
        self.trunk = make_trunk(config, self.frame_size)
        self.previous = PreviousAction(config.width, spec) if config.previous_action else None
        self.blocks = TransformerStack(
            config.blocks, config.width, config.heads, mask="clipped_causal", memory=config.memory
        )
        self.last = normed_linear(config.width, config.width)
        self.final_norm = nn.LayerNorm(config.width)
        self.output_dropout = nn.Dropout(config.output_dropout)
        self.head = JointHead(config.width, spec, shared=config.shared_classes)
        self.value_head = ValueHead(config.width)

    @classmethod
    def without_memory(cls, spec: ActionSpec, config: PolicyConfig) -> Policy:
        """Names and shapes alone (torch's `meta` device): no time is lost on random weights."""
        with torch.device("meta"):
            return cls(spec, config)

    def shrink(self, frames: Tensor) -> Tensor:
        """What the network looks at of frames: their areas' averages, as bytes.

        Args:
            frames: uint8 [..., H, W, 3], of the spec's size or of `frame_size`.

        Returns uint8 [..., h, w, 3] of `frame_size`; the frames themselves where they have it. What
        `forward` says of them is what it says of the frames. Raises ValueError for another size.
        """
        given, full = tuple(frames.shape[-3:-1]), (self.spec.frame.height, self.spec.frame.width)
        if given == self.frame_size:
            return frames
        if given != full:
            raise ValueError(f"frames must be of {full} or {self.frame_size} pixels, got {given}")
        return averaged(frames, self.config.pool)

    def forward(
        self,
        frames: Tensor,
        first: Tensor | None = None,
        memory: list[Memory] | None = None,
        previous: Tensor | None = None,
        present: Tensor | None = None,
    ) -> PolicyOutput:
        """Logits, values and the next memory of a chunk of frames.

        Logits and values come in float32 under autocast too: the steps of a value in bfloat16 are
        as large as what it changes from tick to tick.

        Args:
            frames: uint8 [B, T, H, W, 3], of the spec's size or of `frame_size`.
            first: bool [B, T], frames that begin an episode: they see nothing that came before.
            memory: what the previous chunk of these B episodes returned; None at the start.
            previous: int64 [B, T, 2], the joint action and camera bin of the tick before, -1 where
                there was none or where it is not told. Networks with `previous_action` need it;
                the others do not look at it.
            present: bool [B, T], frames that exist, the first ones of each row; all by default. The
                memory ends with the last of them.

        Raises ValueError where `previous` is missing.
        """
        if self.config.blind:  # all pictures are the same: one goes through the trunk
            black = frames.new_zeros((1, *self.frame_size, 3))
            x = self.trunk(black).expand(*frames.shape[:2], -1)  # (B, T, D)
        else:
            x = self.trunk(self.shrink(frames).flatten(0, 1)).unflatten(0, frames.shape[:2])
        if self.previous is not None:
            if previous is None:
                raise ValueError(
                    "this network is told its last action: give `previous`, -1 where there was none"
                )
            x = x + self.previous(previous)
        x, memory = self.blocks(x, first=first, memory=memory, present=present)
        x = self.last(F.relu(x))
        with torch.autocast(x.device.type, enabled=False):
            x = self.output_dropout(self.final_norm(x.float()))
            return PolicyOutput(self.head(x), self.value_head(x), memory, x)

    @property
    def num_parameters(self) -> int:
        """Trained numbers, and the three of the value normalizer, which VPT's counts include."""
        return sum(p.numel() for p in self.parameters()) + sum(
            b.numel() for b in self.value_head.buffers()
        )


def frame_size(spec: ActionSpec, config: PolicyConfig) -> tuple[int, int]:
    """Height and width in pixels of what a network looks at.

    The residual trunk is given whole frames: it averages in floating point, as it always did.
    """
    height, width = spec.frame.height, spec.frame.width
    if config.trunk == "residual":
        return height, width
    return -(-height // config.pool), -(-width // config.pool)


def make_trunk(config: PolicyConfig, image: tuple[int, int]) -> nn.Module:
    """The trunk of a network that looks at pictures of `image` = height, width pixels."""
    if config.trunk == "residual":
        return Trunk(
            config.width,
            image,
            channels=config.channels,
            blocks=config.residual_blocks,
            pool=config.pool,
            stride=config.stride,
            dense=config.dense,
        )
    sizes: dict[str, Any] = {
        "channels": config.channels,
        "dense": config.dense,
        "dropout": config.feature_dropout,
    }
    if config.trunk == "strided":
        return StridedTrunk(config.width, image, **sizes)
    return PatchTrunk(
        config.width,
        image,
        patch=config.patch,
        near=config.near,
        near_dropout=config.output_dropout,
        mask=config.patch_mask,
        **sizes,
    )


def load_policy(uri: str, *, spec: ActionSpec | None = None) -> tuple[Policy, Checkpoint]:
    """The policy of a checkpoint, in evaluation mode on the CPU.

    Args:
        spec: raises SpecMismatchError where the checkpoint was made under another one.

    Raises CheckpointError where its config and its tensors do not fit, and ConfigError for sizes
    that no network has.
    """
    checkpoint = load_checkpoint(uri).require_kind("policy")
    own = checkpoint.spec()
    if spec is not None:
        spec.require_same(own, f"checkpoint {uri}")
    with checkpoint.config_read():
        policy = Policy.without_memory(own, PolicyConfig.from_dict(checkpoint.config["network"]))
    # What a config asks for costs no memory until it is what the weights are.
    require_fit(policy, checkpoint)
    allocate(policy)
    load_into(policy, checkpoint)
    return policy.eval(), checkpoint


def action_delay_of(checkpoint: Checkpoint) -> int:
    """How many ticks after it was chosen an action of this policy is done."""
    return int(checkpoint.config.get("action_delay", 0))


def policy_checkpoint_config(
    policy: Policy, *, preset: str, action_delay: int = 0, **parts: Any
) -> dict[str, Any]:
    """The `config.json` of a policy's checkpoint.

    It holds network and spec, the delay of its actions in ticks if there is one, and in `parts`
    what the caller knows of its making.
    """
    return {
        "kind": "policy",
        "preset": preset,
        "network": policy.config.to_dict(),
        "spec": policy.spec.to_dict(),
        "spec_sha256": policy.spec.sha256,
        **parts,
        **({"action_delay": action_delay} if action_delay else {}),
    }
