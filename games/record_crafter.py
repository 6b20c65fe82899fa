"""`vidact record crafter`: the scripted Crafter player, recorded world by world.

A recording is a stretch of fixed length; where the player dies it continues in a new world: the
last frame of a life is not valid, and the next one is marked as the first of an episode. It is
decided by its seed alone.
"""

from __future__ import annotations

import dataclasses
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
from .recorder import Wanted, equal_parts, record_missing

FRAMES_PER_MINUTE = 600
REPORT_FRAMES = 100
MIN_CHUNKS, MIN_CHUNK_MINUTES = 4, 0.5


@dataclass(frozen=True, slots=True)
class Stretch:
    """One recording to make."""

    number: int
    seed: int
    frames: int

    @property
    def name(self) -> str:
        return f"crafter-s{self.seed}-{self.number:03d}"


def lay_out(config: RecordCrafterConfig) -> list[Stretch]:
    """The recordings of a run: equal parts of the minutes, none longer than `chunk_minutes`.

    They are four at least (one cannot be divided into training and validation), unless they would
    be shorter than half a minute.
    """
    longest = min(config.chunk_minutes, max(MIN_CHUNK_MINUTES, config.minutes / MIN_CHUNKS))
    parts = equal_parts(config.minutes, longest, FRAMES_PER_MINUTE)
    return [Stretch(i, config.seed, frames) for i, frames in enumerate(parts)]


def record_crafter(config: RecordCrafterConfig) -> int:
    """Record what is missing; returns the exit code."""
    if find_spec("crafter") is None:
        raise MissingDependencyError(
            "Crafter needs the package crafter, which is not installed: pip install 'vidact[games]'"
        )
    out = Path(config.out)
    wanted = [Wanted(out / s.name, s.frames, stretch_meta(s), (s, out)) for s in lay_out(config)]
    return record_missing("Recording Crafter", _record_item, wanted, out=out, jobs=config.workers)


def _record_item(item: tuple[Stretch, Path]) -> Iterator[int]:
    return record_stretch(*item)


def record_stretch(stretch: Stretch, out: Path) -> Iterator[int]:
    """Make one recording; yields the number of frames written since the last yield."""
    # A digest: after a death world + 1 follows, which must not be the first of another recording.
    world = zlib.crc32(f"crafter/{stretch.seed}/{stretch.number}".encode())
    game, player = CrafterGame(world), CrafterPlayer(world)
    previous: tuple[str, ...] = ()
    begins = False  # another life, with the next frame
    unreported = 0
    with RecordingWriter(
        out / stretch.name, fps=Fraction(TICKS_PER_SECOND), size=SIZE, meta=stretch_meta(stretch)
    ) as writer:
        for _ in range(stretch.frames):
            if game.finished:  # the last frame of a life: what follows it is another world
                writer.write(game.frame, DeviceState(valid=False, label_source="scripted"))
                world += 1
                game.reset(world)
                player, previous, begins = CrafterPlayer(world), (), True
            else:
                # The line of a frame holds the action that was applied after it was shown.
                keys = player.act(game.view())
                new = tuple(k for k in keys if k not in previous)
                state = DeviceState(keys=keys, new_keys=new, label_source="scripted", first=begins)
                writer.write(game.frame, state)
                game.step(keys)
                previous, begins = keys, False
            unreported += 1
            if unreported == REPORT_FRAMES:
                yield unreported
                unreported = 0
        yield unreported


def stretch_meta(stretch: Stretch) -> dict[str, object]:
    """What a recording says about itself."""
    return {
        "game": "crafter",
        "group": stretch.name,
        "player": f"scripted-{PLAYER_VERSION}",
        "spec": "crafter",
        **dataclasses.asdict(stretch),
    }
