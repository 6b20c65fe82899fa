"""Actors side by side.

Real games get processes of their own; tests and debugging use actors in this one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol

import torch
from torch import Tensor

from ...datasets.actions.spec import ActionSpec
from ...games.workers import Worker
from ...networks.attention import Memory, mapped_memory
from ...progress import log
from ..policy.config import PolicyConfig
from ..policy.policy import Policy
from .actor import Actor
from .rollout import Rollout, joined


class Actors(Protocol):
    """What plays for a learner."""

    def collect(self, weights: Mapping[str, Tensor], ticks: int) -> Rollout:
        """Play `ticks` ticks in every game with these weights."""

    def score(self, weights: Mapping[str, Tensor], seeds: Sequence[int]) -> list[float]:
        """The scores of whole episodes of these seeds; what ran in the games is given up."""

    def state_dict(self) -> list[dict[str, Any]]:
        """The state of each actor."""

    def load_state_dict(self, states: Sequence[Mapping[str, Any]], /) -> None:
        """Load what `state_dict` gave."""


class LocalActors:
    """Actors in this process, one after the other."""

    def __init__(self, actors: Sequence[Actor]):
        self._actors = actors

    def collect(self, weights: Mapping[str, Tensor], ticks: int) -> Rollout:
        rollouts = [actor.collect(weights, ticks) for actor in self._actors]
        return joined([replace(one, seconds=_with_waits(one.seconds)) for one in rollouts])

    def score(self, weights: Mapping[str, Tensor], seeds: Sequence[int]) -> list[float]:
        shares = _shares(seeds, len(self._actors))
        scored = zip(self._actors, shares, strict=True)
        return _in_order([actor.score(weights, share) for actor, share in scored])

    def state_dict(self) -> list[dict[str, Any]]:
        return [actor.state_dict() for actor in self._actors]

    def load_state_dict(self, states: Sequence[Mapping[str, Any]]) -> None:
        for actor, state in zip(self._actors, states, strict=True):
            actor.load_state_dict(state)


@dataclass(frozen=True, kw_only=True, slots=True)
class ActorPlan:
    """What an actor's process is started with."""

    task: str
    spec: dict[str, Any]
    network: dict[str, Any]
    lanes: int
    seed: int
    index: int
    actors: int
    action_delay: int = 0


class ActorProcesses:
    """One process per actor, each with one CPU thread; they play at the same time.

    Args:
        task: a name in `games.tasks`. spec, network: of the policy.
        actors: how many. lanes: games of each. seed: of the run.
        action_delay: of the policy, see `Actor`.
    """

    def __init__(
        self,
        task: str,
        spec: ActionSpec,
        network: PolicyConfig,
        *,
        actors: int,
        lanes: int,
        seed: int,
        action_delay: int = 0,
    ):
        plan = ActorPlan(
            task=task,
            spec=spec.to_dict(),
            network=network.to_dict(),
            lanes=lanes,
            seed=seed,
            index=0,
            actors=actors,
            action_delay=action_delay,
        )
        self._workers = [
            Worker(actor_worker, replace(plan, index=index)) for index in range(actors)
        ]

    def __enter__(self) -> ActorProcesses:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.close()

    def collect(self, weights: Mapping[str, Tensor], ticks: int) -> Rollout:
        plain = _weight_arrays(weights)
        began = time.perf_counter()
        for worker in self._workers:  # all are at work before the first answer is awaited
            worker.send(("collect", plain, ticks))
        rollouts: list[Rollout] = [worker.receive() for worker in self._workers]
        took = time.perf_counter() - began
        slowest = max(rollout.seconds["play"] for rollout in rollouts)
        return joined(
            [
                replace(
                    rollout,
                    memory=_memory_tensors(rollout.memory),
                    seconds=_with_waits(rollout.seconds, slowest=slowest, took=took),
                )
                for rollout in rollouts
            ]
        )

    def score(self, weights: Mapping[str, Tensor], seeds: Sequence[int]) -> list[float]:
        plain = _weight_arrays(weights)
        for worker, share in zip(self._workers, _shares(seeds, len(self._workers)), strict=True):
            worker.send(("score", plain, share))
        return _in_order([worker.receive() for worker in self._workers])

    def state_dict(self) -> list[dict[str, Any]]:
        for worker in self._workers:
            worker.send(("state",))
        return [worker.receive() for worker in self._workers]

    def load_state_dict(self, states: Sequence[Mapping[str, Any]]) -> None:
        lanes = [lane for state in states for lane in state["lanes"]]
        ticks = sum(len(lane["actions"]) for lane in lanes)
        log(f"Playing {ticks:,} ticks again, to where {len(lanes)} games were stopped")
        for worker, state in zip(self._workers, states, strict=True):
            worker.send(("load", {**state, "memory": _memory_arrays(state["memory"])}))
        for worker in self._workers:
            worker.receive()


def actor_worker(connection: Connection, plan: ActorPlan) -> None:
    """In the child: an actor that does what comes through the pipe, until None comes."""
    from ...games.tasks import make_env

    torch.set_num_threads(1)
    spec = ActionSpec.from_dict(plan.spec)
    actor = Actor(
        Policy(spec, PolicyConfig.from_dict(plan.network)),
        lambda: make_env(plan.task, plan.seed, spec),
        lanes=plan.lanes,
        seed=plan.seed,
        index=plan.index,
        actors=plan.actors,
        action_delay=plan.action_delay,
    )
    try:
        while (message := connection.recv()) is not None:
            if message[0] in ("collect", "score"):
                weights = {name: torch.from_numpy(array) for name, array in message[1].items()}
            if message[0] == "score":
                connection.send(actor.score(weights, message[2]))
            elif message[0] == "collect":
                rollout = actor.collect(weights, message[2])
                connection.send(replace(rollout, memory=_memory_arrays(rollout.memory)))
            elif message[0] == "state":
                state = actor.state_dict()
                connection.send({**state, "memory": _memory_arrays(state["memory"])})
            else:
                actor.load_state_dict(
                    {**message[1], "memory": _memory_tensors(message[1]["memory"])}
                )
                connection.send("loaded")
    finally:
        actor.close()


def _shares(seeds: Sequence[int], actors: int) -> list[Sequence[int]]:
    return [seeds[index::actors] for index in range(actors)]


def _in_order(scores: Sequence[Sequence[float]]) -> list[float]:
    """The inverse of `_shares`."""
    total = sum(len(share) for share in scores)
    return [scores[place % len(scores)][place // len(scores)] for place in range(total)]


def _weight_arrays(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Arrays instead of tensors: torch would pass those through shared memory, with a file
    descriptor for each.
    """
    return {name: tensor.detach().cpu().numpy() for name, tensor in weights.items()}


def _with_waits(
    seconds: Mapping[str, float], *, slowest: float | None = None, took: float | None = None
) -> dict[str, float]:
    """An actor's seconds, with what it waited for others and what its answer took on its way.

    Args:
        slowest: seconds that the slowest actor played; by default this one is alone.
        took: seconds from the question to the last answer; by default nothing was on its way.
    """
    slowest = seconds["play"] if slowest is None else slowest
    sent = 0.0 if took is None else took - slowest
    return {**seconds, "wait": slowest - seconds["play"], "send": sent}


def _memory_arrays(memory: Sequence[Any]) -> list[Any]:
    return [
        tuple(part.numpy() if isinstance(part, Tensor) else part for part in block)
        for block in memory
    ]


def _memory_tensors(memory: Sequence[Any]) -> list[Memory]:
    return mapped_memory(memory, torch.as_tensor)
