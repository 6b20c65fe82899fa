"""The pool of a cluster's Python workers: asked over its real gRPC service, with processes that
only wait.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator

import grpc
import pytest
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc, endpoints_pb2
from vidact.pipeline.running import worker_pool
from vidact.pipeline.running.worker_pool import MAX_STARTS, WorkerPool, serve


class Asked:
    """A pool of workers that never end by themselves, and a way to ask it."""

    def __init__(self, code: str = "import time; time.sleep(600)"):
        self.pool = WorkerPool(command=lambda worker_id, endpoint: [sys.executable, "-c", code])
        self.server, port = serve(self.pool, 0)
        self.channel = grpc.insecure_channel(f"localhost:{port}")
        self.stub = beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(self.channel)

    def start(self, worker_id: str, endpoint: str) -> None:
        request = beam_fn_api_pb2.StartWorkerRequest(
            worker_id=worker_id, control_endpoint=endpoints_pb2.ApiServiceDescriptor(url=endpoint)
        )
        assert not self.stub.StartWorker(request).error

    def stop(self, worker_id: str) -> None:
        self.stub.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id=worker_id))

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not true():
            assert time.monotonic() < deadline
            self.pool.look()
            time.sleep(0.02)

    def close(self) -> None:
        self.channel.close()
        self.server.stop(0)
        self.pool.close()


@pytest.fixture
def asked() -> Iterator[Asked]:
    asked = Asked()
    yield asked
    asked.close()


class TaskManager:
    """Somebody who listens."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"localhost:{self.socket.getsockname()[1]}"

    def __enter__(self) -> TaskManager:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def test_namesakes_of_two_task_managers_are_two(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "HUNG_UP_S", 0.1)
    with TaskManager() as one:
        with TaskManager() as other:
            asked.start("1-1", one.endpoint)
            asked.start("1-1", other.endpoint)
            first, second = asked.pool.workers
            asked.stop("1-1")
            asked.pool.look()
            assert first.process.poll() is None
            assert second.process.poll() is None
        asked.until(lambda: asked.pool.workers == [first])  # the other has hung up
        assert second.process.returncode == -signal.SIGTERM
        assert first.process.poll() is None
    asked.until(lambda: not asked.pool.workers)


def test_one_that_dies_while_it_is_waited_for_is_started_again(asked: Asked) -> None:
    with TaskManager() as manager:
        asked.start("1-1", manager.endpoint)
        (worker,) = asked.pool.workers
        first = worker.process.pid
        os.kill(first, signal.SIGKILL)
        asked.until(lambda: worker.process.pid != first)
        assert worker.process.poll() is None
        assert worker.starts == 2


def test_what_dies_again_and_again_is_left() -> None:
    asked = Asked("raise SystemExit(3)")
    try:
        with TaskManager() as manager:
            asked.start("1-1", manager.endpoint)
            (worker,) = asked.pool.workers
            asked.until(lambda: worker.starts == MAX_STARTS and worker.process.poll() == 3)
            for _ in range(3):
                asked.pool.look()
            assert worker.starts == MAX_STARTS
        asked.until(lambda: not asked.pool.workers)
    finally:
        asked.close()


def test_a_worker_that_ends_after_its_task_manager_is_forgotten(asked: Asked) -> None:
    with TaskManager() as manager:
        asked.start("1-1", manager.endpoint)
        (worker,) = asked.pool.workers
    asked.pool.look()
    assert asked.pool.workers == [worker]  # it may finish what it is at
    worker.process.terminate()
    asked.until(lambda: not asked.pool.workers)
