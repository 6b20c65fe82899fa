"""Jobs on a cluster outlive who submitted them: what is known of one lies in the dataset, so that a
rerun waits for it instead of submitting another, and `vidact cancel` finds it.

    _running/job.json      what labels: its name, and where to ask for it
    _running/verify.json   what verifies

Flink is asked by its REST interface, a Beam job service (`--job_endpoint`) by its own protocol. Of
other runners only the name is kept: cancel those by their own tools.
"""

from __future__ import annotations

import hashlib
import json
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from ... import storage
from ...datasets.shards.dataset import RUNNING, Dataset
from ...errors import ConfigError
from ...storage_failures import pauses

TIMEOUT_S = 30.0
LOOK_S = 5.0
FLINK_ENDED = frozenset({"FINISHED", "CANCELED", "FAILED", "SUSPENDED"})
BEAM_ENDED = frozenset({"STOPPED", "DONE", "FAILED", "CANCELLED", "UPDATED", "DRAINED"})
Work = Literal["job", "verify"]
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
    work: Work = "job"
    """What it does: labels (or relabels), or verifies."""

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


def job_to_submit(
    dataset: Dataset, runner: str, options: Sequence[str], work: Work = "job"
) -> ClusterJob:
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
    kind = "vidact" if work == "job" else f"vidact-{work}"
    return ClusterJob(
        name=given.get("job_name", f"{kind}-{dataset.name.lower()}-{digest}"),
        runner=runner,
        flink=flink.rstrip("/"),
        endpoint=given.get(BEAM_SERVICE, ""),
        work=work,
    )


def options_for(job: ClusterJob, options: Sequence[str]) -> list[str]:
    """The options of Beam's pipeline under which a job is submitted by its name."""
    words = [f"--runner={job.runner}", *options]
    if not any(word.startswith("--job_name") for word in words):
        words.append(f"--job_name={job.name}")
    return words


def note_job(dataset: Dataset, job: ClusterJob, submitted: object) -> None:
    """Keep what is known of a job.

    Args:
        submitted: what Beam has returned for it, which may know its id.
    """
    job = replace(job, id=str(getattr(submitted, "_job_id", "")))
    data = json.dumps(asdict(job), sort_keys=True).encode() + b"\n"
    storage.write_atomic(_uri(dataset, job.work), data)


def noted_job(dataset: Dataset, work: Work = "job") -> ClusterJob | None:
    """The job of a kind that was submitted last, and is not known to have ended."""
    try:
        return ClusterJob(**json.loads(storage.read_bytes(_uri(dataset, work))))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None


def noted_jobs(dataset: Dataset) -> list[ClusterJob]:
    """All of them."""
    return [job for work in get_args(Work) if (job := noted_job(dataset, work)) is not None]


def forget_job(dataset: Dataset, work: Work = "job") -> None:
    """Forget the job: it has ended."""
    storage.remove(_uri(dataset, work))
    storage.remove_if_empty(storage.join(dataset, RUNNING))


def _uri(dataset: Dataset, work: Work) -> str:
    return storage.join(dataset, RUNNING, f"{work}.json")


def wait_for_running(dataset: Dataset, look_s: float = LOOK_S, work: Work = "job") -> bool:
    """Wait for the job that was submitted before, where it still runs; whether there was one."""
    job = noted_job(dataset, work)
    waited = False
    while job is not None and _runs(job):
        waited = True
        time.sleep(look_s)
    if job is not None:
        forget_job(dataset, work)
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
