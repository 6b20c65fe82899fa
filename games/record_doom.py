"""`vidact record doom`: many maps, many short recordings, several worker processes.

A recording is decided by (map, number, seed) and the settings alone, so it does not matter which
worker makes it, and a second run of the same command makes only what is missing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..datasets.actions.devices import DeviceState
from ..datasets.recordings.meta import VARIED
from ..datasets.recordings.writer import RecordingWriter
from ..errors import ConfigError
from ..settings import plain_but, to_plain
from .config import RecordDoomConfig
from .doom.episodes import longest, map_of
from .doom.game import TICS_PER_SECOND, DoomGame
from .doom.labelled_tics import LabelledTics
from .doom.maps import SCENARIOS, parse_maps, vizdoom_folder
from .doom.navigation import UNREACHED, WalkGrid, grid_of
from .doom.player import PLAYER_VERSION, DoomPlayer
from .doom.simulation import FIELD, Life, Simulation, engine_version
from .doom.task_recording import EpisodeOrder, episode_draw, record_episode
from .doom.tracks import SUFFIX, track_row, write_track
from .recorder import Wanted, equal_parts, record_episodes, record_missing
from .task import Task
from .tasks import find_task

TICS_PER_MINUTE = 35 * 60
MIN_CHUNK_MINUTES = 0.5  # below, starting the engine costs more than the variety is worth
REPORT_TICS = 175
REVIVE_TICS = 70
USUAL_SPEED = 1.0  # of the mouse
RECORDER_VERSION = 2
# Settings that do not change a recording; its seed, number and tics are named beside them.
NOT_THE_RECORDING = ("out", "minutes", "maps", "task", "jobs", "chunk_minutes", "seed")
DECIDED_BY_TASK = ("skill", "immortal", "seconds", "start", "player")
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
    if config.task:
        task = find_task(config.task)
        if task.game != "doom":
            raise ConfigError(f"task: {task.name!r} is of {task.game}, and this records Doom")
        return record_episodes(
            f"Recording {task.name}",
            record_episode,
            lambda number: _wanted_episode(task, number, out, config),
            frames=round(config.minutes * TICS_PER_MINUTE),
            out=out,
            jobs=config.workers,
            more_suffixes=(SUFFIX,),
        )
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


def _wanted_episode(task: Task, number: int, out: Path, config: RecordDoomConfig) -> Wanted:
    map_name = map_of(task, episode_draw(task.name, number, config.seed))
    name = f"doom-{task.name}-s{config.seed}-{number:03d}"
    meta = {
        "game": "doom",
        "task": task.name,
        "map": map_name,
        # Episodes on one map are told apart; several maps are divided by map, as in free play.
        "group": name if len(task.maps) == 1 and map_name == task.maps[0] else map_name,
        "seed": config.seed,
        "number": number,
        "player": f"scripted-{PLAYER_VERSION}",
        "recorder": f"doom-{RECORDER_VERSION}",
        "spec": "doom",
        # Of the task only what the recording shows: another table of rewards records nothing else.
        "settings": plain_but(config, NOT_THE_RECORDING)
        | {name: to_plain(getattr(task, name)) for name in DECIDED_BY_TASK},
    }
    order = EpisodeOrder(
        task=task,
        number=number,
        seed=config.seed,
        stem=out / name,
        meta=meta,
        size=(config.width, config.height),
        strays_per_minute=config.strays_per_minute,
        mouse_speed=config.mouse_speed,
        varied=varied_by(config),
    )
    return Wanted(order.stem, longest(task), meta, order)


def _record_item(item: tuple[Chunk, Path, RecordDoomConfig]) -> Iterator[int]:
    return record_chunk(*item)


def record_chunk(
    chunk: Chunk, out: Path, config: RecordDoomConfig, *, name: str = ""
) -> Iterator[int]:
    """Make one recording; yields the number of frames written since the last yield.

    `name`: of its files, where it is not the chunk's.
    """
    stem = out / (name or chunk.name)
    seed = zlib.crc32(f"{chunk.map_name}/{chunk.number}/{chunk.seed}".encode())
    rng = np.random.default_rng([seed, 1])
    grid = grid_of(chunk.map_name)
    size = (config.width, config.height)
    meta = chunk_meta(chunk, config)
    with (
        DoomGame(
            chunk.map_name,
            seed,
            size=size,
            skill=config.skill,
            things=True,
            look=config.look,
        ) as game,
        RecordingWriter(stem, fps=TICS_PER_SECOND, size=size, meta=meta) as writer,
    ):
        commands = enter(game, grid, rng, elsewhere=chunk.number > 0, immortal=config.immortal)
        lives = [Life(frame=0, commands=commands)]
        player = DoomPlayer(
            grid, seed, strays_per_minute=config.strays_per_minute, mouse_speed=config.mouse_speed
        )
        labelled = LabelledTics()
        dead_tics, unreported = 0, 0
        begins = False  # another life, with the next frame
        track = []
        for _ in range(chunk.tics):
            before = game.situation()
            track.append(track_row(before))
            if before.dead or game.finished:
                dead_tics += 1
                writer.write(game.frame, DeviceState(valid=False, first=begins))
                begins = False
                game.idle()
                if dead_tics >= REVIVE_TICS or game.finished:
                    dead_tics, begins = 0, True
                    game.reset()
                    commands = enter(game, grid, rng, elsewhere=True, immortal=config.immortal)
                    if writer.num_frames < chunk.tics:
                        lives.append(Life(frame=writer.num_frames, commands=commands))
                labelled.forget()
            else:
                given = player.act(before, game.things(player.looks_for) if player.looks else None)
                frame = game.frame
                game.step(given)
                state = labelled.state(given, before, game.situation())
                writer.write(frame, replace(state, first=begins))
                begins = False
            unreported += 1
            if unreported == REPORT_TICS:
                yield unreported
                unreported = 0
        simulation = Simulation(
            map=chunk.map_name,
            seed=seed,
            skill=config.skill,
            engine=engine_version(),
            lives=tuple(lives),
        )
        writer.meta[FIELD] = to_plain(simulation)
        if varied := varied_by(config):
            writer.meta[VARIED] = varied
        # Before the rest, whose last rename makes the recording exist.
        write_track(stem, track)
        yield unreported


def varied_by(config: RecordDoomConfig) -> dict[str, float]:
    """How its recordings differ from usual play, by the names that suites use."""
    usual = config.mouse_speed == USUAL_SPEED
    return config.look.varied() | ({} if usual else {"turn_speed": config.mouse_speed})


def enter(
    game: DoomGame, grid: WalkGrid, rng: np.random.Generator, *, elsewhere: bool, immortal: bool
) -> tuple[str, ...]:
    """Bring the player into the world: at the map's start, or `elsewhere` at random.

    On the maps of the game they get keys and some weapons; a scenario gives its player what it
    needs. Returns the console commands that it took.
    """
    game.settle()
    commands = ["god"] if immortal else []
    if game.map_name not in SCENARIOS:
        commands.append("give keys")
        for weapon, chance in STARTING_GEAR.items():
            if rng.random() < chance:
                commands.append(f"give {weapon}")
    commands.append("give ammo")
    if elsewhere:
        s = game.situation()
        start = grid.nearest_walkable(s.x, s.y)
        if start is not None:
            cost, _ = grid.search(start, np.zeros(grid.walkable.size, bool))
            open_floor = np.flatnonzero((cost[:-1] < UNREACHED) & (grid.clearance.ravel() >= 2))
            if len(open_floor):
                x, y = grid.centre(int(rng.choice(open_floor)))
                commands.append(f"warp {x:.0f} {y:.0f}")
    game.tell(commands)
    return tuple(commands)


def chunk_meta(chunk: Chunk, config: RecordDoomConfig) -> dict[str, object]:
    """What a recording says about itself; equal for equal recordings."""
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
        "settings": plain_but(config, NOT_THE_RECORDING),
    }
