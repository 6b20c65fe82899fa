"""`vidact record freedoom-demos`: people's play, from the demos inside ViZDoom's Freedoom files.

Eight demos on eight maps: 38 minutes with all views. Each is replayed once for each of its players,
in a process of its own, and recorded with the commands that the player gave. All views of a demo
share one group, so that no split divides them. Format of demos: https://doomwiki.org/wiki/Demo
(vanilla 1.9).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..datasets.actions.devices import NO_LABEL, DeviceState
from ..datasets.recordings.writer import RecordingWriter
from ..errors import RecordingError
from .config import RecordFreedoomDemosConfig
from .doom.demo_engine import DemoTic, need_engine, replay
from .doom.game import TICS_PER_SECOND
from .doom.maps import vizdoom_folder
from .doom.obeyed import Obedience
from .doom.tracks import SUFFIX, write_track
from .doom.wad import Wad
from .recorder import Wanted, record_missing

WADS = ("freedoom1.wad", "freedoom2.wad")
HEADER_BYTES = 13
COMMAND_BYTES = 4
END = 0x80
RECORDER_VERSION = 2
RUN_FORWARD, RUN_SIDE = 37, 32  # halfway between walking (25, 24) and running (50, 40)
ATTACK, USE, CHANGE, SPECIAL = 1, 2, 4, 128
# By vanilla's weapon number: fist, pistol … BFG, and the chain saw (on the fist's key).
WEAPON_KEYS = (1, 2, 3, 4, 5, 6, 7, 1)
DEGREES_PER_PIXEL = 0.15  # the same mouse as in ViZDoom


@dataclass(frozen=True, slots=True)
class Demo:
    """What the head of a demo says; `tics` counts its commands."""

    wad: str
    lump: str
    map_name: str
    skill: int
    players: tuple[int, ...]
    tics: int

    @property
    def group(self) -> str:
        return f"{self.wad.removesuffix('.wad')}-{self.lump}"


@dataclass(frozen=True, slots=True)
class View:
    """One recording to make: a demo through the eyes of one of its players."""

    demo: Demo
    player: int

    @property
    def name(self) -> str:
        return f"human-{self.demo.group}-p{self.player}"


def read_demo(wad: str, lump: str, data: bytes) -> Demo:
    """The head and the length of a demo lump.

    Raises RecordingError unless it is a demo of vanilla Doom 1.9.
    """
    if len(data) < HEADER_BYTES or data[0] != 109:
        raise RecordingError(
            f"{wad} {lump}: not a demo of Doom 1.9 (first byte {data[:1]!r}, expected 109)"
        )
    skill, episode, level = data[1], data[2], data[3]
    players = tuple(i for i in range(4) if data[9 + i])
    at = HEADER_BYTES  # the end mark counts only where a command would start
    step = COMMAND_BYTES * len(players)
    while players and at < len(data) and data[at] != END:
        at += step
    if at >= len(data) or not players:
        raise RecordingError(f"{wad} {lump}: damaged: no end mark behind its {len(data)} bytes")
    tics = (at - HEADER_BYTES) // step
    map_name = f"E{episode}M{level}" if wad == "freedoom1.wad" else f"MAP{level:02d}"
    return Demo(wad, lump, map_name, skill + 1, players, tics)


def find_demos() -> list[Demo]:
    """The demos of the installed wheel's Freedoom files."""
    demos = []
    for name in WADS:
        wad = Wad(vizdoom_folder() / name)
        demos += [
            read_demo(name, lump, wad.read(lump))
            for lump in sorted({lump for lump, _, _ in wad.lumps})
            if lump.startswith("DEMO") and lump[4:].isdigit()
        ]
    return demos


def record_freedoom_demos(config: RecordFreedoomDemosConfig) -> int:
    """Record what is missing; returns the exit code."""
    need_engine()
    out = Path(config.out)
    names = {name.strip().upper() for name in config.demos.split(",")}
    demos = [
        d
        for d in find_demos()
        if config.demos == "all" or d.group.upper() in names or d.map_name in names
    ]
    if not demos:
        known = ", ".join(f"{d.group} ({d.map_name})" for d in find_demos())
        raise RecordingError(f"demos: none of {config.demos!r} is there; known are {known}")
    views = [View(demo, player) for demo in demos for player in demo.players]
    wanted = [
        Wanted(out / view.name, view.demo.tics, view_meta(view, config), (view, out, config))
        # The longest first: a long one that began last would have a core to itself at the end.
        for view in sorted(views, key=lambda v: -v.demo.tics)
    ]
    return record_missing(
        "Replaying people's demos",
        _record_item,
        wanted,
        out=out,
        jobs=config.workers,
        more_suffixes=(SUFFIX,),
    )


def _record_item(item: tuple[View, Path, RecordFreedoomDemosConfig]) -> Iterator[int]:
    return record_view(*item)


def record_view(view: View, out: Path, config: RecordFreedoomDemosConfig) -> Iterator[int]:
    """Record one player's view in this process, which must not have replayed another.

    Yields numbers of frames.
    """
    demo = view.demo
    size = (config.width, config.height)
    track = []
    previous = DeviceState()
    with RecordingWriter(
        out / view.name, fps=TICS_PER_SECOND, size=size, meta=view_meta(view, config)
    ) as writer:
        tics = replay(vizdoom_folder() / demo.wad, demo.lump, view=view.player, size=size)
        next(tics)  # before the first picture is drawn, the screen shows what lay in memory
        before = next(tics)
        obedience = Obedience()
        for after in tics:
            # The command of a tic shows between the picture before it and its own picture.
            state = device_state(after, previous, valid=is_labelled(before, after, obedience))
            writer.write(before.frame, state)
            track.append(_track_row(before))
            before, previous = after, state
            yield 1
        writer.write(before.frame, NO_LABEL)
        track.append(_track_row(before))
        write_track(out / view.name, track)
        yield 1


def device_state(tic: DemoTic, previous: DeviceState, *, valid: bool) -> DeviceState:
    """A demo's command as the keys and the mouse of our bindings."""
    keys = []
    if tic.forward:
        keys.append("key.keyboard.w" if tic.forward > 0 else "key.keyboard.s")
    if tic.side:
        keys.append("key.keyboard.d" if tic.side > 0 else "key.keyboard.a")
    if abs(tic.forward) >= RUN_FORWARD or abs(tic.side) >= RUN_SIDE:
        keys.append("key.keyboard.left.shift")
    # A pause or a saved game is no command to the player.
    buttons = 0 if tic.buttons & SPECIAL else tic.buttons
    if buttons & USE:
        keys.append("key.keyboard.e")
    if buttons & CHANGE:
        keys.append(f"key.keyboard.{WEAPON_KEYS[buttons >> 3 & 7]}")
    mouse = (0,) if buttons & ATTACK else ()
    return DeviceState(
        keys=tuple(keys),
        new_keys=tuple(k for k in keys if k not in previous.keys),
        buttons=mouse,
        new_buttons=tuple(b for b in mouse if b not in previous.buttons),
        dx=tic.turn / DEGREES_PER_PIXEL,
        valid=valid,
        label_source="human",
    )


def is_labelled(before: DemoTic, after: DemoTic, obedience: Obedience) -> bool:
    """Whether the command between two pictures explains the second.

    It does where the player is alive in the level in both, no tic is missing between them, and the
    game obeyed.
    """
    obeyed = obedience.obeyed(before, after, right_deg=after.turn, up_deg=0.0)
    whole = after.tic == before.tic + 1
    living = before.alive and after.alive and before.in_level and after.in_level
    return whole and living and obeyed


def _track_row(tic: DemoTic) -> tuple[float, ...]:
    return (tic.x, tic.y, tic.z, tic.angle, tic.pitch, float(tic.health))


def view_meta(view: View, config: RecordFreedoomDemosConfig) -> dict[str, object]:
    """What a recording says about itself."""
    return {
        "game": "doom",
        "map": view.demo.map_name,
        "group": view.demo.group,
        "player": f"human-{view.demo.group}-{view.player}",
        "players": len(view.demo.players),
        "skill": view.demo.skill,
        "recorder": f"demos-{RECORDER_VERSION}",
        "spec": "doom",
        "settings": {"width": config.width, "height": config.height},
    }
