"""An actor: a policy plays several games and writes down what happened.

L lanes (games side by side), T ticks, H, W pixels of the spec, h, w of the network, K buttons, A
axes

An actor's future is decided by its state and the weights it is given. Games cannot be saved, but
they are deterministic: the state holds the seed of each running episode and its actions so far, and
loading the state plays them again. That costs what the games cost and no inference; the actors do
it side by side.
"""

from __future__ import annotations

import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...datasets.actions.spec import ActionSpec
from ...errors import VidactError
from ...games.env import GameEnv
from ...networks.attention import Memory
from ..policy.agent import Agent
from ..policy.policy import Policy
from ..scoring.episodes import Episode
from ..scoring.lanes import Lanes
from .rollout import ACHIEVED, Rollout

FIRST_TRAINING_SEED = 1_000_000_000  # far from the seeds of `play`: no score is of training games
RUN_SEEDS = 1_000_003  # how far the seeds of two runs' first episodes lie apart
MakeEnv = Callable[[], GameEnv]


class Actor:
    """L games and a policy that plays them.

    Args:
        policy: in evaluation mode; its weights are replaced at each `collect`.
        make_env: makes one game. lanes: L.
        seed: of the run.
        index, actors: which of how many actors this is: no two play an episode of the same seed.
        action_delay: ticks from choosing an action to doing it, as the policy was trained.
    """

    def __init__(
        self,
        policy: Policy,
        make_env: MakeEnv,
        *,
        lanes: int,
        seed: int,
        index: int = 0,
        actors: int = 1,
        action_delay: int = 0,
    ):
        self.policy = policy.eval()
        self.spec: ActionSpec = policy.spec
        self.agent = Agent(self.policy, lanes, action_delay=action_delay)
        self._action_delay = action_delay
        self.envs = [make_env() for _ in range(lanes)]
        first_seed = FIRST_TRAINING_SEED + seed * RUN_SEEDS
        self._seeds = [
            _LaneSeeds(first_seed, index * lanes + lane, actors * lanes) for lane in range(lanes)
        ]
        # One a lane, over all of its episodes.
        self.agent.chance = [
            np.random.default_rng([seed, index * lanes + lane]) for lane in range(lanes)
        ]
        self._lanes = [_Lane() for _ in range(lanes)]
        size = (lanes, self.spec.frame.height, self.spec.frame.width, 3)
        self._frames = np.zeros(size, dtype=np.uint8)
        self._started = False
        self._seconds: dict[str, float] = {}

    def collect(self, weights: Mapping[str, Tensor], ticks: int) -> Rollout:
        """Play `ticks` ticks in every lane with these weights."""
        began = time.perf_counter()
        self._seconds = {"step": 0.0, "inference": 0.0}
        self.policy.load_state_dict(weights)
        if not self._started:
            for lane in range(len(self.envs)):
                self._start_episode(lane)
            self._started = True
        lanes = len(self.envs)
        out = Rollout(
            frames=np.zeros((lanes, ticks, *self._seen().shape[1:]), np.uint8),
            first=np.zeros((lanes, ticks), bool),
            joint=np.zeros((lanes, ticks), np.int64),
            camera=np.zeros((lanes, ticks), np.int64),
            reward=np.zeros((lanes, ticks), np.float32),
            terminated=np.zeros((lanes, ticks), bool),
            truncated=np.zeros((lanes, ticks), bool),
            final_value=np.zeros((lanes, ticks), np.float32),
            last_value=np.zeros(lanes, np.float32),
            before=self.agent.previous.copy(),
            memory=self.agent.memory,
            episodes=[],
            seconds=self._seconds,
        )
        for tick in range(ticks):
            with self._timed("inference"):
                # Once, and not once more in each pass of the learner.
                out.frames[:, tick], out.first[:, tick] = self._seen(), self.agent.first
                chosen = self.agent.choose(out.frames[:, tick])
            out.joint[:, tick], out.camera[:, tick] = chosen.T
            self._advance(out, tick, self.agent.due(chosen))
        out.last_value[:] = self._value()
        self._seconds["play"] = time.perf_counter() - began
        return out

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._seconds[what] += time.perf_counter() - began

    @torch.no_grad()
    def _seen(self) -> np.ndarray:
        """The present frames at the size that the network looks at, uint8 [L, h, w, 3]."""
        return self.policy.shrink(torch.from_numpy(self._frames)).numpy()

    def _advance(self, out: Rollout, tick: int, done: np.ndarray) -> None:
        """Play a tick with these actions, int64 [L, 2]."""
        buttons, camera_deg = self.agent.pressed(done)
        over: dict[int, bool] = {}  # lane ► cut by the time limit
        for lane, env in enumerate(self.envs):
            with self._timed("step"):
                frame, reward, ended, info = env.step(buttons[lane], camera_deg[lane])
            self._frames[lane] = frame
            out.reward[lane, tick] = reward
            state = self._lanes[lane]
            state.actions.append((int(done[lane, 0]), int(done[lane, 1])))
            state.reward += reward
            if ended:
                over[lane] = bool(info.get("truncated", False))
                out.episodes.append(
                    {
                        "score": float(info["score"]),
                        "reward": state.reward,
                        "ticks": float(len(state.actions)),
                        "lane": float(lane),
                        "tick": float(tick),
                        "crashed": float(info.get("crashed", False)),
                        **{f"{ACHIEVED}{name}": 1.0 for name in info.get("achievements", ())},
                    }
                )
        if any(over.values()):
            values = self._value()  # of the last frames: the next episodes take their place below
            for lane, truncated in over.items():
                if truncated:
                    out.truncated[lane, tick] = True
                    out.final_value[lane, tick] = values[lane]
        for lane, truncated in over.items():
            out.terminated[lane, tick] = not truncated
            self._start_episode(lane)

    def _value(self) -> np.ndarray:
        """float [L]: the value of the present frames in the reward's units."""
        with self._timed("inference"):
            return self.agent.value(self._seen())

    def _start_episode(self, lane: int) -> None:
        self._lanes[lane] = _Lane(seed=self._seeds[lane].next())
        with self._timed("step"):
            self._frames[lane] = self.envs[lane].reset(self._lanes[lane].seed)
        self.agent.begin(lane)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the weights, which `collect` is given."""
        return {
            "started": self._started,
            "episodes_begun": [seeds.count for seeds in self._seeds],
            "chance": [chance.bit_generator.state for chance in self.agent.chance],
            "lanes": [
                {
                    "seed": lane.seed,
                    "reward": lane.reward,
                    "actions": np.array(lane.actions, dtype=np.int64).reshape(-1, 2),
                    # What playing the actions again must lead to.
                    "frame_crc32": zlib.crc32(frame.tobytes()),
                }
                for lane, frame in zip(self._lanes, self._frames, strict=True)
            ],
            "first": self.agent.first.astype(np.uint8),
            "previous": self.agent.previous,
            "coming": self.agent.coming,
            "memory": [tuple(memory) for memory in self.agent.memory],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load a state: each running episode is played again to where it was."""
        self._started = state["started"]
        for lane, kept in enumerate(state["lanes"]):
            self._seeds[lane].count = state["episodes_begun"][lane]
            self.agent.chance[lane].bit_generator.state = state["chance"][lane]
            if not self._started:
                continue
            actions = np.asarray(kept["actions"])
            frame = self.envs[lane].reset(kept["seed"])
            for pressed, camera_deg in zip(*self.agent.pressed(actions), strict=True):
                frame = self.envs[lane].step(pressed, camera_deg)[0]
            if zlib.crc32(frame.tobytes()) != kept["frame_crc32"]:
                raise VidactError(
                    f"lane {lane}: playing the {len(actions)} actions of episode {kept['seed']} "
                    "again did not lead to the frame where the run was stopped (another version of "
                    "the game?): start the run afresh"
                )
            self._frames[lane] = frame
            self._lanes[lane] = _Lane(
                seed=kept["seed"],
                reward=kept["reward"],
                actions=[(int(j), int(c)) for j, c in actions],
            )
        self.agent.first = np.asarray(state["first"]).astype(bool)
        self.agent.previous = np.asarray(state["previous"]).copy()
        # None in snapshots of before, when every action was done at once.
        self.agent.coming = np.array(state.get("coming", self.agent.coming))
        self.agent.memory = [Memory(*memory) for memory in state["memory"]]

    def score(self, weights: Mapping[str, Tensor], seeds: Sequence[int]) -> list[float]:
        """The scores of whole episodes of these seeds; the same chance whatever the weights.

        What ran in the lanes is given up.
        """
        self.policy.load_state_dict(weights)
        self._started = False
        lanes = len(self.envs)
        player = Agent(self.policy, lanes, action_delay=self._action_delay)
        waiting = [deque(seeds[lane::lanes]) for lane in range(lanes)]
        begin = {lane: queue.popleft() for lane, queue in enumerate(waiting) if queue}
        played = Lanes(player, self.envs, seed=0).play(
            begin, lambda lane: waiting[lane].popleft() if waiting[lane] else None
        )
        found = {one.seed: one.score for one in played if isinstance(one, Episode)}
        return [found[seed] for seed in seeds]

    def close(self) -> None:
        for env in self.envs:
            env.close()


class _Lane:
    """The running episode of a lane."""

    def __init__(
        self, seed: int = 0, reward: float = 0.0, actions: list[tuple[int, int]] | None = None
    ):
        self.seed, self.reward = seed, reward
        self.actions: list[tuple[int, int]] = [] if actions is None else actions


class _LaneSeeds:
    """The seeds of a lane's episodes: start + lane, start + lane + lanes, …"""

    def __init__(self, start: int, lane: int, lanes: int):
        self._start, self._lane, self._lanes = start, lane, lanes
        self.count = 0

    def next(self) -> int:
        self.count += 1
        return self._start + self._lane + (self.count - 1) * self._lanes
