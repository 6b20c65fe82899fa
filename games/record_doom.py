"""`vidact record doom`: many maps, many short recordings, several worker processes.

A recording is decided by (map, number, seed) and the settings alone, so it does not matter which
worker makes it, and a second run of the same command makes only what is missing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..datasets.actions.devices import DeviceState
from ..datasets.recordings.writer import RecordingWriter
from ..settings import to_plain
from .config import RecordDoomConfig
from .doom.game import DEGREES_PER_PIXEL, TICS_PER_SECOND, DoomGame, Situation
from .doom.maps import SCENARIOS, parse_maps, vizdoom_folder, wad_of
from .doom.navigation import UNREACHED, WalkGrid
from .doom.obeyed import Obedience
from .doom.player import PLAYER_VERSION, DoomPlayer
from .doom.tracks import SUFFIX, write_track
from .doom.wad import Wad
from .recorder import Wanted, equal_parts, record_missing

TICS_PER_MINUTE = 35 * 60
MIN_CHUNK_MINUTES = 0.5  # below, starting the engine costs more than the variety is worth
REPORT_TICS = 175
REVIVE_TICS = 70
RECORDER_VERSION = 2
# Settings that do not change a recording; its seed, number and tics are named beside them.
NOT_THE_RECORDING = ("out", "minutes", "maps", "jobs", "chunk_minutes", "seed")
# What a person would have picked up after some levels, each with its chance.
STARTING_GEAR = {
    "shotgun": 0.8,
    "chaingun": 0.5,
    "rocketlauncher": 0.2,
    "plasmarifle": 0.3,
    "supershotgun": 0.3,
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """One recording to make; `number` counts the recordings of its map."""

    map_name: str
    number: int
    seed: int
    tics: int

    @property
    def name(self) -> str:
        return f"doom-{self.map_name}-s{self.seed}-{self.number:02d}"


def lay_out(config: RecordDoomConfig) -> list[Chunk]:
    """The recordings of a run: its minutes, dealt out over the maps.

    The order of the maps is drawn from the seed.
    """
    maps = list(parse_maps(config.maps))
    np.random.default_rng(config.seed).shuffle(maps)
    minutes = min(
        config.chunk_minutes, max(MIN_CHUNK_MINUTES, config.minutes / len(maps)), config.minutes
    )
    parts = equal_parts(config.minutes, minutes, TICS_PER_MINUTE)
    return [
        Chunk(maps[i % len(maps)], i // len(maps), config.seed, tics)
        for i, tics in enumerate(parts)
    ]


def record_doom(config: RecordDoomConfig) -> int:
    """Record what is missing of the run that `config` describes; returns the exit code."""
    vizdoom_folder()  # say at once when the engine is missing
    out = Path(config.out)
    wanted = [
        Wanted(out / c.name, c.tics, chunk_meta(c, config), (c, out, config))
        for c in lay_out(config)
    ]
    return record_missing(
        "Recording Doom",
        _record_item,
        wanted,
        out=out,
        jobs=config.workers,
        more_suffixes=(SUFFIX,),
    )


def _record_item(item: tuple[Chunk, Path, RecordDoomConfig]) -> Iterator[int]:
    return record_chunk(*item)


def record_chunk(chunk: Chunk, out: Path, config: RecordDoomConfig) -> Iterator[int]:
    """Make one recording; yields the number of frames written since the last yield."""
    seed = zlib.crc32(f"{chunk.map_name}/{chunk.number}/{chunk.seed}".encode())
    rng = np.random.default_rng([seed, 1])
    game_file, scenario, inner_map = wad_of(chunk.map_name)
    grid = WalkGrid(Wad(scenario or game_file).map(inner_map))
    size = (config.width, config.height)
    meta = chunk_meta(chunk, config)
    with (
        DoomGame(chunk.map_name, seed, size=size, skill=config.skill, things=True) as game,
        RecordingWriter(out / chunk.name, fps=TICS_PER_SECOND, size=size, meta=meta) as writer,
    ):
        enter(game, grid, rng, elsewhere=chunk.number > 0, immortal=config.immortal)
        player = DoomPlayer(
            grid, seed, strays_per_minute=config.strays_per_minute, mouse_speed=config.mouse_speed
        )
        previous_keys: tuple[str, ...] = ()
        previous_buttons: tuple[int, ...] = ()
        obedience = Obedience()
        dead_tics, unreported = 0, 0
        track = []
        for _ in range(chunk.tics):
            before = game.situation()
            track.append(_track_row(before))
            if before.dead or game.finished:
                dead_tics += 1
                writer.write(game.frame, DeviceState(valid=False))
                game.idle()
                if dead_tics >= REVIVE_TICS or game.finished:
                    dead_tics = 0
                    game.reset()
                    enter(game, grid, rng, elsewhere=True, immortal=config.immortal)
                previous_keys, previous_buttons = (), ()
            else:
                given = player.act(before, game.monsters() if player.looks else None)
                frame = game.frame
                game.step(given)
                obeyed = obedience.obeyed(
                    before,
                    game.situation(),
                    right_deg=given.dx * DEGREES_PER_PIXEL,
                    up_deg=-given.dy * DEGREES_PER_PIXEL,
                )
                state = DeviceState(
                    keys=given.keys,
                    new_keys=tuple(k for k in given.keys if k not in previous_keys),
                    buttons=given.buttons,
                    new_buttons=tuple(b for b in given.buttons if b not in previous_buttons),
                    dx=given.dx,
                    dy=given.dy,
                    valid=obeyed,
                    label_source="scripted",
                )
                writer.write(frame, state)
                previous_keys, previous_buttons = given.keys, given.buttons
            unreported += 1
            if unreported == REPORT_TICS:
                yield unreported
                unreported = 0
        # Before the rest, whose last rename makes the recording exist.
        write_track(out / chunk.name, track)
        yield unreported


def _track_row(s: Situation) -> tuple[float, ...]:
    return (s.x, s.y, s.z, s.angle, s.pitch, s.health)


def enter(
    game: DoomGame, grid: WalkGrid, rng: np.random.Generator, *, elsewhere: bool, immortal: bool
) -> None:
    """Bring the player into the world: at the map's start, or `elsewhere` at random.

    On the maps of the game they get keys and some weapons; a scenario gives its player what it
    needs.
    """
    game.settle()
    if immortal:
        game.command("god")
    if game.map_name not in SCENARIOS:
        game.command("give keys")
        for weapon, chance in STARTING_GEAR.items():
            if rng.random() < chance:
                game.command(f"give {weapon}")
    game.command("give ammo")
    if elsewhere:
        s = game.situation()
        start = grid.nearest_walkable(s.x, s.y)
        if start is not None:
            cost, _ = grid.search(start, np.zeros(grid.walkable.size, bool))
            open_floor = np.flatnonzero((cost[:-1] < UNREACHED) & (grid.clearance.ravel() >= 2))
            if len(open_floor):
                x, y = grid.centre(int(rng.choice(open_floor)))
                game.command(f"warp {x:.0f} {y:.0f}")
    game.idle()  # a command shows its effect with the next tic
    game.idle()


def chunk_meta(chunk: Chunk, config: RecordDoomConfig) -> dict[str, object]:
    """What a recording says about itself; equal for equal recordings."""
    settings = to_plain(config)
    for name in NOT_THE_RECORDING:
        del settings[name]
    return {
        "game": "doom",
        "map": chunk.map_name,
        "group": chunk.map_name,
        "seed": chunk.seed,
        "number": chunk.number,
        "tics": chunk.tics,
        "player": f"scripted-{PLAYER_VERSION}",
        "recorder": f"doom-{RECORDER_VERSION}",
        "spec": "doom",
        "settings": settings,
    }
