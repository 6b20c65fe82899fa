"""What the demo plays: for each game the piles of play, the task, and what is particular to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from ..errors import ConfigError
from ..games.config import RecordCrafterConfig, RecordDoomConfig
from ..games.doom.maps import TRAIN_MAPS
from ..games.tasks import find_task
from .config import Amounts, DemoConfig

EVERY_FIFTH = 5  # of five maps in a row three are for labelled play and two for the unlabelled pile
LABELLED_MAPS = tuple(name for i, name in enumerate(TRAIN_MAPS) if i % EVERY_FIFTH < 3)
UNLABELLED_MAPS = tuple(name for i, name in enumerate(TRAIN_MAPS) if i % EVERY_FIFTH >= 3)
# Of labelled play: labels are only as good in the scene of the task as what the IDM saw of it. (A
# clone of labels by an IDM that had never seen it killed 6 monsters, one of true labels 11.5.)
LABELLED_TASK_SHARE = 0.5
# Of the pile: an agent that learns for two minutes needs much play of the world it will act in.
PILE_TASK_SHARE = 0.8

# Seconds on two cores: so much to start the processes of a step, so much per minute of play.
RECORD_MAPS_S = (4.0, 3.6)
RECORD_TASK_S = (4.0, 2.1)  # the rooms of tasks are small: the engine has little to draw
RECORD_CRAFTER_S = (4.0, 1.6)


@dataclass(frozen=True, slots=True)
class Pile:
    """Play that is recorded into a folder of its own."""

    folder: str
    """Below the demo's folder. What lies in `truth` is labelled without its actions."""
    minutes: float
    verb: str
    settings: Callable[..., Any]
    """Makes the verb's settings of `out`, `minutes`, `seed` and `chunk_minutes`."""
    cost_s: tuple[float, float]
    """Seconds to start with, and per minute of play."""

    @property
    def step(self) -> str:
        """The name of the step that records it."""
        return f"record-{self.folder.replace('/', '-')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """A game as the demo goes through it."""

    task: str
    """What the agents play."""
    piles: tuple[Pile, ...]
    mirror: tuple[str, ...]
    """Pairs of buttons that change sides in a mirror."""
    labels: Literal["hard", "soft"] = "hard"
    """What a clone learns of a label: its action, or how probable each action is."""
    init: str = ""
    """The trained IDM that the demo's goes on from, if one of this game ships."""

    def recorded(self, folder: str) -> tuple[str, ...]:
        """The names of the steps that record what lies in or below a folder."""
        return tuple(pile.step for pile in self.piles if pile.folder.split("/")[0] == folder)


def task_name(config: DemoConfig) -> str:
    """The task of the settings: its name, or the YAML file that describes it."""
    return config.task or DEFAULT_TASKS[config.game]


def world_of(config: DemoConfig, amounts: Amounts) -> World:
    """The world that the settings ask for. Raises ConfigError: the task is of another game."""
    task = task_name(config)
    if (game := find_task(task).game) != config.game:
        raise ConfigError(f"task {task!r} is played in {game}: give --game {game}, or no task")
    return WORLDS[config.game](task, amounts)


def _doom(task: str, amounts: Amounts) -> World:
    def maps(folder: str, minutes: float, names: str) -> Pile:
        settings = partial(RecordDoomConfig, maps=names)
        return Pile(folder, minutes, "record doom", settings, RECORD_MAPS_S)

    def scene(folder: str, minutes: float) -> Pile:
        settings = partial(RecordDoomConfig, task=task)
        return Pile(folder, minutes, "record doom", settings, RECORD_TASK_S)

    labelled = amounts.labelled * LABELLED_TASK_SHARE
    pile = amounts.unlabelled * PILE_TASK_SHARE
    return World(
        task=task,
        piles=(
            maps("labelled/maps", amounts.labelled - labelled, ",".join(LABELLED_MAPS)),
            scene("labelled/task", labelled),
            maps("validation/maps", amounts.validation / 2, "validation"),
            scene("validation/task", amounts.validation / 2),
            maps("heldout", amounts.heldout, "test"),
            maps("truth/maps", amounts.unlabelled - pile, ",".join(UNLABELLED_MAPS)),
            scene("truth/task", pile),
        ),
        mirror=("left:right",),  # Doom's rules are the same on both sides
        # How far a turn goes is the least sure part of a label, and the next bin is nearly right.
        labels="soft",
        init="doom",
    )


def _crafter(task: str, amounts: Amounts) -> World:
    return World(
        task=task,
        piles=tuple(
            Pile(folder, minutes, "record crafter", RecordCrafterConfig, RECORD_CRAFTER_S)
            for folder, minutes in (
                ("labelled", amounts.labelled),
                ("validation", amounts.validation),
                ("heldout", amounts.heldout),
                ("truth", amounts.unlabelled),
            )
        ),
        # None: the inventory below the map does not change sides with it.
        mirror=(),
    )


WORLDS: dict[str, Callable[[str, Amounts], World]] = {"doom": _doom, "crafter": _crafter}
DEFAULT_TASKS = {"doom": "defend_the_center", "crafter": "crafter"}
