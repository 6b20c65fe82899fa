"""Clips of validation play, seen otherwise, and how much of them an IDM labels right.

B clips, T ticks, K buttons, A axes

A tick is right where each axis is within 0.75 degrees or a tenth of the truth, whichever is more,
and all frequent buttons are right: those that are held in at least 2 % of the ticks. A clip's score
is the share of its ticks with a label that are right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...datasets.actions.spec import ActionSpec
from ...training.chance import Use, chance
from ...training.precision import autocast
from ..labels.calibration import Calibration
from ..labels.windows import WindowLogits
from ..network.model import InverseDynamicsModel
from ..play.clips import labelled_start
from ..play.frame_cache import Track
from ..play.look import ClipLook
from ..play.training_play import press_rates
from ..scores.figures import COMMON
from ..scores.metrics import Labelling, Truth

NEAR_DEG, NEAR_SHARE = 0.75, 0.1  # what a person at the screen would not feel as wrong
BATCH_CLIPS = 6  # at once, as in training: what they need stays in the cache


@dataclass(frozen=True, slots=True)
class Question:
    """One clip, and how it is seen."""

    track: Track
    start: int
    look: ClipLook


@dataclass(frozen=True, slots=True)
class Answer:
    """What an IDM made of one clip."""

    score: float
    """Share of its ticks that are right."""
    idle: float
    """What saying that nothing was done would score."""
    labelling: Labelling
    truth: Truth


class Exam:
    """Asks an IDM about clips.

    Args:
        model: in evaluation mode when it is asked.
        spec: of the labels.
        calibration: turns its logits into decisions.
        tracks: validation play; the frequent buttons are its.
        seed: of the choice of clips.
        ticks: T.
        dtype: of matrix products.
    """

    def __init__(
        self,
        model: InverseDynamicsModel,
        spec: ActionSpec,
        calibration: Calibration,
        tracks: Sequence[Track],
        *,
        seed: int,
        ticks: int,
        dtype: torch.dtype = torch.float32,
    ):
        self.model, self.spec, self.calibration, self.dtype = model, spec, calibration, dtype
        self.tracks = [track for track in tracks if track.valid.any()]
        self.seed, self.ticks = seed, ticks
        self.frequent = press_rates(self.tracks) >= COMMON  # (K)
        self._share = np.cumsum([track.num_ticks for track in self.tracks], dtype=np.float64)

    def places(self, number: int, count: int) -> list[tuple[Track, int]]:
        """Tracks and starts of `count` clips: a pure function of seed and number."""
        generator = chance(Use.PLACES, self.seed, number)
        drawn = generator.random(count) * self._share[-1]
        tracks = [self.tracks[int(np.searchsorted(self._share, at, side="right"))] for at in drawn]
        return [(track, labelled_start(track, self.ticks, generator)) for track in tracks]

    def place_in(self, track: Track, number: int, index: int) -> tuple[Track, int]:
        """A clip of this track."""
        return track, labelled_start(
            track, self.ticks, chance(Use.PLACES, self.seed, number, 1 + index)
        )

    @torch.no_grad()
    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """The answers; a clip without a label gives none."""
        answers = []
        for first in range(0, len(questions), BATCH_CLIPS):
            some = questions[first : first + BATCH_CLIPS]
            for question, window in zip(some, self._windows(some), strict=True):
                if (answer := self._answer(question, window)) is not None:
                    answers.append(answer)
        return answers

    def _windows(self, questions: Sequence[Question]) -> list[WindowLogits]:
        radius, ticks, model = self.model.radius, self.ticks, self.model
        device = next(model.parameters()).device
        frames, present = [], []
        for one in questions:
            clip = one.track.frames(one.start - radius, one.start + ticks + radius, look=one.look)
            frames.append(torch.from_numpy(clip))
            present.append(np.arange(one.start, one.start + ticks) < one.track.num_ticks)
        seen = torch.from_numpy(np.stack(present)).to(device)  # (B, T)
        with autocast(device, self.dtype):
            inputs = model.inputs(torch.stack(frames), dtype=self.dtype).to(device)
            logits = model.forward_windows(model.features_of(inputs), seen)
        buttons = logits.buttons.float().cpu().numpy()
        axes = [axis.float().cpu().numpy() for axis in logits.axes]
        return [
            WindowLogits(
                first_tick=one.start,
                keep=(0, int(present[i].sum())),
                present=present[i],
                buttons=buttons[i],
                axes=tuple(axis[i] for axis in axes),
            )
            for i, one in enumerate(questions)
        ]

    def _answer(self, question: Question, window: WindowLogits) -> Answer | None:
        track = question.track
        part = slice(question.start, question.start + window.keep[1])
        truth = Truth(
            buttons=track.buttons[part],
            camera=track.camera[part],
            valid=track.valid[part],
            known=track.known[part],
        )
        if not truth.valid.any():
            return None
        labels = self.calibration.labels(window, self.spec)
        nothing = np.zeros_like(truth.buttons), np.zeros_like(truth.camera)
        return Answer(
            score=share_right(labels.buttons, labels.camera, truth, self.frequent),
            idle=share_right(*nothing, truth, self.frequent),
            labelling=Labelling.joined([labels]),
            truth=truth,
        )


def share_right(
    buttons: NDArray[np.uint8],
    camera: NDArray[np.float32],
    truth: Truth,
    frequent: NDArray[np.bool_],
) -> float:
    """The share of the ticks with a label that are right, see the module's head.

    Args:
        buttons: said, [T, K]. camera: said, [T, A].
        frequent: bool [K]: the buttons that count.
    """
    near = np.maximum(NEAR_DEG, NEAR_SHARE * np.abs(truth.camera))
    # What is not known of a tick cannot be wrong.
    right = ((np.abs(camera - truth.camera) <= near) | ~truth.camera_known).all(1)
    right &= ((buttons == truth.buttons) | ~truth.buttons_known)[:, frequent].all(1)
    return float(right[truth.valid].mean())
