"""Does an IDM see small things, and does that cost anything elsewhere?

    python benchmarks/idm_small_things.py [WORK] [--only 'crafter/*'] [--seeds 0 1 2]

Each cell trains one network on scripted play and measures it on play of other seeds. In Crafter: 15
minutes of labeled play, and 45 minutes of unseen worlds, in which the script presses each key of
crafting and placing some dozens of times; what preset `tiny` was under the spec's first version
stands beside what it is under the second, each with the CPU-seconds that its training took. In
Doom: 20 minutes of play on training maps, 6 minutes of other maps; `tiny` stands beside the same
network with patches in place of its residual CNN, after the same steps.

Play and checkpoints lie in WORK; figures go to results/idm_small_things.json as each cell ends, and
a cell that is there is not run again. One thread: seconds are those of one core.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from idm_presets import labelled_a_second
from studies import ROOT, TICKS_A_STEP, chosen
from vidact.datasets.recordings.recording import find_recordings
from vidact.idm.config import EvalIDMConfig, TrainIDMConfig
from vidact.idm.eval_idm import eval_idm
from vidact.idm.labels.checkpoint import load_idm, load_network, spec_of
from vidact.idm.network.config import PRESETS, IDMConfig, PatchConfig
from vidact.idm.train_idm import train_idm

RESULT = ROOT / "benchmarks" / "results" / "idm_small_things.json"
PLAY: dict[str, tuple[str, ...]] = {
    "crafter-play": ("crafter", "--minutes", "15", "--chunk-minutes", "2", "--seed", "200"),
    "crafter-heldout": ("crafter", "--minutes", "45", "--chunk-minutes", "4", "--seed", "201"),
    "doom-play": ("doom", "--minutes", "20", "--chunk-minutes", "0.7", "--seed", "100"),
    "doom-heldout": ("doom", "--maps", "test", "--minutes", "6", "--seed", "102"),
}
SPEED_WINDOWS = 24  # that labeling is timed over
HEADLINE = ("keypress_accuracy", "macro_f1", "macro_f1_common", "macro_ap", "transition_f1")
OF_BUTTONS = ("held_ticks", "said_ticks", "recall", "precision")


@dataclass(frozen=True, slots=True)
class Arm:
    """A network under a spec."""

    game: str
    spec: str
    steps: int
    """Of TICKS_A_STEP ticks."""
    network: IDMConfig | None = None
    """None: what preset `tiny` is under the spec."""


ARMS = {
    "crafter/crafter@1, tiny": Arm("crafter", "crafter@1", 800),
    "crafter/crafter, tiny": Arm("crafter", "crafter", 2000),
    "doom/tiny": Arm("doom", "doom", 800),
    "doom/tiny, patches": Arm(
        "doom",
        "doom",
        800,
        replace(PRESETS["tiny"], picture_pool=2, patches=PatchConfig(dense=128)),
    ),
}


def play(work: Path, kind: str) -> Path:
    """Recordings of this kind, made where there are none."""
    folder = work / kind
    if not folder.exists():
        words = ("record", *PLAY[kind], "--workers", "1", "--out", str(folder))
        subprocess.run([sys.executable, "-m", "vidact.cli", *words], check=True)
    return folder


def measured(work: Path, name: str, arm: Arm, seed: int) -> dict[str, Any]:
    """Train and measure one cell."""
    place = work / "models" / f"{name.replace('/', '-').replace(', ', '-')}-{seed}"
    data, heldout = play(work, f"{arm.game}-play"), play(work, f"{arm.game}-heldout")
    started = time.process_time()
    train_idm(
        TrainIDMConfig(
            data=(str(data),),
            out=str(place),
            spec=arm.spec,
            network=arm.network,
            steps=arm.steps,
            seed=seed,
            threads=1,
            device="cpu",
        )
    )
    seconds = time.process_time() - started
    evaluation = EvalIDMConfig(
        checkpoint=str(place), recordings=(str(heldout),), out=str(place / "eval"), threads=1
    )
    eval_idm(evaluation)
    found = json.loads((place / "eval" / "metrics.json").read_text())
    checkpoint = load_idm(str(place))
    spec = spec_of(checkpoint)
    model = load_network(checkpoint, spec)
    first = find_recordings([str(heldout)])[0]
    pictures = np.concatenate([batch.frames for batch in first.frames(spec)])
    return {
        "steps": arm.steps,
        "ticks_trained_on": arm.steps * TICKS_A_STEP,
        "training_cpu_seconds": round(seconds),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "labelled_ticks_a_core_second": round(labelled_a_second(model, pictures, SPEED_WINDOWS)),
        "minutes_measured": round(found["minutes"], 1),
        **{figure: found[figure] for figure in HEADLINE},
        "wholly_right": found["confidence"]["right"],
        "mouse_r2": found["mouse_r2"],
        "ci95": {
            figure: interval
            for figure, interval in found["ci95"].items()
            if figure in HEADLINE or figure.startswith("mouse_r2")
        },
        "never_found": found["never_found"],
        "per_button": {
            button: {figure: figures[figure] for figure in OF_BUTTONS}
            for button, figures in found["per_button"].items()
            if figures["held_ticks"]
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", nargs="?", type=Path, default=ROOT / "runs" / "idm-small-things")
    parser.add_argument("--only", nargs="+", default=["*"], help="cells, such as 'crafter/*'")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="of the trainings")
    options = parser.parse_args()
    cells = json.loads(RESULT.read_text())["cells"] if RESULT.exists() else {}
    for seed in options.seeds:  # all arms with one seed first: a run that is stopped has compared
        for name in chosen(ARMS, options.only):
            if str(seed) in cells.get(name, {}):
                continue
            cells.setdefault(name, {})[str(seed)] = measured(options.work, name, ARMS[name], seed)
            RESULT.write_text(json.dumps({"play": PLAY, "cells": cells}, indent=1) + "\n")


if __name__ == "__main__":
    main()
