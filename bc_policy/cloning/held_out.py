"""The held-out loss: of a sample of clips that is always the same, with an interval.

Beside it stand what is known without looking (`ActionBaselines`), and how the policy does where the
player did something new.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import numpy as np

from ...datasets.loading.batch import Batch
from ...datasets.loading.clips import ClipLoader
from ...training.intervals import bootstrap_weights, interval
from .baselines import ActionBaselines
from .imitation import ImitationLoss, TickLosses
from .targets import Lesson

RESAMPLINGS = 1000  # of clips; the third figure of an interval's ends is then steady

Measure = Callable[[Batch], tuple[Lesson, ImitationLoss, TickLosses]]


class HeldOut:
    """Measures one policy after another on the same clips.

    Args:
        loader: of the held-out split, at its start.
        batches: how many of its batches make the sample.
        split: its name, with which the figures' names begin.
        baselines: counted on the training split.
    """

    def __init__(self, loader: ClipLoader, batches: int, split: str, baselines: ActionBaselines):
        self.split = split
        self._loader, self._batches, self._baselines = loader, batches, baselines

    def measure(self, measure: Measure) -> dict[str, float]:
        """The figures of the policy that `measure` asks.

        `<split>_loss` and its 95 % interval `_low`, `_high` over clips; `_loss_marginal` and
        `_loss_copy_last` on the same ticks; `_accuracy` of the likeliest joint action,
        `_accuracy_changes` where that is another than the one before, and `_copies`, the share of
        ticks in which the policy would go on as before.
        """
        sums, total = np.zeros(3), 0.0
        rows, ticks = [], []
        self._loader.epoch = self._loader.step = 0
        for batch in islice(self._loader, self._batches):
            lesson, loss, losses = measure(batch)
            mass = loss.weight.item()
            means = (loss.total.item(), loss.buttons.item(), loss.accuracy.item())
            sums += mass * np.array(means)
            total += mass
            weight = lesson.targets.weight.double().numpy()
            costs = np.stack([losses.action.cpu().double().numpy(), *self._baselines.losses(batch)])
            rows.append(np.stack([*(costs * weight).sum(-1), weight.sum(-1)]))  # (4, B)
            likeliest, joint = losses.likeliest.cpu().numpy(), lesson.targets.joint.numpy()
            before = lesson.previous[..., 0].numpy()
            known = weight * (before >= 0)
            changes = known * (joint != before)
            ticks.append(
                [
                    changes.sum(),
                    (changes * (likeliest == joint)).sum(),
                    known.sum(),
                    (known * (likeliest == before)).sum(),
                ]
            )
        mean = sums / max(total, 1e-6)
        clips = np.concatenate(rows, axis=1)  # (4, clips)
        drawn = bootstrap_weights(clips.shape[1], RESAMPLINGS, 0) @ clips.T
        ends = interval(drawn[:, 0] / np.maximum(drawn[:, 3], 1e-6)) or [mean[0], mean[0]]
        changed, found, told, copied = np.sum(ticks, axis=0)
        _, marginal, copy_last, weight_sum = clips.sum(axis=1)
        figures = {
            "loss": mean[0],
            "loss_buttons": mean[1],
            "accuracy": mean[2],
            "loss_low": ends[0],
            "loss_high": ends[1],
            "loss_marginal": marginal / max(weight_sum, 1e-6),
            "loss_copy_last": copy_last / max(weight_sum, 1e-6),
            "accuracy_changes": found / max(changed, 1e-6),
            "copies": copied / max(told, 1e-6),
        }
        return {f"{self.split}_{name}": float(value) for name, value in figures.items()}
