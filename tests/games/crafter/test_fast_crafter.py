"""Crafter's worlds and pictures, made fast: the same as Crafter's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("crafter")
from crafter import objects, worldgen
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import ConfigError
from vidact.games.crafter.engine import Env, World
from vidact.games.crafter.frame_sizes import TILE, TILED_SIZE, UNIT
from vidact.games.crafter.game import CrafterGame
from vidact.games.crafter.worlds import generate_world
from vidact.games.tasks import make_env


def things(world: Any) -> list[tuple[str, tuple[int, ...]]]:
    return [(type(o).__name__, tuple(int(v) for v in o.pos)) for o in world.objects]


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_a_world_is_crafters_own_draw_for_draw(seed: int) -> None:
    worlds = []
    for make in (worldgen.generate_world, generate_world):
        world = World((64, 64), [*Env(0, TILE, draw=False)._world._mat_ids][1:], (12, 12))
        world.reset(seed=seed)
        player = objects.Player(world, (32, 32))
        world.add(player)
        make(world, player)
        worlds.append(world)
    own, fast = worlds
    assert np.array_equal(own._mat_map, fast._mat_map)
    assert things(own) == things(fast)
    assert own.random.random_sample() == fast.random.random_sample()  # the dice lie alike


class _Still:
    """Dice whose noise is flat: what it does to pictures cannot be compared."""

    def uniform(self, low: float = 0, high: float = 1, size: Any = None) -> Any:
        return np.full(size, (low + high) / 2)


def pictures(env: Env, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, np.ndarray]:
    """(tiles uint8, Crafter's own picture averaged as float), [72, 72, 3] each."""
    assert env._tiles is not None
    flat = type("Flat", (), {"standard_normal": lambda self, size, kind: np.zeros(size, kind)})
    with monkeypatch.context() as patch:
        patch.setattr(env._world, "random", _Still())
        patch.setattr(np.random, "default_rng", lambda seed: flat())
        drawn = env._tiles.draw(env._world, env._player, (0,))
        own = env.render((9 * UNIT, 9 * UNIT))
    factor = UNIT // TILE
    return drawn, own.reshape(72, factor, 72, factor, 3).mean(axis=(1, 3))


@pytest.fixture
def env() -> Env:
    made = Env(3, TILE, draw=True)
    made.reset()
    return made


def assert_alike(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, own = pictures(env, monkeypatch)
    assert drawn.dtype == np.uint8
    # Under flat noise Crafter cuts the same decimals off everywhere.
    assert np.abs(drawn - own).max() <= (1.0 if env._world.daylight >= 0.5 else 1.25)
    assert np.abs(drawn - own).mean() < 0.4


@pytest.mark.parametrize("daylight", [1.0, 0.97, 0.7, 0.5, 0.3, 0.05, 0.0])
@pytest.mark.parametrize("asleep", [False, True])
def test_tiles_are_the_averaged_picture_by_day_and_by_night(
    env: Env, monkeypatch: pytest.MonkeyPatch, daylight: float, asleep: bool
) -> None:
    env._world.daylight = daylight
    env._player.sleeping = asleep
    assert_alike(env, monkeypatch)


def test_tiles_show_every_thing_item_and_the_edge_of_the_world(
    env: Env, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, player = env._world, env._player
    for name, number in world._mat_ids.items():
        if name is not None and number <= 9:
            world._mat_map[27 + number, 29] = number  # a row of every material, in view
            world._mat_map[27 + number, 35] = number + 3 if number + 3 in world._mat_names else 1
    for number, thing in enumerate(
        [
            objects.Cow(world, (28, 33)),
            objects.Zombie(world, (29, 33), player),
            objects.Skeleton(world, (30, 33), player),
            objects.Arrow(world, (34, 33), (1, 0)),
            objects.Plant(world, (35, 33)),
            objects.Fence(world, (36, 33)),
        ]
    ):
        world._obj_map[tuple(thing.pos)] = 0
        world.add(thing)
        if number == 4:
            thing.grown = 301
    for place, name in enumerate(player.inventory):
        player.inventory[name] = place % 11  # ten and more are drawn as "unknown"
    assert_alike(env, monkeypatch)
    for facing in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        player.facing = facing
        assert_alike(env, monkeypatch)
    for corner in ((0, 0), (63, 1), (2, 63)):
        if world[corner][1] is not None:
            world.remove(world[corner][1])
        world.move(player, corner)
        assert_alike(env, monkeypatch)


def test_the_night_has_noise_of_its_own_that_can_be_repeated() -> None:
    def night(seed: int) -> np.ndarray:
        env = Env(seed, TILE, draw=True)
        env.reset()
        env._world.daylight = 0.1
        return env._obs()

    assert np.array_equal(night(3), night(3))
    env = Env(3, TILE, draw=True)
    env.reset()
    env._world.daylight = 0.1
    first = env._obs()
    before = env._world.random.get_state()[2]
    env._step += 1
    assert not np.array_equal(first, env._obs())
    assert env._world.random.get_state()[2] == before  # the world's dice lie where they lay
    # About as strong as Crafter's, averaged: in a corner, where nearly all is noise.
    own = np.stack([env.render((216, 216)) for _ in range(20)]).astype(float)
    own = own.reshape(20, 72, 3, 72, 3, 3).mean(axis=(2, 4))[:, :4, :4]
    mine = []
    for env._step in range(20):
        mine.append(env._obs()[:4, :4].astype(float))
    assert np.stack(mine).mean() == pytest.approx(own.mean(), abs=1.5)
    assert np.stack(mine).std(axis=0).mean() == pytest.approx(own.std(axis=0).mean(), rel=0.25)


def test_a_spec_of_72_pixels_is_drawn_by_tiles_and_others_as_before() -> None:
    env = make_env("crafter", 0)
    assert (env.spec.frame.width, env.spec.frame.height) == TILED_SIZE
    frame = env.reset(1)
    assert env.render().shape == frame.shape == (72, 72, 3)
    old = make_env("crafter", 0, ActionSpec.load("crafter@1"))
    assert old.reset(1).shape == (128, 128, 3)
    assert old.render().shape == (216, 216, 3)
    small = old.render().astype(float).reshape(72, 3, 72, 3, 3).mean(axis=(1, 3))
    assert np.abs(small - frame).max() <= 1  # the same world, by day
    with pytest.raises(ConfigError, match="unit: 10 pixels a cell are not offered; use 24 or 8"):
        CrafterGame(1, unit=10)
