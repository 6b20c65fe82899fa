"""Episodes that were played, and where they are kept until all of them are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Episode:
    """The outcome of one episode."""

    index: int
    seed: int
    score: float
    reward: float
    ticks: int
    info: dict[str, Any]


class KeptEpisodes:
    """The episodes of one player that are done, a line each, so that a stopped run goes on.

    Args:
        folder: where the file lies.
        identity: what decides the episodes, plain values; another one has another file.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]):
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        self._path = folder / f"episodes-{digest[:12]}.jsonl"

    def read(self) -> list[Episode]:
        """Those that were kept; a line that was cut short is none."""
        found: dict[int, Episode] = {}
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                with suppress(ValueError, TypeError):
                    episode = Episode(**json.loads(line))
                    found[episode.index] = episode
        return [found[index] for index in sorted(found)]

    def add(self, episode: Episode) -> None:
        """Keep one more."""
        with open(self._path, "a", encoding="utf-8") as lines:
            # The first break ends a line that a killed run left half-written.
            lines.write(f"\n{json.dumps(asdict(episode))}\n")

    def remove(self) -> None:
        """They stand in the score now."""
        self._path.unlink(missing_ok=True)
