"""Settings of the games' verbs. No game engine is imported here, so that `--help` stays fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from ..errors import ConfigError
from .doom.maps import parse_maps

FRAME_SIZES = ((160, 120), (320, 240), (400, 300), (640, 400), (640, 480), (800, 600), (1280, 720))


def _require_minutes(minutes: float, chunk_minutes: float) -> None:
    if not 0 < minutes <= 100_000:
        raise ConfigError(f"minutes: {minutes} is not above 0")
    if not 0 < chunk_minutes <= 60:
        raise ConfigError(f"chunk_minutes: {chunk_minutes} is not between 0 and 60")


def _require_jobs(jobs: int) -> None:
    if jobs < 0:
        raise ConfigError(f"jobs: {jobs} is negative; 0 takes one a core")


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordDoomConfig:
    """Record the scripted player in Doom: `vidact record doom --out runs/play --minutes 20 --seed 0`."""

    out: str
    """Folder for the recordings (mp4, jsonl and meta.json each)."""
    minutes: float = 20.0
    """Minutes of play in all."""
    seed: int = 0
    """Seed of engine and player; other seeds give other play on the same maps."""
    maps: str = "train"
    """`train`, `heldout`, `validation`, `test`, `all`, or names such as `E1M1,MAP05`."""
    jobs: Annotated[int, tyro.conf.arg(aliases=["-j"])] = 0
    """Worker processes; 0 takes one a core."""
    chunk_minutes: float = 1.0
    """Longest recording in minutes; it is shortened, down to half of one, where that gives every map its turn."""
    width: int = 320
    """Width of the frames in pixels."""
    height: int = 240
    """Height of the frames in pixels."""
    skill: int = 2
    """Doom's difficulty, 1 to 5."""
    strays_per_minute: float = 0.0
    """How often the player loses his way for a second or two, into a wall perhaps, and has to find back. From flawless
    play an agent never learns how to leave a wall (DART, Laskey et al. 2017, disturbs its demonstrators likewise)."""
    mouse_speed: float = 1.0
    """How many times faster the mouse turns than the script's usually does: strangers play at other sensitivities."""
    immortal: bool = True
    """Damage does not kill the player, so that no time is lost lying dead; otherwise he is revived after a while."""

    def __post_init__(self) -> None:
        _require_minutes(self.minutes, self.chunk_minutes)
        _require_jobs(self.jobs)
        if not 0 <= self.strays_per_minute <= 30:
            raise ConfigError(
                f"strays_per_minute: {self.strays_per_minute} is not between 0 and 30"
            )
        if not 0.25 <= self.mouse_speed <= 4:
            raise ConfigError(f"mouse_speed: {self.mouse_speed} is not between 0.25 and 4")
        if self.skill not in range(1, 6):
            raise ConfigError(f"skill: {self.skill} is not 1 to 5")
        if (self.width, self.height) not in FRAME_SIZES:
            sizes = ", ".join(f"{w}x{h}" for w, h in FRAME_SIZES)
            raise ConfigError(
                f"width, height: {self.width}x{self.height} is not offered; use one of {sizes}"
            )
        parse_maps(self.maps)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordFreedoomDemosConfig:
    """Record people's play from Freedoom's demos: `vidact record freedoom-demos --out runs/people`."""

    out: str
    """Folder for the recordings, one for each player of each demo."""
    demos: str = "all"
    """`all`, or names separated by commas: `freedoom1-DEMO1` (on E1M6), `-DEMO2` (E2M4), `-DEMO3` (E3M9), `-DEMO4`
    (E4M6), `freedoom2-DEMO1` (MAP03), `-DEMO2` (MAP10), `-DEMO3` (MAP22), `-DEMO4` (MAP23), or those maps."""
    jobs: Annotated[int, tyro.conf.arg(aliases=["-j"])] = 0
    """Worker processes; 0 takes one a core."""
    width: int = 640
    """Width of the frames in pixels, a multiple of 320."""
    height: int = 400
    """Height of the frames in pixels, the same multiple of 200."""

    def __post_init__(self) -> None:
        if (
            self.width % 320
            or self.height % 200
            or self.width // 320 != self.height // 200
            or self.width < 320
        ):
            raise ConfigError(
                f"width, height: {self.width}x{self.height} is not a multiple of 320x200, such as 640x400"
            )
        _require_jobs(self.jobs)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordCrafterConfig:
    """Record the scripted player in Crafter: `vidact record crafter --out runs/crafter --minutes 20`."""

    out: str
    """Folder for the recordings."""
    minutes: float = 20.0
    """Minutes of play in all, at 10 frames a second."""
    seed: int = 0
    """Seed of the worlds and of the player."""
    chunk_minutes: float = 4.0
    """Longest recording in minutes; it is shortened, down to half of one, until there are four recordings."""
    jobs: Annotated[int, tyro.conf.arg(aliases=["-j"])] = 0
    """Worker processes; 0 takes one a core."""

    def __post_init__(self) -> None:
        _require_minutes(self.minutes, self.chunk_minutes)
        _require_jobs(self.jobs)
