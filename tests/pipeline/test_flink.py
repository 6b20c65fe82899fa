"""The job on a real Flink cluster: the bytes of the local engine, also when a worker and a task manager are killed.

Needs the cluster that `deploy/flink/up` (`make flink`) starts on this machine.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from vidact.datasets.commits import committed_shards
from vidact.pipeline import job
from vidact.pipeline.config import LabelConfig, LayoutConfig
from vidact.pipeline.engine import Worker, open_tasks
from vidact.pipeline.job import run_label
from vidact.pipeline.runfolder import RunFolder
from vidact.pipeline.settings import WorkerSettings

ROOT = Path(os.environ.get("FLINK_ROOT", Path.home() / ".cache" / "vidact" / "flink"))
JAR = ROOT / "job-server" / "target" / "flink-job-server-1.jar"


def _why_not() -> str:
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            return f"Flink needs {tool}, which is not installed"
    try:
        with urllib.request.urlopen("http://localhost:8081/overview", timeout=2) as answer:
            managers = json.load(answer).get("taskmanagers", 0)
    except (OSError, urllib.error.URLError, ValueError):
        return "no Flink cluster answers at localhost:8081; `make flink` starts one"
    return "" if managers >= 2 and JAR.exists() else "the Flink cluster is not the one that `make flink` starts"


pytestmark = pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "there is a cluster")

LAYOUT = LayoutConfig(val_fraction=0.0, segment_ticks=256, shard_ticks=256)


def label_on_flink(videos: Path, idm: str, out: Path) -> subprocess.Popen[str]:
    options = [
        "--flink_master=http://localhost:8081",
        "--flink_version=1.19",
        f"--flink_job_server_jar={JAR}",
        "--environment_type=EXTERNAL",
        "--environment_config=localhost:50000",
        "--parallelism=2",
    ]
    command = [sys.executable, "-m", "vidact.cli", "label", str(videos), "--idm", idm, "--out", str(out)]
    command += ["--device", "cpu", "--layout.val-fraction", "0", "--workers", "2", "--runner", "FlinkRunner"]
    command += ["--layout.segment-ticks", "256", "--layout.shard-ticks", "256"]
    command += [f"--beam-options={option}" for option in options]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def pids(text: str) -> list[int]:
    """Processes whose command line holds `text`."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if text in (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                    found.append(int(folder.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def contents(dataset: Path) -> dict[str, bytes]:
    return {str(p.relative_to(dataset)): p.read_bytes() for p in dataset.rglob("*") if p.is_file()}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("victims", ["", "worker", "task manager"])
def test_same_bytes_as_the_local_engine(
    videos: Path, idm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victims: str
) -> None:
    out = tmp_path / "flink" / "data"
    process = label_on_flink(videos, idm, out)
    if victims:
        deadline = time.monotonic() + 300
        while not committed_shards(str(out)) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        what = "sdk_worker_main" if victims == "worker" else "taskexecutor.TaskManagerRunner"
        for pid in pids(what)[:1]:
            os.kill(pid, signal.SIGKILL)
        if victims == "task manager":
            flink = ROOT / "flink-1.19.3"
            subprocess.run([flink / "bin" / "taskmanager.sh", "start"], check=True, stdout=subprocess.DEVNULL)
    _, said = process.communicate(timeout=800)
    assert process.returncode == 0, said

    def plain(config: LabelConfig, settings: WorkerSettings, run: RunFolder, plan: object) -> None:
        worker = Worker(settings)
        for task in open_tasks(settings):
            worker.label(task)
        worker.close()

    monkeypatch.setattr(job, "label_shards", plain)
    calm = tmp_path / "plain" / "data"
    config = LabelConfig(sources=(str(videos),), idm=idm, out=str(calm), workers=1, device="cpu", layout=LAYOUT)
    assert run_label(config) == 0
    assert contents(out) == contents(calm)
