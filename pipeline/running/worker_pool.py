"""A pool of Beam's Python workers for the task managers of a cluster.

    python -m vidact.pipeline.running.worker_pool [--port 50000]

A runner's task managers ask it for a worker (`--environment_type=EXTERNAL`), and the worker calls
them back. It takes the place of Beam's own `worker_pool_main` and differs where that one loses
jobs:

- two task managers may name their workers alike: stopping one's must not stop the other's. So
  nothing is stopped by name; a worker ends when its task manager hangs up, and is killed where it
  does not;
- a worker that dies before it has called back would be waited for for ever: it is started again as
  long as it is;
- workers run in this very Python, not in whichever `python` is first on the PATH, with one thread
  of torch each.
"""

from __future__ import annotations

import atexit
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
import tyro
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
from apache_beam.utils import thread_pool_executor

from ...machine import child_environment
from .draining import DRAIN_S, sigterm_noted

PORT = 50000
LOOK_S = 0.5
KILL_S = 5.0  # after a worker's time is over
HUNG_UP_S = 20.0  # a worker may finish what it is at after its task manager is gone
MAX_STARTS = 10  # of one worker: what dies that often would die again
HARNESS = """
import sys
from vidact.pipeline.running.draining import DRAIN
DRAIN.exit_on_sigterm(float(sys.argv[3]))
from apache_beam.runners.worker.sdk_worker import SdkHarness
SdkHarness(
    sys.argv[1], worker_id=sys.argv[2], state_cache_size=0, data_buffer_time_limit_ms=-1
).run()
"""

log = logging.getLogger(__name__)


def harness_command(worker_id: str, endpoint: str, drain_s: float = DRAIN_S) -> list[str]:
    """The command line of Beam's worker, which finishes its shard after SIGTERM."""
    return [sys.executable, "-P", "-c", HARNESS, endpoint, worker_id, str(drain_s)]


def answers(endpoint: str) -> bool:
    """Whether somebody listens at `host:port`."""
    host, _, port = endpoint.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=5):
            return True
    except OSError:
        return False


@dataclass(slots=True)
class Worker:
    """A worker process that a task manager asked for."""

    id: str
    endpoint: str
    """Where the task manager waits for it."""
    process: subprocess.Popen[bytes]
    starts: int = 1
    last_answer_s: float = field(default_factory=time.monotonic)
    asked_to_end_s: float | None = None


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """Starts workers when asked, and looks after them.

    Args:
        command: gives the command line of a worker, from its id and its task manager's endpoint.
        drain_s: seconds that a worker gets after SIGTERM.
    """

    def __init__(
        self,
        command: Callable[[str, str], list[str]] = harness_command,
        drain_s: float = DRAIN_S,
    ):
        self.command, self.drain_s = command, drain_s
        self.workers: list[Worker] = []
        self._lock = threading.Lock()

    def StartWorker(  # noqa: N802 - the service's name
        self, request: beam_fn_api_pb2.StartWorkerRequest, context: grpc.ServicerContext
    ) -> beam_fn_api_pb2.StartWorkerResponse:
        """Beam asks for a worker."""
        name, endpoint = request.worker_id, request.control_endpoint.url
        log.info("worker %s for %s", name, endpoint)
        try:
            worker = Worker(name, endpoint, self._start(name, endpoint))
        except OSError as error:
            return beam_fn_api_pb2.StartWorkerResponse(error=str(error))
        with self._lock:
            self.workers.append(worker)
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(  # noqa: N802 - the service's name
        self, request: beam_fn_api_pb2.StopWorkerRequest, context: grpc.ServicerContext
    ) -> beam_fn_api_pb2.StopWorkerResponse:
        """Beam has no more use for a worker of this name; which one, it does not say: it hangs
        up on the right one.
        """
        return beam_fn_api_pb2.StopWorkerResponse()

    def look(self) -> None:
        """Start again what died while it is waited for, and end what nobody waits for any more."""
        with self._lock:
            workers = list(self.workers)
        for worker in workers:
            ended = worker.process.poll() is not None
            now = time.monotonic()
            if answers(worker.endpoint):
                worker.last_answer_s = now
                if ended and worker.starts < MAX_STARTS:
                    log.warning(
                        "worker %s ended (%d): starting it again",
                        worker.id,
                        worker.process.returncode,
                    )
                    worker.process, worker.starts = (
                        self._start(worker.id, worker.endpoint),
                        worker.starts + 1,
                    )
            elif ended:
                with self._lock:
                    self.workers.remove(worker)
            elif now - worker.last_answer_s > HUNG_UP_S:
                self._end(worker, now)

    def drain(self) -> None:
        """Let all workers finish what they are at, for a while."""
        with self._lock:
            workers = list(self.workers)
        for worker in workers:
            worker.process.terminate()
        deadline = time.monotonic() + self.drain_s + KILL_S
        while time.monotonic() < deadline and any(w.process.poll() is None for w in workers):
            time.sleep(0.05)

    def _end(self, worker: Worker, now: float) -> None:
        """End a worker whose task manager is gone: politely, then by force."""
        if worker.asked_to_end_s is None:
            log.warning("worker %s did not end with its task manager: ending it", worker.id)
            worker.asked_to_end_s = now
            worker.process.terminate()
        elif now - worker.asked_to_end_s > self.drain_s + KILL_S:
            worker.process.kill()

    def close(self) -> None:
        """Kill all workers."""
        with self._lock:
            for worker in self.workers:
                worker.process.kill()
                worker.process.wait()
            self.workers.clear()

    def _start(self, name: str, endpoint: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command(name, endpoint), stdin=subprocess.DEVNULL, env=child_environment()
        )


def serve(pool: WorkerPool, port: int) -> tuple[grpc.Server, int]:
    """Listen on this machine at a port (0: a free one); returns it with the server."""
    options = [("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0)]
    server = grpc.server(thread_pool_executor.shared_unbounded_instance(), options=options)
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    bound = server.add_insecure_port(f"localhost:{port}")
    server.start()
    return server, bound


def main(port: int = PORT, drain_s: float = DRAIN_S) -> None:
    """Serve until stopped. After SIGTERM the workers finish the shards that they are at.

    Args:
        port: where task managers ask for workers.
        drain_s: seconds that workers get after SIGTERM.
    """
    # By force: Beam's import sets another format.
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    pool = WorkerPool(
        lambda worker_id, endpoint: harness_command(worker_id, endpoint, drain_s), drain_s
    )
    atexit.register(pool.close)
    server, bound = serve(pool, port)
    log.info("listening at port %d", bound)
    with sigterm_noted() as asked:
        try:
            while not asked.wait(LOOK_S):
                pool.look()
            pool.drain()
        except KeyboardInterrupt:
            pass
    server.stop(0)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
