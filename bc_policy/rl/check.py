"""Did fine-tuning make the policy better? Both play the same fresh games, and the better one stays.

Fine-tuning for minutes may lose by chance what cloning had. The games of the check are neither
those of the run nor those that `play` scores on, so that the choice makes no score look better than
it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from ...progress import log
from ...training.intervals import interval_words, mean_interval
from .actors import Actors

FIRST_CHECK_SEED = 4_000_000_000  # training begins at 1,000,000,000, `play` at 1,000


def better_of(
    actors: Actors, clone: Mapping[str, Tensor], tuned: Mapping[str, Tensor], *, episodes: int
) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
    """The weights that score more on `episodes` games, and what was found.

    At equal scores fine-tuning stays.
    """
    log(f"Playing {episodes} fresh games with the clone and with what it became")
    seeds = [FIRST_CHECK_SEED + index for index in range(episodes)]
    before, after = (np.array(actors.score(weights, seeds)) for weights in (clone, tuned))
    gain = after - before  # game by game: some are harder than others
    interval = mean_interval(gain.tolist())
    is_worse = bool(gain.mean() < 0)
    found = {
        "episodes": episodes,
        "clone": float(before.mean()),
        "finetuned": float(after.mean()),
        "gain": float(gain.mean()),
        "gain_ci95": None if interval is None else list(interval),
        "kept": "clone" if is_worse else "finetuned",
    }
    log(
        f"Clone {found['clone']:.2f}, fine-tuned {found['finetuned']:.2f} "
        f"(gain {found['gain']:.2f}, {interval_words(interval)}): {found['kept']} is kept"
    )
    return (clone if is_worse else tuned), found
