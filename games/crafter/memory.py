"""What a Crafter player remembers of the map, and the way through it.

Positions are relative to where the game began, (x, y), right and down positive. Players learn the
map only from their views; where they stand they know from their own steps, for a step succeeds
exactly if the cell in front was free.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from .game import HIDDEN, VIEW, CrafterView

Cell = tuple[int, int]
STEPS: tuple[Cell, ...] = ((-1, 0), (1, 0), (0, -1), (0, 1))
FREE = frozenset({"grass", "sand", "path"})
WALLS = frozenset(
    {"stone", "water", "tree", "coal", "iron", "diamond", "table", "furnace", "lava", "outside"}
)
# The cost of walking through by taking it away: turning, hitting, stepping.
MINED = {"stone": 3, "coal": 3, "tree": 4}
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
            cell = (self.here[0] + column - VIEW[0] // 2, self.here[1] + row - VIEW[1] // 2)
            self.creatures[cell] = kind

    def free_steps(self) -> list[Cell]:
        """The steps that lead somewhere now."""
        return [step for step in STEPS if self.free(self.ahead(step))]

    def free(self, cell: Cell) -> bool:
        """Whether one can step there now."""
        return self.materials.get(cell) in FREE and cell not in self.creatures

    def neighbours(self, cell: Cell) -> list[Cell]:
        """The four cells beside one."""
        return [(cell[0] + dx, cell[1] + dy) for dx, dy in STEPS]

    def around(self, cell: Cell) -> set[str]:
        """The materials in the 3 x 3 cells around one, in which crafting looks for a table."""
        x, y = cell
        square = ((x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1))
        return {self.materials[c] for c in square if c in self.materials}

    def ahead(self, step: Cell) -> Cell:
        """The cell that a step leads to."""
        return self.here[0] + step[0], self.here[1] + step[1]

    def knows(self, material: str) -> bool:
        """Whether a cell of this material was seen."""
        return material in self.materials.values()

    def threat(self) -> tuple[Cell, str] | None:
        """The nearest zombie or skeleton within three steps."""
        x, y = self.here
        near = [
            (abs(cx - x) + abs(cy - y), (cx, cy), kind)
            for (cx, cy), kind in self.creatures.items()
            if kind in ("zombie", "skeleton")
        ]
        if not near:
            return None
        distance, cell, kind = min(near)
        return (cell, kind) if distance <= 3 else None

    def threat_beside(self) -> bool:
        """Whether something that hurts is one step away."""
        beside = {self.creatures.get(self.ahead(step)) for step in STEPS}
        return not beside.isdisjoint({"zombie", "skeleton", "arrow"})

    def under_fire(self, cell: Cell) -> bool:
        """Whether a skeleton in view could shoot along the row or column of a cell."""
        return any(
            kind == "skeleton"
            and (x == cell[0] or y == cell[1])
            and abs(x - cell[0]) + abs(y - cell[1]) <= 6
            for (x, y), kind in self.creatures.items()
        )

    def can_dig_in(self, stand: Cell, step: Cell) -> bool:
        """Whether two cells of stone lie straight ahead, with walls on all their other sides."""
        dx, dy = step
        first, second = (stand[0] + dx, stand[1] + dy), (stand[0] + 2 * dx, stand[1] + 2 * dy)
        if self.materials.get(first) != "stone" or self.materials.get(second) != "stone":
            return False
        sides = [
            (c[0] + sx, c[1] + sy) for c in (first, second) for sx, sy in ((dy, dx), (-dy, -dx))
        ]
        behind = (second[0] + dx, second[1] + dy)
        return all(self.materials.get(c) in WALLS for c in [*sides, behind])

    def route(
        self,
        goal: Callable[[Cell], bool],
        *,
        mine: bool = False,
        bridge: bool = False,
        penalty: Callable[[Cell], int] | None = None,
        most: int = 120,
    ) -> list[Cell]:
        """The cheapest way from here to a cell for which `goal` holds.

        Returns [] where there is none, or where it is right here.

        Args:
            goal: asked once per cell, in the order of cost; the goal itself need not be free.
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
