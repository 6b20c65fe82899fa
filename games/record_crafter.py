"""`vidact record crafter`: the scripted Crafter player, recorded world by world.

A recording is a life in a world of its own, up to a longest length, and is decided by its seed and
number alone. Its last frame shows what the last action did, and is not valid.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

from ..datasets.actions.devices import DeviceState
from ..datasets.recordings.writer import RecordingWriter
from ..errors import MissingDependencyError
from .config import RecordCrafterConfig
from .crafter.frame_sizes import SIZE
from .crafter.game import TICKS_PER_SECOND, CrafterGame
from .crafter.player import PLAYER_VERSION, CrafterPlayer
from .recorder import Wanted, record_episodes

RECORDER_VERSION = 2  # the first one joined lives to recordings of a fixed length
FRAMES_PER_MINUTE = 600
REPORT_FRAMES = 100
MIN_RECORDINGS, MIN_RECORDING_MINUTES = 4, 0.5


@dataclass(frozen=True, slots=True)
class Life:
    """One recording to make."""

    number: int
    seed: int
    longest: int
    """Frames after which a life is cut."""

    @property
    def name(self) -> str:
        return f"crafter-s{self.seed}-{self.number:03d}"

    def meta(self) -> dict[str, object]:
        """What the recording says about itself; equal for equal recordings."""
        return {
            "game": "crafter",
            "group": self.name,
            "number": self.number,
            "seed": self.seed,
            "longest": self.longest,
            "player": f"scripted-{PLAYER_VERSION}",
            "recorder": f"crafter-{RECORDER_VERSION}",
            "spec": "crafter",
        }


def longest_life(config: RecordCrafterConfig) -> int:
    """The frames after which a life is cut.

    So few that there are four recordings at least (one cannot be divided into training and
    validation), unless they would be shorter than half a minute.
    """
    minutes = min(
        config.chunk_minutes,
        max(MIN_RECORDING_MINUTES, config.minutes / MIN_RECORDINGS),
        config.minutes,
    )
    return max(2, round(minutes * FRAMES_PER_MINUTE))


def record_crafter(config: RecordCrafterConfig) -> int:
    """Record what is missing; returns the exit code."""
    if find_spec("crafter") is None:
        raise MissingDependencyError(
            "Crafter needs the package crafter, which is not installed: pip install 'vidact[games]'"
        )
    out, longest = Path(config.out), longest_life(config)

    def wanted(number: int) -> Wanted:
        life = Life(number, config.seed, longest)
        return Wanted(out / life.name, longest, life.meta(), (life, out))

    return record_episodes(
        "Recording Crafter",
        _record_item,
        wanted,
        frames=round(config.minutes * FRAMES_PER_MINUTE),
        out=out,
        jobs=config.workers,
        lasting=True,  # a life takes hardly longer than what the game needs to start
    )


def _record_item(item: tuple[Life, Path]) -> Iterator[int]:
    return record_life(*item)


def record_life(life: Life, out: Path) -> Iterator[int]:
    """Make one recording; yields the number of frames written since the last yield."""
    world = zlib.crc32(f"crafter/{life.seed}/{life.number}".encode())
    game, player = CrafterGame(world), CrafterPlayer(world)
    previous: tuple[str, ...] = ()
    unreported = 0
    with RecordingWriter(
        out / life.name, fps=Fraction(TICKS_PER_SECOND), size=SIZE, meta=life.meta()
    ) as writer:
        for number in range(life.longest):
            if game.finished or number + 1 == life.longest:
                writer.write(game.frame, DeviceState(valid=False, label_source="scripted"))
                unreported += 1
                break
            # The line of a frame holds the action that was applied after it was shown.
            keys = player.act(game.view())
            new = tuple(key for key in keys if key not in previous)
            writer.write(game.frame, DeviceState(keys=keys, new_keys=new, label_source="scripted"))
            game.step(keys)
            previous = keys
            unreported += 1
            if unreported == REPORT_FRAMES:
                yield unreported
                unreported = 0
        # The task's own words: what agents are scored on, and whether the length cut it.
        writer.meta |= {
            "achievements": sorted(game.achievements),
            "score": float(len(game.achievements)),
            "truncated": not game.finished,
        }
        yield unreported
