"""The loss of behavioural cloning: how likely the policy finds what the player did.

B batch, T frames, K buttons, A axes
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...datasets.actions.joint import JointActions
from ...datasets.actions.spec import ActionSpec
from ...datasets.loading.batch import Batch
from ...networks.heads import JointHead, JointLogits
from .config import CloneConfig


class Targets(NamedTuple):
    """What a batch teaches."""

    joint: Tensor
    """int64 [B, T]: the joint action of each tick."""
    camera: Tensor
    """int64 [B, T]: the joint camera bin; counts only where the joint action moves the camera."""
    weight: Tensor
    """float32 [B, T]: 0 where a tick teaches nothing."""

    def to(self, device: torch.device) -> Targets:
        return Targets(*(part.to(device) for part in self))


class TargetMaker:
    """Batches of labels ► targets, by the rules of a CloneConfig."""

    def __init__(self, spec: ActionSpec, config: CloneConfig):
        self.spec, self.config = spec, config
        self.actions = JointActions(spec)

    def __call__(self, batch: Batch) -> Targets:
        bins = self.spec.quantise(batch.camera)
        joint, camera = self.actions.encode(batch.buttons, bins)  # int64 [B, T] each
        weight = np.asarray(batch.valid, dtype=np.float32)
        if self.config.null_actions == "mask":
            weight = weight * (joint != self.actions.null)
        if self.config.min_confidence > 0:
            weight = weight * (batch.confidence >= self.config.min_confidence)
        if self.config.weight_by_confidence:
            weight = weight * batch.confidence
        return Targets(
            torch.from_numpy(joint),
            torch.from_numpy(camera),
            torch.from_numpy(weight.astype(np.float32)),
        )


class ImitationLoss(NamedTuple):
    """Weighted means over the ticks of a batch (0-dimensional tensors)."""

    total: Tensor
    """Negative log-likelihood of the action, in nats: buttons, and camera where it moves."""
    buttons: Tensor
    """The joint action's part of it."""
    camera: Tensor
    """The camera's part of it."""
    accuracy: Tensor
    """How often the likeliest joint action is the player's."""
    weight: Tensor
    """Sum of the weights."""


def imitation_loss(head: JointHead, logits: JointLogits, targets: Targets) -> ImitationLoss:
    """The loss of a batch.

    Args:
        logits: [B, T, J] and [B, T, C].
        targets: of the same B and T; a batch without weight has the loss 0.
    """
    weight = targets.weight
    total_weight = weight.sum().clamp_min(1e-6)
    of_action = -head.log_prob(logits, targets.joint, targets.camera)  # (B, T)
    # The buttons' part is only shown, the sum alone is learned from: it needs no gradient.
    joint_alone = JointLogits(logits.joint.detach(), None)
    of_buttons = -head.log_prob(joint_alone, targets.joint)  # (B, T)
    hit = (logits.joint.detach().argmax(-1) == targets.joint).float()

    def mean(x: Tensor) -> Tensor:
        return (x * weight).sum() / total_weight

    total, buttons = mean(of_action), mean(of_buttons)
    return ImitationLoss(total, buttons, total.detach() - buttons, mean(hit), weight.sum())
