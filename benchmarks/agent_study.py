"""What the studies of agents share: steps that are not done twice, and figures kept as they come.

A study is a list of cells. A cell is a policy with its score, and what they need: play, labels, an
IDM. Each of these is a step, one call of `vidact`, whose command is noted in WORK once it is done.
A step that lasts 40 minutes is stopped as Ctrl-C would do it, and gone on with: after an
interruption no more is lost. The figures of a cell are written as soon as it ends, and a rerun goes
on with the next one.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
from vidact.bc_policy.scoring.results import crafter_score
from vidact.errors import Interrupted
from vidact.games.task import ACHIEVEMENTS
from vidact.training.intervals import pooled_interval, wilson_interval

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
STEP_S = 40 * 60  # the longest that a step may last in one go
LEAVE_S = 120  # what it may take to stop
EPISODES = 200
PICKAXES = ("make_stone_pickaxe", "make_iron_pickaxe")  # of Crafter: whose rates are pooled

Cells = Mapping[str, Mapping[str, Any]]


@dataclass
class Study:
    """A study: where it works, what it has found, and how large its cells are.

    `scale` makes everything smaller, to see whether it runs: its figures say nothing, and lie in
    WORK.
    """

    name: str
    work: Path
    only: Sequence[str] = ("*",)
    seeds: Sequence[int] = (0, 1, 2)
    scale: float = 1.0
    until: float = float("inf")
    """When to end, by `time.monotonic`."""
    content: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_command_line(cls, name: str, about: str | None, *, example: str) -> Self:
        """The study that the options ask for, with what earlier runs found."""
        parser = argparse.ArgumentParser(
            description=about, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("work", nargs="?", type=Path, default=ROOT / "runs" / name)
        parser.add_argument(
            "--only", nargs="+", default=["*"], help=f"cells, such as '{example}'; with what needs"
        )
        parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
        parser.add_argument(
            "--minutes", type=float, default=float("inf"), help="end after about so many; run again"
        )
        parser.add_argument(
            "--scale", type=float, default=1.0, help="0.01: everything tiny, to see that it runs"
        )
        options = parser.parse_args()
        # A study that is asked to stop takes the verb that runs with it.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(Interrupted.exit_code))
        study = cls(
            name=name,
            work=options.work,
            only=options.only,
            seeds=options.seeds,
            scale=options.scale,
            until=time.monotonic() + 60 * options.minutes,
        )
        if study.result.exists():
            study.content = json.loads(study.result.read_text(encoding="utf-8"))
        return study

    @property
    def result(self) -> Path:
        """Where the figures go."""
        folder = RESULTS if self.scale == 1 else self.work
        return folder / f"{self.name}.json"

    @property
    def cells(self) -> dict[str, Any]:
        """What was found, by cell."""
        return self.content.setdefault("cells", {})

    def minutes(self, number: float, *, least: float = 0.05) -> str:
        """An amount of minutes, as an option's value."""
        return f"{max(least, number * self.scale):g}"

    def count(self, number: int, *, least: int = 2) -> str:
        """An amount of steps or episodes, as an option's value."""
        return str(max(least, round(number * self.scale)))

    def step(self, name: str, *words: str | Path) -> Path:
        """Run `vidact` with these words, unless that is done; returns WORK/`name`, which is where
        its `--out` must lie.

        Raises SystemExit where the time is over (75), the verb failed, or WORK holds the step with
        other words.
        """
        out, mark = self.work / name, self.work / "done" / f"{name.replace('/', '-')}.json"
        command = [str(word) for word in words]
        if mark.exists():
            if (was := json.loads(mark.read_text())["words"]) != command:
                raise SystemExit(f"{mark}: was made by {' '.join(was)}; give another WORK")
            return out
        began = time.monotonic()
        while True:
            left = self.until - time.monotonic()
            if left <= 0:
                raise SystemExit(Interrupted.exit_code)
            code = _run(command, min(STEP_S, left))
            if code == 0:
                break
            if code != Interrupted.exit_code:
                raise SystemExit(f"vidact {' '.join(command)}: exit code {code}")
        mark.parent.mkdir(parents=True, exist_ok=True)
        noted = {"words": command, "seconds": round(time.monotonic() - began)}
        mark.write_text(json.dumps(noted, indent=1) + "\n")
        return out

    def cell(self, name: str, make: Callable[[], Mapping[str, Any]]) -> bool:
        """Make a cell that is asked for and not there yet, and write its figures.

        Returns whether it did.
        """
        asked = any(fnmatch.fnmatch(name, pattern) for pattern in self.only)
        if name in self.cells or not asked:
            return False
        print(f"== {name}", flush=True)
        self.cells[name] = {**make(), "load_after": round(os.getloadavg()[0], 1)}
        self.write()
        return True

    def write(self, **more: Any) -> None:
        """Write all figures."""
        self.content |= {**more, "pooled": summary(self.cells)}
        self.content |= {"finished": datetime.now(UTC).strftime("%Y-%m-%d")}
        self.result.parent.mkdir(parents=True, exist_ok=True)
        self.result.write_text(json.dumps(self.content, indent=1) + "\n", encoding="utf-8")

    def scored(
        self, name: str, task: str, policy: Path | None, *, episodes: int = EPISODES, spec: str = ""
    ) -> dict[str, Any]:
        """The figures of a policy on the same worlds as all others; of random play without one."""
        who = ["--random"] if policy is None else [str(policy)]
        out = self.step(
            f"scores/{name}",
            *("play", *who, *(("--spec", spec) if spec else ()), "--task", task, "--no-video"),
            *("--episodes", self.count(episodes), "--lanes", "16", "--plain"),
            *("--out", self.work / "scores" / name),
        )
        return figures(json.loads((out / "score.json").read_text(encoding="utf-8")))


def figures(score: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a `score.json`: enough to pool, to pair and to table."""
    kept = {one: score[one] for one in ("episodes", "mean", "ci95", "scores", "crashes")}
    if "crafter_score" in score:
        kept |= {one: score[one] for one in ("crafter_score", "achievements")}
        # Of each episode a number, whose bits are the achievements in their order.
        kept["achieved"] = [
            sum(1 << ACHIEVEMENTS.index(name) for name in info["achievements"])
            for info in score["infos"]
        ]
    return kept


def per_seed(cells: Cells, arm: str) -> dict[int, Mapping[str, Any]]:
    """The cells `<arm>/<seed>` that are there, by seed."""
    found = {}
    for name, cell in cells.items():
        head, _, seed = name.rpartition("/")
        if head == arm and seed.isdigit():
            found[int(seed)] = cell
    return dict(sorted(found.items()))


def pooled(cells: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Mean and interval over seeds and worlds; None where no seed is there yet.

    Where all scores are 0 or 1 and alike, the interval is Wilson's.
    """
    scores = [cell["scores"] for cell in cells]
    if not scores:
        return None
    everything = [score for some in scores for score in some]
    if len(set(everything)) == 1 and everything[0] in (0, 1):
        ends = wilson_interval(sum(everything), len(everything))
    else:
        ends = pooled_interval(scores)
    mean = sum(everything) / len(everything)
    return {"seeds": len(scores), "mean": mean, "ci95": list(ends)}


def summary(cells: Cells) -> dict[str, Any]:
    """The figures of each arm over all of its seeds; Crafter's with its score and two rates."""
    found = {}
    for arm in dict.fromkeys(name.rpartition("/")[0] for name in cells):
        own = per_seed(cells, arm)
        told = pooled(own.values())
        if told is None:
            continue
        told["per_seed"] = {str(seed): cell["mean"] for seed, cell in own.items()}
        if all("achieved" in cell for cell in own.values()):
            told |= _of_crafter([cell["achieved"] for cell in own.values()])
        found[arm] = told
    return found


def _of_crafter(achieved: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Crafter's score and the rates of two pickaxes.

    Args:
        achieved: of each seed a number an episode, see `figures`.
    """
    bits = np.arange(len(ACHIEVEMENTS))
    done = ((np.array(achieved)[..., None] >> bits) & 1).astype(float)  # (S, N, 22)
    rates, trials = done.mean(axis=(0, 1)), done.shape[0] * done.shape[1]
    told: dict[str, Any] = {
        "crafter_score": {
            "mean": float(crafter_score(rates)),
            "ci95": list(pooled_interval(done, figure=crafter_score)),
        }
    }
    for name in PICKAXES:
        rate = float(rates[ACHIEVEMENTS.index(name)])
        told[name] = {"mean": rate, "ci95": list(wilson_interval(rate * trials, trials))}
    return told


def _run(command: Sequence[str], seconds: float) -> int:
    """Run a verb for so long at most; then it is asked to stop as a scheduler would."""
    running = subprocess.Popen([sys.executable, "-m", "vidact.cli", *command])
    try:
        return running.wait(seconds)
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGTERM)
        return running.wait(LEAVE_S)
    except BaseException:
        running.send_signal(signal.SIGTERM)
        running.wait()
        raise
