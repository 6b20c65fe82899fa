"""How fast Crafter plays for agents: `python benchmarks/crafter_speed.py [--ticks N] [--rounds R]`.

One process plays uniform random keys, new worlds included, in three ways, in turn, and counts its
CPU seconds: drawn by tiles at 72 x 72; drawn by Crafter at 216 x 216 and averaged to 72 x 72; and
that with worlds made by Crafter's own code, as before. Bar: by tiles at least three times the
environment steps a second of the last. The result goes to benchmarks/results/crafter_speed.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
from crafter import worldgen
from vidact.datasets.actions.spec import ActionSpec
from vidact.games.crafter import engine, task
from vidact.games.random_play import RandomPlay
from vidact.games.tasks import make_env

RESULT = Path(__file__).parent / "results" / "crafter_speed.json"
BAR = 3.0
WAYS = {"tiles": (True, True), "own_drawing": (False, True), "as_before": (False, False)}


@contextmanager
def way(tiles: bool, fields: bool) -> Iterator[None]:
    """Draw by tiles or not, and make worlds by fields or by Crafter's own code."""
    kept = task.TILED_SIZE, engine.generate_world
    task.TILED_SIZE = kept[0] if tiles else (0, 0)
    engine.generate_world = kept[1] if fields else worldgen.generate_world
    try:
        yield
    finally:
        task.TILED_SIZE, engine.generate_world = kept


def play(ticks: int, seed: int) -> tuple[float, int]:
    """(CPU seconds, worlds) of so many ticks."""
    env = make_env("crafter", 0, ActionSpec.load("crafter"))
    player = RandomPlay(env.spec, seed, "uniform")
    env.reset(seed)
    worlds, began = 1, time.process_time()
    for _ in range(ticks):
        done = env.step(*player.act())[2]
        if done:
            worlds += 1
            env.reset(seed + worlds)
    seconds = time.process_time() - began
    env.close()
    return seconds, worlds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ticks", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    worlds = 0
    for number in range(-1, options.rounds):
        for name, settings in WAYS.items():
            with way(*settings):
                seconds, worlds = play(200 if number < 0 else options.ticks, 1 + number)
            if number >= 0:  # the first round compiles and loads textures
                rates[name].append(options.ticks / seconds)
    figures = {name: median(some) for name, some in rates.items()}
    ratios = [a / b for a, b in zip(rates["tiles"], rates["as_before"], strict=True)]
    result = {
        "steps_per_cpu_second": figures,
        "tiles_to_as_before": median(ratios),
        "worlds_of_the_last_round": worlds,
        "ticks": options.ticks,
        "rounds": options.rounds,
        "numpy": np.__version__,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 0 if result["tiles_to_as_before"] >= BAR else 1


if __name__ == "__main__":
    raise SystemExit(main())
