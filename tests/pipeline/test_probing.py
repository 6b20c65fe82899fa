"""Probing through Beam: the same rows as one by one, kept when it is interrupted, gone when the
plan is written.
"""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import pytest
from vidact.datasets.shards.dataset import PROBES, Dataset
from vidact.datasets.video.decoder import InProcessDecoder
from vidact.pipeline.config import DecoderConfig, LayoutConfig
from vidact.pipeline.planning import prober as prober_module
from vidact.pipeline.planning.probe import probe_source
from vidact.pipeline.planning.prober import Prober
from vidact.pipeline.planning.sources import Source, find_sources

from .conftest import HZ, moving_picture, plan_here, write_video


def prober(out: Path, workers: int) -> Prober:
    return Prober(Dataset(out), HZ, workers=workers, decoder=DecoderConfig(child=False))


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_are_those_of_a_plain_loop(videos: Path, tmp_path: Path, workers: int) -> None:
    sources = find_sources([str(videos)])
    rows = prober(tmp_path, workers).probe(sources)
    assert rows == [probe_source(source, HZ, InProcessDecoder()) for source in sources]
    assert [row.status for row in rows] == ["planned", "planned", "planned", "unreadable"]


def test_what_was_probed_is_not_probed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = [write_video(tmp_path / f"{i}.mp4", moving_picture(90, seed=i)) for i in range(4)]
    looked: list[str] = []
    whole = prober_module.probe_source

    def counting(source: Source, *rest: object) -> object:
        looked.append(Path(source.uri).name)
        if len(looked) == 3:
            raise RuntimeError("the power went")
        return whole(source, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(prober_module, "probe_source", counting)
    out = tmp_path / "data"
    layout = LayoutConfig(val_fraction=0.0)
    with pytest.raises(RuntimeError, match="the power went"):
        plan_here(tmp_path, out, layout=layout)
    kept = [row for path in (out / PROBES).iterdir() for row in json.loads(path.read_text())]
    assert {Path(row["uri"]).name for row in kept} == set(looked[:2])
    videos[0].write_bytes(
        videos[1].read_bytes() + b"changed"
    )  # replaced meanwhile: what is known of it is of no use
    plan = plan_here(tmp_path, out, layout=layout)
    assert sorted(looked[3:]) == sorted(
        path.name for path in videos if path.name not in looked[:2] or path == videos[0]
    )
    assert len(plan.sources) == 4
    assert not (out / PROBES).exists()


def test_interrupting_ends_after_the_video_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(6):
        write_video(tmp_path / f"{i}.mp4", moving_picture(60, seed=i))
    begun = threading.Event()
    looked: list[str] = []
    whole = prober_module.probe_source

    def slow(source: Source, *rest: object) -> object:
        looked.append(source.uri)
        if not begun.is_set():
            begun.set()
            signal.raise_signal(signal.SIGINT)  # Ctrl-C, which only the main thread hears
            threading.Event().wait(1.0)
        return whole(source, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(prober_module, "probe_source", slow)
    with pytest.raises(KeyboardInterrupt):
        prober(tmp_path / "data", 1).probe(find_sources([str(tmp_path)]))
    assert len(looked) < 6
    for thread in threading.enumerate():
        if thread.name == "probing":
            thread.join(timeout=1.0)  # it has ended its work, and leaves
            assert not thread.is_alive()
