"""All filters of a job in one pass over the frames: the pictures themselves, the model, labels.

Each drops what those before it kept, and says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import CheckpointError
from ..config import FilterConfig
from ..filtering.config import CleanConfig
from ..planning.layout import Segment
from .clean_stretches import PARTS, CleanJudge
from .filter import StaticFilter, Verdicts
from .loosening import StoredJudge
from .not_the_game import GameFilter

if TYPE_CHECKING:  # torch is for workers; the driver does without
    from ...idm.labels.predict import Predictor


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgment:
    """What the filters say of consecutive ticks."""

    verdicts: Verdicts
    in_game: np.ndarray | None
    """float32 [n]: how much each tick looks like the game; None where nobody asked."""
    clean: np.ndarray | None
    """int [n]: probability of being clean play, thousandths; None where no filter was given."""

    def lineage(self, inside: slice, clean_sha256: str) -> dict[str, Any]:
        """What the lineage of the clip `inside` says of the filter of clean frames, if any."""
        if self.clean is None:
            return {}
        score = float(self.clean[inside].mean()) / PARTS
        return {"filter_score": score, "filter_sha256": clean_sha256}


class Judges:
    """The filters.

    Args:
        static: settings of the one that looks at the pictures alone.
        game: the digest of what the model is to be asked by; empty for not at all.
        clean: settings of the one that learned from labels; it is asked where they name it.
        clean_sha256: which one it must be.
        predictor: whose frames these are.
    """

    def __init__(
        self,
        static: FilterConfig,
        game: str,
        clean: CleanConfig,
        clean_sha256: str,
        predictor: Predictor,
    ):
        self._static = StaticFilter(static)
        self._game = GameFilter(predictor.game, game)
        self._clean: CleanJudge | StoredJudge | None = None
        if clean.filter:
            from ..filtering.clean_filter import CleanFilter

            found = CleanFilter.load(clean.filter)
            if found.sha256 != clean_sha256:
                raise CheckpointError(
                    f"{clean.filter}: is the filter {found.sha256[:12]}, the job was begun with "
                    f"{clean_sha256[:12]}: it was trained again meanwhile"
                )
            self._clean = CleanJudge(found, clean, float(predictor.spec.tick_hz))
        self._asked = self._clean

    @property
    def _context(self) -> int:
        """How many ticks on each side of a tick what pictures and model say of it depends on."""
        return max(self._static.context, self._game.context)

    def around(self, seen: tuple[int, int], whole: tuple[int, int]) -> tuple[int, int]:
        """The ticks on which verdicts of the ticks `seen` depend, of those that there are."""
        clean = self._clean.context if self._clean is not None else 0
        context = max(self._context, clean)
        return max(whole[0], seen[0] - context), min(whole[1], seen[1] + context)

    def begin(self, stored: StoredJudge | None = None) -> None:
        """Begin a shard.

        Args:
            stored: says what the filter of clean frames said before; unless given it is asked.
        """
        self._clean = stored or self._asked
        self._game.begin()
        if self._clean is not None:
            self._clean.begin()

    def judge(self, frames: np.ndarray, start: int, seen: tuple[int, int], sha256: str) -> Judgment:
        """Judge consecutive frames, uint8 [n, H, W, 3], tick `start` first, of a video.

        Args:
            seen: the ticks whose verdicts are wanted. The filter of clean frames looks at seconds
                around them, but at few frames a second; the others look at every frame, and only as
                far as they must.
        """
        low = max(0, seen[0] - self._context - start)
        inner = slice(low, max(low, seen[1] + self._context - start))
        verdicts = self._static.judge(frames[inner], start + low)
        verdicts, in_game = self._game.judge(frames[inner], verdicts)
        if self._clean is None:
            return Judgment(verdicts=verdicts, in_game=in_game, clean=None)
        verdicts, clean = self._clean.judge(frames, start, verdicts, sha256)
        return Judgment(verdicts=verdicts, in_game=in_game, clean=clean)

    def note(self, segment: Segment, keep: tuple[int, int], found: Judgment) -> None:
        """Note for the record what was said of the ticks `keep` of a segment."""
        whose = segment.source_sha256, segment.shown_uri
        self._game.note(*whose, keep, found.verdicts, found.in_game)
        if self._clean is not None and found.clean is not None:
            self._clean.note(*whose, keep, found.verdicts, found.clean)

    def for_record(self) -> dict[str, Any]:
        """What the shard's record keeps of it."""
        clean = self._clean.for_record() if self._clean is not None else {}
        return {**self._game.for_record(), **clean}
