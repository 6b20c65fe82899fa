"""People's answers to a task as arrays, and gold answers: what is compared with what.

Legend: T frames of the task, K buttons, A axes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..store.models import Assignment, Operation, Task
from .documents import replay_actions, replay_clean
from .predictions import Predictions

CLEAN_LABELS = ("clean", "artifacts", "none", "unsure")


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody said about a task."""

    buttons: NDArray[np.uint8]
    """[T, K]; of clean-or-not one column: the number of the label in `CLEAN_LABELS`, 255 none."""
    camera: NDArray[np.float32]
    """[T, A]: degrees."""
    counted: NDArray[np.bool_]
    """[T]: False where they said that there is no label, or that one cannot tell."""

    def to_json(self) -> dict[str, Any]:
        """Return the answer as a gold task keeps it."""
        return {
            "buttons": self.buttons.tolist(),
            "camera": np.round(self.camera.astype(np.float64), 4).tolist(),
            "counted": self.counted.astype(int).tolist(),
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Answer:
        """Read what `to_json` made."""
        counted = np.array(kept["counted"], bool)
        return cls(
            buttons=np.array(kept["buttons"], np.uint8).reshape(len(counted), -1),
            camera=np.array(kept["camera"], np.float32).reshape(len(counted), -1),
            counted=counted,
        )


def answer_to(task: Task, operations: Iterable[Operation]) -> Answer:
    """The answer that these operations make of a task (its `labels` loaded)."""
    if task.labels is None:
        labels = replay_clean(task.frames, list(operations)).labels
        numbers = [CLEAN_LABELS.index(label) if label in CLEAN_LABELS else 255 for label in labels]
        column = np.array(numbers, np.uint8)[:, None]
        return Answer(column, np.zeros((task.frames, 0), np.float32), column[:, 0] != 255)
    document = replay_actions(Predictions.from_bytes(task.labels), operations)
    return Answer(document.buttons, document.camera, document.valid & ~document.unsure)


def known_answer(task: Task, assignment: Assignment) -> Answer | None:
    """The gold answer that this work is judged by; None of other tasks, and where it is this."""
    if task.gold is None or task.gold["assignment"] == assignment.id:
        return None
    return Answer.from_json(task.gold)


def accuracy_counts(task: Task, given: Answer, gold: Answer) -> NDArray[np.float64]:
    """Count what somebody got right of what had to be decided: [right, decided].

    Of clean-or-not every frame is to be decided. Of buttons the cells that the gold answer, the
    model or the person holds: nearly all others are empty, and right without anybody's doing.
    """
    counted = gold.counted
    if task.labels is None:
        right = (given.buttons == gold.buttons)[counted]
        return np.array([right.sum(), right.size], np.float64)
    model = Predictions.from_bytes(task.labels).buttons
    decided = (given.buttons | gold.buttons | model).astype(bool) & counted[:, None]
    # To say that one cannot tell what is known is no right answer.
    right = (given.buttons == gold.buttons) & given.counted[:, None] & decided
    return np.array([right.sum(), decided.sum()], np.float64)
