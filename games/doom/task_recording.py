"""A task's episodes as recordings: the scripted player plays what agents are scored on.

The start, the skill, the length and death are the task's own, and an episode is a recording.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...datasets.recordings.meta import VARIED
from ...datasets.recordings.writer import RecordingWriter
from ..task import Task
from .episodes import DoomEpisodes, map_of
from .game import TICS_PER_SECOND
from .labelled_tics import LabelledTics
from .medikits import MedikitWalker
from .navigation import grid_of
from .player import DoomPlayer
from .tracks import track_row, write_track

PLAYERS = {"explorer": DoomPlayer, "medikits": MedikitWalker}
REPORT_TICS = 175


@dataclass(frozen=True, slots=True)
class EpisodeOrder:
    """One episode to record."""

    task: Task
    number: int
    seed: int
    stem: Path
    meta: dict[str, object]
    size: tuple[int, int]
    strays_per_minute: float
    mouse_speed: float
    varied: dict[str, float]
    """How it differs from usual play."""

    @property
    def draw(self) -> int:
        """What decides the episode.

        `play` and `finetune` draw theirs from other words, so no agent is scored on a start that
        was recorded.
        """
        return episode_draw(self.task.name, self.number, self.seed)


def episode_draw(task: str, number: int, seed: int) -> int:
    """The draw of a recorded episode, 32 bits."""
    return zlib.crc32(f"record/{task}/{number}/{seed}".encode())


def record_episode(order: EpisodeOrder) -> Iterator[int]:
    """Make one recording; yields the number of frames written since the last yield."""
    task, size = order.task, order.size
    grid = grid_of(map_of(task, order.draw))
    player = PLAYERS[task.player](
        grid, order.draw, strays_per_minute=order.strays_per_minute, mouse_speed=order.mouse_speed
    )
    track, unreported = [], 0
    episodes = DoomEpisodes(task, order.draw, size=size, things=True)
    try:
        with RecordingWriter(order.stem, fps=TICS_PER_SECOND, size=size, meta=order.meta) as writer:
            game, labelled = episodes.begin(order.draw), LabelledTics()
            while not episodes.over:
                frame, before = game.frame, game.situation()
                track.append(track_row(before))
                things = game.things(player.looks_for) if player.looks else None
                given = player.act(before, things)
                episodes.play(given)
                writer.write(frame, labelled.state(given, before, game.situation()))
                unreported += 1
                if unreported == REPORT_TICS:
                    yield unreported
                    unreported = 0
            writer.meta |= {"score": episodes.score, "truncated": episodes.truncated}
            if order.varied:
                writer.meta[VARIED] = order.varied
            # Before the rest, whose last rename makes the recording exist.
            write_track(order.stem, track)
            yield unreported
    finally:
        episodes.close()
