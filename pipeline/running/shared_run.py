"""What a run folder is to one machine, for the workers of a cluster: small files in the dataset.

    _running/working/<shard>.json   a worker is at this shard: where, at which segment, since when,
                                    and at which segments earlier workers died
    _running/waiting/<shard>.json   the shard cannot be labelled now, and why

Everything here may be lost without harm, so failures of the store are passed over. A worker that
died is known by its host: by another worker there, or by its silence.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ... import storage
from ...attempts import is_gone, this_process
from ...datasets.shards.dataset import RUNNING, Dataset
from ...storage_failures import storage_failure
from ..labelling.attempts import COMMITTING
from .strikes import Strike, counted, given_up

# Deaths at one segment after which it is not tried again. One more than on a single machine: on a
# cluster workers are killed for many reasons, such as preemption.
MAX_CRASHES = 3
TOUCH_S = 30.0  # between signs of life: each is a request
SILENT_S = 300.0  # after which a worker of another host counts as dead
READERS = 16

log = logging.getLogger(__name__)


class SharedRun:
    """A cluster job's common knowledge, with the face of a `RunFolder` that workers see."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset
        self._markers: dict[str, dict[str, Any]] = {}  # of this worker, by shard
        self._written_s = 0.0

    # ---- workers

    @property
    def is_draining(self) -> bool:
        """Whether no further shard is to be begun: a cluster's workers are asked by SIGTERM."""
        return False

    def begin(self, shard: str) -> tuple[int, ...]:
        """Take a shard; returns its segments at which workers died too often."""
        deaths: list[Strike] = []
        with _harmless():
            before = self._read("working", shard)
            if before:
                deaths = list(before.get("deaths", []))
                if is_dead(before):
                    deaths.append((int(before["segment"]), float(before.get("touched_s", 0.0))))
        deaths = counted(deaths)
        self._markers[shard] = {**this_process(), "deaths": deaths}
        self.mark_started(shard, COMMITTING)
        return given_up(deaths, MAX_CRASHES)

    def mark_started(self, shard: str, segment: int) -> None:
        """Say that this process is at a segment of a shard."""
        marker = self._markers.setdefault(shard, {**this_process(), "deaths": []})
        marker["segment"] = segment
        self._write(shard)

    def touch(self, shard: str) -> None:
        """Say that there is progress, from time to time."""
        if shard in self._markers and time.monotonic() - self._written_s > TOUCH_S:
            self._write(shard)

    def mark_done(self, shard: str) -> None:
        """Say that this process is done with a shard, one way or another."""
        self._markers.pop(shard, None)
        with _harmless():
            storage.remove(self._uri("working", shard))

    def defer(self, shard: str, why: str) -> None:
        """Note that a shard cannot be labelled now."""
        with _harmless():
            storage.write_atomic(self._uri("waiting", shard), json.dumps({"why": why}).encode())

    # ---- the machine that submitted

    def markers(self) -> dict[str, dict[str, Any]]:
        """Which workers are at which shards."""
        return dict(self._all("working"))

    def deferred(self) -> dict[str, str]:
        """Shards that cannot be labelled now, and why."""
        return {shard: str(content.get("why", "")) for shard, content in self._all("waiting")}

    def forget_crashes(self) -> None:
        """Forget at which segments workers died."""
        self._clear("working")

    def clear_waiting(self) -> None:
        """Forget which shards could not be labelled."""
        self._clear("waiting")

    def clear(self) -> None:
        """Leave nothing behind."""
        self._clear("working")
        self._clear("waiting")
        folder = storage.join(self.dataset, RUNNING)
        for kind in ("working", "waiting"):
            storage.remove_if_empty(storage.join(folder, kind))
        storage.remove_if_empty(folder)

    def _uri(self, kind: str, shard: str) -> str:
        return storage.join(self.dataset, RUNNING, kind, f"{shard}.json")

    def _read(self, kind: str, shard: str) -> dict[str, Any]:
        try:
            return dict(json.loads(storage.read_bytes(self._uri(kind, shard))))
        except (FileNotFoundError, ValueError):
            return {}

    def _write(self, shard: str) -> None:
        content = self._markers[shard] | {"touched_s": round(time.time(), 3)}
        self._written_s = time.monotonic()
        with _harmless():
            storage.write_atomic(self._uri("working", shard), json.dumps(content).encode())

    def _all(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        uris = storage.list_files(storage.join(self.dataset, RUNNING, kind), ".json")
        shards = [uri.rsplit("/", 1)[1].removesuffix(".json") for uri in uris]
        with ThreadPoolExecutor(READERS) as pool:
            contents = list(pool.map(lambda shard: self._read(kind, shard), shards))
        return ((shard, one) for shard, one in zip(shards, contents, strict=True) if one)

    def _clear(self, kind: str) -> None:
        folder = storage.join(self.dataset, RUNNING, kind)
        with _harmless():
            for uri in storage.list_files(folder, ".json"):
                storage.remove(uri)
            storage.remove_abandoned(folder)  # of workers that were killed while they wrote


def is_dead(marker: dict[str, Any]) -> bool:
    """Whether the worker that wrote a marker is gone for sure, or has been silent for long."""
    gone = is_gone(marker)
    return time.time() - float(marker.get("touched_s", 0.0)) > SILENT_S if gone is None else gone


@contextmanager
def _harmless() -> Iterator[None]:
    """Pass over failures of the store: what is written here is for convenience."""
    try:
        yield
    except Exception as error:
        if not storage_failure(error):
            raise
        log.info("passed over", exc_info=True)
