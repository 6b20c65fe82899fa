"""The process that runs the Beam pipeline; the supervisor starts it, watches it, and starts it
again.

    python -m vidact.pipeline.running.driver RUN_FOLDER WORKERS RUNNER [--beam-option ...]

Exit codes: 0 the pipeline is done, 2 the user's mistake (the message is the last line), 70 a worker
died, 74 a disk or bucket failed, 1 anything else (the traceback is in the log).
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import signal
import sys
import threading
from pathlib import Path

from psutil import pid_exists

from ...errors import VidactError
from ...storage_failures import full_name, is_mistake, is_storage_failure, mistake
from .cluster_jobs import (
    forget_job,
    job_to_submit,
    note_job,
    options_for,
    wait_for_running,
)
from .run_folder import RunFolder
from .worker import WorkerSettings

WORKER_DIED = 70  # EX_SOFTWARE: something below us broke
STORAGE_FAILED = 74  # EX_IOERR
USER_MISTAKE = "vidact: "  # how the supervisor finds the message in the log
# Of our own exceptions, those that are no mistake of the user where a worker raises them.
DEFECTS = (".ShardError", ".VideoError")
RAISED = re.compile(
    r"^([\w.]+)(?:: (.*))?$", re.MULTILINE
)  # the last line of a traceback: `package.Error: message`


def main(argv: list[str]) -> int:
    """Run the pipeline once."""
    run, workers, runner, options = RunFolder(Path(argv[0])), int(argv[1]), argv[2], argv[3:]
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(process)d %(name)s %(levelname)s %(message)s"
    )
    _die_with_supervisor()
    # Schedulers send it to all processes; the supervisor alone decides, and asks the workers. What
    # is started from here on inherits that.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    settings = WorkerSettings.from_json(run.settings.read_text())
    try:
        if runner == "local":
            _run_local(settings, run, workers)
        else:
            _run_portable(settings, runner, options)
    except Exception as error:
        logging.getLogger(__name__).exception("the pipeline failed")
        return _explain(error)
    return 0


def _explain(error: Exception) -> int:
    """The exit code for what a pipeline raised. Beam passes on what a worker process raised as
    the text of its own.
    """
    if isinstance(error, VidactError) and not full_name(error).endswith(DEFECTS):
        print(f"{USER_MISTAKE}{error}", file=sys.stderr, flush=True)
        return 2
    if is_mistake(error):
        print(f"{USER_MISTAKE}{mistake(error)}", file=sys.stderr, flush=True)
        return 2
    text = str(error) if isinstance(error, RuntimeError) else ""
    raised = [(name, message) for name, message in RAISED.findall(text) if _is_exception(name)]
    name, message = raised[-1] if raised else (full_name(error), str(error))
    if name.startswith("vidact.errors.") and not name.endswith(DEFECTS):
        print(f"{USER_MISTAKE}{message}", file=sys.stderr, flush=True)
        return 2
    print(f"{name}: {message}", file=sys.stderr, flush=True)
    return STORAGE_FAILED if is_storage_failure(name, error) else 1


def _is_exception(name: str) -> bool:
    return name.rsplit(".", 1)[-1].endswith(
        ("Error", "Exception", "Interrupt", "Exit", "Failed", "Interrupted")
    )


def _run_local(settings: WorkerSettings, run: RunFolder, workers: int) -> None:
    """Run on this machine: in this process for one worker, else in worker processes of Beam's local
    runner.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
    from apache_beam.portability.api import beam_provision_api_pb2
    from apache_beam.runners.portability.fn_api_runner import fn_runner
    from apache_beam.runners.portability.portable_runner import JobServiceHandle
    from apache_beam.transforms import environments

    from .beam import build

    # In its mode `multi_processing` the runner would put Python's path into a shell's line as it
    # is, with the blanks in it; what it does is to use this environment, but unquoted.
    command = [sys.executable, "-P", "-m", "apache_beam.runners.worker.sdk_worker_main"]
    processes = environments.SubprocessSDKEnvironment.from_command_string(shlex.join(command))
    options = PipelineOptions([f"--direct_num_workers={workers}"])
    options.view_as(DirectOptions)
    # The runner by name would first look for another one (Prism) on the network; made here it also
    # hands the options on to the worker processes, which it does not when it is chosen by name.
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    info = fn_runner.ExtendedProvisionInfo(
        beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    )
    threading.excepthook = _exit_when_worker_dies(run)
    with beam.Pipeline(
        runner=fn_runner.FnApiRunner(
            default_environment=None if workers == 1 else processes, provision_info=info
        ),
        options=options,
    ) as pipeline:
        build(pipeline, settings)


def _run_portable(settings: WorkerSettings, runner: str, options: list[str]) -> None:
    """Run on a cluster, by whatever options the runner takes. Where a job of the dataset runs there
    already, submitted by a command that was stopped, that one is waited for first.
    """
    log = logging.getLogger(__name__)
    if wait_for_running(settings.dataset):
        log.info("the job that was submitted before has ended")
        if next(settings.open_tasks(), None) is None:
            return
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from .beam import build

    job = job_to_submit(settings.dataset, runner, options)
    pipeline = beam.Pipeline(options=PipelineOptions(options_for(job, options)))
    build(pipeline, settings)
    result = pipeline.run()
    # Now it runs, whatever becomes of this process.
    note_job(settings.dataset, job, result)
    result.wait_until_finish()
    forget_job(settings.dataset)


def _exit_when_worker_dies(run: RunFolder):  # type: ignore[no-untyped-def]
    """A hook for exceptions in threads. Beam's thread that waits for a worker process raises
    when that process dies, and nothing else happens: the pipeline would wait for ever. So the
    driver ends instead, noting who died where.
    """

    def hook(args: threading.ExceptHookArgs) -> None:
        threading.__excepthook__(args)
        if args.thread is not None and args.thread.name == "run_worker":
            for marker in run.markers():
                if not pid_exists(marker.pid):
                    print(
                        f"worker {marker.pid} died at {marker.shard}, segment {marker.segment}",
                        file=sys.stderr,
                    )
                    run.record_crash(marker)
            sys.stderr.flush()
            os._exit(WORKER_DIED)

    return hook


def _die_with_supervisor() -> None:
    """The supervisor holds the other end of our standard input: when it is gone, so are we and
    all our workers.
    """

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, name="watch_supervisor", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
