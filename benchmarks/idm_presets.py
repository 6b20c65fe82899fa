"""What each preset of the IDM costs and brings: `python benchmarks/idm_presets.py [WORK] [--minutes
10] [--only tiny]`.

Parameters; ticks labelled a second by one core (without decoding); ticks trained a second by all
cores; and what so many minutes of training on a hundred minutes of scripted play make of it on
held-out maps. A preset that takes fewer than FEWEST_STEPS steps in that time is not trained: its
figures would tell nothing. Rows are kept in results/idm_presets.json and made anew by name. Play
and checkpoints lie in WORK, as the scaling study's do.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

import numpy as np
import torch
from idm_scaling import Study, figures
from idm_speed import STRIDE, steady
from studies import ROOT, TICKS_A_STEP, chosen, options_of
from vidact.datasets.actions.spec import ActionSpec
from vidact.idm.config import AugmentConfig
from vidact.idm.fitting.loss import FactoredLoss
from vidact.idm.fitting.trainer import Losses
from vidact.idm.labels.windows import WindowRunner
from vidact.idm.network.config import PRESETS
from vidact.idm.network.model import InverseDynamicsModel
from vidact.idm.play.clips import ClipSampler
from vidact.idm.play.frame_cache import open_tracks
from vidact.machine import cores
from vidact.training.precision import resolve_precision

RESULT = ROOT / "benchmarks" / "results" / "idm_presets.json"
FEWEST_STEPS = 300
WINDOWS = {"tiny": 24, "small": 12, "base": 4, "vpt": 1}  # that labelling is timed over
TIMED_STEPS = 3


def labelled_a_second(model: InverseDynamicsModel, pictures: np.ndarray, windows: int) -> float:
    """Ticks by one core, in the precision that the machine is fast at."""
    torch.set_num_threads(1)
    runner = WindowRunner(model.eval(), resolve_precision("auto", torch.device("cpu")))
    needed = STRIDE * (windows + 3)
    seconds, ticks = steady(
        runner, np.concatenate([pictures] * (needed // len(pictures) + 1))[:needed], windows
    )
    return ticks / seconds


def seconds_a_step(study: Study, model: InverseDynamicsModel, spec: ActionSpec) -> float:
    """Of training with all cores: the inputs are made by one, as the trainer does, and the slower
    of the two counts.
    """
    dtype = resolve_precision("auto", torch.device("cpu"))
    tracks = open_tracks(study.play("validation"), spec, study.work / "cache", phases=False)
    sampler = ClipSampler(
        tracks,
        spec,
        model.inputs,
        batch_clips=6,
        clip_ticks=64,
        augment=AugmentConfig(),
        seed=0,
        dtype=dtype,
    )
    ones = np.ones(max(spec.num_buttons, spec.num_axes), np.float32)
    learner = Losses(
        model.train(), FactoredLoss(spec, ones[: spec.num_buttons], ones[: spec.num_axes]), dtype
    )
    torch.set_num_threads(max(1, cores() - 1))
    batch = sampler.batch(0)
    learner(batch).total.backward()
    started = time.perf_counter()
    for _ in range(TIMED_STEPS):
        learner(batch).total.backward()
    of_network = (time.perf_counter() - started) / TIMED_STEPS
    torch.set_num_threads(1)
    started = time.perf_counter()
    sampler.batch(1)
    return max(of_network, time.perf_counter() - started)


def measured(study: Study, name: str, minutes: float) -> dict[str, Any]:
    spec = ActionSpec.load("doom")
    recordings = study.play("heldout")
    pictures = np.concatenate([batch.frames for batch in recordings[0].frames(spec)])
    model = InverseDynamicsModel(PRESETS[name], spec)
    row: dict[str, Any] = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "labelled_ticks_a_core_second": round(labelled_a_second(model, pictures, WINDOWS[name]), 2),
    }
    if (
        PRESETS[name].published_tensors
    ):  # 482 million parameters, their gradients and moments: 8 GB and no use here
        return row
    step_s = seconds_a_step(study, model, spec)
    row["trained_ticks_a_second"] = round(TICKS_A_STEP / step_s, 1)
    if 60 * minutes / step_s < FEWEST_STEPS:
        return row
    del model
    run = f"preset-{name}-{minutes:g}"
    found = figures(
        study.judge(
            run,
            lambda: study.train(
                run,
                study.play("play"),
                study.play("validation"),
                preset=name,
                steps=0,
                minutes=minutes,
            ),
            recordings,
        ),
        "recording",
    )
    config = json.loads((study.work / "models" / run / "config.json").read_text())
    return row | {
        "training_minutes": minutes,
        "steps": config["training"]["steps_done"],
        **{
            title: found[title]
            for title in ("keypress_accuracy", "macro_f1_common", "transition_f1_common")
        },
        "mouse_r2": found["mouse_r2"],
        "ci95": {title: found["ci95"][title] for title in ("macro_f1_common", "mouse_r2.yaw")},
    }


def main() -> None:
    options = options_of(__doc__, minutes=10.0, example="tiny")
    study = Study(options.work, 0)
    rows = json.loads(RESULT.read_text())["rows"] if RESULT.exists() else {}
    for name in chosen(PRESETS, options.only):
        rows[name] = measured(study, name, options.minutes)
        RESULT.write_text(json.dumps({"cores": os.cpu_count(), "rows": rows}, indent=1) + "\n")
        print(name, json.dumps(rows[name]), flush=True)


if __name__ == "__main__":
    main()
