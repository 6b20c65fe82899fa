"""Every frame is the right one: bundles, recordings and grids of awkward files, read back from the
pixels.
"""

from __future__ import annotations

import io
import json
from contextlib import closing
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from sqlalchemy import select
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.video.probe import probe
from vidact.errors import VideoError
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.importing.datasets import choose, import_dataset
from vidact.labeling_tool.importing.videos import import_videos
from vidact.labeling_tool.pictures import rendering
from vidact.labeling_tool.pictures.frames import evenly
from vidact.labeling_tool.store.bundles import BundleStore, pack, unpack
from vidact.labeling_tool.store.models import Source, Task

from tests.labeling_tool import barcodes
from tests.labeling_tool.conftest import open_context
from tests.labeling_tool.datasets import TICKS, make_dataset

KINDS = ("plain", "b-frames", "vfr", "29.97", "offset", "webm", "edit-list")


def awkward(folder: Path, kind: str, count: int = 300) -> Path:
    """A bar-coded video of the kind; with `edit-list` it begins at frame 67, within a group of
    pictures.
    """
    if kind == "29.97":
        return barcodes.write(
            folder / "ntsc.mp4", count, rate=Fraction(30_000, 1001), kind="b-frames"
        )
    if kind == "edit-list":
        whole = barcodes.write(folder / "whole.mp4", count, kind="b-frames")
        return barcodes.with_edit_list(whole, folder / "cut.mp4", 67 / 30)
    suffix = "webm" if kind == "webm" else "mp4"
    return barcodes.write(folder / f"{kind}.{suffix}", count, kind=kind)


def truth(path: Path) -> list[int]:
    """The numbers of the visible frames, in the order in which a plain decoder shows them."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        numbers = []
        for packet in container.demux(stream):
            hidden = packet.is_discard
            numbers += [
                (frame.pts, barcodes.read(frame.to_ndarray(format="rgb24")))
                for frame in packet.decode()
                if not hidden
            ]
    first = probe(path, sha256=False).pts[0]
    return [number for pts, number in sorted(numbers) if pts >= first]


def shown(path: Path) -> list[int]:
    """The numbers in a bundle's pictures."""
    pictures, _ = unpack(path.read_bytes())
    return [
        barcodes.read(np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")))
        for picture in pictures
    ]


def tasks_of(context: Context, project: int) -> list[tuple[Task, Source]]:
    with context.database.read() as session:
        rows = session.execute(
            select(Task, Source)
            .join(Source, Source.id == Task.source_id)
            .where(Task.project_id == project)
            .order_by(Task.id)
        )
        return [(task, source) for task, source in rows]


def bundle(context: Context, task: Task, source: Source) -> Path:
    recipe = rendering.recipe_of(task, source)
    return context.bundles.get(recipe, partial(rendering.render, context))


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_reviewed_clips_are_the_labelled_ones(
    films: Path, tmp_path: Path, kind: str
) -> None:
    """The frames shown for a clip are those that the IDM saw: frame by frame, whatever the file."""
    numbers = json.loads((films / "numbers.json").read_text())[kind]
    with closing(open_context(tmp_path / "data", source_root=(str(films),))) as context:
        dataset = str(films / "datasets" / kind)
        project, new = import_dataset(context, dataset, clips=10, random_fraction=0.0)
        assert new == 2
        for task, source in tasks_of(context, project):
            first = task.lineage["first_tick"]
            assert shown(bundle(context, task, source)) == numbers[first : first + TICKS]


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_clean_tasks_are_evenly_spaced(
    context: Context, tmp_path: Path, kind: str
) -> None:
    path = awkward(tmp_path, kind, count=160)
    project, _ = import_videos(context, [str(path)], frame_step_s=0.1, random_fraction=0.0)
    numbers = truth(path)
    indices = evenly(probe(path).pts_ns, 100_000_000)
    found = [
        number
        for task, source in tasks_of(context, project)
        for number in shown(bundle(context, task, source))
    ]
    assert found == [numbers[index] for index in indices]


def test_a_source_that_is_gone_falls_back_and_says_so(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dataset, "manifest", None)  # rows of all clips at once
    path = awkward(tmp_path, "plain")
    dataset = make_dataset(tmp_path / "dataset", [path], clips=1)
    project, _ = import_dataset(context, dataset, clips=1, random_fraction=0.0)
    ((task, source),) = tasks_of(context, project)
    expected = shown(bundle(context, task, source))
    gone = BundleStore(tmp_path / "again", 1 << 30)
    path.unlink()
    recipe = rendering.recipe_of(task, source)
    fallback = gone.get(recipe, partial(rendering.render, context))
    pictures, head = unpack(fallback.read_bytes())
    assert (head["from"], head["width"], len(pictures)) == ("clip", 128, TICKS)
    assert "gone" in head["why"]
    assert shown(fallback) == expected
    gone.close()


def test_another_file_in_the_source_s_place_is_never_shown(
    context: Context, tmp_path: Path
) -> None:
    path = awkward(tmp_path, "plain")
    dataset = make_dataset(tmp_path / "dataset", [path], clips=1)
    project, _ = import_dataset(context, dataset, clips=1, random_fraction=0.0)
    barcodes.write(path, 300, rate=Fraction(25), first=1000)
    ((task, source),) = tasks_of(context, project)
    _, head = unpack(bundle(context, task, source).read_bytes())
    assert head["from"] == "clip"


def test_nothing_left_to_render_from_is_an_error(context: Context, tmp_path: Path) -> None:
    recipe = {
        "uri": str(tmp_path / "nothing.mp4"),
        "sha256": "",
        "pts_ns": [0],
        "dataset": None,
        "row": None,
    }
    with pytest.raises(VideoError, match="gone"):
        rendering.render(context, recipe, tmp_path / "out")


def test_bundles_round_trip_and_know_damage() -> None:
    data = pack([b"one", b"", b"three"], {"width": 4})
    pictures, head = unpack(data)
    assert pictures == [b"one", b"", b"three"]
    assert head["width"] == 4
    with pytest.raises(ValueError, match="should have"):
        unpack(data[:-1])
    with pytest.raises(ValueError, match="not a bundle"):
        unpack(b"JPEG" + data)


def test_bundles_are_made_once_and_forgotten_when_unused(tmp_path: Path) -> None:
    made: list[int] = []

    def render(recipe: dict, out: Path) -> None:  # type: ignore[type-arg]
        made.append(1)
        out.write_bytes(pack([b"x"], {}))

    store = BundleStore(tmp_path, 1 << 30)
    first = store.get({"a": 1}, render)
    assert store.get({"a": 1}, render) == first
    assert len(made) == 1
    assert store.forget(older_than_s=3600) == 0
    assert store.forget(older_than_s=-1) == 1
    assert not first.exists()
    store.close()


def test_the_least_certain_clips_are_chosen_and_a_random_share() -> None:
    rows = [{"key": f"{i:02d}", "valid_frames": 100, "mean_confidence": i / 20} for i in range(20)]
    table = pa.Table.from_pylist(rows)

    def chosen(count: int, random_fraction: float) -> list[str]:
        return choose(table, count, random_fraction)["key"].to_pylist()

    assert chosen(8, 0.25)[:6] == ["00", "01", "02", "03", "04", "05"]
    # What importing again must choose again, in projects of before too.
    assert chosen(8, 0.25)[6:] == ["19", "12"]
    assert chosen(8, 0.0) == [f"{i:02d}" for i in range(8)]
    assert len(set(chosen(100, 0.2))) == 20


def test_even_spacing_counts_time_not_frames() -> None:
    pts_ns = np.array([0, 1, 2, 10, 11, 25]) * 100_000_000
    assert evenly(pts_ns, 500_000_000).tolist() == [0, 2, 3, 4, 5]
