"""What the IDM is trained on: one Bernoulli per button, one categorical per axis, both where labels
are valid.

N ticks, K buttons, A axes
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ...datasets.actions.spec import ActionSpec
from ...networks.heads import FactoredLogits


class LossParts(NamedTuple):
    """A loss and what it is made of, each a mean over valid ticks."""

    total: Tensor
    buttons: Tensor
    camera: Tensor


class FactoredLoss(nn.Module):
    """Loss of factored logits.

    Buttons: binary cross-entropy, summed over buttons, the held side weighted (`positive_weights`).
    Axes: cross-entropy against the two bins around the true motion, shared so that their mean is
    exactly it (the bins then lose nothing), and the smoothed absolute error of the expected motion.

    Args:
        spec: of the labels.
        positive_weights: float [K], the weight of held ticks of each button.
        camera_scale: float [A], degrees: the deviation of each axis in training, the unit of its
            error.
        error_weight: of the expected motion's error beside the cross-entropy.
    """

    positive_weights: Tensor
    camera_scale: Tensor

    def __init__(
        self,
        spec: ActionSpec,
        positive_weights: NDArray[np.float32],
        camera_scale: NDArray[np.float32],
        error_weight: float = 1.0,
    ):
        super().__init__()
        self.error_weight = error_weight
        self.register_buffer("positive_weights", torch.from_numpy(positive_weights))
        self.register_buffer("camera_scale", torch.from_numpy(camera_scale))
        self.centres = nn.ParameterList(
            nn.Parameter(torch.from_numpy(spec.bin_centres(axis)), requires_grad=False)
            for axis in range(spec.num_axes)
        )

    def forward(
        self,
        logits: FactoredLogits,
        buttons: Tensor,
        camera: Tensor,
        valid: Tensor,
        known: Tensor,
    ) -> LossParts:
        """
        Args:
            logits: of [B, T] ticks.
            buttons: float [B, T, K]. camera: float [B, T, A], degrees. valid: bool [B, T].
            known: bool [B, T, K + A]: what of the labels is truth; the rest teaches nothing.
        """
        weights = known[valid].float()  # (N, K + A)
        num_buttons = buttons.shape[-1]
        count = valid.sum().clamp_min(1)  # a batch without a valid label costs 0, not 0 / 0
        of_buttons = F.binary_cross_entropy_with_logits(
            logits.buttons[valid].float(),
            buttons[valid],
            weight=weights[:, :num_buttons],
            pos_weight=self.positive_weights,
            reduction="sum",
        )
        of_camera = of_buttons.new_zeros(())
        for axis, axis_logits in enumerate(logits.axes):
            centres = self.centres[axis]
            log_p = torch.log_softmax(axis_logits[valid].float(), dim=-1)  # (N, bins)
            true = camera[valid][:, axis]
            lower, upper_share = two_hot(true, centres)
            near = log_p.gather(1, torch.stack([lower, lower + 1], dim=1))  # (N, 2)
            cross_entropy = -(near[:, 0] * (1 - upper_share) + near[:, 1] * upper_share)
            error = (
                log_p.exp() @ centres - true.clamp(centres[0], centres[-1])
            ) / self.camera_scale[axis]
            smooth = F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=0.1)
            each = cross_entropy + self.error_weight * smooth
            of_camera = of_camera + (each * weights[:, num_buttons + axis]).sum()
        return LossParts((of_buttons + of_camera) / count, of_buttons / count, of_camera / count)


def two_hot(degrees: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """The bin below each value and the share of the bin above it, so that the shares' mean is the
    value.

    Args:
        degrees: float [N]; values beyond the outermost centres are clipped to them.
        centres: float [bins], rising.

    Returns int64 [N] in 0 … bins-2 and float [N] in 0..1.
    """
    degrees = degrees.clamp(centres[0], centres[-1])
    lower = (torch.searchsorted(centres, degrees.contiguous(), right=True) - 1).clamp(
        0, len(centres) - 2
    )
    low, high = centres[lower], centres[lower + 1]
    return lower, (degrees - low) / (high - low)


def positive_weights(
    press_rates: NDArray[np.float64], balance: float, limit: float
) -> NDArray[np.float32]:
    """Weights of held ticks: (released / held) ** balance, within 1 and `limit`; 1 for buttons
    never pressed.

    Args:
        press_rates: float [K], share of the training ticks in which a button is held.
        balance: 0 leaves rare buttons drowned, 1 makes held and released weigh the same.
    """
    odds = (1 - press_rates) / np.maximum(press_rates, 1e-9)
    return np.where(press_rates > 0, np.clip(odds**balance, 1.0, limit), 1.0).astype(np.float32)
