"""From operations to labels: the replay.

The front end has the same in `document.ts`; a test compares the two.

An operation counts unless the last undo or redo that names it is an undo. What counts is applied in
the order of `seq`. Legend: T frames, K buttons, A axes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .predictions import Predictions


class OperationLike(Protocol):
    """The part of an operation that the replay reads."""

    id: Any
    kind: Any
    payload: Any


@dataclass(slots=True)
class ActionDocument:
    """The labels of an action-review task."""

    buttons: NDArray[np.uint8]
    """[T, K]"""
    camera: NDArray[np.float32]
    """[T, A]: degrees."""
    edited: NDArray[np.bool_]
    """[T]: a human set something here, whether or not it differs from the prediction."""
    accepted: NDArray[np.bool_]
    """[T]: a human said that the frame is right as it is."""
    unsure: NDArray[np.bool_]
    """[T]: a human could not tell."""
    valid: NDArray[np.bool_]
    """[T]: False where there is no label to give."""
    note: str = ""


@dataclass(slots=True)
class CleanDocument:
    """The labels of a clean-or-not task."""

    labels: list[str | None]
    """A label per frame; None where nobody has judged it."""
    reasons: list[list[str]] = field(default_factory=list)
    note: str = ""


def effective(operations: Iterable[OperationLike]) -> list[OperationLike]:
    """The operations that count, in order: undone ones and the undoing itself left out."""
    ordered = list(operations)
    undone: dict[str, bool] = {}
    for op in ordered:
        if op.kind in ("undo", "redo"):
            undone[op.payload["op"]] = op.kind == "undo"
    return [
        op for op in ordered if op.kind not in ("undo", "redo") and not undone.get(op.id, False)
    ]


def replay_actions(predictions: Predictions, operations: Iterable[OperationLike]) -> ActionDocument:
    """The labels of an action-review task after these operations (in the order of `seq`)."""
    frames = predictions.frames
    document = ActionDocument(
        buttons=predictions.buttons.copy(),
        camera=predictions.camera.astype(np.float32),
        edited=np.zeros(frames, bool),
        accepted=np.zeros(frames, bool),
        unsure=np.zeros(frames, bool),
        valid=predictions.valid.copy(),
    )
    for op in effective(operations):
        payload = op.payload
        if op.kind == "note":
            document.note = payload["text"]
            continue
        if op.kind == "remark":
            continue  # it is about labels, and changes none
        part = slice(payload["start"], payload["end"])
        if op.kind == "paint":
            document.buttons[part, payload["lane"]] = payload["value"]
            document.edited[part] = True
        elif op.kind == "press":
            moved = slice(payload["to_start"], payload["to_end"])
            document.buttons[part, payload["lane"]] = 0
            document.buttons[moved, payload["lane"]] = 1
            document.edited[part] = document.edited[moved] = True
        elif op.kind == "camera":
            document.camera[part, payload["axis"]] = payload["values"]
            document.edited[part] = True
        elif op.kind == "release":
            document.buttons[part] = 0
            document.camera[part] = 0.0
            document.edited[part] = True
        elif op.kind == "reset":
            document.buttons[part] = predictions.buttons[part]
            document.camera[part] = predictions.camera[part]
            document.valid[part] = predictions.valid[part]
            document.edited[part] = document.accepted[part] = document.unsure[part] = False
        elif op.kind == "accept":
            document.accepted[part] = payload["value"]
            if payload["value"]:
                document.unsure[part] = False
        elif op.kind == "unsure":
            document.unsure[part] = payload["value"]
            if payload["value"]:
                document.accepted[part] = False
        elif op.kind == "invalid":
            document.valid[part] = not payload["value"]
    return document


def replay_clean(frames: int, operations: Sequence[OperationLike]) -> CleanDocument:
    """The labels of a clean-or-not task after these operations (in the order of `seq`)."""
    document = CleanDocument(labels=[None] * frames, reasons=[[] for _ in range(frames)])
    for op in effective(operations):
        if op.kind == "note":
            document.note = op.payload["text"]
        elif op.kind == "label":
            for frame in range(op.payload["start"], op.payload["end"]):
                document.labels[frame] = op.payload["label"]
                document.reasons[frame] = (
                    list(op.payload["reasons"]) if op.payload["label"] == "artifacts" else []
                )
    return document
