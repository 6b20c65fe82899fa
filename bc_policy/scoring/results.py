"""What `score.json` says of the episodes that were played.

S players (training seeds), N episodes of each, on the same worlds
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ConfigError
from ...games.task import ACHIEVEMENTS, Task
from ...training.intervals import (
    Array,
    compare_paired,
    mean_interval,
    pooled_interval,
    wilson_interval,
)
from .episodes import Episode

SCORE_FILE = "score.json"


@dataclass(frozen=True, slots=True)
class Played:
    """What one player played; `checkpoint` and its digest are None for random play."""

    checkpoint: str | None
    sha256: str | None
    episodes: list[Episode]

    @property
    def scores(self) -> list[float]:
        """One per episode."""
        return [episode.score for episode in self.episodes]


def score_content(task: Task, players: Sequence[Played]) -> dict[str, Any]:
    """The figures of all players together and, where there are several, of each.

    What is listed per episode is that of the first player, then that of the second …
    """
    figures = _figures(task, players)
    if len(players) > 1:
        figures["per_seed"] = [
            {"checkpoint": one.checkpoint, "checkpoint_sha256": one.sha256, **_figures(task, [one])}
            for one in players
        ]
    return figures


def _figures(task: Task, players: Sequence[Played]) -> dict[str, Any]:
    matrix = [player.scores for player in players]
    everything = [score for scores in matrix for score in scores]
    alike = len(set(everything)) == 1
    ci95 = (
        pooled_interval(matrix)
        if len(players) > 1 and not alike
        else mean_interval(everything, bounds=task.score_bounds)
    )
    episodes = [episode for player in players for episode in player.episodes]
    achieved = _achievements(players) if task.game == "crafter" else {}
    return {
        "episodes": len(episodes),
        "mean": float(np.mean(everything)),
        "ci95": None if ci95 is None else list(ci95),
        "median": float(np.median(everything)),
        **achieved,
        "scores": everything,
        "rewards": [episode.reward for episode in episodes],
        "seeds": [episode.seed for episode in episodes],
        "ticks": [episode.ticks for episode in episodes],
        "infos": [episode.info for episode in episodes],
    }


def _achievements(players: Sequence[Played]) -> dict[str, Any]:
    """Success rates with Wilson's intervals, and Crafter's score with that of the bootstrap."""
    done = np.array(
        [
            [[name in episode.info["achievements"] for name in ACHIEVEMENTS] for episode in one]
            for one in (player.episodes for player in players)
        ],
        dtype=float,
    )  # (S, N, 22)
    trials = done.shape[0] * done.shape[1]
    rates = done.mean(axis=(0, 1))  # (22,)
    return {
        "crafter_score": {
            "mean": float(crafter_score(rates)),
            "ci95": list(pooled_interval(done, figure=crafter_score)) if trials > 1 else None,
        },
        "achievements": {
            name: {"rate": float(rate), "ci95": list(wilson_interval(rate * trials, trials))}
            for name, rate in zip(ACHIEVEMENTS, rates, strict=True)
        },
    }


def crafter_score(rates: Array) -> Array:
    """Crafter's own score in per cent: the geometric mean of 1 + success rate, less 1.

    Args:
        rates: [..., 22] within 0..1.

    Source: Hafner 2021, "Benchmarking the Spectrum of Agent Capabilities", section 3.3.
    """
    return np.exp(np.log1p(100 * rates).mean(axis=-1)) - 1


def compared_with(place: str, task: Task, players: Sequence[Played]) -> dict[str, Any]:
    """How the players stand to those of an earlier score, world by world.

    Args:
        place: its `score.json`, or the folder of it.

    Raises ConfigError where it is not of the same task and worlds.
    """
    path = Path(place) / SCORE_FILE if Path(place).is_dir() else Path(place)
    try:
        other = json.loads(path.read_text(encoding="utf-8"))
        theirs = [one["scores"] for one in other.get("per_seed", [other])]
        worlds = other.get("per_seed", [other])[0]["seeds"]
        of_task, mean, ci95 = other["task"], other["mean"], other["ci95"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"against {place}: not a score of `vidact play`: {error!r}") from None
    ours = [episode.seed for episode in players[0].episodes]
    if of_task != task.name or worlds != ours:
        raise ConfigError(
            f"against {place}: is of {len(worlds)} episodes of {of_task!r} from seed "
            f"{worlds[0]}, and this of {len(ours)} of {task.name!r} from seed {ours[0]}: only the "
            "same worlds can be compared"
        )
    # As many trainings on both sides: the i-th of one began with the i-th of the other.
    paired = len(players) == len(theirs)
    found = compare_paired([one.scores for one in players], theirs, seeds_paired=paired)
    return {"score": str(path), "mean": mean, "ci95": ci95, **asdict(found)}
