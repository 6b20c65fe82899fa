"""Calibration on validation play, and the figures there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import ActionSpec
from ...progress import Progress
from ..labels.calibration import Calibration
from ..labels.windows import WindowRunner
from ..play.frame_cache import Track
from ..scores.figures import Figures
from ..scores.metrics import Labelling, Sums, Truth
from .fit_calibration import LabelledWindow, fit


def calibrate(
    runner: WindowRunner,
    spec: ActionSpec,
    tracks: Sequence[Track],
    positive_weights: NDArray[np.floating],
) -> tuple[Calibration, Figures]:
    """Fit on validation play; returns the calibration and the figures there (slightly flattered by
    it).
    """
    windows = label_windows(runner, tracks)
    mirror = runner.mirror
    calibration = fit(
        windows,
        spec,
        positive_weights,
        mirror.button_order if mirror else None,
        exclusive=runner.model.config.exclusive,
    )
    sums = []
    for track in tracks:
        own = (window.logits for window in windows if window.recording == track.recording)
        labelling = Labelling.joined(calibration.labels(logits, spec) for logits in own)
        sums.append(Sums.of(labelling, Truth.of(track), spec))
    return calibration, Figures.over(sums, spec)


def label_windows(runner: WindowRunner, tracks: Sequence[Track]) -> list[LabelledWindow]:
    """Run the network over whole recordings."""
    windows = []
    total = sum(track.num_ticks for track in tracks)
    with Progress("Looking at validation play", total=total, unit="ticks") as progress:
        for track in tracks:
            whole = (0, track.num_ticks)
            for logits in runner.run(track.batches(), start=0, stretch=whole, keep=whole):
                first, last = (logits.first_tick + end for end in logits.keep)
                windows.append(
                    LabelledWindow(
                        logits=logits,
                        buttons=track.buttons[first:last],
                        camera=track.camera[first:last],
                        valid=track.valid[first:last],
                        known=track.known[first:last],
                        recording=track.recording,
                    )
                )
                progress.advance(last - first)
    return windows
