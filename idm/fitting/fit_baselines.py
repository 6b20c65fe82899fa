"""The baselines of the training play, which go into the checkpoint: an evaluation needs nothing but
it and recordings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...datasets.actions.spec import ActionSpec
from ...progress import Progress
from ..labels.checkpoint import BASELINE_PREFIX
from ..play.frame_cache import Track
from ..scores.baselines import LinearModel, RatesSampler
from ..scores.metrics import Truth


def fit_baselines(
    tracks: Sequence[Track], spec: ActionSpec
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Fit on training play; `load_baselines` reads back what goes into the checkpoint: tensors, and
    plain values.
    """
    truths = [Truth.of(track) for track in tracks]
    total = sum(track.num_ticks for track in tracks)
    with Progress("Fitting baselines", total=total, unit="ticks") as progress:

        def frames(track: Track) -> Iterator[NDArray[np.uint8]]:
            for batch in track.batches():
                progress.advance(len(batch))
                yield batch

        play = zip((frames(track) for track in tracks), truths, strict=True)
        linear = LinearModel.fit(play)
    tensors = {
        f"{BASELINE_PREFIX}weights": torch.from_numpy(linear.weights),
        f"{BASELINE_PREFIX}thresholds": torch.from_numpy(linear.thresholds),
    }
    return tensors, {"rates": RatesSampler.fit(truths, spec).to_dict()}
