"""Recordings of Doom that can be simulated again: the same play, drawn otherwise.

The engine is decided by its seed and what is pressed, whatever its picture looks like; its own
replays ignore the field of view. So a recording's meta file keeps what began each life, the jsonl
has what was pressed, and the play is played again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...datasets.actions.devices import DeviceState
from ...errors import ConfigError, RecordingError
from ...settings import settings
from .game import DoomGame
from .look import DoomLook
from .maps import ALL_MAPS, SCENARIOS

FIELD = "simulation"  # of the meta file
# A console can also write files: of a stranger's recording nothing else is said to it.
COMMAND = re.compile(r"god|give [a-z]{1,24}|warp -?\d{1,5} -?\d{1,5}")


@settings(strict=True)
class Life:
    """How one life began."""

    frame: Annotated[int, Field(ge=0)]
    """Its first frame."""
    commands: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    """What was said to the console before, after the player had come into the world."""

    def __post_init__(self) -> None:
        for command in self.commands:
            if not COMMAND.fullmatch(command):
                raise ConfigError(f"commands must be `god`, `give …` or `warp …`, got {command!r}")


@settings(strict=True)
class Simulation:
    """What, beside the keys and the mouse, decides a recording."""

    map: str
    seed: Annotated[int, Field(ge=0, lt=1 << 32)]
    skill: Annotated[int, Field(ge=1, le=5)]
    engine: str
    """Its version: another one may play on otherwise."""
    lives: Annotated[tuple[Life, ...], Field(min_length=1, max_length=10_000)]

    def __post_init__(self) -> None:
        if self.map not in (*ALL_MAPS, *SCENARIOS):
            raise ConfigError(f"map must be one of Doom's, got {self.map!r}")
        frames = [life.frame for life in self.lives]
        if frames[0] or frames != sorted(set(frames)):
            raise ConfigError(f"lives must begin at frame 0 and rise, got {frames[:5]}")


@dataclass(frozen=True, slots=True)
class Replayed:
    """A frame of a simulation."""

    frame: NDArray[np.uint8]
    state: DeviceState


def engine_version() -> str:
    """The version of the installed engine, or nothing."""
    with suppress(PackageNotFoundError):
        return f"vizdoom {version('vizdoom')}"
    return ""


def simulation_of(meta: Mapping[str, Any], where: object) -> Simulation | None:
    """What a recording's meta file says of it; None where it says nothing, as those of before.

    Raises RecordingError where that cannot be played.
    """
    content = meta.get(FIELD)
    if content is None:
        return None
    try:
        lives = tuple(
            Life(**{**one, "commands": tuple(one.get("commands", ()))}) for one in content["lives"]
        )
        return Simulation(**{**content, "lives": lives})
    except (TypeError, KeyError, AttributeError) as error:
        raise RecordingError(f"{where}: {FIELD} of the meta file is damaged: {error}") from None
    except ConfigError as error:
        raise RecordingError(f"{where}: {FIELD} of the meta file: {error}") from None


def simulate(
    simulation: Simulation,
    states: Sequence[DeviceState],
    look: DoomLook,
    *,
    size: tuple[int, int] = (320, 240),
) -> Iterator[Replayed]:
    """Play it again, frame by frame, with another look.

    Args:
        states: what was done after each frame; where they end the play ends.
    """
    begins = {life.frame: life for life in simulation.lives}
    with DoomGame(
        simulation.map, simulation.seed, size=size, skill=simulation.skill, look=look
    ) as game:
        for number, state in enumerate(states):
            life = begins.get(number)
            if life is not None:
                if number:
                    game.reset()
                game.settle()
                game.tell(life.commands)
            yield Replayed(game.frame, state)
            game.step(state)
