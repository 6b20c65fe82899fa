"""Fit what an IDM's own play looks like, at the end of its training and without a label more.

Its training play, as it was recorded and as strangers would have recorded it, against photographs
and drawn scenes that ship and against play that was taken apart; its validation play says how low
the threshold must lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...datasets.actions.spec import ActionSpec, FrameSpec
from ...datasets.video.capture import squeeze
from ...datasets.video.resize import FrameResizer
from ...progress import Progress, log
from ..network.model import InverseDynamicsModel
from ..play.capture import BARS, ENLARGED, enlarge_bar
from ..play.frame_cache import Track
from .density import GameDensity
from .embedding import TrunkEmbedding
from .negatives import distorted, exposed, negative_clips

Frames = NDArray[np.uint8]
GAME = "game"  # the entry of a checkpoint's configuration, and its file

# Ticks of play for each clip that is looked at: neighbors show the same.
EVERY_TICKS = 5
MOST_PLAY, MOST_HELD_OUT, MOST_OTHERS = 3000, 800, 1600
# Too little play to know a game by: three minutes, and one that is held out, of 17.5 ticks a
# second. What a threshold cannot be held against is not judged.
FEWEST_PLAY, FEWEST_HELD_OUT = 600, 200
VIEWS = (0.8, 1.0)  # of the picture's sides that are seen, of a narrower field of view
CRF = (23, 40)
SEED = 20  # of which clips are looked at, and how they are changed


@dataclass(frozen=True, slots=True)
class FittedGame:
    """What goes into a checkpoint."""

    entry: dict[str, Any]
    tensors: dict[str, torch.Tensor]


def fit_game(
    model: InverseDynamicsModel,
    spec: ActionSpec,
    tracks: Sequence[Track],
    held_out: Sequence[Track],
) -> FittedGame | None:
    """Fit it; None, and a line that says so, where there is too little play.

    Args:
        model: the trained network, in evaluation mode.
        spec: of its frames.
        tracks: play that it was trained on.
        held_out: play that it was not trained on.
    """
    embed = TrunkEmbedding(model)
    generator = np.random.Generator(np.random.Philox(key=[SEED, 0]))
    own = sampled(tracks, embed.radius, MOST_PLAY, generator)
    other = sampled(held_out, embed.radius, MOST_HELD_OUT, generator)
    if len(own) < FEWEST_PLAY or len(other) < FEWEST_HELD_OUT:
        log(
            "Too little play to tell the game from other videos: "
            f"{len(own)} and {len(other)} looks at play and at validation play, "
            f"{FEWEST_PLAY} and {FEWEST_HELD_OUT} are needed; `vidact label` will not ask"
        )
        return None
    ticks = 2 * embed.radius + 1
    kinds = {
        "play": own,
        "play of strangers": [recorded_by_a_stranger(clip, spec.frame, generator) for clip in own],
        "held out": other,
        "held out of strangers": [
            recorded_by_a_stranger(clip, spec.frame, generator) for clip in other
        ],
        "other pictures": list(
            negative_clips(spec.frame, ticks, min(MOST_OTHERS, len(own)), generator)
        ),
        "distorted": [distorted(clip, generator) for clip in own[::2]],
    }
    vectors = {}
    total = sum(map(len, kinds.values()))
    with Progress("Looking at what is the game", total=total, unit="frames") as progress:
        for kind, clips in kinds.items():
            vectors[kind] = embed(np.stack(clips))
            progress.advance(len(clips))
    density = GameDensity.fit(
        np.concatenate([vectors["play"], vectors["play of strangers"]]),
        [vectors["held out"], vectors["held out of strangers"]],
        np.concatenate([vectors["other pictures"], vectors["distorted"]]),
    )
    passed = {kind: float(np.mean(density.log_odds(found) >= 0)) for kind, found in vectors.items()}
    entry = {
        "embedding": embed.name,
        "threshold": density.threshold,
        "scale": density.scale,
        "seen": {kind: len(clips) for kind, clips in kinds.items()},
        "passed": {kind: round(share, 4) for kind, share in passed.items()},
    }
    return FittedGame(entry, density.tensors())


def sampled(
    tracks: Sequence[Track], radius: int, most: int, generator: np.random.Generator
) -> list[Frames]:
    """Clips [2 radius + 1, H, W, 3] around ticks with a label, drawn from all tracks alike."""
    places = [
        (track, int(tick))
        for track in tracks
        for tick in np.flatnonzero(track.valid)[::EVERY_TICKS]
        if radius <= tick < track.num_ticks - radius
    ]
    chosen = generator.permutation(len(places))[:most]
    return [
        places[i][0].frames(places[i][1] - radius, places[i][1] + radius + 1)
        for i in sorted(chosen.tolist())
    ]


def recorded_by_a_stranger(
    clip: Frames, frame: FrameSpec, generator: np.random.Generator
) -> Frames:
    """The same play at another brightness, with a narrower view or a larger status bar, or
    compressed.

    In a game of cells the view stays: its cells lie on a grid.
    """
    kind = generator.integers(4)
    if kind == 0 and not frame.tile:
        return narrower(clip, float(generator.uniform(*VIEWS)))
    if kind == 1 and not frame.tile:
        larger = clip.copy()
        enlarge_bar(larger, generator.uniform(*BARS), generator.uniform(*ENLARGED))
        return larger
    if kind == 2:
        return squeeze(clip, int(generator.integers(CRF[0], CRF[1] + 1)))
    return exposed(clip, generator)


def narrower(clip: Frames, share: float) -> Frames:
    """The middle of each picture, at full size."""
    height, width = clip.shape[1:3]
    y, x = round(height * (1 - share) / 2), round(width * (1 - share) / 2)
    resizer = FrameResizer(FrameSpec(width, height))
    return np.stack(
        [
            resizer.from_rgb(np.ascontiguousarray(frame[y : height - y, x : width - x]))
            for frame in clip
        ]
    )
