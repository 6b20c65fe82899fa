"""The scripted Crafter player: gathers, builds, hides at night, and gets to an iron pickaxe.

They see what a person sees: the 9 x 7 cells of the view, less what the night hides, and the
inventory; the rest of the map they have to remember (`memory.py`). One call of `act` is one tick:
at most one key.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from .game import CrafterView
from .memory import FREE, STEPS, WALLS, Cell, MapMemory

PLAYER_VERSION = 1
_MOVE = {
    (-1, 0): "key.keyboard.a",
    (1, 0): "key.keyboard.d",
    (0, -1): "key.keyboard.w",
    (0, 1): "key.keyboard.s",
}
DO, SLEEP = "key.keyboard.space", "key.keyboard.tab"
STONE, TABLE = "key.keyboard.r", "key.keyboard.t"
FURNACE, PLANT = "key.keyboard.f", "key.keyboard.p"
WOOD_PICKAXE, STONE_PICKAXE, IRON_PICKAXE = "key.keyboard.1", "key.keyboard.2", "key.keyboard.3"
WOOD_SWORD, STONE_SWORD, IRON_SWORD = "key.keyboard.4", "key.keyboard.5", "key.keyboard.6"
TABLE_WOOD, FURNACE_STONE = 2, 4  # this version of Crafter; older papers say 1 and 1
# Daylight, 0 to 1.
DARK = 0.6
EVENING = 0.93
NOTHING = ""  # a tick in which the player deliberately presses no key


class CrafterPlayer:
    """Plays one world.

    Args:
        seed: of pauses and of choices between equals.
    """

    def __init__(self, seed: int):
        self.rng = np.random.default_rng([seed, 23])
        self.memory = MapMemory()
        self.tick = 0
        self.mode = "start"
        self._pressed: str | None = None
        self._before: CrafterView | None = None
        self._pause = 0
        self._health = 9
        self._plan: deque[str] = deque()
        self._heading: Cell = STEPS[int(self.rng.integers(4))]

    def act(self, view: CrafterView) -> tuple[str, ...]:
        """The keys of this tick: none or one."""
        self._keep_place(view)
        self.memory.look(view)
        self.tick += 1
        if self._pause > 0:
            self._pause -= 1
            key = None
        elif not self._plan and self.memory.threat() is None and self.rng.random() < 0.02:
            self._pause = int(self.rng.integers(1, 5))  # people stop to look
            key = None
        else:
            key = self._choose(view)
        self._pressed, self._before, self._health = key, view, view.inventory["health"]
        return () if key is None else (key,)

    def overruled(self, keys: tuple[str, ...]) -> None:
        """Other keys than those of the last `act` were pressed: where they lead is known as well,
        and what was to follow is given up.
        """
        key = keys[-1] if keys else None
        if key != self._pressed:
            self._pressed = key
            self._plan.clear()

    def _keep_place(self, view: CrafterView) -> None:
        """Move on the map after a step.

        It succeeded if what lay in front was free in the view before, when nothing had moved yet.
        """
        if self._before is None or self._before.sleeping or self._pressed not in _MOVE.values():
            return
        step = next(s for s, key in _MOVE.items() if key == self._pressed)
        ahead = self.memory.ahead(step)
        if self.memory.free(ahead):
            self.memory.here = ahead

    # -- deciding ---------------------------------------------------------------------------------

    def _choose(self, view: CrafterView) -> str | None:
        inventory = view.inventory
        if view.sleeping:
            self._plan.clear()
            return None
        if self._plan:
            if view.inventory["health"] < self._health or self.memory.threat_beside():
                self._plan.clear()  # somebody interferes
            else:
                return self._plan.popleft()
        for mode, wish in (
            ("fight", self._fight),
            ("drink", self._drink),
            ("eat", self._eat),
            ("sleep", self._rest),
            ("craft", self._craft),
            ("gather", self._gather),
            ("explore", self._explore),
        ):
            key = wish(view)
            if key is not None:
                self.mode = mode
                return key or None
        self.mode = "lost"
        free = self.memory.free_steps()
        if free:
            return _MOVE[free[int(self.rng.integers(len(free)))]]
        return DO if inventory["wood_pickaxe"] else None

    def _fight(self, view: CrafterView) -> str | None:
        threat = self.memory.threat()
        if threat is None:
            return self._dodge(view)
        (x, y), kind = threat
        dx, dy = x - self.memory.here[0], y - self.memory.here[1]
        if abs(dx) + abs(dy) == 1:
            return DO if view.facing == (dx, dy) else _MOVE[(dx, dy)]
        step = _along(dx, dy)
        i = view.inventory
        in_line = 0 in (dx, dy)
        if i["health"] <= 4 and i["stone"] and view.facing == step and in_line:
            free = self.memory.free(self.memory.ahead(step))
            return STONE if free else None  # shut the door on it
        if kind == "zombie" and i["health"] > 3:
            # Face it and let it come: the first blow is ours.
            distance = abs(dx) + abs(dy)
            if view.facing == step and distance == 2 and in_line:
                return DO  # hits the empty cell; the zombie steps into the blow
            turned = view.facing == step
            if distance <= 2 and not turned and self.memory.free(self.memory.ahead(step)):
                return _MOVE[step]
        return None

    def _dodge(self, view: CrafterView) -> str | None:
        """Step out of the line of an arrow that comes near."""
        for (x, y), kind in self.memory.creatures.items():
            if kind != "arrow":
                continue
            dx, dy = x - self.memory.here[0], y - self.memory.here[1]
            if 0 in (dx, dy) and abs(dx) + abs(dy) <= 3:
                towards = (int(np.sign(dx)), int(np.sign(dy)))
                shield = view.facing == towards and view.inventory["stone"]
                if shield and self.memory.free(self.memory.ahead(towards)):
                    return STONE
                aside = [s for s in self.memory.free_steps() if (s[0] == 0) == (dy == 0)]
                if aside:
                    return _MOVE[aside[int(self.rng.integers(len(aside)))]]
        return None

    def _drink(self, view: CrafterView) -> str | None:
        return self._refill(view, "drink", lambda c: self.memory.materials.get(c) == "water")

    def _eat(self, view: CrafterView) -> str | None:
        def edible(cell: Cell) -> bool:
            return self.memory.creatures.get(cell) in ("cow", "ripe plant")

        return self._refill(view, "food", edible)

    def _refill(self, view: CrafterView, what: str, source: Callable[[Cell], bool]) -> str | None:
        """Go and take it when it is low, or when it is near and not full.

        What may be far is begun early.
        """
        level = view.inventory[what]
        if self.mode == {"drink": "drink", "food": "eat"}[what]:
            wanted, reach = level <= 8, 60  # once there, drink up
        elif level <= 4:
            wanted, reach = True, 120
        elif level <= 6:
            wanted, reach = True, 25 if view.daylight < EVENING else 8  # full into the night
        else:
            wanted, reach = False, 0
        if not wanted:
            return None
        key = self._go_and_do(view, source, most=reach)
        if key is None and level <= 2:
            return self._explore(view)
        return key

    def _rest(self, view: CrafterView) -> str | None:
        """Hide in the rock and sleep: at night, when tired, or when badly hurt."""
        i = view.inventory
        night = view.daylight < DARK and i["energy"] <= 8
        hurt = i["health"] <= 3 and min(i["food"], i["drink"]) > 1
        if not (night or hurt or i["energy"] <= 2) or not i["wood_pickaxe"]:
            return None
        if all(self.memory.materials.get(self.memory.ahead(s)) in WALLS for s in STEPS):
            return SLEEP if i["energy"] <= 8 else NOTHING
        return self._burrow(view)

    def _burrow(self, view: CrafterView) -> str | None:
        """Walk to a place from which one can dig in two cells deep, and do it.

        In a hole of one cell nobody can turn round without leaving it; from the second cell one
        steps back into the first, looks out, and puts a stone into the entrance.
        """
        if view.inventory["stone"] < 1:
            return self._go_and_do(view, self._is("stone"), most=40)
        step = next((s for s in STEPS if self.memory.can_dig_in(self.memory.here, s)), None)
        if step is not None:
            back = (-step[0], -step[1])
            self._plan.extend(
                [_MOVE[step], DO, _MOVE[step], DO, _MOVE[step], _MOVE[back], STONE, SLEEP]
            )
            if view.facing == step:
                self._plan.popleft()
            return self._plan.popleft()
        route = self.memory.route(
            lambda c: self.memory.free(c) and any(self.memory.can_dig_in(c, s) for s in STEPS),
            mine=True,
            penalty=self._danger,
            most=60,
        )
        return self._follow(view, route) if route else None

    # -- making things ----------------------------------------------------------------------------

    def _craft(self, view: CrafterView) -> str | None:
        i = view.inventory
        near = self.memory.around(self.memory.here)
        if "table" in near:
            if not i["wood_pickaxe"] and i["wood"] >= 1:
                return WOOD_PICKAXE
            if i["wood_pickaxe"] and not i["stone_pickaxe"] and i["wood"] >= 1 and i["stone"] >= 1:
                return STONE_PICKAXE
            if not i["wood_sword"] and not i["stone_pickaxe"] and i["wood"] >= 1:
                return WOOD_SWORD
            if i["stone_pickaxe"] and not i["stone_sword"] and i["wood"] >= 2 and i["stone"] >= 1:
                return STONE_SWORD
            if "furnace" in near and min(i["wood"], i["coal"], i["iron"]) >= 1:
                if not i["iron_pickaxe"]:
                    return IRON_PICKAXE
                if not i["iron_sword"]:
                    return IRON_SWORD
        return self._build(view, near)

    def _build(self, view: CrafterView, near: set[str]) -> str | None:
        """Put down a table or a furnace when something can be made of it.

        Where one stands near, walk to it instead.
        """
        i = view.inventory
        first = not i["wood_pickaxe"] and i["wood"] >= TABLE_WOOD + 2
        second = i["wood_pickaxe"] and not i["stone_pickaxe"] and i["stone"] >= 2 and i["wood"] >= 1
        ores = min(i["wood"], i["coal"], i["iron"]) >= 1
        third = i["stone_pickaxe"] and not i["iron_pickaxe"] and ores
        if not (first or second or third):
            return None
        no_furnace = "furnace" not in near and not self.memory.knows("furnace")
        if third and no_furnace and i["stone"] < FURNACE_STONE:
            # Before the walk to the table, not after it.
            return self._go_and_do(view, self._is("stone"), most=60)
        if "table" not in near:
            walk = self._walk_to("table", most=20 if i["wood"] >= TABLE_WOOD + 1 else 120)
            if walk is not None:
                return self._follow(view, walk)
            if i["wood"] >= TABLE_WOOD + 1:
                return self._place(view, TABLE)
            return None
        if third and "furnace" not in near:
            both = self._walk_to("furnace", most=20) if self.memory.knows("furnace") else None
            if both is not None:
                return self._follow(view, both)
            if i["stone"] >= FURNACE_STONE:
                return self._place(view, FURNACE)
        return None

    def _walk_to(self, material: str, most: int) -> list[Cell] | None:
        """The way to a cell beside a known table; None if none is near."""
        if not self.memory.knows(material):
            return None

        def beside(cell: Cell) -> bool:
            around = self.memory.around(cell) if self.memory.free(cell) else set()
            return material in around and (material != "furnace" or "table" in around)

        return self.memory.route(beside, mine=True, most=most) or None

    def _place(self, view: CrafterView, key: str) -> str | None:
        """Place something in front, after turning to a free cell if need be."""
        ahead = self.memory.ahead(view.facing)
        if self.memory.free(ahead):
            return key
        aside = self.memory.free_steps()
        if aside:
            return _MOVE[aside[0]]
        if self.memory.materials.get(ahead) in ("stone", "tree") and view.inventory["wood_pickaxe"]:
            return DO
        return None

    def _is(self, *materials: str) -> Callable[[Cell], bool]:
        return lambda cell: self.memory.materials.get(cell) in materials

    def _gather(self, view: CrafterView) -> str | None:
        """The next thing that is needed and known."""
        i = view.inventory
        wants: list[tuple[Callable[[Cell], bool], int]] = []
        if not i["wood_pickaxe"]:
            wants.append((self._is("tree"), 120))
        else:
            wood_to_have = 0 if i["iron_pickaxe"] else (4 if i["stone_pickaxe"] else 6)
            if i["stone_pickaxe"]:
                if not i["iron"]:
                    wants.append((self._is("iron"), 80))
                if not i["coal"]:
                    wants.append((self._is("coal"), 60))
                if i["iron_pickaxe"] and not i["diamond"]:
                    wants.append((self._is("diamond"), 120))
                if i["iron_pickaxe"] and i["iron_sword"] == 0:
                    wants.append((self._is("iron"), 80))
            elif i["stone"] < 2:
                wants.append((self._is("stone"), 30 if i["wood"] < wood_to_have else 120))
            if i["coal"] < 2:
                wants.append((self._is("coal"), 8))
            if i["stone"] < 7:
                wants.append((self._is("stone"), 3))
            if i["wood"] < wood_to_have:
                wants.append((self._is("tree"), 12 if i["wood"] >= 3 else 60))
        for source, most in wants:
            key = self._go_and_do(view, source, most=most)
            if key is not None:
                return key
        ahead = self.memory.ahead(view.facing)
        if i["sapling"] and self.memory.materials.get(ahead) == "grass":
            return PLANT if self.memory.free(ahead) else None
        return None

    # -- walking ----------------------------------------------------------------------------------

    def _go_and_do(
        self, view: CrafterView, source: Callable[[Cell], bool], *, most: int
    ) -> str | None:
        """Walk to the nearest source, turn to it and use it."""
        ahead = self.memory.ahead(view.facing)
        if source(ahead):
            return DO
        route = self.memory.route(
            source, mine=bool(view.inventory["wood_pickaxe"]), penalty=self._danger, most=most
        )
        return self._follow(view, route) if route else None

    def _follow(self, view: CrafterView, route: list[Cell]) -> str | None:
        """The key for the next step of a route: walk, turn, or clear the way."""
        x, y = route[0]
        step = (x - self.memory.here[0], y - self.memory.here[1])
        if self.memory.free(route[0]) or view.facing != step:
            return _MOVE[step] if self.memory.materials.get(route[0]) != "lava" else None
        material = self.memory.materials.get(route[0])
        if material == "water" and view.inventory["stone"]:
            return STONE
        return DO  # takes away what stands there, or hits the creature in the way

    def _danger(self, cell: Cell) -> int:
        """The extra cost of a cell: where a skeleton shoots, and beside lava."""
        if self.memory.materials.get(cell) == "path" and self.memory.under_fire(cell):
            return 6
        beside = {self.memory.materials.get(n) for n in self.memory.neighbours(cell)}
        return 2 if "lava" in beside else 0

    def _explore(self, view: CrafterView) -> str | None:
        """Walk to the nearest edge of the known, rather straight on than back.

        Once there is a pickaxe the way may lead through rock.
        """
        pickaxe = bool(view.inventory["wood_pickaxe"])
        bridge = view.inventory["stone"] >= 3

        seeks_rock = pickaxe and not view.inventory["iron"]

        def unknown_near(cell: Cell) -> bool:
            material = self.memory.materials.get(cell)
            minable = pickaxe and material in ("stone", "coal")
            if not (material in FREE or minable or (bridge and material == "water")):
                return False
            return any(n not in self.memory.materials for n in self.memory.neighbours(cell))

        hx, hy = self._heading
        x0, y0 = self.memory.here

        def against(cell: Cell) -> int:
            behind = (cell[0] - x0) * hx + (cell[1] - y0) * hy < 0
            meadow = seeks_rock and self.memory.materials.get(cell) in ("grass", "sand", "water")
            return self._danger(cell) + (1 if behind else 0) + (2 if meadow else 0)

        route = self.memory.route(
            unknown_near, mine=pickaxe, bridge=bridge, penalty=against, most=200
        )
        if not route:
            return None
        goal = route[-1]
        dx, dy = goal[0] - x0, goal[1] - y0
        if abs(dx) + abs(dy) > 2:
            self._heading = _along(dx, dy)
        return self._follow(view, route)


def _along(dx: int, dy: int) -> Cell:
    """The step that leads along the longer side of a way."""
    return (int(np.sign(dx)), 0) if abs(dx) >= abs(dy) else (0, int(np.sign(dy)))
