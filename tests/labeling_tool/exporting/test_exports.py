"""What comes out: recordings that training reads, datasets that verify, tables, filter labels;
nothing mixed up.
"""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import find_recordings
from vidact.datasets.shards.codec import decode_clip
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import check_dataset
from vidact.errors import DatasetError
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.exporting.run import archive, write_export
from vidact.labeling_tool.importing.datasets import import_dataset
from vidact.labeling_tool.importing.recordings import import_recordings
from vidact.labeling_tool.importing.videos import import_videos
from vidact.labeling_tool.store.models import Assignment, Project
from vidact.labeling_tool.work import queue as work_queue
from vidact.labeling_tool.work.operation_kinds import Batch
from vidact.labeling_tool.work.verdicts import review

from tests.labeling_tool import barcodes
from tests.labeling_tool.datasets import TICKS, make_dataset
from tests.labeling_tool.seeding import add_people

SPEC = ActionSpec.load("doom")
ATTACK, YAW = SPEC.button_names.index("attack"), SPEC.axis_names.index("yaw")


def project_of(context: Context, id: int) -> Project:
    with context.database.read() as session:
        return session.get_one(Project, id)


def work(
    context: Context,
    project: int,
    user: int,
    operations: list[tuple[str, dict[str, Any]]],
    *,
    submit: bool = True,
) -> int:
    """Claim, do these operations, submit; the task's id."""
    claimed = work_queue.claim(context.database, user, project, chance=0.99)
    assert claimed is not None
    if operations:
        batch = {
            "client": "window",
            "base_seq": 0,
            "operations": [
                {
                    "id": f"op{claimed.id:04d}x{i:04d}",
                    "kind": kind,
                    "payload": payload,
                    "client_ms": 1,
                }
                for i, (kind, payload) in enumerate(operations)
            ],
        }
        context.log.append(claimed.id, user, batch=Batch.model_validate(batch))
    if submit:
        work_queue.submit(context.database, user, claimed.id, seq=len(operations))
    return claimed.task_id


CORRECTIONS: list[tuple[str, dict[str, Any]]] = [
    ("paint", {"lane": ATTACK, "start": 5, "end": 8, "value": 1}),
    ("paint", {"lane": 0, "start": 0, "end": TICKS, "value": 0}),
    ("undo", {"op": "to be filled"}),
    ("camera", {"axis": YAW, "start": 12, "end": 14, "values": [3.0, -6.0]}),
    ("unsure", {"start": 60, "end": 64, "value": True}),
    ("accept", {"start": 20, "end": 30, "value": True}),
]


def corrections(assignment: int) -> list[tuple[str, dict[str, Any]]]:
    return [
        (kind, {"op": f"op{assignment:04d}x0001"} if kind == "undo" else payload)
        for kind, payload in CORRECTIONS
    ]


@pytest.fixture
def reviewed(context: Context, tmp_path: Path) -> tuple[int, str]:
    """A project over a toy dataset of two clips of one video, the second clip of which was
    corrected by somebody.
    """
    video = barcodes.write(tmp_path / "film.mp4", 300, kind="b-frames")
    dataset = make_dataset(tmp_path / "dataset", [video])
    project, _ = import_dataset(context, dataset, clips=10, random_fraction=0.0)
    (user,) = add_people(context, 1)
    work(context, project, user, corrections(1))
    return project, dataset


def test_corrected_recordings_are_read_as_labelled_play(
    context: Context, tmp_path: Path, reviewed: tuple[int, str]
) -> None:
    counts = write_export(
        context, project_of(context, reviewed[0]), "recordings", _new(tmp_path), approved_only=False
    )
    assert counts == {
        "recordings": 1,
        "frames": TICKS,
        "valid_frames": TICKS - 4,
        "corrected_buttons": 3,
    }
    (recording,) = find_recordings([tmp_path / "out"])
    assert recording.fps == SPEC.tick_hz
    assert {state.label_source for state in recording.states} == {"corrected"}
    actions = recording.actions(SPEC)
    assert np.flatnonzero(actions.buttons[:, ATTACK]).tolist() == [5, 6, 7]
    assert np.flatnonzero(actions.buttons[:, 0]).tolist() == list(range(10, 40))
    np.testing.assert_allclose(actions.camera[10:16, YAW], [0, 0, 3, -6, 0, 0], atol=1e-4)
    assert actions.valid.tolist() == [True] * 60 + [False] * 4
    assert recording.meta["labels"][0]["annotator"] == "annotator0"
    # The pictures are the ones that were judged, in order: ticks 64 to 127 of the film.
    frames = np.concatenate([batch.frames for batch in recording.frames(SPEC)])
    expected = [int(t * 30 / 17.5 + 1e-6) for t in range(64, 128)]
    assert [barcodes.read(frame) for frame in frames] == expected


def test_consecutive_tasks_become_one_recording(
    context: Context, tmp_path: Path, reviewed: tuple[int, str]
) -> None:
    (user,) = add_people(context, 1, "second")
    work(context, reviewed[0], user, [])
    counts = write_export(
        context, project_of(context, reviewed[0]), "recordings", _new(tmp_path), approved_only=False
    )
    assert (counts["recordings"], counts["frames"]) == (1, 2 * TICKS)
    (recording,) = find_recordings([tmp_path / "out"])
    assert np.flatnonzero(recording.actions(SPEC).buttons[:, ATTACK]).tolist() == [69, 70, 71]


def test_written_back_as_a_new_version(
    context: Context, tmp_path: Path, reviewed: tuple[int, str]
) -> None:
    project, dataset = reviewed
    counts = write_export(
        context, project_of(context, project), "dataset", _new(tmp_path), approved_only=False
    )
    assert (counts["clips"], counts["corrected_clips"], counts["corrected_buttons"]) == (2, 1, 3)
    target = str(tmp_path / "out" / "dataset")
    assert check_dataset(Dataset(target)).problems == []
    before, after = Dataset(dataset).manifest().to_pylist(), Dataset(target).manifest().to_pylist()
    assert [row["key"] for row in before] == [row["key"] for row in after]
    assert [row["label_source"] for row in after] == ["idm", "corrected"]
    old, new = Dataset(dataset).read_sample(before[1]), Dataset(target).read_sample(after[1])
    assert old["mp4"] == new["mp4"]
    assert Dataset(dataset).read_sample(before[0]) == Dataset(target).read_sample(after[0])
    clip = decode_clip(after[1]["key"], new, frames=False)
    assert np.flatnonzero(clip.buttons[:, ATTACK]).tolist() == [5, 6, 7]
    assert set(np.unique(clip.buttons_prob)) == {0, 1}
    assert clip.confidence.min() == 1
    assert clip.valid.tolist() == [True] * 60 + [False] * 4
    assert clip.meta["corrected"]["annotator"] == "annotator0"
    assert clip.meta["corrected"]["parent"]["dataset"] == dataset
    assert clip.meta["pts_ns"] == json.loads(old["json"])["pts_ns"]
    about = Dataset(target).content()["options"]["corrected"]
    assert (about["corrected_clips"], about["parent"]) == (1, dataset)


def test_tables_hold_every_frame_beside_what_the_model_said(
    context: Context, tmp_path: Path, reviewed: tuple[int, str]
) -> None:
    write_export(
        context, project_of(context, reviewed[0]), "parquet", _new(tmp_path), approved_only=False
    )
    rows = pq.read_table(tmp_path / "out" / "labels.parquet").to_pylist()
    assert len(rows) == TICKS
    assert [row["tick"] for row in rows[:2]] == [64, 65]
    assert [row["buttons"]["attack"] for row in rows[4:9]] == [0, 1, 1, 1, 0]
    assert not any(row["model_buttons"]["attack"] for row in rows)
    assert rows[12]["camera_deg"]["yaw"] == 3.0
    assert [row["accepted"] for row in rows[19:31]] == [False] + [True] * 10 + [False]
    assert rows[0]["annotator"] == "annotator0"


def test_json_keeps_the_full_history(
    context: Context, tmp_path: Path, reviewed: tuple[int, str]
) -> None:
    write_export(
        context, project_of(context, reviewed[0]), "json", _new(tmp_path), approved_only=False
    )
    (line,) = [
        json.loads(text)
        for text in (tmp_path / "out" / "submissions.jsonl").read_text().splitlines()
    ]
    assert [op["kind"] for op in line["history"]] == [kind for kind, _ in CORRECTIONS]
    assert line["labels"]["buttons"][5][ATTACK] == 1


def test_only_what_is_approved(context: Context, tmp_path: Path, reviewed: tuple[int, str]) -> None:
    project = project_of(context, reviewed[0])
    assert write_export(context, project, "json", _new(tmp_path), approved_only=True) == {
        "submissions": 0
    }
    (reviewer,) = add_people(context, 1, "reviewer")
    with context.database.read() as session:
        seq = session.get_one(Assignment, 1).seq
    review(context.database, reviewer, 1, "approve", "", seq=seq)
    assert write_export(context, project, "json", _new(tmp_path), approved_only=True) == {
        "submissions": 1
    }


def test_filter_labels_bring_their_frames(context: Context, tmp_path: Path) -> None:
    video = barcodes.write(tmp_path / "film.mp4", 120)
    project, new = import_videos(context, [str(video)], frame_step_s=0.5, random_fraction=0.0)
    assert new == 1
    (user,) = add_people(context, 1)
    labels = [
        ("label", {"start": 0, "end": 3, "label": "clean", "reasons": []}),
        ("label", {"start": 3, "end": 4, "label": "artifacts", "reasons": ["webcam", "overlay"]}),
        ("label", {"start": 4, "end": 6, "label": "none", "reasons": []}),
    ]
    work(context, project, user, labels)
    counts = write_export(
        context, project_of(context, project), "filter-labels", _new(tmp_path), approved_only=False
    )
    assert counts == {"frames": 6, "labels": {"artifacts": 1, "clean": 3, "none": 2}}
    rows = pq.read_table(tmp_path / "out" / "labels.parquet").to_pylist()
    assert [row["label"] for row in rows] == ["clean"] * 3 + ["artifacts"] + ["none"] * 2
    assert rows[3]["reasons"] == ["webcam", "overlay"]
    with tarfile.open(tmp_path / "out" / "frames-00000.tar") as tar:
        for row in rows:
            file = tar.extractfile(f"{row['key']}.jpg")
            assert file is not None
            picture = np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB"))
            assert barcodes.read(picture) == row["frame_index"]


def test_recordings_of_contractors_can_be_corrected(
    context: Context, tmp_path: Path, reviewed: tuple[int, str]
) -> None:
    """Out as recordings, in again as recordings: the labels are the same, and can be corrected once
    more.
    """
    write_export(
        context, project_of(context, reviewed[0]), "recordings", _new(tmp_path), approved_only=False
    )
    (first,) = find_recordings([tmp_path / "out"])
    project, new = import_recordings(
        context, [str(tmp_path / "out")], spec_name="doom", random_fraction=0.0
    )
    assert new == 1
    (user,) = add_people(context, 1, "again")
    work(context, project, user, [("paint", {"lane": ATTACK, "start": 6, "end": 7, "value": 0})])
    (tmp_path / "second").mkdir()
    write_export(
        context,
        project_of(context, project),
        "recordings",
        tmp_path / "second",
        approved_only=False,
    )
    (second,) = find_recordings([tmp_path / "second"])
    assert np.flatnonzero(second.actions(SPEC).buttons[:, ATTACK]).tolist() == [5, 7]
    expected = first.actions(SPEC)
    np.testing.assert_allclose(second.actions(SPEC).camera, expected.camera, atol=1e-3)
    with pytest.raises(DatasetError, match="0 datasets"):
        write_export(
            context, project_of(context, project), "dataset", _new(tmp_path), approved_only=False
        )


def test_importing_twice_adds_nothing(
    context: Context, tmp_path: Path, reviewed: tuple[int, str]
) -> None:
    project, dataset = reviewed
    assert import_dataset(context, dataset, clips=10, random_fraction=0.0) == (project, 0)


def test_the_archive_is_a_tar(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.bin").write_bytes(b"x" * 1000)
    (tmp_path / "b.txt").write_text("hello")
    data = b"".join(archive(tmp_path, "export"))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["export/b.txt", "export/deep/a.bin"]
        member = tar.extractfile("export/deep/a.bin")
        assert member is not None
        assert member.read() == b"x" * 1000


def _new(tmp_path: Path) -> Path:
    import shutil

    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    (tmp_path / "out").mkdir()
    return tmp_path / "out"
