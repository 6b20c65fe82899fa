"""Previews: which clips get one, how large, and that they show the labelled frames."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow as pa
import pytest
from vidact.datasets.shards.codec import decode_video
from vidact.datasets.shards.dataset import Dataset
from vidact.errors import ConfigError
from vidact.pipeline.config import DecoderConfig, LabelConfig, share_of
from vidact.pipeline.labelling import previews
from vidact.pipeline.labelling.previews import keep_previews, least_certain, preview_frame
from vidact.pipeline.labelling.source_files import SourceFile, SourceFiles

from tests.labeling_tool import barcodes
from tests.labeling_tool.datasets import make_dataset


def test_shares() -> None:
    assert [share_of(text) for text in ("5%", "0.05", "0", "100%")] == [0.05, 0.05, 0.0, 1.0]
    for text in ("five", "-1", "101%", "2"):
        with pytest.raises(ConfigError, match="previews"):
            share_of(text)
        with pytest.raises(ConfigError, match="previews"):
            LabelConfig(sources=("film.mp4",), idm="idm", out="dataset", previews=text)


def test_the_least_certain_share() -> None:
    rows = [
        {"key": name, "mean_confidence": value}
        for name, value in (("a", 0.9), ("b", 0.2), ("c", 0.5), ("d", 0.3))
    ]
    table = pa.Table.from_pylist(rows)
    assert [row["key"] for row in least_certain(table, 0.5)] == ["b", "d"]
    assert [row["key"] for row in least_certain(table, 0.01)] == ["b"]
    assert least_certain(table, 0.0) == []


def test_sizes() -> None:
    assert [
        (f.width, f.height)
        for f in (preview_frame(1920, 1080), preview_frame(320, 240), preview_frame(640, 480, 90))
    ] == [
        (640, 360),
        (320, 240),
        (270, 360),
    ]


def test_sources_are_fetched_ahead_into_the_scratch_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = [barcodes.write(tmp_path / f"{name}.mp4", 130, kind="plain") for name in "ab"]
    films[1].write_bytes(films[1].read_bytes() + b"free")
    dataset = make_dataset(tmp_path / "dataset", films, clips=1)
    seen: list[tuple[str, str]] = []

    class Noted(SourceFiles):
        def __init__(self, folder: Path):
            super().__init__(folder)
            seen.append(("in", folder.parent.name))

        def open(self, uri: str) -> AbstractContextManager[SourceFile]:
            seen.append(("open", Path(uri).stem))
            return super().open(uri)

        def fetch_ahead(self, uri: str) -> None:
            seen.append(("ahead", Path(uri).stem))

    monkeypatch.setattr(previews, "SourceFiles", Noted)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    decoder = DecoderConfig(child=False)
    assert keep_previews(Dataset(dataset), 1.0, decoder, scratch=str(scratch)) == 2
    assert seen == [("in", "scratch"), ("open", "a"), ("ahead", "b"), ("open", "b")]
    assert list(scratch.iterdir()) == []


def test_previews_show_the_labelled_frames(tmp_path: Path) -> None:
    film = barcodes.write(tmp_path / "film.mp4", 260, kind="b-frames")
    dataset = make_dataset(tmp_path / "dataset", [film], clips=2)
    assert keep_previews(Dataset(dataset), 0.5, DecoderConfig(child=False)) == 1
    row = min(Dataset(dataset).manifest().to_pylist(), key=lambda row: row["mean_confidence"])
    frames = decode_video((tmp_path / "dataset" / "previews" / f"{row['key']}.mp4").read_bytes())
    assert frames.shape == (64, 240, 320, 3)
    assert [barcodes.read(frame) for frame in frames] == [
        int(t * 30 / 17.5 + 1e-6) for t in range(64, 128)
    ]
    assert keep_previews(Dataset(dataset), 0.5, DecoderConfig(child=False)) == 0
    barcodes.write(
        film, 261, kind="b-frames"
    )  # another film of the same rate: its times are the same
    assert keep_previews(Dataset(dataset), 1.0, DecoderConfig(child=False)) == 0
    film.unlink()
    assert keep_previews(Dataset(dataset), 1.0, DecoderConfig(child=False)) == 0
