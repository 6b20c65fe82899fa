"""How fast cloning is: `python benchmarks/cloning_speed.py [--steps 24] [--rounds 3]`.

Frames learned from by a second of one core, preset `tiny`, joint head, three ways side by side:

    bare     forward, loss, backward and optimizer step alone, on one batch that lies in memory
    clone    the whole step of `vidact clone` (loader, augmentation, targets, average, guard), from
             its second epoch on
    before   the same of the commit that had no frames in memory, in its own checkout and with its
             own defaults of the time

Each is a process of its own with one thread; they take turns, and the median of the rounds counts.
Time is that of the processor, so that others who use the machine matter little.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "cloning_speed.json"
BEFORE = "c4b7aed"  # the last commit whose clone decodes every clip in every epoch
CLIPS, TICKS = 32, 128
WARM_STEPS = 3
LEAST_OF_BARE, LEAST_OF_BEFORE = 0.9, 2.5


def make_data(folder: Path) -> None:
    """A dataset of Doom's spec: a wall with texture goes by, keys and mouse change now and then."""
    from vidact.datasets.actions.spec import ActionSpec
    from vidact.datasets.shards.clip import Clip, clip_key, clip_meta
    from vidact.datasets.shards.dataset import Dataset
    from vidact.datasets.shards.info import DatasetInfo
    from vidact.datasets.shards.writer import ShardWriter

    spec, rng = ActionSpec.load("doom"), np.random.default_rng(0)
    height, width = spec.frame.height, spec.frame.width
    wall = rng.integers(40, 216, (height // 8, 4 * width // 8, 3))
    wall = np.kron(wall, np.ones((8, 8, 1))).astype(np.uint8)
    with ShardWriter(str(folder), "train-00000", spec) as writer:
        for number in range(CLIPS):
            yaw = np.repeat(rng.normal(0, 6, TICKS // 8), 8)
            at = (np.cumsum(yaw).astype(int)[:, None] + np.arange(width)) % wall.shape[1]
            held = np.repeat(rng.random((TICKS // 16, spec.num_buttons)) < 0.2, 16, axis=0)
            camera = np.stack([np.zeros(TICKS), yaw], axis=1).astype(np.float32)
            bins = spec.quantise(camera)
            source = f"{number:012x}".ljust(64, "0")
            writer.add(
                Clip(
                    key=clip_key(source, 0),
                    frames=np.ascontiguousarray(wall[:, at].swapaxes(0, 1)),
                    buttons=held.astype(np.uint8),
                    buttons_prob=held.astype(np.float16),
                    camera=camera,
                    camera_prob=(np.arange(max(spec.num_bins)) == bins[..., None]).astype(
                        np.float16
                    ),
                    confidence=np.ones(TICKS, np.float16),
                    valid=np.ones(TICKS, bool),
                    meta=clip_meta(
                        source_uri=f"{number}.mp4",
                        source_sha256=source,
                        episode_id=source[:12],
                        start_tick=0,
                        pts_ns=np.arange(TICKS) * 57_142_857,
                        spec_sha256=spec.sha256,
                        split="train",
                    ),
                )
            )
        writer.commit()
    Dataset(str(folder)).compact(DatasetInfo(name="Wall", spec=spec))


def timed(step: Any, warm: int, steps: int, frames: int) -> float:
    """Frames by a second of the processor."""
    for number in range(warm):
        step(number)
    begun = time.process_time()
    for number in range(steps):
        step(warm + number)
    return steps * frames / (time.process_time() - begun)


def measure(way: str, data: str, steps: int) -> float:
    """In the child: how fast one of the ways is."""
    from vidact.bc_policy.cloning.cloner import Cloner

    if way == "before":
        settings_then = importlib.import_module("vidact.bc_policy.config")  # where they lay
        old = settings_then.CloneConfig(
            data=(data,), out="unused", threads=1, mirror=("left:right",)
        )
        cloner = Cloner(old)
        return timed(lambda n: cloner.step(n, 0.0), WARM_STEPS, steps, old.batch_size * old.ticks)
    from vidact.bc_policy.cloning.config import CloneConfig

    settings = CloneConfig(
        data=(data,), out="unused", threads=1, loader_threads=1, mirror=("left:right",)
    )
    cloner = Cloner(settings)
    frames = settings.batch_size * settings.ticks
    epoch = cloner.loader.steps_per_epoch
    if way == "clone":
        return timed(lambda n: cloner.step(n, 0.0), epoch + WARM_STEPS, steps, frames)
    from vidact.bc_policy.cloning.cloner import Lanes
    from vidact.training.guards import clip_gradients

    batch = next(cloner.batches)
    lesson = cloner.make_targets.lesson(batch)
    inputs = cloner._inputs(batch, lesson.previous, Lanes(), slice(None))

    def bare(_: int) -> None:
        cloner.optimizer.zero_grad(set_to_none=True)
        learned = cloner.learner(inputs, lesson.targets)
        (learned.loss.sum / frames).backward()
        clip_gradients(cloner.policy.parameters(), 1.0)
        cloner.optimizer.step()

    return timed(bare, WARM_STEPS, steps, frames)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=24, help="that are timed, of each way")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", default="", help=argparse.SUPPRESS)
    parser.add_argument("--data", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(measure(options.way, options.data, options.steps))
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_data(folder / "data")
        old = folder / "old" / "vidact"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", str(old), BEFORE], check=True, capture_output=True)
        (folder / "new").mkdir()
        (folder / "new" / "vidact").symlink_to(ROOT)
        try:
            found: dict[str, list[float]] = {"bare": [], "clone": [], "before": []}
            for _ in range(options.rounds):
                for way, speeds in found.items():
                    home = folder / ("old" if way == "before" else "new")
                    words = [sys.executable, __file__, "--way", way, "--data", f"{folder}/data"]
                    ran = subprocess.run(
                        [*words, "--steps", str(options.steps)],
                        env={**os.environ, "PYTHONPATH": str(home), "OMP_NUM_THREADS": "1"},
                        capture_output=True,
                        text=True,
                        check=True,
                    )
                    speeds.append(float(ran.stdout.split()[-1]))
                    print(f"{way:7} {speeds[-1]:8,.0f} frames a second of one core", flush=True)
        finally:
            subprocess.run([*git, "remove", "--force", str(old)], check=True)
    speed = {way: statistics.median(speeds) for way, speeds in found.items()}
    result = {
        "frames_per_core_second": {way: round(value) for way, value in speed.items()},
        "of_bare": round(speed["clone"] / speed["bare"], 3),
        "of_before": round(speed["clone"] / speed["before"], 2),
        "rounds": {way: [round(value) for value in speeds] for way, speeds in found.items()},
        "bars": {"of_bare": LEAST_OF_BARE, "of_before": LEAST_OF_BEFORE},
        "before": BEFORE,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(
        f"clone: {result['of_bare']} of the bare step (bar {LEAST_OF_BARE}), "
        f"{result['of_before']} times the commit before (bar {LEAST_OF_BEFORE})"
    )


if __name__ == "__main__":
    main()
