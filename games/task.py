"""What a task is: which game is played from where, for how long, what counts, and what is paid.

Every task is a YAML file: those of `rewards/` have a name, and any other is played by its path.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat

from ..errors import ConfigError
from ..settings import closest, settings

GAME_SECONDS = 60.0
DOOM_EVENTS = ("cells", "kills", "goal", "seconds", "health", "deaths")
"""What a Doom task can count: cells of 64 x 64 units stood in after the first, monsters killed, 1
once the scenario's script has paid for its goal, seconds survived, health gained since the start
(negative: lost), deaths.
"""
ACHIEVEMENTS = (
    *("collect_coal", "collect_diamond", "collect_drink", "collect_iron", "collect_sapling"),
    *("collect_stone", "collect_wood", "defeat_skeleton", "defeat_zombie", "eat_cow", "eat_plant"),
    *("make_iron_pickaxe", "make_iron_sword", "make_stone_pickaxe", "make_stone_sword"),
    *("make_wood_pickaxe", "make_wood_sword", "place_furnace", "place_plant", "place_stone"),
    *("place_table", "wake_up"),
)
CRAFTER_EVENTS = (*ACHIEVEMENTS, "achievements", "health")
"""What a Crafter task can count: how often each of its 22 achievements was done, how many different
ones, and health gained since the start (negative: lost).
"""
TWIN_STICK_EVENTS = ("beacons", "drones", "lamps", "points")
"""What a Twin Stick task can count: beacons reached, drones shot, lamps answered, and their sum."""
EVENTS = {"doom": DOOM_EVENTS, "crafter": CRAFTER_EVENTS, "twin_stick": TWIN_STICK_EVENTS}


@settings()
class Payment:
    """What an event pays."""

    each: float
    """Reward of each time; negative for a punishment."""
    most: Annotated[float | None, Field(gt=0)] = None
    """How many times are paid in an episode; all of them where none is given."""


@settings()
class Start:
    """A fixed place at which Doom's player begins; the heading is the game's own."""

    x: float
    """Doom units."""
    y: float
    """Doom units."""


@settings()
class Task:
    """What is played, for how long, what the score counts and what the steps of play pay."""

    name: str
    game: Literal["doom", "crafter", "twin_stick"]
    """Also the name of the action spec that plays it."""
    description: str
    score: str
    """What one point of the score is, in words."""
    counts: str
    """The event that the score counts: see DOOM_EVENTS, CRAFTER_EVENTS and TWIN_STICK_EVENTS."""
    seconds: PositiveFloat = GAME_SECONDS
    """Longest episode, in seconds of game time; what it cuts is truncated, not terminated."""
    maps: tuple[str, ...] = ()
    """Doom: sets or names of maps as `record doom --maps` takes them; an episode draws one."""
    skill: Annotated[int, Field(ge=1, le=5)] = 2
    """Doom's difficulty."""
    immortal: bool = False
    """Doom: damage does not kill."""
    start: Start | None = None
    """Doom: where the player begins, where it is not the map that decides."""
    player: Literal["explorer", "medikits"] = "explorer"
    """Doom's scripted player that `record doom --task` lets play: `explorer` walks, opens and
    fights, `medikits` walks from one medikit to the next.
    """
    reward: Mapping[str, Payment] = Field(default_factory=dict)
    """What each event pays. Without it, one point of the score is one of reward."""

    def __post_init__(self) -> None:
        known = EVENTS[self.game]
        for field, event in [("counts", self.counts), *(("reward", name) for name in self.reward)]:
            if event not in known:
                raise ConfigError(
                    f"{field}: {self.game} has no event `{event}`{closest(event, known)}"
                )
        if (self.game == "doom") != bool(self.maps):
            needs = "needs at least one map" if self.game == "doom" else "has none"
            raise ConfigError(f"maps: {self.game} {needs}, got {list(self.maps)}")

    @property
    def score_bounds(self) -> tuple[float, float] | None:
        """The least and the largest score that there can be; None where there is no largest."""
        largest = {
            "goal": 1.0,
            "seconds": self.seconds,
            "achievements": float(len(ACHIEVEMENTS)),
        }.get(self.counts)
        return None if largest is None else (0.0, largest)

    def paid(self, totals: Mapping[str, float]) -> float:
        """The reward of an episode whose events were counted so far; of a step, the difference.

        Args:
            totals: event ► how often it happened since the episode's start.
        """
        if not self.reward:
            return totals[self.counts]
        return sum(
            payment.each
            * min(totals[event], float("inf") if payment.most is None else payment.most)
            for event, payment in self.reward.items()
        )


def read_task(path: str | Path) -> Task:
    """The task of a YAML file. Raises ConfigError, which names the file and the field."""
    from ..plain_yaml import read_made

    return read_made(path, "task", task_of)


def task_of(content: Mapping[str, Any]) -> Task:
    """The task that a file's content says. Raises ConfigError, which names the field.

    A payment may be written as a number, which is then paid each time.
    """
    fields = {str(name): value for name, value in content.items()}
    table = fields.get("reward") or {}
    if not isinstance(table, Mapping):
        raise ConfigError(f"reward must be lines of `event: payment`, got {table!r}")
    fields["reward"] = {str(event): _payment(event, value) for event, value in table.items()}
    if isinstance(fields.get("maps"), str):
        fields["maps"] = [fields["maps"]]
    return Task(**fields)


def _payment(event: object, value: Any) -> Payment:
    given = value if isinstance(value, Mapping) else {"each": value}
    try:
        return Payment(**{str(name): part for name, part in given.items()})
    except ConfigError as error:
        raise ConfigError(f"reward.{event}: {error}") from None
