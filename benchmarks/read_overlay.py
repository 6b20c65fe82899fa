"""Are keys that are drawn on the screen read, and when? `python benchmarks/read_overlay.py WORK`.

Doom is played by the scripted player, on other maps for tests, and one of our drawings is put over
it: at a random place, at a scale, an opacity, a bit rate, so many frames late, and standing still
for a while. `vidact read-overlay` reads the videos, and the recordings are compared with what was
pressed. Two IDMs learn the same pictures, one from the labels that were read and one from the true
ones, and are measured on play without an overlay. Each cell is kept in WORK: run again, it goes on,
and `--only` makes some of them. Figures go to results/read_overlay.json.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
import vidact
import yaml
from vidact.datasets.actions.spec import ActionSpec, FrameSpec
from vidact.datasets.recordings.recording import Recording, find_recordings
from vidact.datasets.recordings.writer import copy_recording
from vidact.datasets.video.frames import decode_frames
from vidact.datasets.video.resize import as_video_frame
from vidact.pipeline.overlays.drawings import drawn_layout
from vidact.pipeline.overlays.layout import Layout
from vidact.pipeline.overlays.place import Place
from vidact.pipeline.overlays.reading import OverlayReader

ROOT = Path(__file__).parent
SIZE = (640, 360)
CODECS = {"h264": ("libx264", {"preset": "veryfast"}), "vp9": ("libvpx-vp9", {"cpu-used": "8"})}
SECONDS = 60
FROZEN_S = 20
BARS = {
    "keys_right": ("at least", 0.99),
    "never_pressed_held": ("at most", 0.005),
    "delay_within_a_frame": ("at least", 0.95),
    "frozen_refused": ("at least", 1.0),
    "frames_a_core_second": ("at least", 1000),
    "keypress_accuracy_lost": ("at most", 0.01),
    "macro_f1_common_lost": ("at most", 0.03),
}
KEYS = ("forward", "back", "left", "right", "run", "attack", "use")


@dataclass(frozen=True, slots=True)
class Cell:
    """One video to make and to read."""

    layout: str
    share: float
    """Of the frame's width, the overlay's."""
    opacity: float
    mbit: float
    codec: str = "h264"
    late: int = 0
    """Frames by which the overlay lags behind."""
    frozen: bool = False
    """Whether its keys stand still for `FROZEN_S` in the middle."""
    seed: int = 0

    @property
    def name(self) -> str:
        return "-".join(str(value) for value in asdict(self).values())


def cells() -> list[Cell]:
    """All of them: reading by layout, size, opacity, rate and codec, and more seeds of timing."""
    reading = [
        Cell(layout, share, opacity, mbit, codec, seed=number)
        for number, (layout, share, opacity, mbit, codec) in enumerate(
            (layout, share, opacity, mbit, codec)
            for layout in ("keycaps", "glass")
            for share in (0.12, 0.15, 0.25, 0.4)
            for opacity in (1.0, 0.5)
            for mbit, codec in ((0.2, "h264"), (0.5, "h264"), (0.5, "vp9"), (2.0, "h264"))
        )
    ]
    late = [Cell("glass", 0.25, 0.8, 1.0, late=n % 7, seed=100 + n) for n in range(20)]
    frozen = [
        Cell("keycaps", 0.25, 1.0, 1.0, late=n % 3, frozen=True, seed=200 + n) for n in range(10)
    ]
    return [*reading, *late, *frozen]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--idm", default="doom")
    parser.add_argument("--only", nargs="+", default=["*"], help="cells, such as 'glass-0.15*'")
    parser.add_argument("--minutes", type=float, default=20.0, help="of each training; 0: none")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "read_overlay.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    work: Path = options.work
    plays = play(work, "read", minutes=6, seed=3)
    for cell in cells():
        kept = work / "cells" / f"{cell.name}.json"
        if kept.exists() or not any(fnmatch.fnmatch(cell.name, one) for one in options.only):
            continue
        found = run(cell, plays[cell.seed % len(plays)], work, options.idm)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(asdict(cell) | found, indent=1) + "\n")
        print(cell.name, found, flush=True)
    rows = [json.loads(path.read_text()) for path in sorted((work / "cells").glob("*.json"))]
    result: dict[str, Any] = {"cells": rows, "figures": summary(rows)}
    if options.minutes:
        result["idm"] = learned(work, options.idm, options.minutes)
        result["figures"] |= result["idm"]["lost"]
    result["bars"] = {
        name: {"bar": bar, "held": bool(value >= bar if way == "at least" else value <= bar)}
        for name, (way, bar) in BARS.items()
        if (value := result["figures"].get(name)) is not None
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["figures"] | {"bars": result["bars"]}, indent=1))


def play(work: Path, name: str, *, minutes: float, seed: int) -> list[Recording]:
    """Recordings of the scripted player."""
    folder = work / "play" / name
    config = vidact.RecordDoomConfig(out=str(folder), minutes=minutes, seed=seed)
    vidact.record_doom(config)
    return find_recordings([folder])


def run(cell: Cell, recording: Recording, work: Path, idm: str) -> dict[str, Any]:
    """Make the video, read it, compare."""
    layout = drawn_layout(cell.layout)
    frames = min(recording.num_frames, round(SECONDS * recording.fps))
    held = pressed(recording, layout)[:frames]
    room = work / "room"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    place, stopped = film(cell, recording, layout, held, room / "video.mp4")
    vidact.read_overlay(
        vidact.ReadOverlayConfig(
            videos=(str(room / "video.mp4"),), layout=(cell.layout,), out=str(room), idm=idm
        )
    )
    if not (room / "video.jsonl").exists():
        return {"found": False}
    read = Recording.open(room / "video")
    told = read.meta["overlay"]
    where = told["layouts"][0]
    lines = pressed(read, layout)
    valid = np.array([state.valid for state in read.states])
    counted = valid & ~stopped
    never = ~held.any(0)
    right = (lines == held)[counted]
    return {
        "found": True,
        "place_off_px": max(abs(where["x"] - place.x), abs(where["y"] - place.y)),
        "scale_off": where["scale"] / place.scale - 1,
        "opacity": where["opacity"],
        "keys_right": float(right.mean()),
        "worst_key_right": float(right.mean(0).min()),
        "never_pressed_held": float(lines[counted][:, never].mean()) if never.any() else None,
        "delay_off": told["delay_frames"] - cell.late,
        "delay_by_idm": told["delay_by_idm"],
        "frozen_frames": int(stopped.sum()),
        "frozen_refused": float((~valid)[stopped].mean()) if stopped.any() else None,
        "refused_elsewhere": float((~valid)[~stopped].mean()),
        "frames_a_core_second": speed(room / "video.mp4", layout, place),
    }


def pressed(recording: Recording, layout: Layout) -> np.ndarray:
    """Whether each input of a layout is held in each frame, bool [N, inputs]."""
    return np.array(
        [[name in state.inputs() for name in layout.inputs] for state in recording.states]
    )


def film(
    cell: Cell, recording: Recording, layout: Layout, held: np.ndarray, path: Path
) -> tuple[Place, np.ndarray]:
    """Write the video; returns where the overlay is, and in which frames it stands still."""
    draw = np.random.default_rng(cell.seed)
    scale = cell.share * SIZE[0] / layout.width
    wide, high = round(layout.width * scale), round(layout.height * scale)
    x, y = (
        int(draw.integers(0, side - own + 1)) for side, own in zip(SIZE, (wide, high), strict=True)
    )
    frames = len(held)
    shows = np.clip(np.arange(frames) - cell.late, 0, None)
    stopped = np.zeros(frames, bool)
    if cell.frozen:
        begin, count = frames // 3, round(FROZEN_S * recording.fps)
        shows[begin : begin + count] = shows[begin]
        stopped[begin : begin + count] = True
    codec, how = CODECS[cell.codec]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=recording.fps, options=dict(how))
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.bit_rate = round(cell.mbit * 1e6)
        for number, picture in enumerate(pictures(recording, frames)):
            names = [n for n, d in zip(layout.inputs, held[shows[number]], strict=True) if d]
            drawn = layout.drawn(scale, names)
            part = picture[y : y + high, x : x + wide]
            through = 1 - drawn[..., 3:] * cell.opacity
            part[:] = (part * through + drawn[..., :3] * 255 * cell.opacity).round()
            container.mux(stream.encode(as_video_frame(picture)))
        container.mux(stream.encode(None))
    return Place(x, y, scale, 1.0, cell.opacity), stopped


def pictures(recording: Recording, frames: int) -> Iterator[np.ndarray]:
    """The first frames of a recording at the video's size, uint8 [H, W, 3]."""
    for _, picture in decode_frames(recording.video, FrameSpec(*SIZE), np.arange(frames)):
        yield picture.copy()


def speed(path: Path, layout: Layout, place: Place) -> float:
    """Frames that are read in a second of one core, without decoding."""
    with av.open(str(path)) as video:
        first = islice(video.decode(video=0), 256)
        some = [frame.to_ndarray(format="rgb24") for frame in first]
    frames, reader = np.stack(some), OverlayReader(layout, place, SIZE)
    started = time.process_time()
    reader.evidence(frames)
    return len(frames) / (time.process_time() - started)


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The figures that the bars are about; a video in which nothing was found has no key right."""
    rows = [row for row in rows if row["share"] >= 0.15 and row["mbit"] >= 0.5]

    def mean(name: str, some: list[dict[str, Any]]) -> float | None:
        values = [row[name] for row in some if row.get(name) is not None]
        return float(np.mean(values)) if values else None

    figures = {
        "videos": len(rows),
        "found": mean("found", rows),
        "keys_right": mean("keys_right", [{"keys_right": 0.0} | row for row in rows]),
        "never_pressed_held": mean("never_pressed_held", rows),
        "frozen_refused": mean("frozen_refused", rows),
        "refused_elsewhere": mean("refused_elsewhere", rows),
        "frames_a_core_second": mean("frames_a_core_second", rows),
        "delay_within_a_frame": mean(
            "near", [{"near": abs(row.get("delay_off", 99)) <= 1} for row in rows]
        ),
    }
    return {name: value for name, value in figures.items() if value is not None}


def learned(work: Path, idm: str, minutes: float) -> dict[str, Any]:
    """Two IDMs, from labels that were read and from true ones, on play that neither has seen."""
    spec = keys_spec(work)
    video_cell = Cell("glass", 0.25, 0.8, 1.0, late=3)
    layout = drawn_layout("glass")
    truth, read = work / "labels" / "true", work / "labels" / "read"
    for number, recording in enumerate(play(work, "learn", minutes=20, seed=5)):
        stem = read / f"video-{number}"
        if stem.with_suffix(".jsonl").exists():
            continue
        path = work / "videos" / f"{stem.name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        held = pressed(recording, layout)
        film(replace(video_cell, seed=number), recording, layout, held, path)
        vidact.read_overlay(
            vidact.ReadOverlayConfig(videos=(str(path),), layout=("glass",), out=str(read), idm=idm)
        )
        states = recording.states
        copy_recording(stem.with_suffix(".mp4"), truth / stem.name, states, [{}] * len(states), {})
    play(work, "held-out", minutes=10, seed=7)
    figures = {}
    for name in ("true", "read"):
        out = work / "idm" / name
        vidact.train_idm(
            vidact.TrainIDMConfig(
                data=(str(work / "labels" / name),), out=str(out), spec=spec, minutes=minutes
            )
        )
        report = work / "report" / name
        vidact.eval_idm(
            vidact.EvalIDMConfig(
                checkpoint=str(out), recordings=(str(work / "play" / "held-out"),), out=str(report)
            )
        )
        figures[name] = json.loads((report / "metrics.json").read_text())
    names = ("keypress_accuracy", "macro_f1_common")
    return {
        **{name: {key: found[key] for key in names} for name, found in figures.items()},
        "lost": {f"{key}_lost": figures["true"][key] - figures["read"][key] for key in names},
    }


def keys_spec(work: Path) -> str:
    """Doom's keys alone, as the overlay shows them: a file of a spec without axes and weapons."""
    content = ActionSpec.load("doom").to_dict()
    content["name"], content["axes"] = "doom-keys", []
    content["buttons"] = [b for b in content["buttons"] if b["name"] in KEYS]
    content["groups"] = [g for g in content["groups"] if set(g["members"]) <= set(KEYS)]
    content["buttons"] = {b["name"]: b["inputs"] for b in content["buttons"]}
    path = work / "doom-keys.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return str(path)


if __name__ == "__main__":
    main()
