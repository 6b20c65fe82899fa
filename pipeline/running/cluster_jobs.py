"""Jobs on a cluster outlive who submitted them: what is known of one lies in the dataset, so that a
rerun waits for it instead of submitting another, and `vidact cancel` finds it.

    _running/job.json   its name, and where to ask for it

Flink is asked by its REST interface, a Beam job service (`--job_endpoint`) by its own protocol. Of
other runners only the name is kept: cancel those by their own tools.
"""

from __future__ import annotations

import hashlib
import json
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ... import storage
from ...datasets.shards.dataset import Dataset
from ...errors import ConfigError
from ...storage_failures import pauses
from .shared_run import RUNNING

TIMEOUT_S = 30.0
LOOK_S = 5.0
FLINK_ENDED = frozenset({"FINISHED", "CANCELED", "FAILED", "SUSPENDED"})
BEAM_ENDED = frozenset({"STOPPED", "DONE", "FAILED", "CANCELLED", "UPDATED", "DRAINED"})
FLINK, BEAM_SERVICE = "flink_master", "job_endpoint"
"""The options by which runners are told where the cluster is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterJob:
    """A job that was submitted."""

    name: str
    """As the cluster shows it."""
    runner: str
    flink: str = ""
    """The address of Flink's REST interface; empty where it is not Flink."""
    endpoint: str = ""
    """The address of a Beam job service that outlives the submission; empty where there is none."""
    id: str = ""
    """The job's id in that service."""

    def is_running(self) -> bool | None:
        """Whether it has not ended; None where nobody can be asked.

        Raises OSError where the cluster does not answer.
        """
        if self.flink:
            return bool(self._of_flink())
        if self.endpoint and self.id:
            from apache_beam.portability.api import beam_job_api_pb2 as api

            request = api.GetJobStateRequest(job_id=self.id)
            state = self._ask("GetState", request).state
            return str(api.JobState.Enum.Name(state)) not in BEAM_ENDED
        return None

    def cancel(self) -> int:
        """Cancel what runs under its name; returns how many jobs that were.

        Raises:
            ConfigError: nobody can be asked.
            OSError: the cluster does not answer.
        """
        if self.flink:
            running = self._of_flink()
            for one in running:
                request = urllib.request.Request(
                    f"{self.flink}/jobs/{one}?mode=cancel", method="PATCH"
                )
                urllib.request.urlopen(request, timeout=TIMEOUT_S).close()
            return len(running)
        if self.endpoint and self.id:
            from apache_beam.portability.api import beam_job_api_pb2 as api

            if not self.is_running():
                return 0
            self._ask("Cancel", api.CancelJobRequest(job_id=self.id))
            return 1
        raise ConfigError(
            f"the job {self.name} runs on {self.runner}, which cannot be asked from here; cancel "
            "it by that name with the cluster's own tools"
        )

    def _of_flink(self) -> list[str]:
        """The ids of jobs of this name that have not ended."""
        with urllib.request.urlopen(f"{self.flink}/jobs/overview", timeout=TIMEOUT_S) as answer:
            jobs = json.load(answer)["jobs"]
        return [
            str(job["jid"])
            for job in jobs
            if job["name"] == self.name and job["state"] not in FLINK_ENDED
        ]

    def _ask(self, method: str, request: Any) -> Any:
        """Call Beam's job service. Raises OSError where it does not answer."""
        import grpc
        from apache_beam.portability.api import beam_job_api_pb2_grpc

        with grpc.insecure_channel(self.endpoint) as channel:
            service = beam_job_api_pb2_grpc.JobServiceStub(channel)
            try:
                return getattr(service, method)(request, timeout=TIMEOUT_S)
            except grpc.RpcError as error:
                raise OSError(f"{self.endpoint}: {error}") from error


def job_to_submit(dataset: Dataset, runner: str, options: Sequence[str]) -> ClusterJob:
    """The job of a dataset, as it is going to be submitted with these options of the runner."""
    given = dict(
        option.removeprefix("--").split("=", 1)
        for option in options
        if option.startswith("--") and "=" in option
    )
    flink = given.get(FLINK, "")
    if flink and not flink.startswith(("http://", "https://")):
        flink = "" if flink.startswith("[") else f"http://{flink}"  # [local], [auto]: in process
    digest = hashlib.sha256(dataset.uri.encode()).hexdigest()[:12]
    return ClusterJob(
        name=given.get("job_name", f"vidact-{dataset.name.lower()}-{digest}"),
        runner=runner,
        flink=flink.rstrip("/"),
        endpoint=given.get(BEAM_SERVICE, ""),
    )


def note_job(dataset: Dataset, job: ClusterJob) -> None:
    """Keep what is known of a submitted job."""
    data = json.dumps(asdict(job), sort_keys=True).encode() + b"\n"
    storage.write_atomic(storage.join(dataset, RUNNING, "job.json"), data)


def noted_job(dataset: Dataset) -> ClusterJob | None:
    """The job that was submitted last, and not known to have ended."""
    try:
        content = json.loads(storage.read_bytes(storage.join(dataset, RUNNING, "job.json")))
        return ClusterJob(**content)
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None


def forget_job(dataset: Dataset) -> None:
    """Forget the job: it has ended."""
    storage.remove(storage.join(dataset, RUNNING, "job.json"))
    storage.remove_if_empty(storage.join(dataset, RUNNING))


def wait_for_running(dataset: Dataset, look_s: float = LOOK_S) -> bool:
    """Wait for the job that was submitted before, where it still runs; whether there was one."""
    job = noted_job(dataset)
    waited = False
    while job is not None and _runs(job):
        waited = True
        time.sleep(look_s)
    if job is not None:
        forget_job(dataset)
    return waited


def _runs(job: ClusterJob) -> bool:
    left = pauses()
    while True:
        try:
            return bool(job.is_running())
        except OSError:
            if (pause_s := next(left, None)) is None:
                return False  # the cluster is gone, and its jobs with it
            time.sleep(pause_s)
