"""Play made anew while something trains: the play of a recording drawn otherwise, or, where the
player's hands are to behave otherwise, other play on its map.

Processes work through orders in the background. What an order gives depends on nothing but the
order, so that a killed training has the same made again.
"""

from __future__ import annotations

import resource
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ..datasets.recordings.meta import VARIED
from ..datasets.recordings.recording import Recording
from ..datasets.recordings.writer import RecordingWriter, is_written
from .config import RecordDoomConfig
from .doom.game import TICS_PER_SECOND
from .doom.look import CONTROL, RENDER
from .doom.simulation import Simulation, simulate, simulation_of
from .env import GameCrashedError
from .record_doom import USUAL_SPEED, Chunk, record_chunk, varied_by
from .workers import Worker

TRIES = 2  # an engine that crashed is started once anew
KEPT = ("game", "map", "group", "spec", "player")  # of a recording's meta, where it is drawn again
# Of what a recording was made with: how its play is, and looks.
SETTINGS = frozenset({"strays_per_minute", "mouse_speed", "immortal", *RENDER})


@dataclass(frozen=True, slots=True)
class Order:
    """One recording to make."""

    stem: Path
    source: Path
    """The recording whose play, or whose map, it is of; it can be simulated."""
    values: Mapping[str, float]
    """Of `RENDER` and `CONTROL`; others are passed over."""
    tics: int
    """Its length at most."""
    seed: int
    """Of other play on the map."""


def is_made(order: Order) -> bool:
    """Whether all files of its recording are there."""
    return is_written(order.stem)


def make(order: Order) -> None:
    """Make it, unless it is there."""
    if is_made(order):
        return
    for attempt in range(TRIES):
        try:
            if order.values.get("turn_speed", USUAL_SPEED) == USUAL_SPEED:
                _draw_again(order)
            else:
                _play_anew(order)
            return
        except GameCrashedError:
            if attempt + 1 == TRIES:
                raise


def _draw_again(order: Order) -> None:
    source, simulation = _source_of(order)
    config = _settings_of(source, order, simulation)
    size = (config.width, config.height)
    meta = {
        **{key: source.meta[key] for key in KEPT if key in source.meta},
        "made_of": source.sha256,
        VARIED: varied_by(config),
    }
    with RecordingWriter(order.stem, fps=TICS_PER_SECOND, size=size, meta=meta) as writer:
        for one in simulate(simulation, source.states[: order.tics], config.look, size=size):
            writer.write(one.frame, one.state)


def _play_anew(order: Order) -> None:
    source, simulation = _source_of(order)
    chunk = Chunk(simulation.map, 1, order.seed, order.tics)
    config = _settings_of(source, order, simulation)
    for _ in record_chunk(chunk, order.stem.parent, config, name=order.stem.name):
        pass


def _source_of(order: Order) -> tuple[Recording, Simulation]:
    source = Recording.open(order.source)
    simulation = simulation_of(source.meta, source.stem)
    if simulation is None:
        raise ValueError(f"{source.stem} cannot be simulated")
    return source, simulation


def _settings_of(source: Recording, order: Order, simulation: Simulation) -> RecordDoomConfig:
    """What a recording was made with, and of it the order's values: the rest stays so."""
    said = source.meta.get("settings")
    own = {name: said[name] for name in SETTINGS & said.keys()} if isinstance(said, Mapping) else {}
    speed = own.get("mouse_speed", USUAL_SPEED) * order.values.get("turn_speed", USUAL_SPEED)
    least, most = CONTROL["turn_speed"]  # whoever recorded it may have been fast already
    fields: dict[str, Any] = {
        **own,
        **{name: order.values[name] for name in RENDER.keys() & order.values.keys()},
        "mouse_speed": min(max(speed, least), most),
        "out": str(order.stem.parent),
        "maps": simulation.map,
        "width": source.video.width,
        "height": source.video.height,
        "skill": simulation.skill,
    }
    return RecordDoomConfig(**fields)


class Recorders:
    """Processes that work through orders; `close` ends them.

    Attributes:
        core_s: processor seconds that they and their games have taken so far.
    """

    def __init__(self, processes: int):
        self.core_s = 0.0
        self._processes = processes
        self._workers: list[Worker] = []
        self._orders: dict[Path, Worker] = {}
        self._next = 0

    def order(self, orders: Iterable[Order]) -> None:
        """Have recordings made, in turn by each process."""
        for order in orders:
            if order.stem in self._orders or is_made(order):
                continue
            if len(self._workers) < self._processes:
                self._workers.append(Worker(_serve))
            worker = self._workers[self._next % len(self._workers)]
            self._next += 1
            worker.send(order)
            self._orders[order.stem] = worker

    def wait_for(self, stems: Sequence[Path]) -> None:
        """Return once these are made; raises what a process raised."""
        for stem in stems:
            while stem in self._orders:
                done, core_s = self._orders[stem].receive()
                del self._orders[done]
                self.core_s += core_s

    def close(self) -> None:
        """Stop the processes."""
        for worker in self._workers:
            worker.terminate()  # in the middle of its work; what is half-written goes
        for worker in self._workers:
            worker.close()
        self._workers.clear()
        self._orders.clear()


def seed_of(*parts: object) -> int:
    """A seed for other play, from whatever names it."""
    return zlib.crc32("/".join(map(str, parts)).encode())


def _serve(connection: Connection) -> None:
    """In a process: make what comes, until None comes."""
    before = _core_s()
    while (order := connection.recv()) is not None:
        make(order)
        now = _core_s()
        connection.send((order.stem, now - before))
        before = now


def _core_s() -> float:
    games = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + games.ru_utime + games.ru_stime
