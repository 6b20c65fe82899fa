"""How much labeled play an IDM needs.

    python benchmarks/idm_scaling.py [WORK] [--steps N] [--only PATTERN …]

Trains one `tiny` IDM for each amount and kind of play, all with the same number of steps, and
measures it on play that it has not seen:

    scripted-M      M minutes of scripted play on training maps; measured on held-out maps
    people-M        M minutes of people's play (0: all of it); measured on the demo that was left
                    out, each in turn
    zero-shot       a hundred minutes of scripted play for five times as many steps, measured on
                    people's demos
    cloning-M       a policy cloned from the same minutes as `scripted-M`; how well it foresees the
                    same held-out maps
    both            `zero-shot`, then all of people's other demos with half as many steps; on the
                    demo left out
    people-long     all of people's other demos alone, with three times as many steps
    people-longest  the same with as many steps as `both-long` has in all; four of the demos, a
                    quarter of an hour each
    both-long       `zero-shot`, then as many steps on people's play as `people-long` has

Each network is tuned and calibrated on play of the same kind that is neither trained nor measured
on: validation maps, or one more demo. Intervals are over resamplings of recordings (maps) or of
demos. What is done is kept in WORK and not done again; WORK is filled by `vidact record` where it
holds no play. Figures go to results/idm_scaling.json, the plot to docs/images/idm_scaling.png.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from policy_labels import PolicyRunner
from studies import ROOT, TICKS_A_STEP, chosen, options_of
from vidact import storage
from vidact.bc_policy.clone import clone
from vidact.bc_policy.cloning.config import CloneConfig
from vidact.bc_policy.policy.config import preset_config
from vidact.bc_policy.policy.policy import load_policy
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.config import PackConfig
from vidact.datasets.pack import pack
from vidact.datasets.recordings.recording import Recording, find_recordings
from vidact.idm.config import EvalIDMConfig, TrainIDMConfig
from vidact.idm.eval_idm import Judged, judge, report, truth_of
from vidact.idm.fitting.fit_calibration import fit
from vidact.idm.fitting.validation import label_windows
from vidact.idm.labels.checkpoint import load_idm
from vidact.idm.play.frame_cache import open_tracks
from vidact.idm.play.training_play import first_recordings
from vidact.idm.scores.metrics import Labelling, Sums
from vidact.idm.train_idm import train_idm
from vidact.progress import log

matplotlib.use("Agg")

from matplotlib import pyplot

RESULT = ROOT / "benchmarks" / "results" / "idm_scaling.json"
PLOT = ROOT / "docs" / "images" / "idm_scaling.png"
SCRIPTED, PEOPLE = (1, 3, 10, 30, 100), (1, 3, 10, 0)
LONGER = 5  # times as many steps of scripted play, where people's play comes after it
PEOPLE_LONGER = 3  # times as many steps of people's play, in the rows `-long`
# Of people's play then: better than 3e-4 on the validation demo of the first fold.
LEARNING_RATE_AFTER = 1e-3
SIDESTEP = 1.04  # in the plot, so that points of the same minutes do not hide each other
SHOWN = (
    "keypress_accuracy",
    "macro_f1",
    "macro_f1_common",
    "macro_ap",
    "transition_f1",
    "transition_f1_common",
    "ece",
)
PLAY = {
    "play": (
        "doom",
        "--maps",
        "train",
        "--minutes",
        "100",
        "--chunk-minutes",
        "0.7",
        "--seed",
        "100",
    ),
    "validation": ("doom", "--maps", "validation", "--minutes", "4", "--seed", "101"),
    "heldout": (
        "doom",
        "--maps",
        "test",
        "--minutes",
        "8",
        "--chunk-minutes",
        "0.4",
        "--seed",
        "102",
    ),
    "people": ("freedoom-demos",),
}


@dataclass(frozen=True, slots=True)
class Study:
    """Where everything lies, and how long a network is trained."""

    work: Path
    steps: int

    def play(self, kind: str) -> list[Recording]:
        folder = self.work / kind
        if not folder.exists():
            command = [
                sys.executable,
                "-m",
                "vidact.cli",
                "record",
                *PLAY[kind],
                "--out",
                str(folder),
            ]
            subprocess.run(command, check=True)
        return find_recordings([str(folder)])

    def train(
        self, name: str, data: Iterable[Recording], val: Iterable[Recording], **settings: Any
    ) -> str:
        """A checkpoint of this name; trained where there is none."""
        out = self.work / "models" / name
        if not (out / "config.json").exists():
            log(f"== {name}")
            config = TrainIDMConfig(
                data=tuple(str(recording.path) for recording in data),
                val=tuple(str(recording.path) for recording in val),
                out=str(out),
                cache=str(self.work / "cache"),
                eval_minutes=0,
                **{"steps": self.steps, **settings},
            )
            train_idm(config)
        return str(out)

    def judge(
        self, name: str, train: Callable[[], str], recordings: Sequence[Recording]
    ) -> list[Judged]:
        """What its checkpoint, which is only trained where nobody has judged it yet, makes of each
        recording.
        """

        def sums() -> list[dict[str, Sums]]:
            checkpoint = train()
            config = EvalIDMConfig(
                checkpoint=checkpoint, recordings=(str(self.work),), out=str(self.work)
            )
            return [one.sums for one in judge(load_idm(checkpoint), recordings, config)]

        return self.kept(name, recordings, sums)

    def kept(
        self, name: str, recordings: Sequence[Recording], make: Callable[[], list[dict[str, Sums]]]
    ) -> list[Judged]:
        """The sums of each recording, made once and kept as plain arrays."""
        path = self.work / "judged" / f"{name}.npz"
        if not path.exists():
            arrays = {
                f"{i}/{labelling}/{field.name}": getattr(one, field.name)
                for i, of in enumerate(make())
                for labelling, one in of.items()
                for field in fields(one)
            }
            with storage.replacing(path) as temporary, open(temporary, "wb") as file:
                np.savez(file, **arrays)
        with np.load(path, allow_pickle=False) as arrays:
            labellings = sorted({key.split("/")[1] for key in arrays})
            return [
                Judged(
                    recording,
                    {
                        labelling: Sums(
                            **{f.name: arrays[f"{i}/{labelling}/{f.name}"] for f in fields(Sums)}
                        )
                        for labelling in labellings
                    },
                    play=(None, None),  # type: ignore[arg-type] - labels are not looked at
                )
                for i, recording in enumerate(recordings)
            ]


def scripted(study: Study, minutes: int) -> list[Judged]:
    name = f"scripted-{minutes}"
    return study.judge(name, lambda: scripted_checkpoint(study, minutes), study.play("heldout"))


def scripted_checkpoint(study: Study, minutes: int, times: int = 1) -> str:
    """Trained for `times` as many steps as the study's others."""
    name = f"scripted-{minutes}" + (f"-x{times}" if times > 1 else "")
    steps = times * study.steps
    return study.train(
        name, study.play("play"), study.play("validation"), data_minutes=minutes, steps=steps
    )


def cloning(study: Study, minutes: int) -> list[Judged]:
    """The IDM's recordings, whole (so a policy gets up to 42 seconds more), as many ticks of
    training, the same maps.

    Calibrated and tuned on the validation maps as the IDM is. The policy is not told its last
    action: what it foresees would else be that people go on doing what they do.
    """
    beside = scripted(study, minutes)
    return study.kept(
        f"cloning-{minutes}",
        [one.recording for one in beside],
        lambda: [
            {**one.sums, "idm": sums}
            for one, sums in zip(beside, foreseen(study, minutes, beside), strict=True)
        ],
    )


def foreseen(study: Study, minutes: int, beside: list[Judged]) -> list[Sums]:
    spec = ActionSpec.load("doom")
    dataset, out = study.work / "sets" / str(minutes), study.work / "models" / f"cloning-{minutes}"
    recordings = first_recordings(study.play("play"), spec, round(60 * minutes * spec.tick_hz))
    names = tuple(str(recording.path) for recording in recordings)
    pack(
        PackConfig(
            recordings=names,
            out=str(dataset),
            spec="doom",
            all_phases=True,
            val_fraction=0,
            test_fraction=0,
        )
    )
    config = CloneConfig(
        data=(str(dataset),),
        out=str(out),
        network=replace(preset_config("tiny", spec), previous_action=False),
        mirror=("left:right",),
        batch_size=3,
        ticks=TICKS_A_STEP // 3,
        steps=study.steps,
    )
    clone(config)
    runner: Any = PolicyRunner(load_policy(str(out))[0])
    tracks = open_tracks(study.play("validation"), spec, study.work / "cache", phases=False)
    calibration = fit(label_windows(runner, tracks), spec, np.ones(spec.num_buttons))
    found = []
    for one in beside:
        truth = truth_of(one.recording, spec)
        whole = (0, len(truth.valid))
        frames = (batch.frames for batch in one.recording.frames(spec))
        windows = runner.run(frames, start=0, stretch=whole, keep=whole)
        labels = Labelling.joined(calibration.labels(window, spec) for window in windows)
        found.append(Sums.of(labels, truth, spec))
    return found


def people(
    study: Study,
    row: str,
    *,
    minutes: int = 0,
    times: float = 1,
    scripted_first: bool = False,
    left_out: Sequence[str] = ("*",),
) -> list[Judged]:
    """Every demo of these in turn is left out, and the one after it tuned on; `times` as many steps
    as the others'.
    """
    recordings = study.play("people")
    demos = sorted({recording.group for recording in recordings})
    judged = []
    for demo in chosen(demos, left_out):
        val = demos[(demos.index(demo) + 1) % len(demos)]
        name = f"{row}-{demo}"

        def train(name: str = name, demo: str = demo, val: str = val) -> str:
            return study.train(
                name,
                (one for one in recordings if one.group not in {demo, val}),
                (one for one in recordings if one.group == val),
                data_minutes=minutes,
                init=scripted_checkpoint(study, SCRIPTED[-1], LONGER) if scripted_first else "",
                steps=round(times * study.steps),
                learning_rate=LEARNING_RATE_AFTER if scripted_first else 0,
            )

        judged += study.judge(name, train, [one for one in recordings if one.group == demo])
    return judged


def zero_shot(study: Study) -> list[Judged]:
    return study.judge(
        "zero-shot", lambda: scripted_checkpoint(study, SCRIPTED[-1], LONGER), study.play("people")
    )


PEOPLES_ROWS: dict[str, dict[str, Any]] = {
    "both": {"times": 0.5, "scripted_first": True},
    **{f"people-{m}": {"minutes": m} for m in reversed(PEOPLE)},
    "people-long": {"times": PEOPLE_LONGER},
    "people-longest": {"times": LONGER + PEOPLE_LONGER, "left_out": ("*DEMO1", "*DEMO2")},
    "both-long": {"times": PEOPLE_LONGER, "scripted_first": True},
}
ROWS: dict[str, Callable[[Study], list[Judged]]] = {
    **{f"scripted-{m}": partial(scripted, minutes=m) for m in reversed(SCRIPTED)},
    **{f"cloning-{m}": partial(cloning, minutes=m) for m in reversed(SCRIPTED)},
    "zero-shot": zero_shot,
    **{row: partial(people, row=row, **how) for row, how in PEOPLES_ROWS.items()},
}
BESIDE = {
    "both": ["people-0"],
    "both-long": ["people-long", "people-longest"],
}  # rows whose gain on others is shown


def measured(study: Study, row: str) -> dict[str, Any]:
    """The figures of a row, and its gain on the rows beside it, over recordings that both have."""
    by = "recording" if row.startswith(("scripted", "cloning")) else "group"
    judged = ROWS[row](study)
    found = figures(judged, by)
    for rival in BESIDE.get(row, []):
        others = {one.recording.sha256: one.sums["idm"] for one in ROWS[rival](study)}
        both = [
            replace(one, sums={**one.sums, rival: others[one.recording.sha256]})
            for one in judged
            if one.recording.sha256 in others
        ]
        found["gain"][rival] = figures(both, by)["gain"][rival]
    return found


def figures(judged: list[Judged], by: str) -> dict[str, Any]:
    """The figures of one row, with intervals, and what it gains on each baseline."""
    unused = {"checkpoint": "", "recordings": ("",), "out": "."}
    config = EvalIDMConfig(**unused, resample=by)  # type: ignore[arg-type]
    found = report(judged, ActionSpec.load("doom"), config)
    return {
        **{name: found[name] for name in SHOWN},
        "mouse_r2": found["mouse_r2"],
        "ci95": found["ci95"],
        "gain": found["gain"],
        "confidence": {
            name: found["confidence"][name] for name in ("ece", "auroc", "error", "error_at_80")
        },
        "minutes": found["minutes"],
    }


def draw(rows: dict[str, Any]) -> None:
    """Macro F1 and the mouse against minutes of play."""
    total = rows.get("people_minutes", 30)
    kinds = {
        "scripted play, held-out maps": ("#2b7bba", [(f"scripted-{m}", m) for m in SCRIPTED]),
        "the same, to clone a policy": ("#7d7d7d", [(f"cloning-{m}", m) for m in SCRIPTED]),
        "people's play, the demo left out": (
            "#d1495b",
            [(f"people-{m}", m or total) for m in sorted(PEOPLE, key=bool)],
        ),
        "people's play for three times as long": ("#8e5572", [("people-long", total)]),
        "scripted for long, then people's": ("#3a7d44", [("both", total)]),
        "the same, people's for three times as long": ("#9ccb86", [("both-long", total)]),
        "scripted for long, on people's demos": ("#e3b76f", [("zero-shot", SCRIPTED[-1])]),
    }
    with pyplot.rc_context({"axes.spines.top": False, "axes.spines.right": False}):
        figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
        for axis, (title, name) in zip(
            axes,
            (("macro F1, common buttons", "macro_f1_common"), ("yaw R²", "mouse_r2.yaw")),
            strict=True,
        ):
            for number, (label, (colour, points)) in enumerate(kinds.items()):
                some = sorted(
                    (minutes, rows["rows"][row]) for row, minutes in points if row in rows["rows"]
                )
                if not some:
                    continue
                x = [minutes * SIDESTEP ** (number - len(kinds) // 2) for minutes, _ in some]
                y = [
                    one["mouse_r2"]["yaw"] if name == "mouse_r2.yaw" else one[name]
                    for _, one in some
                ]
                low, high = zip(*(one["ci95"][name] for _, one in some), strict=True)
                axis.errorbar(
                    x,
                    y,
                    [np.subtract(y, low), np.subtract(high, y)],
                    color=colour,
                    label=label,
                    marker="o",
                    capsize=3,
                )
            axis.set(xscale="log", title=title, xlabel="minutes of labelled play", ylim=(-0.03, 1))
            axis.set_xticks(SCRIPTED, [str(m) for m in SCRIPTED])
        axes[1].legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.05), fontsize=8)
        figure.savefig(PLOT, dpi=130)
        pyplot.close(figure)


def main() -> None:
    options = options_of(__doc__, steps=600, example="scripted-*")
    study = Study(options.work, options.steps)
    kept = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    rows = kept["rows"] if kept.get("steps") == options.steps else {}
    people_minutes = sum(float(one.num_frames / one.fps) for one in study.play("people")) / 60
    # One demo of eight is measured on and one tuned on.
    result = {"steps": options.steps, "people_minutes": round(people_minutes * 6 / 8), "rows": rows}
    for name in chosen(ROWS, options.only):
        one = rows[name] = measured(study, name)
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        draw(result)
        log(
            f"{name}: "
            + ", ".join(f"{key} {one[key]:.3f}" for key in SHOWN)
            + f", yaw {one['mouse_r2']['yaw']:.3f}"
        )
    if options.only == ["*"]:
        shutil.rmtree(options.work / "cache", ignore_errors=True)


if __name__ == "__main__":
    main()
