"""The inverse dynamics model: from frames to the actions that made them, with a calibrated
confidence.

In come recordings (training) or frames (prediction), out go action labels; pipeline calls it. The
names below are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .labels.calibration import Predictions as Predictions
    from .labels.checkpoint import load_idm as load_idm
    from .labels.predict import Predictor as Predictor
else:  # hidden from type checkers, which would take any name for one of these
    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".labels.calibration": ("Predictions",),
            ".labels.checkpoint": ("load_idm",),
            ".labels.predict": ("Predictor",),
        },
    )
