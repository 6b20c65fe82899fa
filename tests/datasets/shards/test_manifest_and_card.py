"""The tables and the card: what they say is what the records say, and both people and programs
can read it.
"""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from vidact import storage
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.config import InspectConfig, StatusConfig
from vidact.datasets.inspect import choose_clip, inspect
from vidact.datasets.shards.card import bar, data_card, histogram
from vidact.datasets.shards.commits import DeadLetter, tombstone
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.manifest import Manifest
from vidact.datasets.shards.summaries import names_by_shard
from vidact.datasets.shards.writer import ShardWriter
from vidact.datasets.status import dataset_status, status
from vidact.errors import DatasetError, SpecMismatchError


@pytest.fixture
def dataset(tmp_path, toy_dataset, toy_spec):
    """Clips of 64 + 36, 64, 64 ticks; a shard of which nothing was kept; a source that could
    not be opened.
    """
    uri = toy_dataset(str(tmp_path / "data"), {"train": [100, 64], "val": [64]})
    with ShardWriter(uri, "train-00001", toy_spec) as writer:
        writer.drop("menu", 90)
        writer.dead_letter(
            DeadLetter(
                source_uri="b|r.mp4",
                start_tick=10,
                end_tick=40,
                stage="decode",
                reason="truncated",
                detail="…",
            )
        )
        writer.commit()
    Dataset(uri).compact(
        DatasetInfo(
            name="Toy: a set",
            spec=toy_spec,
            description="Made up.",
            license="cc0-1.0",
            idm={
                "uri": "runs/idm",
                "sha256": "ab" * 32,
                "metrics": {"macro_f1": 0.5, "mouse_r2": {"yaw": None}},
            },
            environment={"python": "3.11"},
            dead_letters=(DeadLetter(source_uri="a.mp4", stage="probe", reason="no_video_stream"),),
        ),
    )
    return uri


def test_tables(dataset, toy_spec):
    manifest = Dataset(dataset).manifest()
    assert manifest["key"].to_pylist() == [
        "000000000001-000000000",
        "000000000001-000000064",
        "000000000002-000000000",
        "000000000003-000000000",
    ]
    assert manifest["frames"].to_pylist() == [64, 36, 64, 64]
    assert manifest["presses"].to_pylist()[0] == {"go": 32, "fire": 0}
    assert Dataset(dataset).dead_letters().to_pylist()[0]["source_uri"] == "a.mp4"
    assert Dataset(dataset).dead_letters()["end_tick"].to_pylist() == [None, 40]
    content = Dataset(dataset).content()
    assert content["counts"] | {"size_bytes": 0} == {
        "shards": 3,
        "clips": 4,
        "ticks": 228,
        "valid_ticks": 228,
        "sources": 3,
        "episodes": 3,
        "dead_letters": 2,
        "size_bytes": 0,
    }
    assert content["hours"] == pytest.approx(228 / 20 / 3600)
    assert content["splits"]["train"] == {
        "clips": 3,
        "hours": pytest.approx(164 / 72000),
        "sources": 2,
    }
    assert content["drops"] == {"menu": 90}
    assert content["dead_letter_reasons"] == {"no_video_stream": 1, "truncated": 1}
    assert content["features"]["camera_prob"] == {
        "member": "npz",
        "dtype": "float16",
        "shape": ["T", 1, 5],
        "names": ["yaw"],
    }
    assert content["shards"][1] == {
        "name": "train-00001",
        "path": None,
        "split": "train",
        "samples": 0,
        "size_bytes": 0,
        "sha256": None,
    }
    assert Dataset(dataset).spec() == toy_spec


def test_tables_are_the_same_bytes_every_time(dataset, tmp_path, toy_spec):
    def tables():
        return {p.name: p.read_bytes() for p in (tmp_path / "data").iterdir() if p.is_file()}

    info = DatasetInfo(name="Toy", spec=toy_spec)
    Dataset(dataset).compact(info)
    first = tables()
    Dataset(dataset).compact(info)
    assert tables() == first
    assert set(first) == {"manifest.parquet", "dead_letters.parquet", "dataset.json", "README.md"}


def test_dead_letters_have_one_order(dataset, toy_spec):
    digests = [f"{number:x}" * 64 for number in range(16)]
    Dataset(dataset).compact(
        DatasetInfo(name="toy", spec=toy_spec, dead_letters=tuple(map(tombstone, digests)))
    )
    letters = Dataset(dataset).dead_letters().to_pylist()
    assert [one["source_sha256"] for one in letters if one["stage"] == "remove"] == sorted(digests)


def test_the_card_is_read_by_programs_and_people(dataset, tmp_path):
    card = (tmp_path / "data" / "README.md").read_text()
    _, front, body = card.split("---\n", 2)
    front = yaml.safe_load(front)
    assert front["pretty_name"] == "Toy: a set"
    assert front["license"] == "cc0-1.0"
    assert front["size_categories"] == ["n<1K"]
    assert front["configs"][0]["data_files"] == [
        {"split": "train", "path": "shards/train-*.tar"},
        {"split": "validation", "path": "shards/val-*.tar"},
    ]
    lines = body.splitlines()
    assert any(line.startswith("go    █") and "50.00%" in line for line in lines)
    assert f"fire  {'':40}   0.00%  0 presses" in lines
    assert "| menu | 90 ticks dropped |" in lines
    assert "| measured macro_f1 | 0.5 |" in lines
    assert "**11.4 seconds** of play at 20 Hz" in body
    assert "| python | 3.11 |" in lines
    assert any(
        "all buttons are right and every axis is in the true bin or next to it" in line
        for line in lines
    )


def test_the_card_names_the_unit_of_each_axis(dataset):
    spec = ActionSpec.load("desktop_pointer")
    content = Dataset(dataset).content()
    content["statistics"] |= {
        "held_ticks": dict.fromkeys(spec.button_names, 0),
        "presses": dict.fromkeys(spec.button_names, 0),
        "camera_bins": {axis.name: [1] * axis.quantiser.bins for axis in spec.axes},
    }
    card = data_card(content, spec)
    assert "degrees a tick" not in card
    assert "Axis `pointer_x`, share of ticks by where it stands (bin centres" in card
    assert "Axis `wheel`, share of ticks by notches a tick (bin centres" in card
    assert "notches of a wheel, where a stick, a trigger or the pointer stands" in card


def test_bars():
    assert bar(0) == ""
    assert bar(1e-9) == "▏"
    assert bar(1) == "█" * 40
    assert bar(0.5125) == "█" * 20 + "▌"
    assert histogram(["a", "bb"], [1, 0], ["x", "y"]).splitlines()[1] == "a   " + "█" * 40 + "  x"


def test_shards_of_another_spec_are_refused(dataset, toy_spec):
    other = type(toy_spec).from_dict(toy_spec.to_dict() | {"version": 2})
    with pytest.raises(
        SpecMismatchError, match="shard train-00000 was made under action spec 'toy' v1"
    ):
        Dataset(dataset).compact(DatasetInfo(name="Toy", spec=other))


def test_status(dataset, tmp_path, toy_spec, toy_clip, capsys):
    assert status(StatusConfig(dataset=dataset)) == 0
    text = capsys.readouterr().out
    assert "shards done    3\n" in text
    assert "clips          4 (228 ticks, 11.4 seconds, " in text
    assert "dropped        90 ticks: menu" in text
    assert "dead letters   1: truncated" in text
    assert "tables" not in text

    pq.write_table(
        pa.table({"shard": ["train-00000", "train-00001", "train-00002"]}),
        tmp_path / "data" / "plan.parquet",
    )
    with ShardWriter(dataset, "train-00003", toy_spec) as writer:
        writer.add(toy_clip(9, 0, 64))
        writer.commit()
    status(StatusConfig(dataset=dataset, json=True))
    printed = json.loads(capsys.readouterr().out)
    assert (printed["committed_shards"], printed["planned_shards"]) == (4, 5)
    assert printed["missing_shards"] == ["train-00002"]
    assert printed["compacted"] is False
    with pytest.raises(DatasetError, match=r"neither plan\.parquet nor a commit record"):
        dataset_status(Dataset(tmp_path))


def test_status_reads_summaries_and_no_record(dataset, monkeypatch):
    whole = dataset_status(Dataset(dataset))
    read = []
    original = Dataset.read_commit
    monkeypatch.setattr(
        Dataset, "read_commit", lambda self, shard: read.append(shard) or original(self, shard)
    )
    assert dataset_status(Dataset(dataset)) == whole
    assert read == []
    summaries = Dataset(dataset).summaries
    summaries.forget(["train-00001"])  # as in a dataset of before
    damaged = names_by_shard(summaries.times())["val-00000"]
    storage.write_atomic(storage.join(summaries.folder, damaged), b'{"clips": 1}')
    assert dataset_status(Dataset(dataset)) == whole
    assert sorted(read) == ["train-00001", "val-00000"]
    assert whole["size_bytes"] == Dataset(dataset).content()["counts"]["size_bytes"] > 0


def test_inspect_draws_a_clip(dataset, tmp_path, capsys, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert inspect(InspectConfig(dataset=dataset)) == 0
    assert "--out FILE.png" in capsys.readouterr().out
    assert list((tmp_path / "here").iterdir()) == []  # no file that nobody asked for
    out = tmp_path / "clip.png"
    assert inspect(InspectConfig(dataset=dataset, key="000000000001-000000064", out=str(out))) == 0
    text = capsys.readouterr().out
    assert "clip 000000000001-000000064 of train-00000: 36 ticks from tick 64 (3.2 s)" in text
    assert "presses: go 18" in text
    assert out.read_bytes().startswith(b"\x89PNG")


def test_inspect_chooses_by_beginning(dataset, monkeypatch):
    monkeypatch.setattr(Manifest, "table", None)  # it looks at some thousand clips at a time
    assert choose_clip(Dataset(dataset), "")["key"] == "000000000001-000000000"
    assert choose_clip(Dataset(dataset), "000000000003")["key"] == "000000000003-000000000"
    with pytest.raises(
        DatasetError, match="2 clips begin with '000000000001'; such as 000000000001-000000000"
    ):
        choose_clip(Dataset(dataset), "000000000001")
    with pytest.raises(DatasetError, match="no clip begins with 'x'; such as"):
        choose_clip(Dataset(dataset), "x")


def test_inspect_says_where_there_is_nothing(tmp_path, toy_spec):
    empty = Dataset(tmp_path / "empty")
    with ShardWriter(empty, "train-00000", toy_spec) as writer:
        writer.commit()
    empty.compact(DatasetInfo(name="Toy", spec=toy_spec))
    for key in ("", "x"):
        with pytest.raises(DatasetError, match="has no clips"):
            choose_clip(empty, key)
