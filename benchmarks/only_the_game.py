"""Does an IDM know its game? `python benchmarks/only_the_game.py WORK [--idm doom] [--only B…]`.

WORK holds what `filter_sources.yaml` names to test on: `packages/` (the unpacked packages),
`scripted/` and `people/` (recordings that were not fitted on), `crafter/`. Of each source it is
counted how many of its seconds `label` would drop, by its own filters, in segments as it cuts them;
of true play also as strangers record it, row by row of the robustness table. What asking costs is
measured beside decoding. Figures, with 95 % intervals over sources, go to
results/only_the_game.json.
"""

from __future__ import annotations

import argparse
import fnmatch
import gzip
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
import yaml
from idm_robustness import SETTINGS
from numpy.typing import NDArray
from other_scenes import gymnasium_games, maze, photographs, plots
from vidact.datasets.recordings.recording import Recording, find_recordings
from vidact.datasets.video.resize import FrameResizer
from vidact.idm.labels.predict import Predictor
from vidact.pipeline.config import FilterConfig
from vidact.pipeline.labelling.filter import StaticFilter
from vidact.pipeline.labelling.not_the_game import GameFilter

ROOT = Path(__file__).parent
SEGMENT_TICKS = 1024
LEAST_PICTURE_BYTES = 30_000
DRAWS = 2000
Frames = NDArray[np.uint8]
Ticks = Callable[[], Iterator[Frames]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--idm", default="doom")
    parser.add_argument("--only", nargs="+", default=["*"], help="names; other rows stay")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "only_the_game.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    predictor = Predictor.load(options.idm, device="cpu", threads=1)
    sources = yaml.safe_load((ROOT / "filter_sources.yaml").read_text(encoding="utf-8"))
    found: dict[str, Any] = (
        json.loads(options.out.read_bytes()) if options.out.exists() else {"other": {}, "play": {}}
    )
    groups = {
        "other": dict(others(options.work, sources["test"], predictor)),
        "play": dict(play(options.work, predictor)),
    }
    for group, rows in groups.items():
        for name, ticks in rows.items():
            if any(fnmatch.fnmatch(name, pattern) for pattern in options.only):
                found[group][name] = row = measured(ticks, predictor)
                print(f"{group:6}{name:40}{row['dropped_s']:9.1f} of {row['seconds']:.1f} s")
                write(options, predictor, found)


def write(options: argparse.Namespace, predictor: Predictor, found: dict[str, Any]) -> None:
    """Write the rows so far, and what they add up to."""
    rows = [row for group in ("other", "play") for row in found[group].values()]
    asked, decoding = (sum(row[name] for row in rows) for name in ("ask_s", "decode_s"))
    game = predictor.game
    content = {
        "idm": options.idm,
        "game_sha256": game.sha256 if game else "",
        "totals": {
            "other": total(found["other"]),
            "play": {
                kind: total({k: v for k, v in found["play"].items() if k.startswith(f"{kind}: ")})
                for kind in sorted({name.split(": ")[0] for name in found["play"]})
            },
        },
        "cost": {"asking_share_of_decoding": round(asked / max(decoding, 1e-9), 4)},
        "other": found["other"],
        "play": found["play"],
    }
    options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def total(rows: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Seconds, and the share that is dropped, with a 95 % interval over sources."""
    if not rows:
        return {"seconds": 0.0, "dropped": None, "ci95": None}
    pairs = np.array([[row["dropped_s"], row["seconds"]] for row in rows.values()])
    generator = np.random.default_rng(0)
    draws = pairs[generator.integers(0, len(pairs), (DRAWS, len(pairs)))].sum(1)
    low, high = np.quantile(draws[:, 0] / draws[:, 1], [0.025, 0.975])
    dropped, seconds = pairs.sum(0)
    return {
        "seconds": round(float(seconds), 1),
        "dropped": round(float(dropped / seconds), 5),
        "ci95": [round(float(low), 5), round(float(high), 5)],
    }


def measured(ticks: Ticks, predictor: Predictor) -> dict[str, float]:
    """How much of a source is dropped, and what that took."""
    static, game = StaticFilter(FilterConfig()), GameFilter(predictor.game, "asked")
    context = max(static.context, game.context)
    began = time.process_time()
    frames = np.concatenate(list(ticks()))
    decode_s, ask_s, dropped, unlike = time.process_time() - began, 0.0, 0, 0
    for start in range(0, len(frames), SEGMENT_TICKS):
        end = min(start + SEGMENT_TICKS, len(frames))
        low, high = max(0, start - context), min(len(frames), end + context)
        verdicts = static.judge(frames[low:high], low)
        began = time.process_time()
        verdicts, _ = game.judge(frames[low:high], verdicts)
        ask_s += time.process_time() - began
        drops = verdicts.drops(start, end)
        unlike += drops["not_the_game"]
        dropped += drops.total()
    hz = float(predictor.spec.tick_hz)
    return {
        "seconds": round(len(frames) / hz, 2),
        "dropped_s": round(dropped / hz, 2),
        "not_the_game_s": round(unlike / hz, 2),
        "decode_s": round(decode_s, 3),
        "ask_s": round(ask_s, 3),
    }


def others(
    work: Path, test: Mapping[str, Any], predictor: Predictor
) -> Iterator[tuple[str, Ticks]]:
    """List B."""
    hz = float(predictor.spec.tick_hz)
    packages = work / "packages"
    for film in test["films"]:
        file = next(packages.rglob(film["file"].removesuffix(".gz")), None)
        if file is None:
            packed = next(packages.rglob(film["file"]))
            file = packed.with_suffix("")
            with gzip.open(packed) as source, open(file, "wb") as target:
                shutil.copyfileobj(source, target)
        yield film["name"], lambda file=file: film_ticks(file, predictor)
    scenes = {
        "maze": lambda ticks: maze(ticks, 1),
        "plots": lambda ticks: plots(ticks, 1),
        "gymnasium": lambda ticks: gymnasium_games(ticks, 1),
        "opencv-pictures": lambda ticks: photographs(pictures(packages), ticks, 1),
    }
    for entry in (*test["scenes"], *test["games"], *test["pictures"]):
        if scene := scenes.get(entry["name"]):
            count = round(60 * entry["minutes"] * hz)
            yield (
                entry["name"],
                lambda scene=scene, count=count: resized(scene(count), predictor),
            )
    for file in sorted((work / "crafter").glob("*.mp4")):
        yield f"crafter {file.stem}", lambda file=file: film_ticks(file, predictor)


def pictures(packages: Path) -> list[Path]:
    """The photographs and drawings of OpenCV's documentation."""
    folder = next(packages.rglob("opencv-doc/examples")).parent
    files = (file for kind in ("*.jpg", "*.png") for file in folder.rglob(kind))
    return sorted(file for file in files if file.stat().st_size >= LEAST_PICTURE_BYTES)


def play(work: Path, predictor: Predictor) -> Iterator[tuple[str, Ticks]]:
    """True play: people's as it is, scripted under each setting of the robustness table."""
    for recording in find_recordings([work / "people"]):
        yield f"people: {recording.name}", lambda recording=recording: whole(recording, predictor)
    for name, setting in SETTINGS.items():
        for recording in find_recordings([work / "scripted"]):
            yield (
                f"{name}: {recording.name}",
                lambda recording=recording, setting=setting: iter([setting(recording, predictor)]),
            )


def whole(recording: Recording, predictor: Predictor) -> Iterator[Frames]:
    for batch in recording.frames(predictor.spec):
        yield batch.frames


def resized(shown: Iterator[Frames], predictor: Predictor) -> Iterator[Frames]:
    resizer = FrameResizer(predictor.spec.frame)
    for picture in shown:
        yield resizer.from_rgb(picture)[None]


def film_ticks(path: Path, predictor: Predictor) -> Iterator[Frames]:
    """Each tick's picture, also of films that are too slow or too broken for `label` to take."""
    resizer, step = FrameResizer(predictor.spec.frame), Fraction(1, 1) / predictor.spec.tick_hz
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        first: Fraction | None = None
        ticks = 0
        try:
            for frame in container.decode(stream):
                if frame.pts is None:
                    continue
                at = frame.pts * Fraction(stream.time_base)
                first = at if first is None else first
                while ticks * step <= at - first:
                    yield resizer.from_rgb(frame.to_ndarray(format="rgb24"))[None]
                    ticks += 1
        except av.error.FFmpegError:
            return


if __name__ == "__main__":
    main()
