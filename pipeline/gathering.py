"""A Beam stage whose workers leave what they find as small files in the dataset, which the process
that started it reads as they come.

So the job can be interrupted and resumed, and its findings come back from any runner.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import apache_beam as beam

from ..progress import Progress

LOOK_S = 0.5

# The stage in this process was interrupted. Beam pickles what it runs, in its own threads too, so
# that only what belongs to the module reaches the workers' steps.
_STOP = threading.Event()
# What ended it, as it was raised: Beam makes another error of it, without its number.
_RAISED: list[Exception] = []


def require_not_stopped() -> None:
    """For a worker's step, before each item. Raises InterruptedError after Ctrl-C in the process
    that runs the stage.
    """
    if _STOP.is_set():
        raise InterruptedError("the stage was interrupted")


def note_raised(error: Exception) -> None:
    """For a worker's step: keep an error as it is, for `run_stage` of the same process."""
    _RAISED.append(error)


def run_stage(
    pipeline: beam.Pipeline,
    progress: Progress,
    gather: Callable[[], int],
    *,
    on_cluster: bool,
    submitted: Callable[[object], None] = lambda job: None,
) -> None:
    """Run a pipeline to its end, gathering findings meanwhile.

    Args:
        pipeline: is complete, but not running.
        progress: is told how many findings there are.
        gather: reads what has come since the last call; returns how many findings that were.
        on_cluster: the job is handed over to a runner elsewhere.
        submitted: called with what Beam returns for such a job, which runs from then on whatever
            becomes of this process.

    Raises:
        Exception: what a step raised, where that is known; else Beam's own error.
    """
    failed: list[BaseException] = []
    _RAISED.clear()
    # Not Thread.join: once interrupted, it takes a running thread for one that has ended.
    ended = threading.Event()
    # A cluster's job runs on after it was handed over, which only the main thread may do (Beam's
    # job server wants to hear of Ctrl-C); a local one runs in whichever thread starts it.
    on_ctrl_c = signal.getsignal(signal.SIGINT)
    try:
        job = pipeline.run() if on_cluster else None
    except Exception as error:  # of a runner that returns when all is done
        raise next(iter(_RAISED), error) from error

    if job is not None:
        submitted(job)

    def run() -> None:
        try:
            (job or pipeline.run()).wait_until_finish()
        except BaseException as error:  # told to the thread that waits
            failed.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=run, name="stage", daemon=True)
    with progress:
        thread.start()
        try:
            while not ended.wait(LOOK_S):
                progress.advance(gather())
        except BaseException:
            _STOP.set()  # Beam's own threads do not hear of Ctrl-C
            ended.wait()
            _STOP.clear()
            raise
        finally:
            if job is not None:
                # Else the job server's handler, which stops it, would stay.
                signal.signal(signal.SIGINT, on_ctrl_c)
        progress.advance(gather())
    if failed:
        raise next(iter(_RAISED), failed[0])
