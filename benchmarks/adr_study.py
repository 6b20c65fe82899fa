"""What automatic domain randomization is worth: `python benchmarks/adr_study.py [WORK] [--only CELL
…] [--minutes M] [--scale 0.01]`.

Three ways to train a `tiny` IDM on scripted play of Doom for as many core-minutes each, three seeds
of each: nothing varied, six parameters drawn from all of their limits, and ADR. Recorders and tests
of boundaries count. All are measured on the tests of `adr_tests.py`, which says what they are.

A cell (`adr/0`) is one training and its tests: thirty minutes of two cores and some. Its figures
and sums go to results/ as it ends, and a rerun goes on with the next cell: commit them, and nothing
else need be kept. Play is recorded anew where it is missing, from fixed seeds, and held against
`adr_tests.json`. A training that was stopped goes on where WORK still is, and begins anew where it
is not. `--minutes` ends in time for a session of so long.

Differences are of means over seeds, paired on the same recordings; 95 % intervals draw recordings
(of people's demos: games) and, for each arm on its own, seeds.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from adr_tests import SUITE, TESTS, UNMODELLED, Frames, StudyPlay, frozen_settings
from agent_study import RESULTS, Study
from numpy.typing import NDArray
from vidact.datasets.recordings.recording import Recording
from vidact.idm.eval_idm import label, truth_of
from vidact.idm.labels.predict import Predictor
from vidact.idm.scores.figures import COMMON
from vidact.idm.scores.metrics import Sums, ratio
from vidact.randomize.log import read_log
from vidact.training.intervals import bootstrap_weights, interval

NAME = "adr_study"
ARMS = {"none": "none", "fixed": "fixed:1", "adr": "adr"}
CORE_MINUTES = 60.0  # of a training: thirty minutes of two cores
# The four recordings of a test take up to twenty core-seconds: an hour has some dozens of tests,
# and each of nine boundaries a few, so that five steps must lead to a limit.
TEST_EVERY, DELTA = 30, 0.2
RESAMPLINGS = 1000
GAIN, LOSS = 0.15, 0.02  # of yaw R²: what ADR must win outside, and may lose on play as recorded
PEOPLE = {"yaw R²": 0.75, "F1 of common keys": 0.65}  # at least, of ADR
OUTSIDE = "T1 outside"
FIGURES = ("yaw R²", "F1 of common keys")
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """Sums of one test, by what is drawn for intervals: R recordings or games, K buttons."""

    names: list[str]
    yaw: Array
    """[R, 4]: ticks, sum and square sum of the truth, squared error."""
    buttons: Array
    """[R, K, 4]: true and false held, false and true released."""

    @classmethod
    def of(cls, sums: Mapping[str, Sequence[Sums]], axis: int) -> Units:
        """The sums of some recordings by unit; `axis` is yaw."""
        added = [Sums.added(some) for some in sums.values()]
        return cls(
            list(sums),
            np.stack([one.motion[axis, :4] for one in added]),
            np.stack([one.confusion for one in added]),
        )

    def to_plain(self) -> dict[str, Any]:
        """As JSON holds them, by name."""
        return {
            name: {"yaw": [round(x, 3) for x in yaw], "buttons": buttons.astype(int).tolist()}
            for name, yaw, buttons in zip(self.names, self.yaw.tolist(), self.buttons, strict=True)
        }

    @classmethod
    def of_plain(cls, content: Mapping[str, Any]) -> Units:
        return cls(
            list(content),
            np.array([one["yaw"] for one in content.values()]),
            np.array([one["buttons"] for one in content.values()], np.float64),
        )

    def only(self, names: Iterable[str]) -> Units:
        places = [self.names.index(name) for name in names]
        return Units([self.names[i] for i in places], self.yaw[places], self.buttons[places])

    def figures(self, weights: Array) -> Array:
        """`FIGURES` [2, W] of weights [W, R], as `eval-idm` defines them; common are the keys that
        the whole test holds in enough of its ticks.
        """
        count, total, squares, error = np.moveaxis(weights @ self.yaw, -1, 0)  # (W,)
        r2 = 1 - ratio(error, squares - ratio(total**2, count))
        whole = self.buttons.sum(0)  # (K, 4)
        common = ratio(whole[:, 0] + whole[:, 2], whole.sum(-1)) >= COMMON
        tp, fp, fn, _ = np.moveaxis(np.tensordot(weights, self.buttons, axes=1), -1, 0)  # (W, K)
        f1 = ratio(2 * tp, 2 * tp + fp + fn)[:, common]
        return np.stack([r2, np.nanmean(f1, axis=1)])


class ADRStudy(Study):
    """The study: cells `ARM/SEED`."""

    @property
    def play(self) -> StudyPlay:
        return StudyPlay(self.work, self.scale)

    def sums_file(self, cell: str) -> Path:
        """The sums of a cell's tests, which comparisons are made of."""
        folder = RESULTS if self.scale == 1 else self.work
        return folder / NAME / f"{cell.replace('/', '-')}.json"

    def under(self, frozen: str) -> dict[str, Any]:
        """What all cells of a study share; `frozen`: the digest of their tests."""
        return {
            "tests": frozen,
            "core_minutes": self.minutes(CORE_MINUTES),
            "test_every": TEST_EVERY,
            "delta": DELTA,
        }

    def measure(self, arm: str, seed: int, frozen: str) -> dict[str, Any]:
        """Train and test; figures."""
        play, name = self.play, f"{arm}/{seed}"
        out = self.step(
            f"idm/{name}",
            *("train-idm", "--data", play.folder("train"), "--val", play.folder("validation")),
            *("--out", self.work / "idm" / name, "--cache", play.cache, "--seed", str(seed)),
            *("--randomize", ARMS[arm], "--suite", SUITE, "--adr.test-every", str(TEST_EVERY)),
            *("--adr.delta", str(DELTA)),
            *("--core-minutes", self.minutes(CORE_MINUTES), "--eval-minutes", "0", "--plain"),
        )
        config = json.loads((out / "config.json").read_text(encoding="utf-8"))
        found: dict[str, Any] = {
            "under": self.under(frozen),
            "core_minutes": round(config["training"]["seconds"] / 60, 2),
            "steps": config["training"]["steps_done"],
            "minutes": self.minutes_of(f"idm/{name}"),
            "model_sha256": config["model_sha256"],
            "validation": config["metrics"]["validation"],
        }
        if arm == "adr":
            found |= {
                "nats": config["randomize"]["nats"],
                "ranges": config["randomize"]["adr"]["ranges"],
                "decisions": len(read_log(out)[2]),
            }
        units = self.judge(out)
        self.keep(name, units)
        figures = {test: one.figures(np.ones((1, len(one.names)))) for test, one in units.items()}
        return {**found, "figures": {test: named(one[:, 0]) for test, one in figures.items()}}

    def keep(self, cell: str, units: Mapping[str, Units]) -> None:
        """Write a cell's sums, a line a unit."""
        lines = [f"{json.dumps(test)}: {_by_line(one.to_plain())}" for test, one in units.items()]
        file = self.sums_file(cell)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")

    def judge(self, checkpoint: Path) -> dict[str, Units]:
        """What an IDM makes of all tests."""
        torch.set_num_threads(2)
        predictor = Predictor.load(str(checkpoint), device="cpu")
        yaw, found = predictor.spec.axis_names.index("yaw"), {}
        for test in TESTS:
            print(f"   test {test}", flush=True)
            sums: dict[str, list[Sums]] = {}
            for recording, frames in self.play.seen(test):
                unit = recording.group if test == "people" else recording.name
                sums.setdefault(unit, []).append(judged(predictor, recording, frames))
            found[test] = Units.of(sums, yaw)
        return found

    def minutes_of(self, step: str) -> float:
        """How long a step lasted by the clock, in its last session."""
        mark = self.work / "done" / f"{step.replace('/', '-')}.json"
        return round(json.loads(mark.read_text(encoding="utf-8"))["seconds"] / 60, 1)

    def missing(self) -> list[tuple[str, int]]:
        """The cells that are asked for and not there yet, seed by seed."""
        return [
            (arm, seed)
            for seed in self.seeds
            for arm in ARMS
            if f"{arm}/{seed}" not in self.cells
            and any(fnmatch.fnmatch(f"{arm}/{seed}", pattern) for pattern in self.only)
        ]

    def write(self, **more: Any) -> None:
        """Write all figures, and what can be compared already."""
        units = {
            name: {
                test: Units.of_plain(one)
                for test, one in json.loads(self.sums_file(name).read_text("utf-8")).items()
            }
            for name in self.cells
        }
        self.content |= {**more, **compared(self.cells, units)}
        self.content |= {"finished": datetime.now(UTC).strftime("%Y-%m-%d")}
        self.result.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.content, indent=1, ensure_ascii=False) + "\n"
        self.result.write_text(text, encoding="utf-8")


def judged(predictor: Predictor, recording: Recording, frames: Frames) -> Sums:
    """The sums of one recording, shown so."""
    truth = truth_of(recording, predictor.spec)
    batches = (frames[i : i + 64] for i in range(0, len(frames), 64))
    return Sums.of(label(predictor, batches, len(truth.valid)), truth, predictor.spec)


def named(values: Array) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(FIGURES, values, strict=True)}


def outside(ranges: Sequence[Mapping[str, Sequence[float]]]) -> list[str]:
    """The settings that are extreme in two parameters and more, or that lie beyond what ADR reached
    with every seed.
    """

    def beyond(places: Mapping[str, float], reached: Mapping[str, Sequence[float]]) -> bool:
        return any(not low <= places[name] <= high for name, (low, high) in reached.items())

    return [
        one.name
        for one in frozen_settings()
        if one.extreme > 1 or all(beyond(one.places, reached) for reached in ranges)
    ]


def compared(
    cells: Mapping[str, Mapping[str, Any]], units: Mapping[str, Mapping[str, Units]]
) -> dict[str, Any]:
    """ADR less each other arm on each test, over the seeds that are there, and the bars; nothing
    before there is a cell of each arm.

    Raises SystemExit where cells are of different tests or settings.
    """
    require_one_study([cell["under"] for cell in cells.values()])
    seeds = {arm: [name for name in cells if name.startswith(f"{arm}/")] for arm in ARMS}
    if not all(seeds.values()):
        return {}
    far = outside([cells[name]["ranges"] for name in seeds["adr"]])
    samples: dict[str, dict[str, Array]] = {}  # [2, 1 + RESAMPLINGS] by test and arm
    for number, test in enumerate((*TESTS, OUTSIDE)):
        # The play of T0 is that of all tests that change its pictures: the same is drawn of it.
        samples[test] = {
            arm: resampled([picked(units[name], test, far) for name in names], stream=(number, i))
            for i, (arm, names) in enumerate(seeds.items())
        }
    samples["unmodelled"] = {
        arm: np.mean([samples[test][arm] for test in UNMODELLED], axis=0) for arm in ARMS
    }
    differences = {
        test: {f"adr - {other}": differing(by["adr"] - by[other]) for other in ("none", "fixed")}
        for test, by in samples.items()
    }
    return {
        "seeds": {arm: len(names) for arm, names in seeds.items()},
        "settings_outside": far,
        "differences": differences,
        "bars": bars(differences, named(samples["people"]["adr"][:, 0])),
    }


def require_one_study(under: Iterable[Mapping[str, Any]]) -> None:
    """Raise SystemExit where these, each `under` of a cell, are not all the same."""
    found = sorted({json.dumps(one, sort_keys=True) for one in under})
    if len(found) > 1:
        raise SystemExit(f"cells are of different studies: {'; '.join(found)}; remove older ones")


def picked(units: Mapping[str, Units], test: str, far: Sequence[str]) -> Units:
    if test != OUTSIDE:
        return units[test]
    there = set(units["T1"].names)  # of a study that is tiny, fewer
    return units["T1"].only(name for name in far if name in there)


def resampled(seeds: Sequence[Units], *, stream: tuple[int, int]) -> Array:
    """The mean over seeds of `FIGURES`, [2, 1 + RESAMPLINGS]: first of all, then of as many drawn
    recordings and seeds.

    Recordings are drawn alike for all arms, seeds of each (`stream`) on their own.
    """
    weights = bootstrap_weights(len(seeds[0].names), RESAMPLINGS, seed=0)
    figures = np.stack([one.figures(weights) for one in seeds])  # (S, 2, 1 + W)
    drawn = np.random.default_rng(stream).multinomial(
        len(seeds), np.full(len(seeds), 1 / len(seeds)), size=RESAMPLINGS
    )
    shares = np.concatenate([np.ones((1, len(seeds))), drawn]).T / len(seeds)  # (S, 1 + W)
    return (figures * shares[:, None]).sum(0)


def differing(samples: Array) -> dict[str, dict[str, Any]]:
    return {
        name: {"mean": round(float(one[0]), 4), "ci95": [round(x, 4) for x in interval(one) or ()]}
        for name, one in zip(FIGURES, samples, strict=True)
    }


def bars(differences: Mapping[str, Any], people: Mapping[str, float]) -> dict[str, Any]:
    """What was asked for, what was found, and whether it holds."""
    against = {test: pairs["adr - none"]["yaw R²"] for test, pairs in differences.items()}
    told = {
        f"{OUTSIDE}: yaw R², ADR less none": (GAIN, against[OUTSIDE]["mean"]),
        "T0: yaw R², ADR less none": (-LOSS, against["T0"]["mean"]),
    }
    for test in ("unmodelled", *UNMODELLED):
        told[f"{test}: yaw R², ADR less none, lower end"] = (0.0, against[test]["ci95"][0])
    for name, least in PEOPLE.items():
        told[f"people: {name} of ADR"] = (least, round(float(people[name]), 4))
    return {
        name: {"at_least": least, "found": found, "holds": bool(found >= least)}
        for name, (least, found) in told.items()
    }


def _by_line(content: Mapping[str, Any]) -> str:
    """JSON with a line for each entry."""
    lines = (
        f" {json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}"
        for key, value in content.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}"


def main() -> None:
    study = ADRStudy.of_command_line(NAME, __doc__, example="adr/*")
    if not study.missing():
        study.write()
        return
    frozen = study.play.require_frozen()
    # Before an hour of training, not after it.
    require_one_study([study.under(frozen), *(cell["under"] for cell in study.cells.values())])
    for arm, seed in study.missing():
        study.cell(f"{arm}/{seed}", lambda arm=arm, seed=seed: study.measure(arm, seed, frozen))


if __name__ == "__main__":
    main()
