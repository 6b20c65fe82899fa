"""The supervisor with small drivers of one's own: what ends well, what is started again, what
is given up, and that nothing of a killed job goes on running.
"""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from vidact.errors import DatasetError, Interrupted, VidactError
from vidact.pipeline.running import strikes, supervisor
from vidact.pipeline.running.run_folder import Marker, RunFolder
from vidact.pipeline.running.supervisor import JobFailedError, supervise


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.lock()
    return folder


def drive(
    run: RunFolder,
    script: str,
    *,
    done: Callable[[], int] = lambda: 0,
    stall_s: float = 30.0,
    max_restarts: int = 3,
    watch: Callable[[], None] = lambda: None,
    drain_s: float = 20.0,
) -> int:
    """Supervise a driver; it finds `attempt` (from 1) and `run`. Returns how often it was
    started.
    """
    count = run.path / "attempts"
    head = f"""
        import os, signal, subprocess, sys, time
        from pathlib import Path
        from vidact.pipeline.running.run_folder import RunFolder
        run = RunFolder(Path({str(run.path)!r}))
        count = Path({str(count)!r})
        attempt = int(count.read_text()) + 1 if count.exists() else 1
        count.write_text(str(attempt))
    """
    try:
        supervise(
            run,
            [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(script)],
            done=done,
            stall_s=stall_s,
            max_restarts=max_restarts,
            watch=watch,
            drain_s=drain_s,
        )
    finally:
        drive.attempts = int(count.read_text())  # type: ignore[attr-defined]
    return int(count.read_text())


def test_a_driver_that_ends_well_is_run_once(run: RunFolder) -> None:
    assert drive(run, "sys.exit(0)") == 1


def test_a_dead_worker_means_a_restart(run: RunFolder) -> None:
    assert drive(run, "sys.exit(70 if attempt < 3 else 0)") == 3


def test_a_killed_driver_is_struck_at_the_shard_it_was_at(run: RunFolder) -> None:
    script = """
        if attempt < 3:
            run.mark_started("train-00001", 4)
            os.kill(os.getpid(), signal.SIGKILL)
        assert not run.markers()  # what the dead left is cleared away
    """
    assert drive(run, script) == 3
    assert [segment for segment, _ in run.strikes()["train-00001"]] == [4, 4]
    assert run.quarantined() == {"train-00001": (4,)}


def test_a_driver_without_a_sign_of_life_is_killed(run: RunFolder) -> None:
    script = """
        if attempt == 1:
            run.mark_started("train-00000", 0)
            time.sleep(1000)
    """
    assert drive(run, script, stall_s=1.0) == 2
    assert run.strikes() == {}  # all workers at once: a store does not answer


def test_a_stall_of_all_workers_quarantines_nothing(run: RunFolder) -> None:
    script = """
        for shard, segment in enumerate([-1, -1, 3, 3]):  # two wait for an upload, two for a source
            run.mark_started(f"train-0000{shard}", segment)
        time.sleep(1000)
    """
    with pytest.raises(Interrupted, match="gave up after 1 restarts"):
        drive(run, script, stall_s=1.0, max_restarts=1)
    assert run.quarantined() == {}


def test_a_worker_that_stands_still_while_another_goes_on_is_killed(run: RunFolder) -> None:
    script = """
        def work(number):
            if pid := os.fork():
                return pid
            run.mark_started(f"train-0000{number}", number)
            while True:
                time.sleep(0.1)
                if number == 1:
                    run.touch("train-00001")

        still, busy = work(0), work(1)
        assert os.waitstatus_to_exitcode(os.waitpid(still, 0)[1]) == -signal.SIGKILL
        sys.exit(0 if os.waitpid(busy, os.WNOHANG) == (0, 0) else 1)
    """
    assert drive(run, script, stall_s=2.0) == 1


def test_who_dies_while_committing_dies_in_no_segment(run: RunFolder) -> None:
    script = """
        if attempt < 3:
            run.mark_started("train-00001", -1)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    assert drive(run, script) == 3
    assert run.quarantined() == {}


def test_signs_of_life_are_seen(run: RunFolder) -> None:
    script = """
        run.mark_started("train-00000", 0)
        for _ in range(15):
            time.sleep(0.1)
            run.touch("train-00000")
        run.mark_done("train-00000")
    """
    assert drive(run, script, stall_s=1.2) == 1


def test_the_user_s_mistake_is_passed_on(run: RunFolder) -> None:
    with pytest.raises(VidactError, match="the bucket is not there"):
        drive(run, "print('vidact: the bucket is not there', file=sys.stderr); sys.exit(2)")
    assert drive.attempts == 1  # type: ignore[attr-defined]


def test_the_same_error_again_and_again_is_a_defect(run: RunFolder) -> None:
    with pytest.raises(JobFailedError, match="ZeroDivisionError"):
        drive(run, "1 / 0", max_restarts=5)
    assert drive.attempts == 2  # type: ignore[attr-defined]


def test_restarts_without_a_new_shard_are_numbered(run: RunFolder) -> None:
    with pytest.raises(Interrupted, match="gave up after 2 restarts"):
        drive(
            run,
            "print(f'not enough memory, attempt {attempt}', file=sys.stderr); sys.exit(70)",
            max_restarts=2,
        )
    assert drive.attempts == 3  # type: ignore[attr-defined]


def test_restarts_that_bring_shards_are_free(run: RunFolder) -> None:
    count = run.path / "attempts"
    done = lambda: int(count.read_text()) if count.exists() else 0  # noqa: E731
    assert drive(run, "sys.exit(70 if attempt < 6 else 0)", max_restarts=1, done=done) == 6


def test_ctrl_c_ends_everything(run: RunFolder) -> None:
    pids: list[int] = []

    def watch() -> None:
        file = run.path / "pids"
        if file.exists() and file.read_text().endswith("."):
            pids.extend(int(pid) for pid in file.read_text().rstrip(".").split())
            raise KeyboardInterrupt

    script = """
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        (run.path / "pids").write_text(f"{os.getpid()} {child.pid}.")
        time.sleep(1000)
    """
    with pytest.raises(KeyboardInterrupt):
        drive(run, script, watch=watch)
    assert len(pids) == 2
    assert not any(_runs(pid) for pid in pids)


def terminating(run: RunFolder) -> Callable[[], None]:
    """Sends SIGTERM to this process, once, when the driver is at work."""
    sent: list[int] = []

    def watch() -> None:
        if run.markers() and not sent:
            sent.append(1)
            os.kill(os.getpid(), signal.SIGTERM)

    return watch


def test_sigterm_lets_workers_finish_their_shards(run: RunFolder) -> None:
    before = signal.getsignal(signal.SIGTERM)
    script = """
        run.mark_started("train-00000", 0)
        while not run.is_draining:
            time.sleep(0.01)
        time.sleep(0.3)
        (run.path / "finished").touch()
    """
    assert drive(run, script, watch=terminating(run)) == 1
    assert (run.path / "finished").exists()
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_is_not_finished_in_time_is_given_back(run: RunFolder) -> None:
    script = """
        run.mark_started("train-00000", 0)
        time.sleep(1000)
    """
    with pytest.raises(Interrupted, match="run again to resume"):
        drive(run, script, watch=terminating(run), drain_s=0.5)
    assert drive.attempts == 1  # type: ignore[attr-defined]
    assert run.strikes() == {}


def test_workers_of_a_killed_driver_are_gone_before_the_next(run: RunFolder) -> None:
    script = """
        if attempt == 1:
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
            (run.path / "pid").write_text(str(child.pid))
            os.kill(os.getpid(), signal.SIGKILL)
        state = Path("/proc", (run.path / "pid").read_text(), "stat")
        sys.exit(0 if not state.exists() or ") Z " in state.read_text() else 1)
    """
    assert drive(run, script) == 2


def test_a_dataset_has_one_job_a_machine(run: RunFolder) -> None:
    with pytest.raises(DatasetError, match="another labelling job on this dataset"):
        RunFolder(run.path).lock()
    run.release(done=True)
    assert not run.path.exists()
    RunFolder(run.path).lock()


def _runs(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_strikes_are_forgotten_after_a_day_and_when_the_shard_is_done(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    struck = Marker("train-00001", 1, 4, 0.0), Marker("train-00002", 1, 0, 0.0)
    (run.path / "strikes.json").write_text('{"train-00001": [4]}')  # of a run of before
    for marker in struck:
        run.record_crash(marker)
    assert run.quarantined() == {"train-00001": (4,)}
    run.forget_crashes(["train-00001"])
    assert run.strikes().keys() == {"train-00002"}
    monkeypatch.setattr(strikes, "STRIKE_S", -1.0)
    run.record_crash(struck[1])
    assert run.strikes() == {}


def test_a_failing_store_is_given_time_between_restarts(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(supervisor, "pauses", lambda tries: iter((0.01, 0.02, 0.03)))
    monkeypatch.setattr(
        supervisor.time, "sleep", lambda s, sleep=time.sleep: sleep(s) or waited.append(s)
    )
    counts = iter((0, 0, 1, 1))  # the second failure comes after a shard was done
    drive(run, "sys.exit(74 if attempt < 4 else 0)", done=lambda: next(counts))
    assert [s for s in waited if s < 0.05] == [0.01, 0.01, 0.02]
