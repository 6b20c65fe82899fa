"""The loss of behavioral cloning: how likely the policy finds what the player did.

B batch, T frames, J joint actions, C joint camera bins
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...networks.heads import JointHead, JointLogits
from .targets import Targets


class TickLosses(NamedTuple):
    """What each tick costs, float32 [B, T] each."""

    action: Tensor
    """Negative log-likelihood of the action, in nats: buttons, and camera where it moves."""
    buttons: Tensor
    """The joint action's part of it; only shown, it carries no gradient."""
    likeliest: Tensor
    """int64: the likeliest joint action."""


class ImitationLoss(NamedTuple):
    """Of a batch (0-dimensional tensors): weighted means over its ticks, and their sum."""

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
    sum: Tensor
    """Weighted sum of what `total` is the mean of: what is learned from."""


def tick_losses(head: JointHead, logits: JointLogits, targets: Targets) -> TickLosses:
    """The loss of each tick.

    With probabilities it is the cross-entropy against them: what sure labels would cost on average.

    Args:
        logits: [B, T, J] and [B, T, C].
        targets: of the same B and T.
    """
    log_joint = torch.log_softmax(logits.joint.float(), dim=-1)
    if targets.joint_prob is None:
        of_joint = log_joint.gather(-1, targets.joint[..., None])[..., 0]  # (B, T)
        moves = head.camera_on[targets.joint].float()
    else:
        of_joint = (targets.joint_prob * log_joint).sum(-1)
        moves = targets.joint_prob @ head.camera_on.float()
    action = -of_joint
    if logits.camera is not None:
        turning = moves > 0  # the others' thousand bins need not be looked at
        log_camera = torch.log_softmax(logits.camera[turning].float(), dim=-1)  # (n, C)
        if targets.camera_prob is None:
            of_camera = log_camera.gather(-1, targets.camera[turning][:, None])[:, 0]
        else:
            of_camera = (targets.camera_prob[turning] * log_camera).sum(-1)
        whole = torch.zeros_like(action)
        whole[turning] = of_camera
        action = -(of_joint + moves * whole)
    return TickLosses(action, -of_joint.detach(), logits.joint.detach().argmax(-1))


def imitation_loss(head: JointHead, logits: JointLogits, targets: Targets) -> ImitationLoss:
    """The loss of a batch; one without weight has the loss 0.

    Args:
        logits: [B, T, J] and [B, T, C].
        targets: of the same B and T.
    """
    return mean_loss(tick_losses(head, logits, targets), targets)


def mean_loss(losses: TickLosses, targets: Targets) -> ImitationLoss:
    """The loss of a batch whose ticks cost `losses`; one without weight has the loss 0."""
    weight = targets.weight
    total_weight = weight.sum()
    divisor = total_weight.clamp_min(1e-6)
    of_action = (losses.action * weight).sum()
    total, buttons, accuracy = (
        part.detach() / divisor
        for part in (
            of_action,
            (losses.buttons * weight).sum(),
            ((losses.likeliest == targets.joint).float() * weight).sum(),
        )
    )
    return ImitationLoss(total, buttons, total - buttons, accuracy, total_weight, of_action)
