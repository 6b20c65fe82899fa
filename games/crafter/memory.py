"""What a Crafter player remembers of the map, and the way through it.

Positions are relative to where the game began, (x, y), right and down positive. The player learns the map only from his
views; where he stands he knows from his own steps, for a step succeeds exactly if the cell in front was free.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from .game import HIDDEN, VIEW, CrafterView

Cell = tuple[int, int]
STEPS: tuple[Cell, ...] = ((-1, 0), (1, 0), (0, -1), (0, 1))
FREE = frozenset({"grass", "sand", "path"})
MINED = {
    "stone": 3,
    "coal": 3,
    "tree": 4,
}  # cost of walking through by taking it away: turning, hitting, stepping
BRIDGED = 6  # cost of crossing water by putting a stone into it and mining that


@dataclass
class MapMemory:
    """The remembered materials, and the creatures in view."""

    here: Cell = (0, 0)
    materials: dict[Cell, str] = field(default_factory=dict)
    creatures: dict[Cell, str] = field(default_factory=dict)
    changed: int = 0
    """Grows when the map changes; old plans are then stale."""

    def look(self, view: CrafterView) -> None:
        """Enter a view, taken where the player stands now."""
        self.creatures = {}
        for row, line in enumerate(view.cells):
            for column, material in enumerate(line):
                cell = (self.here[0] + column - VIEW[0] // 2, self.here[1] + row - VIEW[1] // 2)
                if material != HIDDEN and self.materials.get(cell) != material:
                    self.materials[cell] = material
                    self.changed += 1
        for column, row, kind in view.things:
            self.creatures[
                (self.here[0] + column - VIEW[0] // 2, self.here[1] + row - VIEW[1] // 2)
            ] = kind

    def free(self, cell: Cell) -> bool:
        """Whether one can step there now."""
        return self.materials.get(cell) in FREE and cell not in self.creatures

    def neighbours(self, cell: Cell) -> list[Cell]:
        """The four cells beside one."""
        return [(cell[0] + dx, cell[1] + dy) for dx, dy in STEPS]

    def around(self, cell: Cell, reach: int = 1) -> set[str]:
        """The materials in the square around a cell, as crafting looks for a table (reach 1: 3 x 3)."""
        x, y = cell
        square = (
            (x + dx, y + dy) for dx in range(-reach, reach + 1) for dy in range(-reach, reach + 1)
        )
        return {self.materials[c] for c in square if c in self.materials}

    def is_frontier(self, cell: Cell) -> bool:
        """A cell that can be stood on, next to something never seen."""
        return self.materials.get(cell) in FREE and any(
            n not in self.materials for n in self.neighbours(cell)
        )

    def route(
        self,
        goal: Callable[[Cell], bool],
        *,
        mine: bool = False,
        bridge: bool = False,
        penalty: Callable[[Cell], int] | None = None,
        most: int = 120,
    ) -> list[Cell]:
        """The cheapest way from here to a cell for which `goal` holds; [] if there is none, or if it is right here.

        Args:
            goal: asked once a cell, in the order of cost; the goal itself need not be free.
            mine: stones and coal may be mined through, and trees felled.
            bridge: water may be crossed on stones.
            penalty: extra cost of entering a cell.
            most: the largest cost that is explored.
        """
        start = self.here
        cost: dict[Cell, int] = {start: 0}
        parent: dict[Cell, Cell] = {}
        heap: list[tuple[int, int, Cell]] = [(0, 0, start)]
        order = 0
        done: set[Cell] = set()
        while heap:
            spent, _, cell = heapq.heappop(heap)
            if cell in done:
                continue
            done.add(cell)
            if cell != start and goal(cell):
                route = [cell]
                while parent[cell] != start:
                    cell = parent[cell]
                    route.append(cell)
                return route[::-1]
            if cell != start and not self._enterable(cell, mine, bridge):
                continue  # a goal to stand in front of, not to walk through
            for dx, dy in STEPS:
                there = (cell[0] + dx, cell[1] + dy)
                material = self.materials.get(there)
                if material is None or there in done:
                    continue
                step = 1 + (penalty(there) if penalty else 0)
                if material in MINED:
                    step += MINED[material] if mine else 1
                elif material == "water":
                    step += BRIDGED if bridge else 1
                if there in self.creatures:
                    step += 3
                new = spent + step
                if new < cost.get(there, 1 << 30) and new <= most:
                    cost[there], parent[there] = new, cell
                    order += 1
                    heapq.heappush(heap, (new, order, there))
        return []

    def _enterable(self, cell: Cell, mine: bool, bridge: bool) -> bool:
        material = self.materials[cell]
        if material in FREE:
            return self.creatures.get(cell) not in ("plant", "ripe plant")
        return (mine and material in MINED) or (bridge and material == "water")
