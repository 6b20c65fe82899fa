"""Small videos that every test of the pipeline can make in a moment."""

from __future__ import annotations

import shutil
import tarfile
import threading
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.shards.codec import encode_video
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.stats import STATS
from vidact.pipeline.config import DecoderConfig, EngineConfig, LabelConfig, LayoutConfig
from vidact.pipeline.label import label
from vidact.pipeline.plan import make_plan
from vidact.pipeline.planning.plan import Plan
from vidact.pipeline.running.run_folder import RunFolder
from vidact.pipeline.running.tracker import Tracker
from vidact.pipeline.running.worker import Worker, WorkerSettings

from ..shared import made_once


def moving_picture(frames: int, *, seed: int = 0, size: int = 96) -> np.ndarray:
    """uint8 [frames, size, size, 3]: a coloured noise texture that slides and a square that
    wanders.
    """
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 216, (size // 8, size // 8, 3)).astype(np.uint8)
    texture = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
    out = np.empty((frames, size, size, 3), np.uint8)
    for t in range(frames):
        out[t] = np.roll(texture, (t, 2 * t), axis=(0, 1))
        x = int((size - 16) * (0.5 + 0.5 * np.sin(t / 9 + seed)))
        out[t, 20:36, x : x + 16] = rng.integers(0, 255, 3)
    return out


def write_video(path: Path, frames: np.ndarray, fps: int = 30) -> Path:
    """Write an H.264 mp4."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_video(frames, Fraction(fps)))
    return path


def serve(handler: type[BaseHTTPRequestHandler]) -> tuple[ThreadingHTTPServer, str]:
    """A server of this machine that answers in threads, and where it is: host and port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"127.0.0.1:{server.server_address[1]}"


def contents(dataset: Path) -> dict[str, bytes]:
    """All files of a dataset by their names, but for the stats, which tell who made a shard."""
    found = [path for path in dataset.rglob("*") if path.is_file() and STATS not in path.parts]
    return {str(path.relative_to(dataset)): path.read_bytes() for path in found}


def plain_loop(
    config: EngineConfig, settings: WorkerSettings, run: RunFolder, tracker: Tracker
) -> None:
    """Label in this process, shard after shard, instead of through Beam: what every engine must
    equal.
    """
    worker = Worker(settings)
    for task in settings.open_tasks():
        worker.label(task)
    worker.close()


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two good videos (40 and 26 s at 30 fps), a copy, a truncated one and one
    that is no video.
    """
    return made_once(tmp_path_factory, "videos", _write_videos)


def _write_videos(folder: Path) -> None:
    first = write_video(folder / "a.mp4", moving_picture(1200, seed=1))
    write_video(folder / "b.mp4", moving_picture(780, seed=2))
    (folder / "copy-of-a.mp4").write_bytes(first.read_bytes())
    (folder / "garbage.mp4").write_bytes(b"this is no video" * 1000)
    (folder / "notes.txt").write_text("not a source")


@pytest.fixture(scope="session")
def spec() -> ActionSpec:
    """Doom's actions on small pictures."""
    content = ActionSpec.load("doom").to_dict()
    return ActionSpec.from_dict(content | {"frame": {"width": 32, "height": 32, "resize": "area"}})


@pytest.fixture(scope="session")
def idm(spec: ActionSpec, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A checkpoint that knows nothing, made once."""
    return str(
        made_once(tmp_path_factory, "random-idm", lambda folder: random_idm(spec, folder, 7))
    )


def random_idm(spec: ActionSpec, folder: Path, seed: int) -> str:
    """A checkpoint of the smallest network with random weights, whose labels depend on the
    whole window.
    """
    import torch
    from vidact.idm.config import IDMConfig
    from vidact.idm.labels.calibration import Calibration
    from vidact.idm.network.model import InverseDynamicsModel
    from vidact.networks.checkpoints import save_checkpoint

    network = IDMConfig(
        width=16, trunk_channels=(4,), trunk_dense=16, attention_blocks=1, attention_heads=2
    )
    torch.manual_seed(seed)
    model = InverseDynamicsModel(network, spec)
    entries = {
        "kind": "idm",
        "network": network.to_dict(),
        "spec": spec.to_dict(),
        "spec_sha256": spec.sha256,
        "calibration": Calibration.neutral(spec).to_dict(),
    }

    save_checkpoint(folder, model.state_dict(), entries)
    return str(folder)


@pytest.fixture(scope="session")
def clean_filter(idm: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A filter that learned menus from toy labels, made once."""
    from vidact.pipeline.filtering.config import TrainFilterConfig
    from vidact.pipeline.train_filter import train_filter

    from .toy_clean_labels import write_labels

    def make(folder: Path) -> None:
        labels = str(write_labels(folder / "labels", each=20))
        out = str(folder / "filter")
        assert train_filter(TrainFilterConfig(labels=(labels,), out=out, idm=idm, folds=2)) == 0

    return str(made_once(tmp_path_factory, "clean-filter", make) / "filter")


HZ = Fraction(35, 2)
LAYOUT = LayoutConfig(val_fraction=0.0, segment_ticks=256, shard_ticks=256)


HERE = DecoderConfig(child=False)
"""Decoding in this process: a child takes a second to start, and gives the same bytes (`test_job`).
"""


def plan_here(
    sources: Path,
    out: Path,
    *,
    tick_hz: Fraction = HZ,
    layout: LayoutConfig = LAYOUT,
    workers: int = 1,
) -> Plan:
    """Plan a dataset, or extend its plan, without a child that decodes."""
    return make_plan(
        [str(sources)],
        Dataset(out),
        tick_hz=tick_hz,
        layout=layout,
        decoder=HERE,
        workers=workers,
    )


def config(videos: Path, idm: str, out: Path, **options: Any) -> LabelConfig:
    """Settings of a job that does all in this process."""
    options = {"workers": 1, "device": "cpu", "layout": LAYOUT, "decoder": HERE, **options}
    return LabelConfig(sources=(str(videos),), idm=idm, out=str(out), **options)


def run_label(config: LabelConfig) -> int:
    """The verb, in this process instead of through Beam."""
    return label(config, runner=plain_loop)


def label_videos(videos: Path, idm: str, out: Path) -> None:
    assert run_label(config(videos, idm, out, verify=False)) == 0


@pytest.fixture(scope="session")
def labelled_videos(videos: Path, idm: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `run_label(config(videos, idm, out))` leaves in `out`, made once: to be read or copied.

    No byte of it depends on where it lies.
    """

    def make(folder: Path) -> None:
        assert run_label(config(videos, idm, folder / "data")) == 0

    return made_once(tmp_path_factory, "labelled-videos", make) / "data"


def copied(dataset: Path, out: Path) -> None:
    """The dataset as if it had been made in `out`."""
    shutil.copytree(dataset, out)


def members(dataset: Path) -> dict[str, bytes]:
    """Every file of every shard."""
    found: dict[str, bytes] = {}
    for path in sorted((dataset / "shards").iterdir()):
        with tarfile.open(path) as tar:
            for info in tar:
                file = tar.extractfile(info)
                assert file is not None
                found[f"{path.name}/{info.name}"] = file.read()
    return found
