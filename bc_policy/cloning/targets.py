"""What a batch of labels teaches: which action, in which ticks, and how much.

B batch, T ticks, K buttons, A axes, J joint actions, C classes of all groups of axes
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...datasets.actions.joint import JointActions
from ...datasets.actions.spec import ActionSpec
from ...datasets.loading.batch import Batch
from ..policy.policy import last_actions, previous_actions
from .config import CloneConfig

UNTOLD = -1  # instead of an action that is not known


class Targets(NamedTuple):
    """What a batch teaches."""

    joint: Tensor
    """int64 [B, T]: the joint action of each tick."""
    camera: Tensor
    """int64 [B, T]: what the axes do, as one number; what it says of the camera counts only where
    the joint action moves that.
    """
    weight: Tensor
    """float32 [B, T]: 0 where a tick teaches nothing."""
    joint_prob: Tensor | None = None
    """float32 [B, T, J]: how probable each joint action is; None where `joint` is sure."""
    camera_prob: Tensor | None = None
    """float32 [B, T, C]: how probable each class is, one group of axes after the other; the
    camera's where it moves.
    """

    def to(self, device: torch.device) -> Targets:
        return self._each(lambda part: part.to(device))

    def rows(self, rows: slice) -> Targets:
        """Those of some rows."""
        return self._each(lambda part: part[rows])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Targets:
        joint, camera, weight, *soft = (part if part is None else change(part) for part in self)
        return Targets(cast(Tensor, joint), cast(Tensor, camera), cast(Tensor, weight), *soft)


class Lesson(NamedTuple):
    """Targets, and what the policy knows of its own actions meanwhile."""

    targets: Targets
    previous: Tensor
    """int64 [B, T, 2]: joint action and camera bin that were chosen a tick before."""
    last: Tensor
    """int64 [B, 2]: what was chosen last in each row, for the batch after this one."""


class TargetMaker:
    """Batches of labels ► lessons, by the rules of a CloneConfig.

    Args:
        soft: whether probabilities are learned where the batches have them.
    """

    def __init__(self, spec: ActionSpec, config: CloneConfig, *, soft: bool | None = None):
        self.spec, self.config = spec, config
        self.soft = config.labels == "soft" if soft is None else soft
        self.actions = JointActions(spec)
        # Of the actions as they are done, which a policy that acts late must also be told.
        self._undelayed = (
            TargetMaker(spec, replace(config, action_delay=0), soft=False)
            if config.action_delay
            else None
        )

    def __call__(self, batch: Batch) -> Targets:
        """The targets of a batch; the last `action_delay` ticks of a clip have none."""
        config = self.config
        batch, known = delayed(batch, config.action_delay)
        bins = self.spec.quantise(batch.camera)
        joint, camera = self.actions.encode(batch.buttons, bins)  # int64 [B, T] each
        weight = (batch.valid & known).astype(np.float32)
        idle = self.actions.resting(joint, camera)
        if config.null_actions == "mask":
            weight = weight * ~idle
        if config.longest_pause > 0:
            weight = weight * (run_lengths(idle) <= config.longest_pause)
        if config.min_confidence > 0:
            weight = weight * (batch.confidence >= config.min_confidence)
        if config.weight_by_confidence:
            weight = weight * batch.confidence
        hard = (joint, camera, weight.astype(np.float32))
        soft: tuple[NDArray[np.float32], ...] = ()
        if self.soft:
            if batch.buttons_prob is None or batch.camera_prob is None:
                raise ValueError("soft labels need a batch with probabilities")
            soft = self.actions.distributions(batch.buttons_prob, batch.camera_prob)
        return Targets(*map(torch.from_numpy, (*hard, *soft)))

    def lesson(self, batch: Batch, before: Tensor | None = None) -> Lesson:
        """Targets and the last actions that go with them.

        Args:
            before: int64 [B, 2], what was chosen in the tick before the batch; none by default.
        """
        targets = self(batch)
        first, delay = torch.from_numpy(batch.first), self.config.action_delay
        joint, camera = targets.joint, targets.camera
        if self._undelayed is not None:
            # What was chosen a tick ago is done `delay - 1` ticks from now: this batch knows.
            now = self._undelayed(batch)
            before = torch.stack([now.joint[:, delay - 1], now.camera[:, delay - 1]], dim=-1)
            known = torch.from_numpy(delayed(batch, delay)[1])
            joint, camera = (part.where(known, UNTOLD) for part in (joint, camera))
        chosen = torch.stack([joint, camera], dim=-1)  # (B, T, 2)
        return Lesson(
            targets,
            previous_actions(joint, camera, first, before),
            last_actions(chosen, torch.from_numpy(batch.ticks), before),
        )


def delayed(batch: Batch, delay: int) -> tuple[Batch, NDArray[np.bool_]]:
    """The batch in which each frame has the labels of `delay` ticks later.

    Returns it, and bool [B, T]: where there is such a tick, of the same episode.
    """
    ticks = np.arange(batch.valid.shape[1])
    if delay == 0:
        return batch, np.ones(batch.valid.shape, bool)
    later = np.minimum(ticks + delay, len(ticks) - 1)
    episode = batch.first.cumsum(axis=1)
    known = (ticks + delay < batch.ticks[:, None]) & (episode[:, later] == episode)
    names = ("buttons", "camera", "confidence", "valid", "buttons_prob", "camera_prob")
    found: dict[str, Any] = {name: getattr(batch, name) for name in names}
    for name, array in found.items():
        found[name] = None if array is None else array[:, later]
    return replace(batch, **found), known


def run_lengths(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How long `mask`, [B, T], has held at each tick, this one included; 0 where it does not."""
    places = np.arange(mask.shape[1])
    last_off = np.maximum.accumulate(np.where(mask, -1, places), axis=1)
    return np.where(mask, places - last_off, 0)
