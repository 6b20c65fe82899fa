"""A run claims its folder, resumes from its snapshots, saves when it is due, and stops between two
steps.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from vidact.errors import CheckpointError, ConfigError, Interrupted
from vidact.training.parallel import Group
from vidact.training.run import TrainingRun
from vidact.training.schedule import Budget

from ..forked import together

IDENTITY = {"settings": {"lr": 0.1}, "data": ("a", "b")}


def new_run(out: Path, **changes: Any) -> TrainingRun:
    return TrainingRun(out, **{"identity": IDENTITY, "budget": Budget(steps=5)} | changes)


def train(run: TrainingRun, model: torch.nn.Linear, *, stop_at: int = -1) -> int:
    """Each step adds 1 to the weight; returns how many steps all sessions have counted."""
    counted = int(run.resume_into({"model": model}).get("counted", 0))
    with run.session():
        while run.fraction() < 1:
            with torch.no_grad():
                model.weight += 1
            run.step, counted = run.step + 1, counted + 1
            if run.step == stop_at:
                os.kill(os.getpid(), signal.SIGTERM)
            run.save_if_due(counted=counted)
    return counted


def zeros() -> torch.nn.Linear:
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    return model


def snapshots_of(out: Path) -> list[str]:
    return sorted(path.name for path in (out / "snapshots").glob("state-*"))


def test_a_run_is_finished_where_the_checkpoint_names_its_identity(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    assert not run.is_finished(None)
    assert not run.is_finished({"settings": {"lr": 0.2}, "data": ["a", "b"]})
    assert run.is_finished({"data": ["a", "b"], "settings": {"lr": 0.1}})
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_run_resumes_where_it_was(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="step 3"), new_run(tmp_path) as run:
        train(run, zeros(), stop_at=3)
    assert snapshots_of(tmp_path) == ["state-000000003"]
    model = zeros()
    with new_run(tmp_path) as run:
        assert train(run, model) == run.step == 5
        run.clear()
    assert model.weight.item() == 5
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_without_the_state_of_a_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="step 3"), new_run(tmp_path) as run:
        train(run, zeros(), stop_at=3)
    with pytest.raises(CheckpointError, match=r"snapshot of step 3 has no state of `ranges`"):
        new_run(tmp_path).resume_into({"model": zeros(), "ranges": zeros()})


def test_a_budget_can_count_by_another_clock() -> None:
    seconds = iter([100.0, 100.0, 130.0])
    budget = Budget(minutes=1, clock=lambda: next(seconds))
    budget.start(15.0)
    assert budget.elapsed_s == 45.0


def test_the_clock_counts_over_sessions(tmp_path: Path) -> None:
    with new_run(tmp_path) as run:
        run.resume_into({})
        run.budget.start(100.0)
        run.step = 2
        run.save()
    run = new_run(tmp_path, budget=Budget(minutes=4))
    assert run.resume_into({}) == {}
    with run.session():
        assert run.step == 2
        assert 100 / 240 <= run.fraction() < 101 / 240


def test_snapshots_are_due_by_steps(tmp_path: Path) -> None:
    with new_run(tmp_path, save_every=2) as run:
        train(run, zeros())
    assert snapshots_of(tmp_path) == ["state-000000002", "state-000000004"]


def test_snapshots_are_due_by_time(tmp_path: Path) -> None:
    run = new_run(tmp_path, save_minutes=1)
    run.resume_into({})
    with run, run.session():
        for step, elapsed_s in ((1, 59), (2, 61), (3, 120), (4, 122)):
            run.step = step
            run.budget.start(elapsed_s)
            run.save_if_due()
    assert snapshots_of(tmp_path) == ["state-000000002", "state-000000004"]


def test_a_step_that_is_held_is_neither_saved_nor_left(tmp_path: Path) -> None:
    run = new_run(tmp_path, save_every=1)
    run.resume_into({})
    with run, run.session():
        os.kill(os.getpid(), signal.SIGTERM)
        run.step = 1
        run.save_if_due(hold=True)
        assert snapshots_of(tmp_path) == []
        run.step = 2
        with pytest.raises(Interrupted, match="step 2"):
            run.save_if_due()
    assert snapshots_of(tmp_path) == ["state-000000002"]


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with new_run(tmp_path):
        with pytest.raises(ConfigError, match="another run is at work"), new_run(tmp_path):
            pass
        assert (tmp_path / ".lock").exists()
    with new_run(tmp_path):  # it is free again
        pass


def test_a_snapshot_of_another_run_is_refused(tmp_path: Path) -> None:
    with new_run(tmp_path, save_every=1) as run:
        train(run, zeros())
    other = new_run(tmp_path, identity={"settings": {"lr": 0.2}, "data": ["a", "b"]})
    with pytest.raises(CheckpointError, match=r"another 'settings\.lr': 0\.1, now 0\.2"):
        other.resume_into({})


def share_or_refuse(folder: Path) -> None:
    """What each of two processes does."""
    budget = Budget(steps=1)
    with pytest.raises(ConfigError, match="WORLD_SIZE must be 1 here, got 2"):
        TrainingRun(folder, {}, budget=budget)
    group = Group("cpu")
    with TrainingRun(folder / "all", {}, budget=budget, group=group) as run:
        assert run.resume_into({}) == {}
        with run.session():
            run.step = 1
            run.save()
            assert run.fraction() == 1
    own = folder / ("all" if group.rank else "elsewhere")
    run = TrainingRun(own, {}, budget=budget, group=group)
    if group.rank:
        with pytest.raises(Exception, match="this process finds step 1, the first one 0"):
            run.resume_into({})
    else:
        run.resume_into({})
    group.close()


def test_several_processes_share_a_run_or_are_refused(tmp_path: Path) -> None:
    together(share_or_refuse, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all"]
    assert snapshots_of(tmp_path / "all") == ["state-000000001"]
