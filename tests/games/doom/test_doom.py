from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.devices import DeviceState
from vidact.errors import ConfigError
from vidact.games.doom.exploring import turn_between
from vidact.games.doom.game import DEGREES_PER_PIXEL, DoomGame
from vidact.games.doom.maps import (
    ALL_MAPS,
    TEST_MAPS,
    TRAIN_MAPS,
    VALIDATION_MAPS,
    parse_maps,
    wad_of,
)
from vidact.games.doom.navigation import WalkGrid
from vidact.games.doom.player import DoomPlayer
from vidact.games.doom.wad import Wad
from vidact.games.tasks import make_env

from ..conftest import need_vizdoom


@pytest.fixture(autouse=True)
def _engine() -> None:
    need_vizdoom()


def play(seed: int, tics: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    frames = []
    with DoomGame("E1M1", seed) as game:
        game.settle()
        for _ in range(tics):
            frames.append(game.frame.copy())
            keys = (
                ("key.keyboard.w",)
                if rng.random() < 0.7
                else ("key.keyboard.a", "key.keyboard.left.shift")
            )
            game.step(DeviceState(keys=keys, buttons=(0,), dx=float(rng.integers(-20, 21)), dy=1.0))
    return frames


def test_the_same_seed_and_inputs_give_the_same_game() -> None:
    first, second = play(5, 60), play(5, 60)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_mouse_turns_right_and_down_and_keys_move() -> None:
    with DoomGame("E1M1", 1) as game:
        game.settle()
        assert game.frame.shape == (240, 320, 3)
        assert game.frame.dtype == np.uint8
        before = game.situation()
        game.step(DeviceState(dx=40.0))
        game.step(DeviceState(dy=20.0))
        after = game.situation()
        assert turn_between(before.angle, after.angle) == pytest.approx(
            40 * DEGREES_PER_PIXEL, abs=0.02
        )
        assert before.pitch - after.pitch == pytest.approx(20 * DEGREES_PER_PIXEL, abs=0.02)
        for _ in range(10):
            game.step(DeviceState(keys=("key.keyboard.w",)))
        moved = game.situation()
        heading = np.degrees(np.arctan2(moved.y - after.y, moved.x - after.x))
        assert abs(turn_between(heading, moved.angle)) < 3


def test_a_fraction_of_a_pixel_turns_too() -> None:
    with DoomGame("E1M1", 1) as game:
        game.settle()
        before = game.situation().angle
        for _ in range(10):
            game.step(DeviceState(dx=0.5))
        assert turn_between(before, game.situation().angle) == pytest.approx(
            5 * DEGREES_PER_PIXEL, abs=0.05
        )


def test_the_engine_leaves_no_settings_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with DoomGame("MAP01", 1) as game:
        game.settle()
    assert os.listdir(tmp_path) == []


def test_the_engine_dies_with_a_killed_process() -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv (util-linux) is not installed")
    code = "import time; from vidact.games.doom.game import DoomGame; g = DoomGame('E1M1', 7654321)"
    code += "; print('up', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    engines = _engines(process.pid)
    assert engines or not children.exists()
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in engines) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in engines if Path(f"/proc/{pid}").exists()]


def _engines(parent: int) -> list[int]:
    """The engines that a process started, from any of its threads."""
    found = []
    for path in Path(f"/proc/{parent}/task").glob("*/children"):
        found += [int(pid) for pid in path.read_text().split()]
    return [pid for pid in found if b"vizdoom" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_what_is_stopped_while_it_starts_leaves_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(game: DoomGame) -> None:
        raise SystemExit  # as a recorder is told to leave

    monkeypatch.setattr(DoomGame, "_draw_so", stop)
    before = _engines(os.getpid())
    with pytest.raises(SystemExit) as stopped:  # noqa: F841 - holds what lives beside the error
        DoomGame("E1M1", 1)
    assert _engines(os.getpid()) == before


def test_scenarios_and_sizes() -> None:
    with DoomGame("my_way_home", 1, size=(640, 400)) as game:
        game.settle()
        assert game.frame.shape == (400, 640, 3)
    with pytest.raises(ConfigError, match="123x45 is not offered"):
        DoomGame("E1M1", 1, size=(123, 45))


def test_map_sets_are_disjoint_and_whole() -> None:
    assert len(ALL_MAPS) == 68
    assert len(TRAIN_MAPS) == 60
    assert sorted(TRAIN_MAPS + TEST_MAPS + VALIDATION_MAPS) == sorted(ALL_MAPS)
    assert parse_maps("heldout") == VALIDATION_MAPS + TEST_MAPS
    assert parse_maps("e1m1, MAP05,E1M1") == ("E1M1", "MAP05")
    with pytest.raises(ConfigError, match="no map 'E5M1'"):
        parse_maps("E5M1")


@pytest.mark.parametrize(
    "name", [*ALL_MAPS[::9], "my_way_home", "health_gathering", "defend_the_center"]
)
def test_players_start_on_walkable_floor(name: str) -> None:
    game_file, scenario, inner = wad_of(name)
    geometry = Wad(scenario or game_file).map(inner)
    grid = WalkGrid(geometry)
    starts = geometry.things[geometry.things[:, 2] == 1]
    assert len(starts) or scenario  # scenarios place the player by script
    for x, y, _ in starts:
        assert grid.nearest_walkable(float(x), float(y), reach=1) is not None


def test_the_player_walks_far_and_does_not_get_stuck() -> None:
    inner_file, _, inner = wad_of("E2M1")
    runs = []
    for _ in range(2):
        grid = WalkGrid(Wad(inner_file).map(inner))
        with DoomGame("E2M1", 4, things=True) as game:
            game.settle()
            game.command("god")
            player = DoomPlayer(grid, 4)
            inputs, places = [], []
            for _ in range(700):
                given = player.act(
                    game.situation(), game.things("Monster") if player.looks else None
                )
                game.step(given)
                inputs.append(given)
                s = game.situation()
                places.append((s.x, s.y))
        runs.append((inputs, places))
    assert runs[0] == runs[1]  # decided by the seed alone
    xy = np.array(places)
    # Random play comes to about 10 in 20 s.
    assert len({(int(x), int(y)) for x, y in xy // 64}) >= 25
    pushing = np.array(["key.keyboard.w" in i.keys for i in inputs])
    still = np.hypot(*(xy[35:] - xy[:-35]).T) < 20
    blocked = still & np.lib.stride_tricks.sliding_window_view(pushing, 35)[1:].all(axis=1)
    assert blocked.mean() < 0.05
    assert pushing.mean() > 0.4


def test_a_crashed_engine_ends_the_episode_and_is_started_anew() -> None:
    env = make_env("my_way_home", 0)
    nothing = np.zeros(env.spec.num_buttons, np.uint8), np.zeros(2, np.float32)
    first = env.reset(3)
    env.step(*nothing)
    for pid in _engines(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    frame, reward, done, info = env.step(*nothing)
    assert (reward, done, info["truncated"], info["crashed"]) == (0.0, True, True, True)
    assert frame.shape == first.shape
    assert np.array_equal(env.reset(3), first)
    assert not env.step(*nothing)[2]
    env.close()


def test_a_map_that_was_switched_to_replays_as_in_an_engine_started_on_it() -> None:
    def run(game: DoomGame) -> list[object]:
        game.reset(5)
        seen: list[object] = []
        for tic in range(12):
            game.step(DeviceState(keys=("key.keyboard.w",), buttons=(0,), dx=float(tic - 6)), 2)
            seen.append((game.frame.tobytes(), game.situation()))
        return seen

    with DoomGame("E1M1", 77) as game:
        started = run(game)
    with DoomGame("E1M3", 77) as game:
        other = run(game)
        game.change_map("E1M1")
        assert run(game) == started
        game.change_map("E1M3")
        assert run(game) == other
        with pytest.raises(ConfigError, match="MAP01 lies in another file than E1M3"):
            game.change_map("MAP01")


def test_a_task_of_many_maps_opens_an_engine_a_file() -> None:
    env = make_env("explore_train", 0)
    maps = set()
    for seed in range(6):
        env.reset(seed)
        maps.add(env._episodes.game.map_name)
    assert len(maps) >= 4
    assert len(_engines(os.getpid())) <= 2
    env.close()
