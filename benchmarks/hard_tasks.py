"""What fine-tuning a clone can do that learning from scratch cannot, on two tasks:
`python benchmarks/hard_tasks.py [WORK] [--minutes 40] [--only …]`.

A million environment steps for every learner, three seeds, 200 fresh worlds a score. Cells are
named task/arm/seed; a task's gate, how well the clone itself plays, comes first.

`my_way_home_far`, the very sparse maze of ViZDoom: every episode begins in the room farthest from
the vest. The prior is cloned from scripted play from random starts, as an IDM labels it.

`crafter_full`, Crafter at its official length, trained with VPT's tiers of rewards. The prior is
cloned from twenty hours of scripted play, as an IDM labels it that saw fifteen minutes.

    random               random play (no seed)
    prior                the clone
    ceiling              the same network, cloned from what the script would have done in states of
                         its own play, three rounds (DAgger; Crafter, first seed): what network and
                         memory can do
    finetuned            the prior, held near itself by a KL that falls
    free                 the prior without that
    scratch              a new network with the same head
    scratch-bonus        the same, paid for what is new as well
    classic, classic-bonus   scratch with the three actions that such learners mostly have (Doom)

The learners of an arm also play what the prior was cloned for (`kept`: exploring the maze,
Crafter's first 1,000 ticks), which shows what was forgotten. Bars: in the maze the fine-tuned prior
reaches 90 %, its lower bound 30 points above the upper one of the best arm from scratch; in Crafter
its score is above 21.8 %, the best that we know of from a million steps without demonstrations.
Everything lies in WORK; figures go to benchmarks/results/hard_tasks.json as each cell ends. A step
that lasts 40 minutes is stopped and gone on with; `--minutes` ends the whole earlier.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from agent_study import Cells, Study, summary
from crafter_dagger import record_corrected
from vidact.bc_policy.scoring.results import crafter_score
from vidact.games.task import ACHIEVEMENTS
from vidact.training.log import METRICS_FILE, read_metrics

ENV_STEPS = 1_000_000
BEST_FROM_SCRATCH = 21.8  # per cent: Achievement Distillation (Moon et al. 2023), from pixels
SCRATCH = ("scratch", "scratch-bonus", "classic", "classic-bonus")
DAGGER_ROUNDS, DAGGER_MINUTES = 3, 60.0


@dataclass(frozen=True, slots=True)
class Hard:
    """A task, its prior, and its learners."""

    task: str
    kept: str
    """The task that shows what was forgotten."""
    spec: str
    record: tuple[str, ...]
    pile: float
    """Minutes that the prior is cloned from, as an IDM labels them."""
    labelled: float
    """Minutes that the IDM is trained on."""
    clone: tuple[str, ...]
    """Options of the prior's cloning."""
    minutes: float
    """Of it, on two cores."""
    learn: tuple[str, ...]
    """Options of every learner."""
    arms: tuple[str, ...]


HARD = {
    hard.task: hard
    for hard in (
        Hard(
            task="my_way_home_far",
            kept="explore_maze",
            spec="doom",
            record=("doom", "--task", "my_way_home"),
            pile=60,
            labelled=10,
            clone=("--mirror", "left:right"),
            minutes=8,
            # The vest lies some 20 seconds away: half of its worth must come so far.
            learn=("--lanes", "16", "--ticks", "128", "--ppo.half-life-seconds", "30"),
            arms=("finetuned", "free", *SCRATCH),
        ),
        Hard(
            task="crafter_full",
            kept="crafter",
            spec="crafter",
            record=("crafter",),
            pile=1200,
            labelled=15,
            clone=("--previous-dropout", "0.5"),
            minutes=38,
            learn=("--lanes", "16", "--ticks", "256", "--ppo.half-life-seconds", "15"),
            arms=("finetuned", "free", "scratch", "scratch-bonus"),
        ),
    )
}


class Maker:
    """Makes the cells of a task."""

    def __init__(self, study: Study, hard: Hard):
        self.study, self.hard = study, hard

    def recorded(self, what: str, minutes: float, seed: int) -> Path:
        """Scripted play."""
        name = f"play/{self.hard.task}-{what}"
        # More than a minute, at the smallest scale too: one recording cannot be divided.
        amount = ("--minutes", self.study.minutes(minutes, least=1.2), "--seed", str(seed))
        out = ("--out", self.study.work / name)
        return self.study.step(name, "record", *self.hard.record, *amount, *out)

    def pile(self) -> Path:
        """What the prior is cloned from: labels of one IDM, the same for all seeds."""
        study, task = self.study, self.hard.task
        idm = study.step(
            f"idm/{task}",
            *("train-idm", "--data", self.recorded("labelled", self.hard.labelled, 401)),
            *("--minutes", study.minutes(15), "--plain", "--out", study.work / f"idm/{task}"),
        )
        return study.step(
            f"data/{task}",
            *("label", self.recorded("pile", self.hard.pile, 400), "--idm", idm, "--no-verify"),
            *("--layout.segment-ticks", "2048", "--layout.min-shards", "8", "--plain"),
            *("--out", study.work / f"data/{task}"),
        )

    def prior(self, seed: int) -> Path:
        """The clone."""
        return self.cloned(f"prior-{seed}", seed, self.pile())

    def cloned(self, name: str, seed: int, *data: Path) -> Path:
        """A clone with the prior's network and time."""
        study, place = self.study, f"policies/{self.hard.task}-{name}"
        return study.step(
            place,
            *("clone", "--data", *data, "--seed", str(seed), *self.hard.clone, "--plain"),
            *("--minutes", study.minutes(self.hard.minutes), "--out", study.work / place),
        )

    def learned(self, arm: str, seed: int) -> Path:
        """A learner of a million steps."""
        study, hard = self.study, self.hard
        place = f"policies/{hard.task}-{arm}-{seed}"
        start: tuple[str | Path, ...]
        if arm in ("finetuned", "free"):
            start = (self.prior(seed),)
            start += ("--ppo.kl", "0", "--ppo.kl-end", "0") if arm == "free" else ()
        else:
            start = ("--scratch",)
            start += ("--spec", "doom-classic") if arm.startswith("classic") else ()
            start += ("--bonus.weight", "0.5") if arm.endswith("bonus") else ()
        # The best episodes are imitated in all arms alike; what was learned is scored, whichever
        # of clone and learner plays better.
        return study.step(
            place,
            *("finetune", *start, "--task", hard.task, *hard.learn, "--seed", str(seed)),
            *("--env-steps", study.count(ENV_STEPS, least=4096), "--imitation.weight", "0.1"),
            *("--check-episodes", "0", "--plain", "--out", study.work / place),
        )

    def ceiling(self, seed: int) -> Path:
        """The network after some rounds of DAgger, from scripted play on."""
        study, task = self.study, self.hard.task
        play = [self.recorded("dagger", DAGGER_MINUTES, 402)]
        policy = Path()
        for number in range(DAGGER_ROUNDS + 1):
            data = [
                study.step(
                    f"data/{task}-dagger-{round_}",
                    *("pack", some, "--out", study.work / f"data/{task}-dagger-{round_}"),
                )
                for round_, some in enumerate(play)
            ]
            policy = self.cloned(f"dagger-{number}-{seed}", seed, *data)
            if number < DAGGER_ROUNDS:
                out = study.work / f"play/{task}-dagger-{number + 1}"
                minutes = float(study.minutes(DAGGER_MINUTES, least=0.5))
                record_corrected(policy, out, minutes=minutes, seed=403 + number, until=study.until)
                play.append(out)
        return policy

    def cell(self, arm: str, seed: int) -> dict[str, Any]:
        """Make and score a policy."""
        study, hard = self.study, self.hard
        name = f"{hard.task}-{arm}-{seed}"
        if arm == "random":
            return study.scored(name, hard.task, None, spec=hard.spec)
        of_arm = {"prior": self.prior, "ceiling": self.ceiling}
        policy = of_arm[arm](seed) if arm in of_arm else self.learned(arm, seed)
        kept = study.scored(f"{name}-kept", hard.kept, policy)
        result = {**study.scored(name, hard.task, policy), "kept": kept}
        if arm not in of_arm:
            result["training"] = of_training(read_metrics(policy / METRICS_FILE))
        return result


def of_training(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Steps, speed and success over all episodes of training, as published scores are given."""
    scores = [score for row in rows for score in row.get("scores", ())]
    result: dict[str, Any] = {
        "env_steps": rows[-1]["env_steps"],
        "seconds": round(rows[-1]["elapsed_s"]),
        "episodes": len(scores),
        "mean": float(np.mean(scores)) if scores else None,
    }
    if scores and any("achieved" in row for row in rows):
        counts = [
            sum(row.get("achieved", {}).get(name, 0) for row in rows) for name in ACHIEVEMENTS
        ]
        result["crafter_score"] = float(crafter_score(np.array(counts) / len(scores)))
    return result


def cells_of(study: Study, hard: Hard) -> Iterator[tuple[str, Any]]:
    """The names of a task's cells, and what makes each: gates first, then one seed of all arms."""
    maker, task = Maker(study, hard), hard.task
    yield f"{task}/random/0", lambda: maker.cell("random", 0)
    gates = [("prior", seed) for seed in study.seeds]
    gates += [("ceiling", study.seeds[0])] if hard.spec == "crafter" else []
    arms = [(arm, seed) for seed in study.seeds for arm in hard.arms]
    for arm, seed in gates + arms:
        yield f"{task}/{arm}/{seed}", lambda arm=arm, seed=seed: maker.cell(arm, seed)


def judged(cells: Cells) -> dict[str, Any]:
    """The bars' figures so far."""
    arms = summary(cells)
    found: dict[str, Any] = {}
    if tuned := arms.get("my_way_home_far/finetuned"):
        mean, ends = tuned["mean"], tuned["ci95"]
        found["maze: fine-tuned"] = {
            "mean": mean,
            "ci95": ends,
            "at_least": 0.9,
            "holds": mean >= 0.9,
        }
        rivals = [one["ci95"][1] for arm in SCRATCH if (one := arms.get(f"my_way_home_far/{arm}"))]
        if rivals:
            ahead = tuned["ci95"][0] - max(rivals)
            found["maze: above scratch"] = {"mean": ahead, "at_least": 0.3, "holds": ahead >= 0.3}
    if crafter := arms.get("crafter_full/finetuned"):
        score = crafter["crafter_score"]
        holds = score["mean"] > BEST_FROM_SCRATCH
        found["Crafter: score, per cent"] = {**score, "above": BEST_FROM_SCRATCH, "holds": holds}
    return found


def main() -> None:
    study = Study.of_command_line("hard_tasks", __doc__, example="my_way_home_far/*")
    for hard in HARD.values():
        for name, make in cells_of(study, hard):
            if study.cell(name, make):
                bars = judged(study.cells)
                study.write(bars=bars)
                print(json.dumps(bars, indent=1), flush=True)


if __name__ == "__main__":
    main()
