"""`vidact record crafter`: the scripted Crafter player, recorded world by world.

A recording is a stretch of fixed length; where the player dies it goes on in a new world, and the frame at the cut is
not valid. It is decided by its seed alone.
"""

from __future__ import annotations

import dataclasses
import json
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

from ..errors import MissingDependencyError
from ..progress import Progress, log
from .config import RecordCrafterConfig
from .workers import record_in_processes

FRAMES_PER_MINUTE = 600
REPORT_FRAMES = 100


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
    """The recordings of a run: equal parts of the minutes, none longer than `chunk_minutes`."""
    count = math.ceil(config.minutes / config.chunk_minutes - 1e-9)
    total = round(config.minutes * FRAMES_PER_MINUTE)
    bounds = [total * i // count for i in range(count + 1)]
    return [Stretch(i, config.seed, bounds[i + 1] - bounds[i]) for i in range(count)]


def record_crafter(config: RecordCrafterConfig) -> int:
    """Record what is missing; returns the exit code."""
    if find_spec("crafter") is None:
        raise MissingDependencyError(
            "Crafter needs the package crafter, which is not installed: pip install 'vidact[games]'"
        )
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    stretches = lay_out(config)
    todo = [s for s in stretches if not _is_done(out, s)]
    if len(todo) < len(stretches):
        log(f"{out}: {len(stretches) - len(todo)} of {len(stretches)} recordings are there already")
    total = sum(s.frames for s in stretches)
    with Progress("Recording Crafter", total=total, unit="frames") as progress:
        progress.resume_at(total - sum(s.frames for s in todo))
        for n in record_in_processes(_record_item, [(s, out) for s in todo], config.processes, where=out):
            progress.advance(n)
    return 0


def _record_item(item: tuple[Stretch, Path]) -> Iterator[int]:
    return record_stretch(*item)


def record_stretch(stretch: Stretch, out: Path) -> Iterator[int]:
    """Make one recording; yields the number of frames written since the last yield."""
    from ..datasets.recordings import DeviceState, RecordingWriter
    from .crafter import SIZE, TICKS_PER_SECOND, CrafterGame
    from .crafter_player import CrafterPlayer

    world = zlib.crc32(f"crafter/{stretch.seed}/{stretch.number}".encode())
    game, player = CrafterGame(world), CrafterPlayer(world)
    previous: tuple[str, ...] = ()
    unreported = 0
    with RecordingWriter(
        out / stretch.name, fps=Fraction(TICKS_PER_SECOND), size=SIZE, meta=stretch_meta(stretch)
    ) as writer:
        for _ in range(stretch.frames):
            if game.finished:  # the last frame of a life: what follows it is another world
                writer.write(game.frame, DeviceState(valid=False, label_source="scripted"))
                world += 1
                game.reset(world)
                player, previous = CrafterPlayer(world), ()
            else:
                keys = player.act(game.view())
                new = tuple(k for k in keys if k not in previous)
                writer.write(game.frame, DeviceState(keys=keys, new_keys=new, label_source="scripted"))
                game.step(keys)
                previous = keys
            unreported += 1
            if unreported == REPORT_FRAMES:
                yield unreported
                unreported = 0
        yield unreported


def stretch_meta(stretch: Stretch) -> dict[str, object]:
    """What a recording says about itself."""
    from .crafter_player import PLAYER_VERSION

    return {
        "game": "crafter",
        "group": stretch.name,
        "player": f"scripted-{PLAYER_VERSION}",
        "spec": "crafter",
        **dataclasses.asdict(stretch),
    }


def _is_done(out: Path, stretch: Stretch) -> bool:
    paths = [out / f"{stretch.name}{suffix}" for suffix in (".mp4", ".jsonl", ".meta.json")]
    if not all(path.is_file() for path in paths):
        return False
    try:
        written = json.loads(paths[-1].read_text(encoding="utf-8"))
    except ValueError:
        return False
    expected = stretch_meta(stretch)
    return {key: written.get(key) for key in expected} == expected
