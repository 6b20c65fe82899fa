"""What can be varied about play: parameters with their limits, in suites that are YAML files.

lambda (in code `place`) is a parameter's place between its limits: 0 is nominal, -1 the lower
limit, 1 the upper one. Where nominal is a limit itself, only the other side exists. The map to the
parameter's own unit is linear or logarithmic on each side of nominal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import FiniteFloat

from ..errors import ConfigError
from ..settings import closest, named_like, require, settings, to_plain

SPECS = Path(__file__).parent / "specs"
# Names become keys of logs and of YAML.
Name = Annotated[str, named_like(r"[a-z][a-z0-9_]*", "small letters, digits and _, a letter first")]
Side = Literal["low", "high"]
Where = Literal["render", "pixels", "capture", "control"]


@settings(strict=True)
class Parameter:
    """One thing that is varied."""

    where: Where
    """Where it acts: `render` (how the game draws), `control` (how the player's hands behave),
    `pixels` (the pictures of play) or `capture` (who recorded them).
    """
    nominal: FiniteFloat
    """The value that play has as it was recorded."""
    limits: tuple[FiniteFloat, FiniteFloat]
    """The lowest and the highest value, nominal between them or one of them; beyond these a person
    could not label the play either.
    """
    scale: Literal["linear", "log"] = "linear"
    """How a share of the way to a limit becomes a value: by differences or by factors."""
    unit: str = ""
    """Of the value, for people."""

    def __post_init__(self) -> None:
        low, high = self.limits
        ordered = low <= self.nominal <= high and low < high
        require(ordered, "limits", list(self.limits), f"[low, high] around nominal {self.nominal}")
        positive = self.scale == "linear" or low > 0
        require(positive, "limits", list(self.limits), "above 0 for scale log")

    @property
    def sides(self) -> tuple[Side, ...]:
        """The sides of nominal on which there is room."""
        low, high = self.limits
        room: tuple[tuple[Side, bool], ...] = (
            ("low", low < self.nominal),
            ("high", high > self.nominal),
        )
        return tuple(side for side, there in room if there)

    @property
    def ends(self) -> tuple[float, float]:
        """The limits as lambda: -1 and 1, or 0 on a side without room."""
        return (-1.0 if "low" in self.sides else 0.0, 1.0 if "high" in self.sides else 0.0)

    def value(self, place: float) -> float:
        """The value at lambda = `place`, in the parameter's unit. Raises ValueError outside the
        limits.
        """
        low, high = self.ends
        if not low <= place <= high:
            raise ValueError(f"lambda must be within {low:g}..{high:g}, got {place}")
        if not place:
            return self.nominal
        limit = self.limits[place > 0]
        if self.scale == "log":
            return self.nominal * (limit / self.nominal) ** abs(place)
        return self.nominal + abs(place) * (limit - self.nominal)


@settings(strict=True)
class Suite:
    """Parameters that are varied together."""

    name: Name
    game: Literal["doom", "crafter", ""] = ""
    """The game whose recorders know the parameters of `render` and `control`; empty where there are
    none.
    """
    parameters: Mapping[Name, Parameter]

    def __post_init__(self) -> None:
        require(bool(self.parameters), "parameters", {}, "at least one")
        by_game = [n for n, p in self.parameters.items() if p.where in ("render", "control")]
        if by_game and self.game != "doom":
            raise ConfigError(
                f"parameters: {by_game[0]}: only the recorders of `game: doom` draw with other "
                f"settings; got game {self.game!r} (where: pixels and capture need no game)"
            )

    @property
    def sha256(self) -> str:
        """Hex digest of all that decides what lambda means."""
        content = json.dumps(to_plain(self), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def only(self, names: frozenset[str]) -> Suite:
        """The suite with those of its parameters alone."""
        kept = {name: p for name, p in self.parameters.items() if name in names}
        return Suite(name=self.name, game=self.game, parameters=kept)

    def values(self, places: Mapping[str, float]) -> dict[str, float]:
        """The values of some parameters at their lambdas."""
        return {name: self.parameters[name].value(place) for name, place in places.items()}

    def acting(self, *where: Where) -> frozenset[str]:
        """The names of the parameters that act in these places."""
        return frozenset(name for name, p in self.parameters.items() if p.where in where)


@dataclass(frozen=True)
class Boundary:
    """One end of one parameter's range."""

    parameter: str
    side: Side

    @property
    def name(self) -> str:
        return f"{self.parameter}.{self.side}"


def load_suite(name: str | Path) -> Suite:
    """The suite of a name (`doom`, `crafter`) or of a YAML file.

    Raises ConfigError, which names file and field.
    """
    from ..plain_yaml import read_made

    built_in = sorted(path.stem for path in SPECS.glob("*.yaml"))
    path = SPECS / f"{name}.yaml" if name in built_in else Path(name)
    if path.suffix not in (".yaml", ".yml"):
        raise ConfigError(
            f"suite: there is no suite {str(name)!r}; use one of {', '.join(built_in)}, "
            "or a YAML file of one"
        )
    return read_made(path, "suite", suite_of)


def suite_of(content: Mapping[str, Any]) -> Suite:
    """The suite of a file's content. Raises ConfigError, which names the field."""
    fields = {str(name): value for name, value in content.items()}
    table = fields.get("parameters")
    if not isinstance(table, Mapping):
        raise ConfigError(f"parameters must be a mapping of names to parameters, got {table!r}")
    fields["parameters"] = {str(name): _parameter(name, given) for name, given in table.items()}
    return Suite(**fields)


def require_known(suite: Suite, known: Mapping[Where, Mapping[str, tuple[float, float]]]) -> None:
    """Raise ConfigError where a parameter acts in a place that does not know it or its values.

    Args:
        known: by place, the names of what is implemented there, with the lowest and the highest
            value that it takes.
    """
    for name, parameter in suite.parameters.items():
        there = known.get(parameter.where, {})
        if name not in there:
            raise ConfigError(
                f"suite {suite.name!r}: {parameter.where} has no parameter `{name}`"
                f"{closest(name, sorted(there))}"
            )
        (low, high), (least, most) = parameter.limits, there[name]
        if low < least or high > most:
            raise ConfigError(
                f"suite {suite.name!r}: parameters.{name}: limits must be within "
                f"{least:g}..{most:g}, got {list(parameter.limits)}"
            )


def _parameter(name: object, given: Any) -> Parameter:
    if not isinstance(given, Mapping):
        raise ConfigError(f"parameters.{name} must be a mapping, got {given!r}")
    fields = {str(key): value for key, value in given.items()}
    if isinstance(fields.get("limits"), list):
        fields["limits"] = tuple(fields["limits"])  # YAML knows lists alone
    try:
        return Parameter(**fields)
    except ConfigError as error:
        raise ConfigError(f"parameters.{name}: {error}") from None
