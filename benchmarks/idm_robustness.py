"""What strangers' settings cost an IDM: `python benchmarks/idm_robustness.py IDM RECORDINGS… [--out
FILE]`.

The same held-out play is labelled as it was recorded, and as somebody else might have recorded it:
darker, brighter, with a narrower view, a larger or smaller status bar, with half the detail,
squeezed by a video site, and at 12 to 60 frames a second. The actions stay what they were. A mouse
of another sensitivity, or another screen, makes other play: the scripted player plays Doom's test
maps again with a usual, a slower and a faster mouse, and on screens of 16:10 and 16:9, and these
rows are to be compared with each other. A wide screen is labeled as it is, by `--view auto`, and so
after it was squeezed to 320x240 at 15 frames a second, as the largest public pile of Doom is. Rows
of 15 ticks run the same weights under the spec `doom-15hz`. Each row is kept: run again, it goes
on. Figures go to results/idm_robustness.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from vidact.datasets.actions.spec import ActionSpec, FrameSpec
from vidact.datasets.recordings.recording import Recording, find_recordings
from vidact.datasets.shards.codec import encode_video
from vidact.datasets.video.capture import coarsened, squeeze
from vidact.datasets.video.decoder import InProcessDecoder
from vidact.datasets.video.resize import FrameResizer
from vidact.datasets.video.ticks import decode_ticks
from vidact.datasets.video.view import MEASURED, View
from vidact.datasets.video.view_decoder import view_reader
from vidact.games.config import RecordDoomConfig
from vidact.games.record_doom import record_doom
from vidact.idm.eval_idm import label, truth_of
from vidact.idm.labels.checkpoint import load_idm, with_spec
from vidact.idm.labels.predict import Predictor
from vidact.idm.play.capture import enlarge_bar
from vidact.idm.scores.figures import Figures
from vidact.idm.scores.metrics import Sums
from vidact.pipeline.labelling.views import view_of

Frames = NDArray[np.uint8]  # [T, H, W, 3]
Pictures = Callable[[Recording, Predictor], Frames]
STATUS_BAR = 32 / 240  # of Doom's picture
MICE = {"mouse x0.6": 0.6, "mouse x1": 1.0, "mouse x1.6": 1.6}
SEED = 106  # of other play
# Screens by their shape: where their play lies, and its size.
WIDE = {
    "16:10": ("wide", {"width": 640, "height": 400}),
    "16:9": ("wider", {"width": 640, "height": 360}),
}
SMALL = (320, 240)
SLOW = 15  # frames a second, and ticks of a spec that such video carries without repeating any
HEADLINE = ("keypress_accuracy", "macro_f1", "macro_f1_common", "transition_f1_common")


def as_recorded(recording: Recording, predictor: Predictor) -> Frames:
    return np.concatenate([batch.frames for batch in recording.frames(predictor.spec)])


def changed(change: Callable[[Frames], Frames]) -> Pictures:
    """The frames, changed by a function of all of them."""
    return lambda recording, predictor: change(as_recorded(recording, predictor))


def at_rate(fps: int) -> Pictures:
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


def smaller_status_bar(share: float) -> Callable[[Frames], Frames]:
    """The bar at the bottom, made smaller in its middle; what it leaves has its usual color."""

    def change(frames: Frames) -> Frames:
        out = frames.copy()
        height, width = frames.shape[1:3]
        rows = round(height * STATUS_BAR)
        small = FrameSpec(2 * round(width * share / 2), 2 * round(rows * share / 2))
        resizer, left = FrameResizer(small), (width - small.width) // 2
        for frame in out:
            bar = resizer.from_rgb(np.ascontiguousarray(frame[height - rows :]))
            frame[height - rows :] = np.median(bar.reshape(-1, 3), axis=0).astype(np.uint8)
            frame[height - small.height :, left : left + small.width] = bar
        return out

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


def played(folder: Path, **options: Any) -> list[Recording]:
    """Eight minutes on Doom's test maps, in a folder where they may lie already."""
    if not any(folder.glob("*.mp4")):
        config = RecordDoomConfig(
            out=str(folder), maps="test", minutes=8, chunk_minutes=0.4, seed=SEED, **options
        )
        record_doom(config)
    return find_recordings([str(folder)])


def viewed(recording: Recording, predictor: Predictor) -> Frames:
    """What `label --view auto` sees."""
    return seen_by_auto(Path(recording.path), predictor, recording.num_ticks(predictor.spec))


def squeezed_at(fps: int) -> Pictures:
    """What `label --view auto` sees of the recording after it was squeezed into 320x240 at so many
    frames a second.
    """

    def frames(recording: Recording, predictor: Predictor) -> Frames:
        small = np.concatenate(
            [
                one.frames
                for one in decode_ticks(
                    recording.path, FrameSpec(*SMALL), Fraction(fps), probe=recording.video
                )
            ]
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "small.mp4"
            path.write_bytes(encode_video(small, Fraction(fps)))
            return seen_by_auto(path, predictor, recording.num_ticks(predictor.spec))

    return frames


def seen_by_auto(path: Path, predictor: Predictor, ticks: int) -> Frames:
    """The ticks of a video; the last of them again where it has fewer."""
    decoder, spec = InProcessDecoder(), predictor.spec
    there = min(decoder.probe(path, spec.tick_hz, sha256=False).ticks, ticks)

    def read(view: View, start: int, end: int) -> Frames:
        reader = view_reader(
            decoder, view, path, frame=spec.frame, tick_hz=spec.tick_hz, end_tick=end
        )
        return reader.read(start, end)[0]

    frames = read(view_of(MEASURED, read, predictor, there), 0, there)
    return frames[np.minimum(np.arange(ticks), len(frames) - 1)]


SETTINGS: dict[str, Pictures] = {
    "as recorded": as_recorded,
    "brightness x0.6": changed(lighter(0.6)),
    "brightness x1.4": changed(lighter(1.4)),
    "field of view x0.85": changed(narrower(0.85)),
    "status bar x1.5": changed(larger_status_bar(1.5)),
    "status bar x0.6": changed(smaller_status_bar(0.6)),
    "half the detail": changed(lambda frames: coarsened(frames, 0.5)),
    "H.264 at crf 38": changed(compressed(38)),
    "source of 12 fps": at_rate(12),
    "source of 15 fps": at_rate(15),
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
    parser.add_argument("--work", type=Path, default=Path("runs/robustness"))
    parser.add_argument("--only", nargs="+", default=["*"], help="names of rows")
    options = parser.parse_args()
    predictor = Predictor.load(options.idm, threads=1)
    recordings = find_recordings(options.recordings)
    found: dict[str, Any] = {
        "idm": options.idm,
        "sha256": predictor.sha256,
        "recordings": len(recordings),
    }
    if options.out.exists():
        old = json.loads(options.out.read_bytes())
        if {name: old[name] for name in found} == found:
            found = old
    found.setdefault("settings", {})
    for name, frames in SETTINGS.items():
        add(name, options, found, partial(measure, predictor, recordings, frames))
    if predictor.spec.name == "doom":
        add_other_play(predictor, options, found)
    axes = predictor.spec.axis_names
    print(
        f"{'':48}"
        + "".join(f"{name:>20}" for name in (*HEADLINE, *(f"{axis} R²" for axis in axes)))
    )
    for name, row in found["settings"].items():
        print(f"{name:48}" + "".join(f"{value:20.3f}" for value in row.values()))


def add(
    name: str,
    options: argparse.Namespace,
    found: dict[str, Any],
    row: Callable[[], dict[str, float]],
) -> None:
    """Measure a row that is not there yet, and keep it."""
    rows = found["settings"]
    if name in rows or not any(fnmatch(name, pattern) for pattern in options.only):
        return
    rows[name] = row()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(name, json.dumps(rows[name]), flush=True)


def add_other_play(
    predictor: Predictor, options: argparse.Namespace, found: dict[str, Any]
) -> None:
    """Rows of play that is made here."""

    def measured(folder: str, of: Predictor, frames: Pictures, **play: Any) -> dict[str, float]:
        return measure(of, played(options.work / folder, **play), frames)

    for name, speed in MICE.items():
        row = partial(measured, f"mouse-{speed:g}", predictor, as_recorded, mouse_speed=speed)
        add(name, options, found, row)
    checkpoint, spec = load_idm(options.idm), ActionSpec.load(f"doom-{SLOW}hz")
    slow = Predictor.load(with_spec(checkpoint, spec), threads=1)
    for shape, (folder, size) in WIDE.items():
        for name, (of, frames) in {
            f"screen of {shape}, all of it": (predictor, as_recorded),
            f"screen of {shape}, --view auto": (predictor, viewed),
            f"{shape} squeezed, 15 fps, --view auto": (predictor, squeezed_at(SLOW)),
            f"15 ticks: screen of {shape}, --view auto": (slow, viewed),
            f"15 ticks: {shape} squeezed, 15 fps, --view auto": (slow, squeezed_at(SLOW)),
        }.items():
            add(name, options, found, partial(measured, folder, of, frames, **size))


def measure(
    predictor: Predictor,
    recordings: list[Recording],
    frames: Pictures,
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
