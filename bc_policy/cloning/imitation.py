"""The loss of behavioral cloning: how likely the policy finds what the player did.

B batch, T frames, J joint actions, C classes of all groups of axes
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
    """Negative log-likelihood of the action, in nats: buttons, axes, the camera where it moves."""
    buttons: Tensor
    """The joint action's part of it; only shown, it carries no gradient."""
    likeliest: Tensor
    """int64: the likeliest joint action."""


class ImitationLoss(NamedTuple):
    """Of a batch (0-dimensional tensors): weighted means over its ticks, and their sum."""

    total: Tensor
    """Negative log-likelihood of the action, in nats: buttons, axes, the camera where it moves."""
    buttons: Tensor
    """The joint action's part of it."""
    camera: Tensor
    """The axes' part of it."""
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
        action = -(of_joint + _of_axes(head, logits.camera, targets, moves))
    return TickLosses(action, -of_joint.detach(), logits.joint.detach().argmax(-1))


def _of_axes(head: JointHead, logits: Tensor, targets: Targets, moves: Tensor) -> Tensor:
    """The log-likelihood of what the axes did, [B, T]; the camera's share counts by `moves`."""
    result = torch.zeros_like(moves)
    chosen = head.split(targets.camera)
    prob = None if targets.camera_prob is None else head.of_groups(targets.camera_prob)
    for group, of_group in enumerate(head.of_groups(logits)):
        is_camera = group == 0 and head.has_camera
        # The thousand bins of a camera that rests need not be looked at.
        counts = moves > 0 if is_camera else torch.ones_like(moves, dtype=torch.bool)
        log_p = torch.log_softmax(of_group[counts].float(), dim=-1)  # (n, classes)
        if prob is None:
            likelihood = log_p.gather(-1, chosen[group][counts][:, None])[:, 0]
        else:
            likelihood = (prob[group][counts] * log_p).sum(-1)
        whole = torch.zeros_like(moves)
        whole[counts] = likelihood
        result = result + (moves * whole if is_camera else whole)
    return result


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
