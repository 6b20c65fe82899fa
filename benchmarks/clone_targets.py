"""How well clones play: `python benchmarks/clone_targets.py [WORK] [--minutes 40] [--only …]`.

Four tasks, recorded as they are scored; three training seeds, each with an IDM of its own; 200
worlds, the same for all. Cells are named task/arm/seed:

    random      random play (no seed)
    blind       cloned from black pictures, with the labels of `idm`
    true        cloned from the pile's own actions
    idm         cloned from the pile as an IDM labels it that was trained on `labelled` minutes of
                the same task, and calibrated on two more
    shipped     cloned from the pile as the shipped IDM labels it, which never saw this scene (Doom)
    small       cloned from those `labelled` minutes alone, the pile being at least five times them
    long        cloned from the actions of twice the pile, for twice as long (Crafter)
    direct-M    cloned from M minutes of labelled play, M = 1, 3, 10, 30
    idm-M       cloned from the pile as an IDM of M minutes labels it

Bars (`BARS`) are those that figures of prototypes supported. Play, labels and policies lie in WORK;
figures go to benchmarks/results/clone_targets.json as each cell ends. A step that lasts 40 minutes
is stopped and gone on with; `--minutes` ends the whole earlier, and the same command goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_study import Cells, Study, per_seed, pooled
from vidact.networks.checkpoints import config_in
from vidact.training.intervals import compare_paired

LABELLED = (1, 3, 10, 30)  # minutes of play, in the curves
VALIDATION = 2.0  # minutes of play that every IDM is tuned and calibrated on beside that


@dataclass(frozen=True, slots=True)
class Game:
    """A task, and how much play and time its clones get."""

    task: str
    record: tuple[str, ...]
    """The verb that records it."""
    pile: float
    """Minutes of play that are labelled."""
    labelled: float
    """Minutes of play that the IDM learns from."""
    clone: float
    """Minutes of cloning on two cores."""
    options: tuple[str, ...]
    """Of cloning."""
    curves: bool = False


DOOM = ("--mirror", "left:right")
GAMES = {
    game.task: game
    for game in (
        Game("defend_the_center", ("doom", "--task"), 15, 10, 2, DOOM, curves=True),
        Game("explore_maze", ("doom", "--task"), 30, 6, 2, DOOM),
        Game("health_gathering", ("doom", "--task"), 10, 3, 2, DOOM),
        Game("crafter", ("crafter",), 60, 12, 4, ("--previous-dropout", "0.5"), curves=True),
    )
}
SMALL = ("explore_maze", "crafter")  # where the labelled play alone is cloned as well


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must reach."""

    arm: str
    figure: str
    """`mean`, `low` (of the interval) or an achievement's rate, of each seed; or pooled over seeds:
    `above ARM` (lower bound above that arm's upper one), `gain over ARM` (paired, lower bound),
    `ratio to ARM` and `ratio to ARM, low`.
    """
    at_least: float = 0.0


BARS: dict[str, tuple[Bar, ...]] = {
    "defend_the_center": (
        Bar("shipped", "low", 3.5),
        Bar("shipped", "above random"),
        Bar("shipped", "above blind"),
        Bar("true", "mean", 9.0),
        Bar("idm", "mean", 8.0),
        Bar("idm", "ratio to true", 0.85),
        Bar("idm", "ratio to true, low", 0.7),
    ),
    "explore_maze": (
        Bar("idm", "mean", 30.0),
        Bar("idm", "above random"),
        Bar("idm", "gain over blind"),
        Bar("idm", "ratio to true", 0.95),
        Bar("idm", "ratio to true, low", 0.85),
        Bar("idm", "above small"),
    ),
    "health_gathering": (
        Bar("idm", "mean", 54.0),
        Bar("idm", "above blind"),
        Bar("idm", "ratio to true", 0.95),
        Bar("idm", "ratio to true, low", 0.85),
    ),
    "crafter": (
        Bar("idm", "mean", 4.0),
        Bar("idm", "low", 3.5),
        Bar("true", "mean", 5.0),
        Bar("long", "mean", 7.5),
        Bar("long", "make_stone_pickaxe", 0.08),
        Bar("idm", "ratio to true", 0.85),
        Bar("idm", "ratio to true, low", 0.7),
        Bar("idm", "above small"),
    ),
}


class Maker:
    """Makes the cells of a task."""

    def __init__(self, study: Study, game: Game):
        self.study, self.game = study, game

    def recorded(self, what: str, minutes: float, seed: int) -> Path:
        """Play of the task."""
        study, verb = self.study, self.game.record
        name = f"play/{self.game.task}-{what}"
        task = (self.game.task,) if verb[-1] == "--task" else ()
        amount = ("--minutes", study.minutes(minutes, least=0.5), "--seed", str(seed))
        return study.step(name, "record", *verb, *task, *amount, "--out", study.work / name)

    def pile(self) -> Path:
        """Play that is labelled."""
        return self.recorded("pile", self.game.pile, 300)

    def labelled(self, minutes: float) -> Path:
        """Play with its actions, of other worlds than the pile's."""
        return self.recorded(f"labelled-{minutes:g}", minutes, 301)

    def packed(self, what: str, play: Path) -> Path:
        """A dataset of true actions."""
        name = f"data/{self.game.task}-{what}"
        words = ("pack", play, "--spec", self.spec, "--out", self.study.work / name)
        return self.study.step(name, *words)

    @property
    def spec(self) -> str:
        """The spec that plays."""
        return "crafter" if self.game.record[0] == "crafter" else "doom"

    def with_labels(self, idm: str | Path, what: str) -> Path:
        """The pile as an IDM labels it."""
        name = f"data/{self.game.task}-{what}"
        layout = ("--layout.segment-ticks", "2048", "--layout.min-shards", "8", "--no-verify")
        words = ("label", self.pile(), "--idm", str(idm), *layout)
        return self.study.step(name, *words, "--out", self.study.work / name, "--plain")

    def idm(self, minutes: float, seed: int) -> Path:
        """An IDM of so many minutes of this task."""
        name = f"idm/{self.game.task}-{minutes:g}-{seed}"
        play, amount = self.labelled(minutes), self.study.minutes(6)
        # A minute of play may be one recording, which cannot be divided.
        tuned_on = self.recorded("validation", VALIDATION, 303)
        words = ("train-idm", "--data", play, "--val", tuned_on, "--minutes", amount)
        words += ("--seed", str(seed))
        return self.study.step(name, *words, "--plain", "--out", self.study.work / name)

    def data(self, arm: str, seed: int) -> Path:
        """What an arm is cloned from."""
        game, (kind, _, amount) = self.game, arm.partition("-")
        if kind in ("small", "direct"):
            minutes = float(amount or game.labelled)
            return self.packed(f"small-{minutes:g}", self.labelled(minutes))
        if kind == "true":
            return self.packed("true", self.pile())
        if kind == "long":
            return self.packed("long", self.recorded("long", 2 * game.pile, 302))
        if kind == "shipped":
            return self.with_labels("doom", "shipped")
        minutes = float(amount or game.labelled)
        return self.with_labels(self.idm(minutes, seed), f"idm-{minutes:g}-{seed}")

    def cell(self, arm: str, seed: int) -> dict[str, Any]:
        """Clone and score one arm."""
        study, game = self.study, self.game
        name = f"{game.task}-{arm}-{seed}"
        data = self.data(arm, seed)
        clone = study.step(
            f"policies/{name}",
            *("clone", "--data", data, "--seed", str(seed), *game.options, "--plain"),
            *("--minutes", study.minutes(game.clone * (2 if arm == "long" else 1))),
            *(("--blind",) if arm == "blind" else ()),
            *("--out", study.work / f"policies/{name}"),
        )
        trained = config_in(clone)["metrics"]
        return {
            **study.scored(name, game.task, clone),
            "frames": round(trained["frames"]),
            "held_out": {one: value for one, value in trained.items() if "_loss" in one},
        }


def cells_of(study: Study, game: Game) -> Iterator[tuple[str, Any]]:
    """The names of a task's cells, and what makes each: one seed of all arms first."""
    maker, task = Maker(study, game), game.task
    yield f"{task}/random/0", lambda: study.scored(f"{task}-random", task, None, spec=maker.spec)
    arms = ["true", "idm", "blind"]
    arms += ["shipped"] if task == "defend_the_center" else []
    arms += ["small"] if task in SMALL else []
    arms += ["long"] if task == "crafter" else []
    if game.curves:
        arms += [f"{kind}-{minutes}" for minutes in LABELLED for kind in ("direct", "idm")]
    for seed in study.seeds:
        for arm in arms:
            yield f"{task}/{arm}/{seed}", lambda arm=arm, seed=seed: maker.cell(arm, seed)


def judged(cells: Cells, task: str, bar: Bar) -> dict[str, Any] | None:
    """A bar's figure, per seed or pooled, and whether it holds; None where nothing is there yet."""
    own = per_seed(cells, f"{task}/{bar.arm}")
    words = bar.figure.split(" ")
    if not own:
        return None
    told: dict[str, Any] = {"arm": bar.arm, "figure": bar.figure, "at_least": bar.at_least}
    if words[0] in ("mean", "low") or words[0].startswith("make_"):
        found = {str(seed): _of_seed(cell, words[0]) for seed, cell in own.items()}
        return {**told, "found": found, "holds": min(found.values()) >= bar.at_least}
    other = per_seed(cells, f"{task}/{words[-1] if words[0] == 'above' else words[2].strip(',')}")
    if not other:
        return None
    if words[0] == "above":
        ours, theirs = pooled(own.values()), pooled(other.values())
        assert ours is not None
        assert theirs is not None
        value = ours["ci95"][0] - theirs["ci95"][1]
        return {**told, "found": value, "holds": value > bar.at_least}
    compared = compare_paired(*(_scores(some) for some in (own, other)))
    if words[0] == "gain":
        value = compared.difference_ci95[0]
        return {**told, "found": value, "holds": value > bar.at_least}
    low = compared.ratio_ci95[0] if compared.ratio_ci95 else None
    ratio = low if words[-1] == "low" else compared.ratio
    return {**told, "found": ratio, "holds": ratio is not None and ratio >= bar.at_least}


def _of_seed(cell: Mapping[str, Any], figure: str) -> float:
    if figure == "mean":
        return float(cell["mean"])
    if figure == "low":
        return float(cell["ci95"][0] if cell["ci95"] else cell["mean"])
    return float(cell["achievements"][figure]["rate"])


def _scores(cells: Mapping[int, Mapping[str, Any]]) -> list[Sequence[float]]:
    return [cell["scores"] for cell in cells.values()]


def main() -> None:
    study = Study.of_command_line("clone_targets", __doc__, example="crafter/*")
    for game in GAMES.values():
        for name, make in cells_of(study, game):
            if not study.cell(name, make):
                continue
            found = [judged(study.cells, game.task, bar) for bar in BARS[game.task]]
            bars = {**study.content.get("bars", {}), game.task: [one for one in found if one]}
            study.write(bars=bars)


if __name__ == "__main__":
    main()
