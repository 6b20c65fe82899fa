"""What strangers' settings cost an IDM: `python benchmarks/idm_robustness.py IDM RECORDINGS… [--out
FILE]`.

The same held-out play is labelled as it was recorded, and as somebody else might have recorded it:
darker, brighter, with a narrower view, a larger status bar, squeezed by a video site, and at 24,
25, 30 and 60 frames a second. The actions stay what they were. A mouse of another sensitivity makes
other play: the scripted player plays Doom's test maps again with a usual, a slower and a faster
one, and these rows are to be compared with each other. Figures go to results/idm_robustness.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from vidact.datasets.actions.spec import FrameSpec
from vidact.datasets.recordings.recording import Recording, find_recordings
from vidact.datasets.video.capture import squeeze
from vidact.datasets.video.resize import FrameResizer
from vidact.datasets.video.ticks import decode_ticks
from vidact.games.config import RecordDoomConfig
from vidact.games.record_doom import record_doom
from vidact.idm.eval_idm import label, truth_of
from vidact.idm.labels.predict import Predictor
from vidact.idm.play.capture import enlarge_bar
from vidact.idm.scores.figures import Figures
from vidact.idm.scores.metrics import Sums

Frames = NDArray[np.uint8]  # [T, H, W, 3]
STATUS_BAR = 32 / 240  # of Doom's picture
MICE = {"mouse x0.6": 0.6, "mouse x1": 1.0, "mouse x1.6": 1.6}
MOUSE_SEED = 106
HEADLINE = ("keypress_accuracy", "macro_f1", "macro_f1_common", "transition_f1_common")


def as_recorded(recording: Recording, predictor: Predictor) -> Frames:
    return np.concatenate([batch.frames for batch in recording.frames(predictor.spec)])


def changed(change: Callable[[Frames], Frames]) -> Callable[[Recording, Predictor], Frames]:
    """The frames, changed by a function of all of them."""
    return lambda recording, predictor: change(as_recorded(recording, predictor))


def at_rate(fps: int) -> Callable[[Recording, Predictor], Frames]:
    """What a recorder of `fps` frames a second would have kept: at each tick the last of its
    frames.
    """

    def frames(recording: Recording, predictor: Predictor) -> Frames:
        spec = predictor.spec
        kept = np.concatenate(
            [
                one.frames
                for one in decode_ticks(
                    recording.path, spec.frame, Fraction(fps), probe=recording.video
                )
            ]
        )
        ticks = np.arange(recording.num_ticks(spec))
        last = (ticks * fps * spec.tick_hz.denominator) // spec.tick_hz.numerator
        return kept[np.minimum(last, len(kept) - 1)]

    return frames


def lighter(factor: float) -> Callable[[Frames], Frames]:
    table = np.clip(np.arange(256) * factor, 0, 255).astype(np.uint8)
    return lambda frames: table[frames]


def narrower(share: float) -> Callable[[Frames], Frames]:
    """The middle of the picture, enlarged: a smaller field of view."""

    def change(frames: Frames) -> Frames:
        height, width = frames.shape[1:3]
        y, x = round(height * (1 - share) / 2), round(width * (1 - share) / 2)
        resizer = FrameResizer(FrameSpec(width, height))
        return np.stack(
            [resizer.from_rgb(frame[y : height - y, x : width - x]) for frame in frames]
        )

    return change


def larger_status_bar(factor: float) -> Callable[[Frames], Frames]:
    """The bar at the bottom, enlarged over what is above it."""

    def change(frames: Frames) -> Frames:
        out = frames.copy()
        enlarge_bar(out, STATUS_BAR, factor)
        return out

    return change


def compressed(crf: int) -> Callable[[Frames], Frames]:
    """H.264 and back, at a quality that leaves blocks; the encoder takes more care than the one of
    training does.
    """
    return lambda frames: squeeze(frames, crf, preset="medium")


def with_mouse(speed: float, folder: Path) -> list[Recording]:
    """Eight minutes on Doom's test maps, whose player's mouse is so many times faster."""
    config = RecordDoomConfig(
        out=str(folder),
        maps="test",
        minutes=8,
        chunk_minutes=0.4,
        seed=MOUSE_SEED,
        mouse_speed=speed,
    )
    record_doom(config)
    return find_recordings([str(folder)])


SETTINGS: dict[str, Callable[[Recording, Predictor], Frames]] = {
    "as recorded": as_recorded,
    "brightness x0.6": changed(lighter(0.6)),
    "brightness x1.4": changed(lighter(1.4)),
    "field of view x0.85": changed(narrower(0.85)),
    "status bar x1.5": changed(larger_status_bar(1.5)),
    "H.264 at crf 38": changed(compressed(38)),
    "source of 24 fps": at_rate(24),
    "source of 25 fps": at_rate(25),
    "source of 30 fps": at_rate(30),
    "source of 60 fps": at_rate(60),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("idm", help="a checkpoint folder, or the name of one that ships")
    parser.add_argument(
        "recordings", nargs="+", help="held-out play of more frames a second than 30"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "idm_robustness.json"
    )
    options = parser.parse_args()
    predictor = Predictor.load(options.idm, threads=1)
    recordings = find_recordings(options.recordings)
    found: dict[str, Any] = {
        "idm": options.idm,
        "sha256": predictor.sha256,
        "recordings": len(recordings),
    }
    found["settings"] = {
        name: measure(predictor, recordings, frames) for name, frames in SETTINGS.items()
    }
    if predictor.spec.name == "doom":
        for name, speed in MICE.items():
            with tempfile.TemporaryDirectory() as folder:
                found["settings"][name] = measure(
                    predictor, with_mouse(speed, Path(folder)), as_recorded
                )
    axes = predictor.spec.axis_names
    print(
        f"{'':22}"
        + "".join(f"{name:>20}" for name in (*HEADLINE, *(f"{axis} R²" for axis in axes)))
    )
    for name, row in found["settings"].items():
        print(f"{name:22}" + "".join(f"{value:20.3f}" for value in row.values()))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")


def measure(
    predictor: Predictor,
    recordings: list[Recording],
    frames: Callable[[Recording, Predictor], Frames],
) -> dict[str, float]:
    """Headline figures and R² by axis over all recordings."""
    spec = predictor.spec

    def batches(recording: Recording) -> Iterator[Frames]:
        whole = frames(recording, predictor)
        yield from (whole[i : i + 64] for i in range(0, len(whole), 64))

    def judge(recording: Recording) -> Sums:
        torch.set_num_threads(1)
        truth = truth_of(recording, spec)
        return Sums.of(label(predictor, batches(recording), len(truth.valid)), truth, spec)

    with ThreadPoolExecutor() as pool:
        figures = Figures.over(list(pool.map(judge, recordings)), spec)
    row = {name: round(float(figures.headline[name][0]), 4) for name in HEADLINE}
    motion = zip(spec.axis_names, figures.motion_r2[0], strict=True)
    return row | {f"{axis} R²": round(float(value), 4) for axis, value in motion}


if __name__ == "__main__":
    main()
