"""`vidact record twin-stick`: the scripted player of Twin Stick, game by game.

A recording is a game, decided by its seed and number alone. Its last frame shows what the last
action did, and is not valid.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ..datasets.actions.devices import DeviceState
from ..datasets.recordings.writer import RecordingWriter
from .config import RecordTwinStickConfig
from .recorder import Wanted, equal_parts, record_missing
from .twin_stick.game import SIZE, TICKS_PER_SECOND, TwinStickGame
from .twin_stick.player import PLAYER_VERSION, TwinStickPlayer

RECORDER_VERSION = 1
FRAMES_PER_MINUTE = 60 * TICKS_PER_SECOND
REPORT_FRAMES = 100


@dataclass(frozen=True, slots=True)
class Game:
    """One recording to make."""

    number: int
    seed: int
    frames: int

    @property
    def name(self) -> str:
        return f"twin_stick-s{self.seed}-{self.number:03d}"

    def meta(self) -> dict[str, object]:
        """What the recording says about itself; equal for equal recordings."""
        return {
            "game": "twin_stick",
            "group": self.name,
            "number": self.number,
            "seed": self.seed,
            "frames": self.frames,
            "player": f"scripted-{PLAYER_VERSION}",
            "recorder": f"twin_stick-{RECORDER_VERSION}",
            "spec": "twin_stick",
        }


def record_twin_stick(config: RecordTwinStickConfig) -> int:
    """Record what is missing; returns the exit code."""
    out = Path(config.out)
    parts = equal_parts(config.minutes, config.chunk_minutes, FRAMES_PER_MINUTE)
    games = [Game(number, config.seed, max(frames, 2)) for number, frames in enumerate(parts)]
    return record_missing(
        "Recording Twin Stick",
        _record_item,
        [Wanted(out / game.name, game.frames, game.meta(), (game, out)) for game in games],
        out=out,
        jobs=config.workers,
    )


def _record_item(item: tuple[Game, Path]) -> Iterator[int]:
    return record_game(*item)


def record_game(wanted: Game, out: Path) -> Iterator[int]:
    """Make one recording; yields the number of frames written since the last yield."""
    seed = zlib.crc32(f"twin_stick/{wanted.seed}/{wanted.number}".encode())
    game, player = TwinStickGame(seed), TwinStickPlayer(seed)
    with RecordingWriter(
        out / wanted.name, fps=Fraction(TICKS_PER_SECOND), size=(SIZE, SIZE), meta=wanted.meta()
    ) as writer:
        for number in range(1, wanted.frames):
            # The line of a frame holds the action that was applied after it was shown.
            state = player.act(game)
            writer.write(game.frame, state)
            game.step(state.keys, state.axes)
            if number % REPORT_FRAMES == 0:
                yield REPORT_FRAMES
        writer.write(game.frame, DeviceState(valid=False, label_source="scripted"))
        writer.meta |= {"score": float(game.points)} | game.counts
    yield wanted.frames - (wanted.frames - 1) // REPORT_FRAMES * REPORT_FRAMES
