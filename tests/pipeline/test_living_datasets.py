"""Datasets go on living: new labels for the same pixels, sources taken out for good."""

from __future__ import annotations

import hashlib
import json
import tarfile
from fractions import Fraction
from pathlib import Path

import pytest
from vidact import storage
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.shards.codec import decode_clip
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.verify import check_dataset
from vidact.errors import ConfigError, DatasetError, SpecMismatchError
from vidact.pipeline import plan as plan_module
from vidact.pipeline import remove as remove_module
from vidact.pipeline.config import LabelConfig, LayoutConfig, RelabelConfig, RemoveConfig
from vidact.pipeline.label import label
from vidact.pipeline.labelling import labeller
from vidact.pipeline.labelling.labeller import ShardOutcome, ShardTask
from vidact.pipeline.plan import make_plan
from vidact.pipeline.planning import prober
from vidact.pipeline.planning.marks import fingerprint
from vidact.pipeline.planning.plan import Plan, without
from vidact.pipeline.planning.probe import SourceRecord
from vidact.pipeline.planning.sources import Source
from vidact.pipeline.relabel import relabel
from vidact.pipeline.remove import remove
from vidact.pipeline.running.worker import Worker

from .conftest import moving_picture, plain_loop, write_video

LAYOUT = LayoutConfig(val_fraction=0.0, segment_ticks=256, shard_ticks=256)


def run_relabel(config: RelabelConfig) -> int:
    """The verb, in this process instead of through Beam."""
    return relabel(config, runner=plain_loop)


def run_label(videos: Path, idm: str, out: Path) -> None:
    here = {"layout": LAYOUT, "workers": 1, "device": "cpu", "verify": False}
    config = LabelConfig(sources=(str(videos),), idm=idm, out=str(out), **here)
    assert label(config, runner=plain_loop) == 0


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


def checkpoint(spec: ActionSpec, folder: Path, seed: int) -> str:
    import torch
    from vidact.idm.config import IDMConfig
    from vidact.idm.labels.calibration import Calibration
    from vidact.idm.network.model import InverseDynamicsModel
    from vidact.networks.checkpoints import save_checkpoint

    network = IDMConfig(
        width=16, trunk_channels=(4,), trunk_dense=16, attention_blocks=1, attention_heads=2
    )
    torch.manual_seed(seed)
    config = {
        "kind": "idm",
        "network": network.to_dict(),
        "spec": spec.to_dict(),
        "spec_sha256": spec.sha256,
        "calibration": Calibration.neutral(spec).to_dict(),
    }
    save_checkpoint(folder, InverseDynamicsModel(network, spec).state_dict(), config)
    return str(folder)


def test_relabel_changes_labels_only(
    videos: Path, idm: str, spec: ActionSpec, tmp_path: Path
) -> None:
    run_label(videos, idm, tmp_path / "old")
    better = checkpoint(spec, tmp_path / "idm", seed=8)
    config = RelabelConfig(
        dataset=str(tmp_path / "old"), idm=better, out=str(tmp_path / "new"), device="cpu"
    )
    assert run_relabel(config) == 0
    old, new = members(tmp_path / "old"), members(tmp_path / "new")
    assert list(old) == list(new)
    for name, data in new.items():
        if name.endswith(".mp4"):
            assert data == old[name]
        elif name.endswith(".npz"):
            assert data != old[name]
        else:
            was, now = json.loads(old[name]), json.loads(data)
            assert now["idm_sha256"] != was["idm_sha256"]
            assert {**now, "idm_sha256": was["idm_sha256"]} == was
    assert check_dataset(Dataset(tmp_path / "new")).problems == []
    content = json.loads((tmp_path / "new" / "dataset.json").read_bytes())
    assert content["options"]["relabelled_from"]["uri"] == str(tmp_path / "old")
    assert run_relabel(config) == 0  # nothing is left to do


def test_relabelling_with_the_same_model_changes_little(
    videos: Path, idm: str, tmp_path: Path
) -> None:
    """The pixels went through the clips' encoder, so labels may differ, but windows and
    neighbours are the same.
    """
    run_label(videos, idm, tmp_path / "old")
    config = RelabelConfig(
        dataset=str(tmp_path / "old"), idm=idm, out=str(tmp_path / "new"), device="cpu"
    )
    run_relabel(config)
    old, new = members(tmp_path / "old"), members(tmp_path / "new")
    for key in {name.rsplit(".", 1)[0] for name in old}:
        clip = key.split("/")[1]
        parts = [
            decode_clip(
                clip, {end: files[f"{key}.{end}"] for end in ("json", "mp4", "npz")}, frames=False
            )
            for files in (old, new)
        ]
        assert (
            abs(parts[0].buttons_prob.astype(float) - parts[1].buttons_prob.astype(float)).max()
            < 0.1
        )


def test_relabel_needs_the_same_actions(videos: Path, idm: str, tmp_path: Path) -> None:
    run_label(videos, idm, tmp_path / "old")
    content = ActionSpec.load("doom").to_dict()
    other = ActionSpec.from_dict(content | {"frame": {"width": 64, "height": 32, "resize": "area"}})
    config = RelabelConfig(
        dataset=str(tmp_path / "old"),
        idm=checkpoint(other, tmp_path / "idm", 1),
        out=str(tmp_path / "new"),
    )
    with pytest.raises(SpecMismatchError, match=r"frame\.width"):
        run_relabel(config)


def test_removed_sources_are_gone_and_stay_gone(videos: Path, idm: str, tmp_path: Path) -> None:
    out = tmp_path / "data"
    run_label(videos, idm, out)
    rows = Dataset(out).manifest().to_pylist()
    (sha,) = {row["source_sha256"] for row in rows if row["source_uri"].endswith("a.mp4")}
    kept = {
        name: data
        for name, data in members(out).items()
        if not name.split("/")[1].startswith(sha[:12])
    }
    assert remove(RemoveConfig(dataset=str(out), source=(sha[:10],))) == 0
    assert members(out) == kept
    assert check_dataset(Dataset(out)).problems == []
    everything = b"".join(
        path.read_bytes() for path in out.rglob("*") if path.is_file() and path.suffix != ".parquet"
    )
    assert b"a.mp4" not in everything
    sources = {record["source_uri"] for record in Dataset(out).manifest().to_pylist()}
    assert sources == {str(videos / "b.mp4")}
    stones = [
        letter for letter in Dataset(out).dead_letters().to_pylist() if letter["stage"] == "remove"
    ]
    assert [(stone["source_sha256"], stone["source_uri"]) for stone in stones] == [(sha, "")]
    assert (
        remove(RemoveConfig(dataset=str(out), source=(sha[:10],))) == 0
    )  # once more: nothing is left to do
    run_label(videos, idm, out)  # a.mp4 is still in the folder, and so is its copy
    assert members(out) == kept
    assert {record["source_uri"] for record in Dataset(out).manifest().to_pylist()} == sources
    with pytest.raises(ConfigError, match="no source of this name"):
        remove(RemoveConfig(dataset=str(out), source=("c.mp4",)))


def test_nothing_of_a_removed_source_is_left_in_previews(
    videos: Path, idm: str, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    run_label(videos, idm, out)
    rows = Dataset(out).manifest().to_pylist()
    for row in rows:
        storage.write_atomic(Dataset(out).preview_uri(row["key"]), b"a picture")
    remove(RemoveConfig(dataset=str(out), source=(str(videos / "a.mp4"),)))
    left = {path.stem for path in (out / "previews").iterdir()}
    assert left == {row["key"] for row in rows if row["source_uri"].endswith("b.mp4")}


def test_what_could_not_be_read_can_be_removed_too(videos: Path, idm: str, tmp_path: Path) -> None:
    out = tmp_path / "data"
    run_label(videos, idm, out)
    assert remove(RemoveConfig(dataset=str(out), source=(str(videos / "garbage.mp4"),))) == 0
    assert Dataset(out).dead_letters().num_rows == 0
    everything = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert b"garbage.mp4" not in everything
    assert check_dataset(Dataset(out)).problems == []


def test_relabelling_keeps_the_dead_letters(videos: Path, idm: str, tmp_path: Path) -> None:
    run_label(videos, idm, tmp_path / "data")
    run_relabel(
        RelabelConfig(dataset=str(tmp_path / "data"), idm=idm, out=str(tmp_path / "new"), workers=1)
    )
    old, new = (Dataset(tmp_path / name).dead_letters().to_pylist() for name in ("data", "new"))
    assert len(old) == 1
    assert new == old
    with pytest.raises(ConfigError, match="is the dataset itself"):
        run_relabel(
            RelabelConfig(
                dataset=str(tmp_path / "new"), idm=idm, out=str(tmp_path / "data" / ".." / "new")
            )
        )


def test_datasets_of_other_verbs_are_left_as_they_are(
    videos: Path, idm: str, tmp_path: Path
) -> None:
    old, other, recordings = tmp_path / "old", tmp_path / "other", tmp_path / "recordings"
    run_label(videos, idm, old)
    run_label(videos, idm, other)
    before = {path: path.read_bytes() for path in other.rglob("*") if path.is_file()}
    with pytest.raises(DatasetError, match="was made by `vidact label`"):
        run_relabel(RelabelConfig(dataset=str(old), idm=idm, out=str(other)))
    (other / "label.json").unlink()  # as `pack` leaves it
    with pytest.raises(DatasetError, match=r"but no label\.json"):
        run_relabel(RelabelConfig(dataset=str(old), idm=idm, out=str(other)))
    del before[other / "label.json"]
    assert {path: path.read_bytes() for path in other.rglob("*") if path.is_file()} == before
    recordings.mkdir()
    (recordings / "play.mp4").write_bytes(b"")
    with pytest.raises(
        ConfigError, match=r"holds other things \(play\.mp4\); a dataset needs a folder of its own"
    ):
        run_relabel(RelabelConfig(dataset=str(old), idm=idm, out=str(recordings)))
    with pytest.raises(ConfigError, match="a folder of its own"):
        run_label(videos, idm, recordings)


def test_what_another_model_was_to_label_is_not_planned(
    videos: Path, idm: str, spec: ActionSpec, tmp_path: Path
) -> None:
    out, sources = tmp_path / "data", tmp_path / "videos"
    sources.mkdir()
    (sources / "a.mp4").write_bytes((videos / "a.mp4").read_bytes())
    run_label(sources, idm, out)
    plan = (out / "plan.parquet").read_bytes()
    (sources / "b.mp4").write_bytes((videos / "b.mp4").read_bytes())
    with pytest.raises(
        DatasetError, match=r"was begun with idm_sha256 [0-9a-f]{12}, now it is [0-9a-f]{12};"
    ):
        run_label(sources, checkpoint(spec, tmp_path / "idm", 8), out)
    assert (out / "plan.parquet").read_bytes() == plan


def test_the_whole_copy_of_a_damaged_video_is_named(
    idm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play = moving_picture(900, seed=5)
    damaged = write_video(
        tmp_path / "videos" / "large.mp4", play.repeat(2, axis=1).repeat(2, axis=2)
    )
    whole = write_video(tmp_path / "videos" / "small.mp4", play)
    data = bytearray(damaged.read_bytes())
    at = len(data) * 98 // 100  # behind the last picture that is looked at
    data[at : at + 1000] = bytes(1000)
    damaged.write_bytes(data)
    run_label(tmp_path / "videos", idm, tmp_path / "data")
    assert (
        f"{damaged} is damaged; {whole} looks the same and was left out: it may be whole"
        in capsys.readouterr().err
    )
    assert Dataset(tmp_path / "data").content()["duplicates"] == {"near_duplicate": 1}
    assert "1 sources, one like each is kept" in (tmp_path / "data" / "README.md").read_text()


def test_new_sources_never_take_a_removed_shard_s_name(
    videos: Path, idm: str, tmp_path: Path
) -> None:
    out, sources = tmp_path / "data", tmp_path / "videos"
    sources.mkdir()
    (sources / "a.mp4").write_bytes((videos / "a.mp4").read_bytes())
    run_label(sources, idm, out)
    remove(RemoveConfig(dataset=str(out), source=(str(sources / "a.mp4"),)))
    assert Dataset(out).manifest().num_rows == 0
    (sources / "b.mp4").write_bytes((videos / "b.mp4").read_bytes())
    run_label(sources, idm, out)
    assert sum(row["frames"] for row in Dataset(out).manifest().to_pylist()) == 455


def test_an_interrupted_removal_goes_on(
    videos: Path, idm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "data"
    run_label(videos, idm, out)
    sha = Dataset(out).manifest().to_pylist()[0]["source_sha256"]
    whole = Dataset.write_commit

    def stop(*args: object) -> None:
        raise KeyboardInterrupt  # the tar is in its place, the record is not

    monkeypatch.setattr(Dataset, "write_commit", stop)
    with pytest.raises(KeyboardInterrupt):
        remove(RemoveConfig(dataset=str(out), source=(sha,)))
    monkeypatch.setattr(Dataset, "write_commit", whole)
    assert remove(RemoveConfig(dataset=str(out), source=(sha,))) == 0
    assert check_dataset(Dataset(out)).problems == []
    assert sha not in {row["source_sha256"] for row in Dataset(out).manifest().to_pylist()}


def test_a_disk_that_is_away_loses_no_record(videos: Path, idm: str, tmp_path: Path) -> None:
    out = tmp_path / "data"
    run_label(videos, idm, out)
    records = sorted(path.name for path in (out / "_commits").iterdir())
    (out / "shards").rename(tmp_path / "away")
    with pytest.raises(DatasetError, match=r"none of its \d+ tars is in shards/"):
        run_label(videos, idm, out)
    (out / "shards").mkdir()  # an empty place to mount it
    with pytest.raises(DatasetError, match=r"none of its \d+ tars is in shards/"):
        run_label(videos, idm, out)
    (out / "shards").rmdir()
    (tmp_path / "away").rename(out / "shards")
    assert sorted(path.name for path in (out / "_commits").iterdir()) == records
    run_label(videos, idm, out)
    assert check_dataset(Dataset(out)).problems == []


def test_what_could_not_be_read_is_tried_again(
    videos: Path, idm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, sources = tmp_path / "data", tmp_path / "videos"
    sources.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (sources / name).write_bytes((videos / name).read_bytes())
    whole = prober.probe_source

    def no_right(source: Source, *args: object) -> SourceRecord:
        if source.uri.endswith("b.mp4"):
            mark, _ = fingerprint(source.uri)
            return SourceRecord(
                uri=source.uri, status="unreadable", reason="no_permission", fingerprint=mark
            )
        return whole(source, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(prober, "probe_source", no_right)
    run_label(sources, idm, out)
    assert Dataset(out).content()["dead_letter_reasons"] == {"no_permission": 1}
    monkeypatch.setattr(prober, "probe_source", whole)
    run_label(sources, idm, out)
    assert Dataset(out).content()["dead_letter_reasons"] == {}
    assert {row["source_uri"] for row in Dataset(out).manifest().to_pylist()} == {
        str(sources / name) for name in ("a.mp4", "b.mp4")
    }


def test_a_video_that_has_changed_stays_in_its_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, video = str(tmp_path / "data"), tmp_path / "videos" / "growing.mp4"
    splits = set()
    for seed in range(8):
        write_video(video, moving_picture(300, seed=seed))
        layout = LayoutConfig(val_fraction=0.5)
        plan = make_plan([str(video)], Dataset(out), tick_hz=Fraction(10), layout=layout, workers=1)
        splits = {segment.split for segment in plan.segments}
    assert len({segment.source_sha256 for segment in plan.segments}) == 8
    assert len(splits) == 1
    assert f"{video} has changed since it was planned" in capsys.readouterr().err


def test_rows_of_another_tick_rate_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video(tmp_path / "videos" / "v.mp4", moving_picture(300, seed=3))

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(plan_module, "write_plan", stop)
        with pytest.raises(KeyboardInterrupt):
            make_plan(
                [str(video)],
                Dataset(tmp_path / "data"),
                tick_hz=Fraction(10),
                layout=LAYOUT,
                workers=1,
            )
    plan = make_plan(
        [str(video)], Dataset(tmp_path / "data"), tick_hz=Fraction(20), layout=LAYOUT, workers=1
    )
    assert plan.sources[0].ticks == 200
    assert not (tmp_path / "data" / "_probes").exists()


def test_a_removal_that_was_interrupted_late_goes_on(
    videos: Path, idm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "data"
    run_label(videos, idm, out)
    uri = str(videos / "a.mp4")

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "compact", stop)
        with pytest.raises(KeyboardInterrupt):
            remove(RemoveConfig(dataset=str(out), source=(uri,)))
    assert remove(RemoveConfig(dataset=str(out), source=(uri,))) == 0
    assert check_dataset(Dataset(out)).problems == []
    (out / "sources.parquet").unlink()  # what was removed is known without it
    run_label(videos, idm, out)
    assert {row["source_uri"] for row in Dataset(out).manifest().to_pylist()} == {
        str(videos / "b.mp4")
    }


def test_relabelling_brings_nothing_back(videos: Path, idm: str, tmp_path: Path) -> None:
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    run_label(videos, idm, tmp_path / "old")
    run_relabel(RelabelConfig(dataset=old, idm=idm, out=new, workers=1))
    remove(RemoveConfig(dataset=new, source=(str(videos / "a.mp4"),)))
    with pytest.raises(DatasetError, match="was removed from it"):
        run_relabel(RelabelConfig(dataset=old, idm=idm, out=new, workers=1))
    assert {row["source_uri"] for row in Dataset(new).manifest().to_pylist()} == {
        str(videos / "b.mp4")
    }


def test_copies_of_copies_are_removed_too() -> None:
    def source(name: str, sha: str, status: str = "planned", like: str = "") -> SourceRecord:
        return SourceRecord(uri=name, status=status, sha256=sha, detail=like)

    sources = (
        source("c", "c" * 64),
        source("a", "a" * 64, "near_duplicate", "c"),
        source("b", "a" * 64, "duplicate", "a"),
        source("other", "d" * 64),
    )
    left = without(Plan(Fraction(10), sources), {"c" * 64})
    assert {record.uri for record in left.sources} == {
        "other",
        f"removed:{'a' * 64}",
        f"removed:{'c' * 64}",
    }


def test_a_takedown_before_the_first_job_has_ended(
    videos: Path, idm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a worker is at a shard, and another shard is committed already."""
    out = tmp_path / "data"
    gone = hashlib.sha256((videos / "a.mp4").read_bytes()).hexdigest()
    whole, labelled = Worker.label, []

    def remove_meanwhile(self: Worker, task: ShardTask) -> ShardOutcome:
        labelled.append(task.shard)
        if len(labelled) == 2:
            writer = labeller.ShardWriter

            class SlowWriter(writer):  # type: ignore[misc, valid-type]
                def commit(self, *args: object, **options: object) -> object:
                    monkeypatch.setattr(labeller, "ShardWriter", writer)
                    assert not Dataset(out).has_tables()
                    assert remove(RemoveConfig(dataset=str(out), source=(gone[:12],))) == 0
                    return super().commit(*args, **options)

            monkeypatch.setattr(labeller, "ShardWriter", SlowWriter)
        return whole(self, task)

    monkeypatch.setattr(Worker, "label", remove_meanwhile)
    run_label(videos, idm, out)
    assert len(labelled) == 5
    assert {row["source_uri"] for row in Dataset(out).manifest().to_pylist()} == {
        str(videos / "b.mp4")
    }
    assert gone[:12] not in str(members(out).keys())
    assert check_dataset(Dataset(out)).problems == []
    everything = b"".join(path.read_bytes() for path in out.rglob("*.json"))
    assert b"a.mp4" not in everything
    run_label(videos, idm, out)
    assert check_dataset(Dataset(out)).problems == []
    assert Dataset(out).manifest().num_rows == len(members(out)) // 3


def test_verify_names_what_was_taken_down_and_compaction_leaves_it_out(
    videos: Path, idm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a removal was killed right after its tombstone."""
    out = Dataset(tmp_path / "data")
    run_label(videos, idm, tmp_path / "data")
    gone = hashlib.sha256((videos / "a.mp4").read_bytes()).hexdigest()
    whole, calls = Dataset.tombstones, []

    def taken_down_meanwhile(self: Dataset) -> frozenset[str]:
        calls.append(1)
        if len(calls) == 2:  # when compaction looks again
            monkeypatch.setattr(Dataset, "tombstones", whole)
            self.bury([gone])
        return whole(self)

    info = remove_module._info(out.content(), None, out.spec(), [])
    monkeypatch.setattr(Dataset, "tombstones", taken_down_meanwhile)
    out.compact(info)
    assert {row["source_sha256"] for row in out.manifest().to_pylist()}.isdisjoint({gone})
    problems = check_dataset(out, decode=False).problems
    assert any(f"holds something of {gone[:12]}, which was taken down" in one for one in problems)
    assert remove(RemoveConfig(dataset=str(out), source=(gone,))) == 0
    assert check_dataset(out).problems == []
