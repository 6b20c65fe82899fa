"""The whole chain through the real command line, at the tiniest scale."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HOURS = "0.005"  # 18 seconds of play to learn from: every file is made, nothing is learnt
STEPS = 21


# A task of the user's own, and a short one: a recorded episode is played to its end.
TASK = """
name: quarter_of_a_minute
game: doom
description: The arena of defend_the_center for fifteen seconds.
score: a monster killed
counts: kills
maps: [defend_the_center]
seconds: 15
skill: 3
"""


COMMANDS = ("-m", "vidact.cli")
FORKED = (str(Path(__file__).with_name("forked_steps.py")),)


def demo(folder: Path, how: tuple[str, ...] = COMMANDS) -> list[str]:
    """The command; `how` its steps are started."""
    task = folder.with_name("task.yaml")
    task.write_text(TASK)
    return [
        sys.executable,
        *how,
        "demo",
        "--hours",
        HOURS,
        "--out",
        str(folder),
        "--task",
        str(task),
        "--plain",
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished demo, stopped by Ctrl-C and taken up again on its way; its folder and what it
    said. Its steps are commands until then, and forked from there on: twenty interpreters that
    import torch are more than half of it.
    """
    folder = tmp_path_factory.mktemp("demo")
    first = subprocess.Popen(demo(folder), stderr=subprocess.PIPE, text=True)
    assert first.stderr is not None
    for line in first.stderr:
        if line.startswith("[1/"):
            break
    time.sleep(1.0)  # in the middle of the first step, or where the machine is slow at its start
    first.send_signal(signal.SIGINT)
    said = first.stderr.read()
    assert first.wait() == 75, said
    assert "Run the same command again" in said
    done = subprocess.run(demo(folder, FORKED), stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


@pytest.mark.timeout(1800)
def test_every_step_is_done_and_told(finished: tuple[Path, str]) -> None:
    folder, said = finished
    for number in range(1, STEPS + 1):
        assert f"[{number}/{STEPS}]" in said
    assert "This step was stopped before its end: it resumes from there." in said
    assert "| **all** |" in said
    assert f"The report: {folder.resolve() / 'report.html'}" in said
    for name in ("labelled", "unlabelled", "heldout", "idm", "dataset", "clone", "finetune"):
        assert (folder / name).is_dir()


def test_the_labelling_job_saw_videos_alone(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    names = [path.name for path in (folder / "unlabelled").iterdir()]
    assert names
    assert all(name.endswith(".mp4") for name in names)
    options = json.loads((folder / "dataset" / "dataset.json").read_text())["options"]
    assert "truth" not in json.dumps(options)


def test_the_report_has_every_figure(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    report = json.loads((folder / "report.json").read_text())
    metrics = json.loads((folder / "idm_heldout" / "metrics.json").read_text())
    assert report["idm"] == metrics
    assert set(metrics["baselines"]) == {"always_released", "rates", "frame_difference"}
    for name in ("random", "blind", "clone", "finetune"):
        ends = report[name]["ci95"]
        if ends is None:  # both games ended alike: that says nothing of how far others would be
            assert len(set(report[name]["scores"])) == 1
        else:
            assert ends[0] <= report[name]["score"] <= ends[1]
        assert report[name]["episodes"] == len(report[name]["scores"]) == 2
    assert report["dataset"]["clips"] > 0
    assert report["dataset"]["dead_letters"] == 0
    assert report["label_quality"]["ticks"] > 100
    assert len(report["seconds"]) == STEPS - 1  # all but the report itself
    assert all(seconds >= 0 for seconds in report["seconds"].values())
    assert report["peak_memory_bytes"] > 100e6
    page = (folder / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") >= 1
    assert page.count("data:video/mp4;base64,") == 2


def test_a_second_run_reuses_every_step(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    done = subprocess.run(demo(folder), stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("done before, in") == STEPS
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_every_step_is_a_command(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = subprocess.run(demo(folder), stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "report.html").exists()
