"""Datasets go on living: new labels for the same pixels, sources taken out for good."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.shards.codec import decode_clip
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import check_dataset
from vidact.errors import ConfigError, DatasetError, SpecMismatchError
from vidact.pipeline import plan as plan_module
from vidact.pipeline.config import LayoutConfig, RelabelConfig, RemoveConfig
from vidact.pipeline.planning import prober
from vidact.pipeline.planning.marks import fingerprint
from vidact.pipeline.planning.probe import SourceRecord
from vidact.pipeline.planning.sources import Source
from vidact.pipeline.relabel import relabel
from vidact.pipeline.remove import remove

from .conftest import (
    copied,
    label_videos,
    members,
    moving_picture,
    plain_loop,
    plan_here,
    random_idm,
    write_video,
)


def run_relabel(config: RelabelConfig) -> int:
    """The verb, in this process instead of through Beam."""
    return relabel(config, runner=plain_loop)


@pytest.fixture(scope="module")
def relabelled(idm: str, labelled_videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`labelled_videos` relabelled with the model that labelled it, made once."""
    out = tmp_path_factory.mktemp("relabelled") / "data"
    run_relabel(
        RelabelConfig(dataset=str(labelled_videos), idm=idm, out=str(out), workers=1, device="cpu")
    )
    return out


def test_relabel_changes_labels_only(
    spec: ActionSpec, labelled_videos: Path, tmp_path: Path
) -> None:
    copied(labelled_videos, tmp_path / "old")
    better = random_idm(spec, tmp_path / "idm", seed=8)
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
    labelled_videos: Path, relabelled: Path
) -> None:
    """The pixels went through the clips' encoder, so labels may differ, but windows and
    neighbours are the same.
    """
    old, new = members(labelled_videos), members(relabelled)
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


def test_relabel_needs_the_same_actions(labelled_videos: Path, tmp_path: Path) -> None:
    copied(labelled_videos, tmp_path / "old")
    content = ActionSpec.load("doom").to_dict()
    other = ActionSpec.from_dict(content | {"frame": {"width": 64, "height": 32, "resize": "area"}})
    config = RelabelConfig(
        dataset=str(tmp_path / "old"),
        idm=random_idm(other, tmp_path / "idm", 1),
        out=str(tmp_path / "new"),
    )
    with pytest.raises(SpecMismatchError, match=r"frame\.width"):
        run_relabel(config)


def test_relabelling_keeps_the_dead_letters(
    idm: str, labelled_videos: Path, relabelled: Path
) -> None:
    old, new = (Dataset(made).dead_letters().to_pylist() for made in (labelled_videos, relabelled))
    assert len(old) == 1
    assert new == old
    itself = relabelled / ".." / relabelled.name
    with pytest.raises(ConfigError, match="is the dataset itself"):
        run_relabel(RelabelConfig(dataset=str(relabelled), idm=idm, out=str(itself)))


def test_datasets_of_other_verbs_are_left_as_they_are(
    videos: Path, idm: str, labelled_videos: Path, tmp_path: Path
) -> None:
    old, other, recordings = tmp_path / "old", tmp_path / "other", tmp_path / "recordings"
    copied(labelled_videos, old)
    copied(labelled_videos, other)
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
        label_videos(videos, idm, recordings)


def test_what_another_model_was_to_label_is_not_planned(
    videos: Path, idm: str, spec: ActionSpec, tmp_path: Path
) -> None:
    out, sources = tmp_path / "data", tmp_path / "videos"
    sources.mkdir()
    (sources / "a.mp4").write_bytes((videos / "a.mp4").read_bytes())
    label_videos(sources, idm, out)
    plan = (out / "plan.parquet").read_bytes()
    (sources / "b.mp4").write_bytes((videos / "b.mp4").read_bytes())
    with pytest.raises(
        DatasetError, match=r"was begun with idm_sha256 [0-9a-f]{12}, now it is [0-9a-f]{12};"
    ):
        label_videos(sources, random_idm(spec, tmp_path / "idm", 8), out)
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
    label_videos(tmp_path / "videos", idm, tmp_path / "data")
    assert (
        f"{damaged} is damaged; {whole} looks the same and was left out: it may be whole"
        in capsys.readouterr().err
    )
    assert Dataset(tmp_path / "data").content()["duplicates"] == {"near_duplicate": 1}
    assert "1 sources, one like each is kept" in (tmp_path / "data" / "README.md").read_text()


def test_a_disk_that_is_away_loses_no_record(
    videos: Path, idm: str, labelled_videos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    copied(labelled_videos, out)
    records = sorted(path.name for path in (out / "_commits").iterdir())
    (out / "shards").rename(tmp_path / "away")
    with pytest.raises(DatasetError, match=r"none of its \d+ tars is in shards/"):
        label_videos(videos, idm, out)
    (out / "shards").mkdir()  # an empty place to mount it
    with pytest.raises(DatasetError, match=r"none of its \d+ tars is in shards/"):
        label_videos(videos, idm, out)
    (out / "shards").rmdir()
    (tmp_path / "away").rename(out / "shards")
    assert sorted(path.name for path in (out / "_commits").iterdir()) == records
    label_videos(videos, idm, out)
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
    label_videos(sources, idm, out)
    assert Dataset(out).content()["dead_letter_reasons"] == {"no_permission": 1}
    monkeypatch.setattr(prober, "probe_source", whole)
    label_videos(sources, idm, out)
    assert Dataset(out).content()["dead_letter_reasons"] == {}
    assert {row["source_uri"] for row in Dataset(out).manifest().to_pylist()} == {
        str(sources / name) for name in ("a.mp4", "b.mp4")
    }


def test_a_video_that_has_changed_stays_in_its_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, video = tmp_path / "data", tmp_path / "videos" / "growing.mp4"
    splits = set()
    for seed in range(8):
        write_video(video, moving_picture(300, seed=seed))
        layout = LayoutConfig(val_fraction=0.5)
        plan = plan_here(video, out, tick_hz=Fraction(10), layout=layout)
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
            plan_here(video, tmp_path / "data", tick_hz=Fraction(10))
    plan = plan_here(video, tmp_path / "data", tick_hz=Fraction(20))
    assert plan.sources[0].ticks == 200
    assert not (tmp_path / "data" / "_probes").exists()


def test_relabelling_brings_nothing_back(
    videos: Path, idm: str, labelled_videos: Path, relabelled: Path, tmp_path: Path
) -> None:
    old, new = str(labelled_videos), str(tmp_path / "new")
    copied(relabelled, tmp_path / "new")
    remove(RemoveConfig(dataset=new, source=(str(videos / "a.mp4"),)))
    with pytest.raises(DatasetError, match="was removed from it"):
        run_relabel(RelabelConfig(dataset=old, idm=idm, out=new, workers=1))
    assert {row["source_uri"] for row in Dataset(new).manifest().to_pylist()} == {
        str(videos / "b.mp4")
    }
