"""Whole demos with several seeds: `python benchmarks/demo_seeds.py [WORK] [--game doom]`.

Each seed is a fresh `vidact demo` (at most 20 minutes on two cores), whose agents then play 200
worlds, the same for all. Its figures are written as soon as it ends, and a rerun goes on with the
next seed. Of all seeds together: every agent pooled (seeds and worlds drawn), and the fine-tuned
agent beside its clone, paired by seed and world.

Bars: in each run the clone's lower bound is above the upper ones of random and blind play; the
ratio of the fine-tuned agent to its clone has a lower bound of at least 0.95 and a mean above 1,
and no single run is below 0.8. The result goes to benchmarks/results/demo_seeds.json, that of
Crafter to demo_seeds_crafter.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vidact.training.intervals import compare_paired, pooled_interval

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
AGENTS = ("random", "blind", "clone", "finetune")
SEEDS, EPISODES = 5, 200


def vidact(*words: str) -> None:
    """Run a verb as its user would; its failure is this script's."""
    subprocess.run([sys.executable, "-m", "vidact.cli", *words], check=True)


def run_seed(work: Path, game: str, seed: int) -> dict[str, Any]:
    """A demo with this seed, and the scores of its agents on EPISODES worlds."""
    out = work / f"{game}-{seed}"
    vidact("demo", "--game", game, "--seed", str(seed), "--out", str(out), "--plain")
    report = json.loads((out / "report.json").read_text())
    row: dict[str, Any] = {
        "minutes": round(sum(report["seconds"].values()) / 60, 1),
        "load_after": round(os.getloadavg()[0], 1),
        "labels_keypress_accuracy": report["label_quality"]["keypress_accuracy"],
        "agents": {},
    }
    for agent in AGENTS:
        folder = out / "scores" / agent
        who = ["--random", "--spec", game] if agent == "random" else [str(out / agent)]
        task = report["clone"]["task"]
        vidact("play", *who, "--task", task, "--episodes", str(EPISODES), "--lanes", "16",
               "--no-video", "--out", str(folder), "--plain")  # fmt: skip
        score = json.loads((folder / "score.json").read_text())
        row["agents"][agent] = {name: score[name] for name in ("mean", "ci95", "scores")}
    agents = row["agents"]
    floor = max(agents[name]["ci95"][1] for name in ("random", "blind"))
    row["clone_above_the_floors"] = agents["clone"]["ci95"][0] > floor
    row["finetune_to_clone"] = agents["finetune"]["mean"] / agents["clone"]["mean"]
    return row


def pooled(rows: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of all seeds together."""
    scores = {agent: [row["agents"][agent]["scores"] for row in rows.values()] for agent in AGENTS}
    compared = compare_paired(scores["finetune"], scores["clone"], seeds_paired=True)
    return {
        "agents": {
            agent: {
                "mean": sum(map(sum, per_seed)) / sum(map(len, per_seed)),
                "ci95": pooled_interval(per_seed),
            }
            for agent, per_seed in scores.items()
        },
        "finetune_to_clone": {"ratio": compared.ratio, "ci95": compared.ratio_ci95},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", nargs="?", type=Path, default=ROOT / "runs" / "demo-seeds")
    parser.add_argument("--game", choices=("doom", "crafter"), default="doom")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    name = "demo_seeds.json" if options.game == "doom" else f"demo_seeds_{options.game}.json"
    result = RESULTS / name
    content = json.loads(result.read_text()) if result.exists() else {"rows": {}}
    for seed in range(options.seeds):
        if str(seed) in content["rows"]:
            continue
        content["rows"][str(seed)] = run_seed(options.work, options.game, seed)
        content["finished"] = datetime.now(UTC).strftime("%Y-%m-%d")
        content["pooled"] = pooled(content["rows"])
        result.write_text(json.dumps(content, indent=1) + "\n")
        print(json.dumps(content["pooled"], indent=1))


if __name__ == "__main__":
    main()
