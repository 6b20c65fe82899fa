"""What a score says: lanes that refill, figures per seed and pooled, pairs, and interruptions."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from vidact.bc_policy.play import play
from vidact.bc_policy.policy.policy import Policy, policy_checkpoint_config
from vidact.bc_policy.scoring import pool
from vidact.bc_policy.scoring.config import PlayConfig
from vidact.bc_policy.scoring.episodes import Episode, KeptEpisodes
from vidact.bc_policy.scoring.lanes import MAX_CRASHES, Lanes
from vidact.bc_policy.scoring.pool import EpisodePool
from vidact.bc_policy.scoring.results import Played, compared_with, crafter_score, score_content
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import ConfigError, Interrupted
from vidact.games.env import GameCrashedError
from vidact.games.task import ACHIEVEMENTS
from vidact.games.tasks import TASKS
from vidact.games.workers import WorkerDiedError
from vidact.networks.checkpoints import save_checkpoint
from vidact.training.intervals import wilson_interval

from .toy_env import TOY_NETWORK, TOY_SPEC, ToyEnv


class Lengths(ToyEnv):
    """An episode of as many ticks as its seed says; each is worth a point."""

    crash_at: tuple[int, ...] = ()
    crashes = 0
    dealt: Mapping[int, int] = {}  # other seeds than the games are told

    def reset(self, seed: int) -> np.ndarray:
        seed = self.dealt.get(seed, seed)
        self.seed, self.length = seed, seed % 100
        return super().reset(seed)

    def step(self, buttons, camera_deg):
        frame, reward, done, info = super().step(buttons, camera_deg)
        if self.tick == 2 and self.seed in self.crash_at[self.crashes :]:
            self.crashes += 1
            return frame, 0.0, True, {**info, "truncated": True, "crashed": True}
        return frame, reward, done, info

    def reward(self, pressed: int) -> float:
        return 1.0


class Counting:
    """A player that does nothing and counts how often it was asked."""

    spec = TOY_SPEC

    def __init__(self, lanes: int):
        self.lanes, self.asked, self.started = lanes, 0, []

    def start(self, lane: int, seed: int) -> None:
        self.started.append((lane, seed))

    def act(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.asked += 1
        return np.zeros((self.lanes, 3), np.uint8), np.zeros((self.lanes, 0), np.float32)


def played(lengths: list[int], lanes: int) -> tuple[list[Episode], Counting, int]:
    """Episodes of these lengths, dealt as the pool deals them."""
    player = Counting(lanes)
    envs = [Lengths() for _ in range(lanes)]
    waiting = {lane: list(range(lane, len(lengths), lanes)) for lane in range(lanes)}
    seeds = dict(enumerate(lengths))
    for env in envs:
        env.dealt = seeds
    begin = {lane: queue.pop(0) for lane, queue in waiting.items() if queue}
    ended, ticks = [], 0
    for message in Lanes(player, envs, seed=0).play(
        begin, lambda lane: waiting[lane].pop(0) if waiting[lane] else None
    ):
        if isinstance(message, Episode):
            ended.append(message)
        else:
            ticks += message
    return ended, player, ticks


def test_a_lane_whose_episode_ends_takes_up_the_next() -> None:
    ended, player, ticks = played([3, 50, 4, 2, 5, 2], lanes=2)
    assert {e.index: e.score for e in ended} == {0: 3, 1: 50, 2: 4, 3: 2, 4: 5, 5: 2}
    # Lane 0 plays 0, 2, 4 and lane 1 plays 1, 3, 5: as long as the longer of the two. In groups of
    # two, which wait for each other, it would take 50 + 4 + 5.
    assert player.asked == 54
    assert ticks == 66
    assert [lane for lane, _ in player.started] == [0, 1, 0, 0, 1, 1]


def test_a_crashed_game_is_played_again_and_counted() -> None:
    env = Lengths()
    env.crash_at = (5,)
    (episode, _) = Lanes(Counting(1), [env], seed=5).play({0: 0}, lambda lane: None)
    assert isinstance(episode, Episode)
    assert (episode.score, episode.ticks) == (5, 5)
    assert episode.info["crashes"] == 1
    env.crash_at, env.crashes = (5,) * (MAX_CRASHES + 1), 0
    with pytest.raises(GameCrashedError, match=r"episode 0 \(seed 5\): the game crashed 4 times"):
        list(Lanes(Counting(1), [env], seed=5).play({0: 0}, lambda lane: None))


class InThread:
    """A worker that plays toy games in a thread; `doomed` ones die after so many messages."""

    doomed: ClassVar[list[int]] = []
    begun: ClassVar[list[dict[int, int]]] = []

    def __init__(self, target, config, *rest):
        self.connection, child = Pipe()
        self._messages = self.doomed.pop(0) if self.doomed else sys.maxsize
        self._thread = threading.Thread(target=self._serve, args=(child, config), daemon=True)
        self._thread.start()

    def _serve(self, connection, config) -> None:
        envs = [Lengths() for _ in range(config.lanes)]
        lanes = Lanes(Counting(config.lanes), envs, seed=config.seed)
        with suppress(EOFError, BrokenPipeError, ConnectionResetError, TypeError):
            for message in lanes.play(connection.recv(), lambda _: connection.recv()[1]):
                connection.send(message)
            connection.recv()

    def send(self, message) -> None:
        if isinstance(message, dict):
            self.begun.append(message)
        self.connection.send(message)

    def receive(self):
        if self._messages == 0:
            raise WorkerDiedError(-9)
        self._messages -= 1
        return self.connection.recv()

    def close(self) -> None:
        self.connection.close()


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> type[InThread]:
    """Play in threads: what is tested is who plays what, and that costs no start of a process."""
    monkeypatch.setattr(pool, "Worker", InThread)
    monkeypatch.setattr(InThread, "doomed", [])
    monkeypatch.setattr(InThread, "begun", [])
    return InThread


def toy_play(folder: Path, **settings: object) -> PlayConfig:
    usual = {"task": "my_way_home", "random": True, "lanes": 2, "episodes": 7, "seed": 103}
    return PlayConfig(out=str(folder), **{**usual, "video": False, **settings})


def score_in(folder: Path) -> dict:
    return json.loads((folder / "score.json").read_text())


def test_scores_do_not_depend_on_workers_or_on_their_deaths(
    tmp_path: Path, threads: type[InThread]
) -> None:
    assert play(toy_play(tmp_path / "one", workers=1)) == 0
    one = score_in(tmp_path / "one")
    assert one["scores"] == [3, 4, 5, 6, 7, 8, 9]  # as long as the seed says
    threads.doomed = [1, 1]  # each begins two episodes at least
    threads.begun = []
    assert play(toy_play(tmp_path / "two", workers=2)) == 0
    assert len(threads.begun) == 4
    assert all(index % 2 == lane for begun in threads.begun for lane, index in begun.items())
    assert score_in(tmp_path / "two")["scores"] == one["scores"]
    threads.doomed = [0] * 9
    with pytest.raises(WorkerDiedError, match="-9"):
        play(toy_play(tmp_path / "never", workers=1))


def test_a_stopped_run_keeps_what_is_done(
    tmp_path: Path, threads: type[InThread], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = EpisodePool.play
    done: list[object] = []

    def three(self, stopped):
        for message in whole(self, lambda: len(done) >= 3):
            yield message
            if isinstance(message, Episode):
                done.append(message)

    monkeypatch.setattr(EpisodePool, "play", three)
    message = r"stopped at 3 of 7 episodes; everything is saved: the same command resumes"
    with pytest.raises(Interrupted, match=message):
        play(toy_play(tmp_path, workers=1))
    assert not (tmp_path / "score.json").exists()
    (kept,) = tmp_path.glob("episodes-*.jsonl")
    threads.begun = []
    monkeypatch.setattr(EpisodePool, "play", whole)
    assert play(toy_play(tmp_path, workers=1)) == 0
    again = [index for begun in threads.begun for index in begun.values()]
    assert not {episode.index for episode in done} & set(again)
    assert score_in(tmp_path)["scores"] == [3, 4, 5, 6, 7, 8, 9]
    assert not kept.exists()


@pytest.mark.usefixtures("threads")
def test_several_checkpoints_are_played_on_the_same_worlds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    for name in ("a", "b"):
        policy = Policy(ActionSpec.load("doom"), TOY_NETWORK)
        content = policy_checkpoint_config(policy, preset="custom")
        save_checkpoint(tmp_path / name, policy.state_dict(), content)
    assert play(toy_play(tmp_path / "random")) == 0
    a, b = (str(tmp_path / name) for name in ("a", "b"))
    against = str(tmp_path / "random")
    config = toy_play(tmp_path / "p", random=False, checkpoint=a, other_seeds=(b,), against=against)
    assert play(config) == 0
    found = score_in(tmp_path / "p")
    assert [one["checkpoint"] for one in found["per_seed"]] == [a, b]
    assert len({one["checkpoint_sha256"] for one in found["per_seed"]}) == 2
    assert found["scores"] == found["per_seed"][0]["scores"] * 2
    assert found["against"]["difference"] == 0
    with pytest.raises(ConfigError, match="random play has no training"):
        toy_play(tmp_path, other_seeds=(a,))


def episodes(scores: list[float], **info: object) -> list[Episode]:
    return [Episode(i, 1000 + i, s, s, 10, dict(info)) for i, s in enumerate(scores)]


def test_episodes_that_are_done_are_kept(tmp_path: Path) -> None:
    store = KeptEpisodes(tmp_path, {"seed": 1})
    assert store.read() == []
    one, two = episodes([3.0, 4.0], map="E1M1")
    store.add(two)
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text() + '{"index": 7, "se')  # killed in the middle of a line
    store.add(one)
    assert KeptEpisodes(tmp_path, {"seed": 1}).read() == [one, two]
    assert KeptEpisodes(tmp_path, {"seed": 2}).read() == []
    store.remove()
    assert list(tmp_path.iterdir()) == []


def test_several_trainings_are_told_each_and_pooled() -> None:
    task = TASKS["defend_the_center"]
    players = [
        Played("a", "1", episodes([1.0, 3.0, 2.0])),
        Played("b", "2", episodes([5.0, 7.0, 6.0])),
    ]
    content = score_content(task, players)
    assert [one["mean"] for one in content["per_seed"]] == [2, 6]
    assert content["mean"] == 4
    assert content["scores"] == [1, 3, 2, 5, 7, 6]
    low, high = content["ci95"]
    assert low <= 2  # either training may have been the luck
    assert high >= 6
    alone = score_content(task, players[:1])
    assert "per_seed" not in alone
    assert alone["ci95"][1] < 3.01


def test_a_rate_of_nothing_is_not_surely_nothing() -> None:
    content = score_content(TASKS["my_way_home"], [Played("a", "1", episodes([0.0] * 20))])
    assert content["ci95"] == list(wilson_interval(0, 20))
    assert content["ci95"][1] == pytest.approx(0.161, abs=1e-3)


def test_crafter_tells_every_achievement_and_its_own_score() -> None:
    done = ["collect_wood", "place_table"]
    some = episodes([2.0] * 10, achievements=done) + episodes([1.0] * 10, achievements=done[:1])
    content = score_content(TASKS["crafter"], [Played("a", "1", some)])
    rates = content["achievements"]
    assert set(rates) == set(ACHIEVEMENTS)
    assert rates["collect_wood"]["rate"] == 1
    assert rates["place_table"] == {"rate": 0.5, "ci95": list(wilson_interval(10, 20))}
    assert rates["collect_diamond"]["ci95"][1] == pytest.approx(0.161, abs=1e-3)
    # (101 * 51 * 1 ...) ** (1 / 22) - 1
    assert content["crafter_score"]["mean"] == pytest.approx((101 * 51) ** (1 / 22) - 1)
    low, high = content["crafter_score"]["ci95"]
    assert low < content["crafter_score"]["mean"] < high
    assert crafter_score(np.ones(22)) == pytest.approx(100)


def test_scores_are_compared_on_the_same_worlds_only(tmp_path: Path) -> None:
    task = TASKS["defend_the_center"]
    ours = [Played("a", "1", episodes([2.0, 9.0, 4.0]))]
    other = {
        "task": task.name,
        **score_content(task, [Played("b", "2", episodes([1.0, 8.0, 3.0]))]),
    }
    (tmp_path / "score.json").write_text(json.dumps(other))
    found = compared_with(str(tmp_path), task, ours)
    assert found["difference"] == pytest.approx(1)
    assert found["difference_ci95"] == pytest.approx((1, 1))
    assert found["mean"] == 4
    with pytest.raises(ConfigError, match="is of 3 episodes of 'defend_the_center' from seed 1000"):
        compared_with(str(tmp_path), TASKS["explore"], ours)
    (tmp_path / "score.json").write_text("{}")
    with pytest.raises(ConfigError, match="not a score of"):
        compared_with(str(tmp_path / "score.json"), task, ours)
