"""A task's predictions: what the annotator starts from, and what every edit is measured against.

Legend: T frames of the task, K buttons, A axes.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Predictions:
    """Labels before anybody touched them, a row per frame."""

    buttons: NDArray[np.uint8]
    """[T, K]: 1 where held."""
    buttons_prob: NDArray[np.float32]
    """[T, K]: the model's probability of being held; 0 or 1 where the labels are recorded ones."""
    camera: NDArray[np.float32]
    """[T, A]: degrees turned in the frame."""
    confidence: NDArray[np.float32]
    """[T]: the model's probability that the frame is right; 1 for recorded labels."""
    valid: NDArray[np.bool_]
    """[T]: False where there is no label to give."""

    @property
    def frames(self) -> int:
        return len(self.buttons)

    @property
    def gain(self) -> float:
        """The expected number of wrong frames: what labelling this is worth."""
        return float((1.0 - self.confidence.astype(np.float64))[self.valid].sum())

    def to_bytes(self) -> bytes:
        """Return the labels as a compressed npz."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            buttons=self.buttons.astype(np.uint8),
            buttons_prob=self.buttons_prob.astype(np.float16),
            camera=self.camera.astype(np.float32),
            confidence=self.confidence.astype(np.float16),
            valid=self.valid.astype(bool),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Predictions:
        """Read what `to_bytes` made."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(
                buttons=arrays["buttons"],
                buttons_prob=arrays["buttons_prob"].astype(np.float32),
                camera=arrays["camera"],
                confidence=arrays["confidence"].astype(np.float32),
                valid=arrays["valid"],
            )

    def to_json(self) -> dict[str, Any]:
        """Return the labels for the front end, with no more digits than it shows."""
        return {
            # K strings of T digits: a list of numbers would be twice as long.
            "buttons": ["".join(map(str, row)) for row in self.buttons.T.tolist()],
            "buttons_prob": np.round(self.buttons_prob.T.astype(np.float64), 3).tolist(),  # [K][T]
            "camera": np.round(self.camera.T.astype(np.float64), 4).tolist(),  # [A][T]
            "confidence": np.round(self.confidence.astype(np.float64), 3).tolist(),
            "valid": "".join("1" if v else "0" for v in self.valid.tolist()),
        }
