from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from vidact.benchmarks.crafter_skill import play_episode
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import find_recordings
from vidact.errors import ConfigError
from vidact.games.config import RecordCrafterConfig
from vidact.games.crafter.frame_sizes import SIZE, VIEW
from vidact.games.crafter.game import KEYS, CrafterGame, CrafterView
from vidact.games.crafter.memory import MapMemory
from vidact.games.crafter.player import CrafterPlayer
from vidact.games.record_crafter import Life, longest_life, record_crafter, record_life
from vidact.games.tasks import make_env


@pytest.fixture
def crafter() -> None:
    if find_spec("crafter") is None:
        pytest.skip("crafter is not installed")


def view_of(*rows: str, things: tuple[tuple[int, int, str], ...] = ()) -> CrafterView:
    """A view from letters; the player stands in the middle.

    The letters are . grass, # stone, ~ water, T tree, L lava, ? hidden.
    """
    names = {".": "grass", "#": "stone", "~": "water", "T": "tree", "L": "lava", "?": "hidden"}
    return CrafterView(
        cells=tuple(tuple(names[c] for c in row) for row in rows),
        things=things,
        facing=(0, 1),
        inventory={},
        daylight=1.0,
        sleeping=False,
    )


def test_the_memory_keeps_what_was_seen_and_what_darkness_hides() -> None:
    memory = MapMemory()
    memory.look(view_of(*["........."] * 3, "....T....", *["........."] * 3))
    assert memory.materials[(0, 0)] == "tree"
    assert memory.materials[(-4, -3)] == "grass"
    assert len(memory.materials) == 63
    memory.look(view_of(*["?????????"] * 7))
    assert memory.materials[(0, 0)] == "tree"  # hidden, not forgotten
    memory.here = (4, 0)
    memory.look(view_of(*["........."] * 7))
    assert memory.materials[(8, 0)] == "grass"


def test_ways_go_round_water_and_never_through_lava() -> None:
    memory = MapMemory()
    memory.look(
        view_of(
            ".........",
            ".....~...",
            ".....~...",
            ".....L...",
            ".....L...",
            ".....L...",
            ".....L...",
        )
    )
    route = memory.route(lambda c: c == (3, 0))
    assert route[-1] == (3, 0)
    assert (1, -3) in route  # the only opening
    assert not any(memory.materials[c] in ("lava", "water") for c in route)
    assert memory.route(lambda c: c == (0, 0)) == []  # already here


def test_rock_is_walked_through_only_with_a_pickaxe() -> None:
    memory = MapMemory()
    memory.look(view_of(*[".....#..."] * 7))
    assert memory.route(lambda c: c == (3, 0)) == []
    assert memory.route(lambda c: c == (3, 0), mine=True) == [(1, 0), (2, 0), (3, 0)]


@pytest.mark.usefixtures("crafter")
def test_the_same_seed_and_keys_give_the_same_game() -> None:
    def play(seed: int) -> list[object]:
        game, rng = CrafterGame(seed), np.random.default_rng(0)
        seen: list[object] = []
        keys = list(KEYS)
        for _ in range(120):
            game.step([keys[int(rng.integers(len(keys)))]])
            seen.append((game.view(), game.frame.tobytes()))
        return seen

    assert play(4) == play(4)
    assert play(4) != play(5)


@pytest.mark.usefixtures("crafter")
def test_keys_move_and_the_last_of_several_counts() -> None:
    game = CrafterGame(3)
    assert game.frame.shape == (SIZE[1], SIZE[0], 3)
    view = game.view()
    assert (len(view.cells[0]), len(view.cells)) == VIEW
    game.step(["key.keyboard.a"])
    assert game.view().facing == (-1, 0)
    game.step(["key.keyboard.a", "key.keyboard.w"])
    assert game.view().facing == (0, -1)
    game.step([])
    assert game.view().facing == (0, -1)


@pytest.mark.usefixtures("crafter")
def test_the_player_knows_where_he_stands() -> None:
    game, player = CrafterGame(11, draw=False), CrafterPlayer(11)
    for _ in range(150):
        game.step(player.act(game.view()))
        if game.finished:
            break
    # Another look at the same place agrees with what the player remembers of it, except where
    # creatures or they themselves changed things.
    player.act(game.view())
    x, y = player.memory.here
    start = np.array(game._env._world.area) // 2
    assert tuple(int(v) for v in game._env._player.pos - start) == (x, y)


@pytest.mark.usefixtures("crafter")
def test_the_player_knows_where_he_stands_when_others_press_the_keys() -> None:
    game, player = CrafterGame(11, draw=False), CrafterPlayer(11)
    rng, keys = np.random.default_rng(0), list(KEYS)
    for _ in range(100):
        pressed = player.act(game.view())
        if rng.random() < 0.5:
            pressed = (keys[int(rng.integers(4))],)
        game.step(pressed)
        player.overruled(pressed)
    assert not game.finished
    player.act(game.view())
    start = np.array(game._env._world.area) // 2
    assert tuple(int(v) for v in game._env._player.pos - start) == player.memory.here


@pytest.mark.usefixtures("crafter")
def test_the_player_makes_a_stone_pickaxe() -> None:
    achieved = [play_episode(seed, 300)[0] for seed in (1000, 1001, 1002)]
    assert sum("make_stone_pickaxe" in a for a in achieved) >= 2


@pytest.mark.usefixtures("crafter")
def test_a_recording_is_a_life_with_true_keys(tmp_path: Path) -> None:
    out = tmp_path / "play"
    config = RecordCrafterConfig(out=str(out), minutes=0.1, chunk_minutes=0.05, workers=1)
    assert longest_life(config) == 30
    assert record_crafter(config) == 0
    spec = ActionSpec.load("crafter")
    recordings = find_recordings([config.out])
    assert [recording.num_frames for recording in recordings] == [30, 30]
    assert recordings[0].group != recordings[1].group
    for recording in recordings:
        actions = recording.actions(spec)
        assert actions.buttons.sum(axis=1).max() == 1
        assert actions.buttons[:, :4].any()
        # The last frame only shows what the last action did.
        assert actions.valid.tolist() == [True] * 29 + [False]
        assert recording.episodes(spec) == [(0, 30)]
        assert recording.meta["spec"] == "crafter"
        assert recording.meta["truncated"]
    # It depends on seed and number alone, not on what its process had recorded before.
    sum(record_life(Life(number=1, seed=0, longest=30), tmp_path))
    (again,) = find_recordings([str(tmp_path / "crafter-s0-001.mp4")])
    assert again.sha256 == recordings[1].sha256
    assert again.labels_sha256 == recordings[1].labels_sha256
    stamp = [r.stem.with_suffix(".mp4").stat().st_mtime_ns for r in recordings]
    assert record_crafter(config) == 0
    assert [r.stem.with_suffix(".mp4").stat().st_mtime_ns for r in recordings] == stamp
    with pytest.raises(ConfigError, match="minutes"):
        RecordCrafterConfig(out="x", minutes=0)


@pytest.mark.usefixtures("crafter")
def test_a_recording_ends_with_its_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deadly(CrafterGame):
        def step(self, keys: Iterable[str]) -> None:
            super().step(keys)
            self.finished = self.steps == 20

    monkeypatch.setattr("vidact.games.record_crafter.CrafterGame", Deadly)
    life = Life(number=3, seed=0, longest=100)
    assert sum(record_life(life, tmp_path)) == 21
    (made,) = find_recordings([str(tmp_path)])
    assert made.num_frames == 21
    assert [state.valid for state in made.states] == [True] * 20 + [False]
    assert not made.meta["truncated"]
    assert made.meta["score"] == len(made.meta["achievements"])


@pytest.mark.usefixtures("crafter")
def test_the_task_scores_achievements() -> None:
    env = make_env("crafter", 0)
    frame = env.reset(1)
    assert frame.shape == (72, 72, 3)
    player, total = CrafterPlayer(1), 0.0
    for _ in range(60):
        keys = player.act(env._game.view())  # type: ignore[attr-defined]
        buttons = np.array([set(b.inputs) & set(keys) != set() for b in env.spec.buttons], np.uint8)
        _, reward, done, info = env.step(buttons, np.zeros(0, np.float32))
        total += reward
    assert info["score"] == total >= 1
    assert not done
    env.close()
