from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vidact.games.doom.navigation import CELL, WalkGrid
from vidact.games.doom.wad import Wad

from ..conftest import map_lumps, write_wad

Room = tuple[int, int, int, int, int, int]


def grid_of(tmp_path: Path, rooms: list[Room], **options: object) -> WalkGrid:
    lumps = map_lumps("MAP01", rooms, **options)  # type: ignore[arg-type]
    wad = Wad(write_wad(tmp_path / "toy.wad", lumps))
    return WalkGrid(wad.map("MAP01"))


def reach(grid: WalkGrid, start: tuple[float, float], to: tuple[float, float]) -> bool:
    cost, _ = grid.search(grid.index(*start), np.zeros(grid.walkable.size, bool))
    return bool(cost[grid.index(*to)] < 1 << 29)


def test_a_room_is_walkable_up_to_half_a_player_from_its_walls(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, [(0, 128, 0, 96, 0, 128)])
    cells = {grid.centre(i) for i in np.flatnonzero(grid.walkable.ravel())}
    # A box of 32 fits with its centre between 16 and 112, and 16 and 80; cells are centred on 8,
    # 24, 40 …
    assert cells == {(x, y) for x in range(24, 105, 16) for y in range(24, 73, 16)}


@pytest.mark.parametrize(
    ("step", "up", "down"), [(24, True, True), (25, False, True), (-24, True, True)]
)
def test_steps_up_to_24_are_climbed_and_any_is_dropped(
    tmp_path: Path, step: int, up: bool, down: bool
) -> None:
    grid = grid_of(tmp_path, [(0, 128, 0, 128, 0, 256), (128, 256, 0, 128, step, 256)])
    low, high = (56.0, 64.0), (200.0, 64.0)
    assert reach(grid, low, high) is up
    assert reach(grid, high, low) is down


@pytest.mark.parametrize(("ceiling", "passes"), [(56, True), (55, False)])
def test_a_player_needs_56_of_height(tmp_path: Path, ceiling: int, passes: bool) -> None:
    rooms = [(0, 128, 0, 128, 0, 256), (128, 256, 0, 128, 0, ceiling), (256, 384, 0, 128, 0, 256)]
    assert reach(grid_of(tmp_path, rooms), (56, 64), (328, 64)) is passes


@pytest.mark.parametrize(("special", "passes"), [(1, True), (0, False), (11, False)])
def test_shut_doors_are_passable_walls_and_exits_are_not(
    tmp_path: Path, special: int, passes: bool
) -> None:
    rooms = [(0, 128, 0, 128, 0, 128), (128, 160, 0, 128, 0, 0), (160, 288, 0, 128, 0, 128)]
    grid = grid_of(tmp_path, rooms, special={0: special})
    assert reach(grid, (56, 64), (232, 64)) is passes
    assert bool(grid.door.any()) is (special == 1)


def test_solid_things_are_walked_round(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, [(0, 256, 0, 256, 0, 128)], things=[(128, 128, 2035)])
    assert not grid.walkable.ravel()[grid.index(128, 128)]
    assert reach(grid, (40, 128), (216, 128))


def test_routes_are_shortest_and_end_at_the_goal(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, [(0, 512, 0, 512, 0, 128)])
    start, goal = grid.index(200, 200), grid.index(296, 264)  # 6 cells right, 4 up
    cost, parent = grid.search(start, np.zeros(grid.walkable.size, bool))
    route = grid.route(parent, goal)
    assert route[-1] == goal
    assert len(route) == 6  # 4 diagonal steps and 2 straight ones
    assert cost[goal] == 4 * 3 + 2 * 2


def test_the_search_stops_a_little_after_the_first_goal(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, [(0, 1024, 0, 128, 0, 128)])
    goals = np.zeros(grid.walkable.size, bool)
    goals[grid.index(200, 64)] = True
    cost, _ = grid.search(grid.index(40, 64), goals)
    assert cost[grid.index(200, 64)] < 1 << 29
    assert cost[grid.index(900, 64)] >= 1 << 29


def test_free_distance_ends_at_the_wall(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, [(0, 512, 0, 128, 0, 128)])
    ahead, back, up = grid.free_distance(104.0, 56.0, np.array([0.0, 180.0, 90.0]))
    # The last cell that can be walked is centred on 488, 24 and 104.
    assert abs(ahead - (488 - 104)) <= CELL
    assert abs(back - (104 - 24)) <= CELL
    assert abs(up - (104 - 56)) <= CELL


def test_eyes_see_through_openings_but_not_through_walls_doors_and_ledges(tmp_path: Path) -> None:
    far = np.array([[300.0, 64.0, 30.0]])
    open_rooms = [(0, 128, 0, 128, 0, 128), (128, 160, 0, 128, 0, 128), (160, 400, 0, 128, 0, 128)]
    assert grid_of(tmp_path, open_rooms).sees(40, 64, 41, far).tolist() == [True]
    shut = [open_rooms[0], (128, 160, 0, 128, 0, 0), open_rooms[2]]
    assert grid_of(tmp_path, shut, special={0: 1}).sees(40, 64, 41, far).tolist() == [False]
    ledge = [open_rooms[0], (128, 160, 0, 128, 60, 128), open_rooms[2]]
    assert grid_of(tmp_path, ledge).sees(40, 64, 41, far).tolist() == [False]


def test_blocked_places_are_left_out(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, [(0, 256, 0, 72, 0, 128)])  # a corridor two cells wide
    assert reach(grid, (40, 36), (216, 36))
    grid.block(128, 36)
    assert not reach(grid, (40, 36), (216, 36))
