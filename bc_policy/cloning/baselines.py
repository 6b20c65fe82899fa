"""What is known of the next action without looking: how frequent it is, and what it follows.

A held-out loss means something beside these two. A policy no better than *copy-last* has learned to
go on as before, which it is told, and nothing from the pictures.

N ticks, J joint actions, G groups of axes
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ...datasets.loading.batch import Batch
from ...networks.heads import JointHead
from .targets import TargetMaker

# Labels of 2,048 clips of 128 ticks, four hours of Doom, are counted in seconds; the rates of more
# hardly differ.
MOST_CLIPS = 2048
UNSEEN = 0.5  # ticks that every class counts at first
TRUST = 2.0  # ticks after which what followed an action weighs as much as what is frequent

Index = NDArray[np.int64]


class NextClass:
    """How probable a class is in general, and after another: a Markov chain of first order.

    Args:
        classes: how many there are.
        now: int64 [N], what happened. before: int64 [N], what happened a tick before, -1 where that
            is not known.
    """

    def __init__(self, classes: int, now: Index, before: Index):
        self._classes = classes
        counts = np.bincount(now, minlength=classes) + UNSEEN
        self._rate = counts / counts.sum()
        known = before >= 0
        self._pairs, self._pair_counts = np.unique(
            before[known] * classes + now[known], return_counts=True
        )
        self._follows = np.bincount(before[known], minlength=classes)

    def log_prob(self, now: Index, before: Index) -> tuple[NDArray, NDArray]:
        """log p of each class by its rate, and by what it follows (by its rate if not known)."""
        rate = self._rate[now]
        last = np.maximum(before, 0)
        pair = last * self._classes + now
        place = np.minimum(np.searchsorted(self._pairs, pair), max(len(self._pairs) - 1, 0))
        seen = np.zeros(len(now))
        if len(self._pairs):
            seen = np.where(self._pairs[place] == pair, self._pair_counts[place], 0)
        after = (seen + TRUST * rate) / (self._follows[last] + TRUST)
        return np.log(rate), np.log(np.where(before >= 0, after, rate))


class ActionBaselines:
    """Both baselines of the whole action, counted on training labels.

    Args:
        batches: of training clips; frames are not looked at, and of very many clips the first are
            enough.
        maker: of the targets. head: whose classes they are.
    """

    def __init__(self, batches: Iterable[Batch], maker: TargetMaker, head: JointHead):
        self._maker, self._moves = maker, head.camera_on.cpu().numpy()
        self._has_camera = head.has_camera
        found, clips = [], 0
        for batch in batches:
            found.append(self._ticks(batch))
            clips += len(batch.keys)
            if clips >= MOST_CLIPS:
                break
        joint, camera, before, weight = (
            np.concatenate(part) for part in zip(*(ticks[:4] for ticks in found), strict=True)
        )
        some = weight > 0
        self._joint = NextClass(head.num_joint, joint[some], before[some, 0])
        classes, last = self._classes(camera), self._classes(before[:, 1])
        self._groups = []
        for group, size in enumerate(head.group_sizes):
            counts = some & self._counts(group, joint)
            self._groups.append(NextClass(size, classes[counts, group], last[counts, group]))

    def losses(self, batch: Batch) -> tuple[NDArray, NDArray]:
        """Negative log-likelihood of each tick, [B, T] each: by rates, and by the last action."""
        joint, camera, before, _, shape = self._ticks(batch)
        by_rate, by_last = self._joint.log_prob(joint, before[:, 0])
        classes, last = self._classes(camera), self._classes(before[:, 1])
        for group, baseline in enumerate(self._groups):
            counts = self._counts(group, joint)
            by_rate, by_last = (
                whole + np.where(counts, part, 0)
                for whole, part in zip(
                    (by_rate, by_last),
                    baseline.log_prob(classes[:, group], last[:, group]),
                    strict=True,
                )
            )
        return -by_rate.reshape(shape), -by_last.reshape(shape)

    def _classes(self, camera: Index) -> Index:
        """What the axes did, [N] ► the class of each group [N, G], -1 where that is not known."""
        return np.where(camera[:, None] < 0, -1, self._maker.actions.split(camera))

    def _counts(self, group: int, joint: Index) -> NDArray[np.bool_]:
        """In which ticks a group counts, [N]: the camera where the joint action moves it."""
        if group == 0 and self._has_camera:
            return np.asarray(self._moves[joint], bool)
        return np.ones(len(joint), bool)

    def _ticks(self, batch: Batch) -> tuple[Index, Index, Index, NDArray, tuple[int, ...]]:
        """Joint [N], camera [N], the action before [N, 2], weight [N], and the batch's shape."""
        lesson = self._maker.lesson(batch)
        joint, camera, weight = (part.numpy() for part in lesson.targets[:3])
        previous = lesson.previous.numpy().reshape(-1, 2)
        return joint.ravel(), camera.ravel(), previous, weight.ravel(), joint.shape
