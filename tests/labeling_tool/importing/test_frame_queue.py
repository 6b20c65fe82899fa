"""The frames that a filter is least sure of become tasks, once, before others."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select
from vidact.datasets.video.probe import probe
from vidact.errors import ConfigError
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.importing.frame_queue import import_frame_queue
from vidact.labeling_tool.store.models import Task

from tests.labeling_tool import barcodes


def test_a_queue_shows_the_frames_that_it_names(
    context: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = barcodes.write(tmp_path / "film.mp4", 60)
    found = probe(video)
    rows = [
        {"source_uri": str(video), "source_sha256": found.sha256, "pts_ns": int(found.pts_ns[i])}
        for i in (40, 7, 23)
    ]
    rows.append({**rows[0], "source_uri": str(tmp_path / "gone.mp4")})
    queue = tmp_path / "next_frames.parquet"
    pq.write_table(pa.Table.from_pylist(rows), queue)
    project, new = import_frame_queue(context, str(queue), random_fraction=0.0)
    assert new == 1
    assert "gone.mp4: missing" in "".join(capsys.readouterr())
    with context.database.read() as session:
        (task,) = session.scalars(select(Task).where(Task.project_id == project)).all()
    assert task.lineage["frame_indices"] == [7, 23, 40]
    assert task.gain == 1.0
    assert import_frame_queue(context, str(queue), random_fraction=0.0) == (project, 0)
    with pytest.raises(ConfigError, match="no queue of frames"):
        import_frame_queue(context, str(video), random_fraction=0.0)
