"""The filter by the model itself: what does not look like its game is dropped with its score, and
so is play between black bars that its game does not have.

It is asked in the same pass over the frames as the static filter, whose verdicts stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...datasets.shards.commits import IN_GAME, NOT_THE_GAME
from .filter import BLACK, FROZEN, Verdicts
from .letter_box import LEAST_TICKS, LETTER_BOX, boxed, without_bars

if TYPE_CHECKING:  # torch is for workers; the driver does without
    from ...idm.in_game.asking import GameQuestion

LEAST = 0.5  # `in_game` of a tick that is kept


class GameFilter:
    """Judges runs of frames, and keeps for the record what it dropped of a shard.

    Args:
        question: what the model can be asked, if it can.
        sha256: the digest of what it is to be asked by; empty for not at all.
    """

    def __init__(self, question: GameQuestion | None, sha256: str):
        self._question = question if sha256 else None
        self._noted: dict[str, dict[str, Any]] = {}

    @property
    def context(self) -> int:
        """How many ticks on each side of a tick its verdict depends on."""
        return self._question.context + LEAST_TICKS if self._question is not None else 0

    def begin(self) -> None:
        """Begin a shard."""
        self._noted = {}

    def judge(self, frames: np.ndarray, verdicts: Verdicts) -> tuple[Verdicts, np.ndarray | None]:
        """Drop further ticks of consecutive frames, uint8 [n, H, W, 3].

        Returns:
            The verdicts, and `in_game` of each tick, float32 [n]; None where it is not asked.
        """
        if self._question is None or not len(frames):
            return verdicts, None
        in_game = self._question.ask(frames, verdicts.start)
        bars = boxed(frames)
        if (barred := bars.any(axis=1)).any():
            # A game that has bars itself looks less like itself without them.
            inside = frames.copy()
            inside[barred] = without_bars(frames[barred], bars[barred])
            between = self._question.ask(inside, verdicts.start)
            boxes = barred & (between >= LEAST) & (between > in_game)
            verdicts = verdicts.without(boxes, LETTER_BOX)
        return verdicts.without(in_game < LEAST, NOT_THE_GAME), in_game

    def note(
        self,
        sha256: str,
        uri: str,
        keep: tuple[int, int],
        verdicts: Verdicts,
        in_game: np.ndarray | None,
    ) -> None:
        """Note what was said of the ticks `keep` of a source."""
        if in_game is None:
            return
        own = self._noted.setdefault(sha256, {"uri": uri, "ticks": 0, NOT_THE_GAME: []})
        # Between bars, or under what a filter of clean frames drops, it is the game nevertheless.
        others = sum(verdicts.drops(*keep)[why] for why in (FROZEN, BLACK, NOT_THE_GAME))
        own["ticks"] += keep[1] - keep[0] - others
        own[NOT_THE_GAME] += [
            [start, end, round(mean, 4)]
            for start, end, mean in verdicts.dropped(NOT_THE_GAME, keep, in_game)
        ]

    def for_record(self) -> dict[str, Any]:
        """What the shard's record keeps, by content hash: how many ticks look like the game, and
        `[start, end, mean score]` of each stretch that does not.
        """
        return {IN_GAME: dict(sorted(self._noted.items()))} if self._question is not None else {}
