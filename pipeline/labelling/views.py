"""Which part of a source's pictures is looked at: as the user says, or as the model does.

Play of a wide screen shows more at both sides than the play that `doom` and others were trained on
(4:3), and a video site may have squeezed it into any size since, so that the file's sides say
nothing. What the model knows of its game does: of the parts that are usual, the one looks most like
it that shows what training showed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ...datasets.video.view import MEASURED, View

if TYPE_CHECKING:  # torch is for workers; the driver does without
    from ...idm.labels.predict import Predictor

Read = Callable[[View, int, int], np.ndarray]
# All of a picture; its 4:3 middle, where it shows 16:10; where it shows 16:9.
USUAL = (View(), View.middle(5 / 6), View.middle(3 / 4))
# Places of a source that are looked at: a menu, an intermission or a foreign scene at some of them
# decides nothing, since the middle place counts.
PLACES = 15


def view_of(asked: str, read: Read, predictor: Predictor, ticks: int) -> View:
    """The part of a source with so many ticks that is looked at.

    Args:
        asked: `left,top,right,bottom`, empty for all, or `auto` to measure.
        read: reads ticks `[start, end)` of a part of the pictures, uint8 [n, H, W, 3], as many as
            can be read.
    """
    if asked != MEASURED:
        return View.parse(asked)
    said = {view: likeness(view, read, predictor, ticks) for view in USUAL}
    return max(USUAL, key=lambda view: said[view])  # of equal ones the first, which is all


def likeness(view: View, read: Read, predictor: Predictor, ticks: int) -> float:
    """How much the middle of some places of a source looks like the game, log-odds; 0 where none
    can be read.
    """
    question = predictor.game
    if question is None:
        raise ValueError("the model knows no game")
    around = 2 * question.radius + 1
    if ticks < around:
        return 0.0
    clips = []
    for start in np.unique(np.linspace(0, ticks - around, PLACES + 2)[1:-1].astype(int)).tolist():
        frames = read(view, start, start + around)
        if len(frames) == around:  # damage is told of where it is labeled
            clips.append(frames.copy())
    return float(np.median(question.log_odds(np.stack(clips)))) if clips else 0.0
