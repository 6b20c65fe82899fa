"""Self-imitation (Oh et al. 2018): the best episodes of a run are kept and imitated.

L lanes, T ticks, R rows

Successes are rare at first, and PPO sees each of them once. What is kept are chunks of lanes as
rollouts bring them, with the memory that the policy had before them, so that they are learned from
just as a rollout is; a tick that belongs to another episode counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...networks.attention import Memory
from .batch import Batch
from .config import ImitationConfig
from .rollout import Rollout

ROW = ("frames", "first", "joint", "camera", "before")  # of a rollout: what a policy is given


@dataclass(slots=True)
class _Row:
    """One lane's chunk, and which of its ticks belong to the episode."""

    arrays: dict[str, np.ndarray]
    """The members of `ROW`, without the lane."""
    memory: list[tuple[np.ndarray, ...]]
    """Of each block: keys [M, D], values [M, D], alive uint8 [M]."""
    begin: int
    end: int


@dataclass(slots=True)
class _Episode:
    """An episode that is over, or runs."""

    rows: list[_Row]
    score: float = 0.0

    @property
    def ticks(self) -> int:
        return sum(row.end - row.begin for row in self.rows)

    def order(self) -> tuple[float, int]:
        """Worst first: a low score, and at the same score a long way to it."""
        return self.score, -self.ticks


class BestEpisodes:
    """The best episodes of a run, as many as fit.

    An episode may enter if its score is above the mean of all that ended before and with it: where
    most fail alike, failures are not imitated.

    Args:
        seed: of what is drawn.
    """

    def __init__(self, config: ImitationConfig, *, seed: int = 0):
        self.config = config
        self.kept: list[_Episode] = []
        self._running: dict[int, _Episode] = {}  # by lane
        self._ended, self._total = 0, 0.0  # episodes, and the sum of their scores
        self._chance = np.random.default_rng([seed, 1])

    def add(self, rollout: Rollout) -> None:
        """Take in a rollout: what runs is kept until it ends, what ended well longer."""
        scores = [one["score"] for one in rollout.episodes if not one["crashed"]]
        self._ended, self._total = self._ended + len(scores), self._total + sum(scores)
        ended = {(int(one["lane"]), int(one["tick"])): one for one in rollout.episodes}
        lanes, ticks = rollout.reward.shape
        for lane in range(lanes):
            begin = 0
            for last in [tick for tick in range(ticks) if (lane, tick) in ended] + [ticks - 1]:
                if begin > last:  # an episode ended with the chunk
                    continue
                running = self._running.setdefault(lane, _Episode([]))
                running.rows.append(_row(rollout, lane, begin, last + 1))
                begin = last + 1
                if (end := ended.get((lane, last))) is not None:
                    if not end["crashed"]:
                        self._enter(_Episode(running.rows, end["score"]))
                    del self._running[lane]
        for running in self._running.values():
            while running.ticks > self.config.ticks:  # its start would never fit
                running.rows.pop(0)

    def _enter(self, episode: _Episode) -> None:
        if episode.score <= self._total / self._ended:
            return
        self.kept.append(episode)
        self.kept.sort(key=_Episode.order)
        while len(self.kept) > 1 and sum(one.ticks for one in self.kept) > self.config.ticks:
            self.kept.pop(0)

    def draw(self, device: torch.device) -> tuple[Batch, Tensor] | None:
        """Some rows, each tick as likely as every other: a batch and float [R, T], 1 where it is
        to be imitated. None while nothing is kept.
        """
        rows = [row for episode in self.kept for row in episode.rows]
        if not rows:
            return None
        sizes = np.array([row.end - row.begin for row in rows], dtype=np.float64)
        places = self._chance.choice(len(rows), size=self.config.rows, p=sizes / sizes.sum())
        drawn = [rows[place] for place in places]
        arrays = {name: np.stack([row.arrays[name] for row in drawn]) for name in ROW}
        memory = [
            Memory(
                *(
                    torch.from_numpy(np.stack(parts)).to(device)
                    for parts in zip(*block, strict=True)
                )
            )
            for block in zip(*(row.memory for row in drawn), strict=True)
        ]
        shape = arrays["joint"].shape  # (R, T)
        imitated = np.zeros(shape, dtype=np.float32)
        for place, row in enumerate(drawn):
            imitated[place, row.begin : row.end] = 1.0
        nothing = torch.zeros(shape, device=device)
        batch = Batch(
            **{name: torch.from_numpy(array).to(device) for name, array in arrays.items()},
            # Imitation asks for no reward.
            reward=nothing,
            terminated=nothing.bool(),
            truncated=nothing.bool(),
            final_value=nothing,
            last_value=nothing[:, 0],
            memory=[one._replace(alive=one.alive.bool()) for one in memory],
        )
        return batch, torch.from_numpy(imitated).to(device)

    def state_dict(self) -> dict[str, Any]:
        return {
            "kept": [_content(episode) for episode in self.kept],
            "running": [[lane, _content(episode)] for lane, episode in self._running.items()],
            "ended": self._ended,
            "total": self._total,
            "chance": self._chance.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.kept = [_episode(one) for one in state["kept"]]
        self._running = {lane: _episode(one) for lane, one in state["running"]}
        self._ended, self._total = state["ended"], state["total"]
        self._chance.bit_generator.state = state["chance"]


def _row(rollout: Rollout, lane: int, begin: int, end: int) -> _Row:
    # Copies: a view would keep all lanes of the rollout in memory.
    arrays = {name: getattr(rollout, name)[lane].copy() for name in ROW}
    memory = [
        (block.keys[lane].numpy(), block.values[lane].numpy(), block.alive[lane].numpy())
        for block in rollout.memory
    ]
    kept = [tuple(np.array(part) for part in block) for block in memory]
    return _Row(arrays, kept, begin, end)


def _content(episode: _Episode) -> dict[str, Any]:
    """The inverse of `_episode`. Not `asdict`, which copies all arrays."""
    rows = [{field.name: getattr(row, field.name) for field in fields(row)} for row in episode.rows]
    return {"rows": rows, "score": episode.score}


def _episode(content: Mapping[str, Any]) -> _Episode:
    rows = [_Row(**row) for row in content["rows"]]
    return _Episode(rows, content["score"])
