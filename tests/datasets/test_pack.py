"""pack: true actions arrive tick by tick, a recording stays in one split, an interrupted run
goes on.
"""

from __future__ import annotations

import json
import os
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact import storage
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.config import PackConfig
from vidact.datasets.pack import pack
from vidact.datasets.recordings.recording import Recording
from vidact.datasets.recordings.writer import RecordingWriter
from vidact.datasets.shards.codec import decode_clip
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import check_dataset
from vidact.datasets.status import dataset_status
from vidact.errors import ConfigError, DatasetError, RecordingError


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Four recordings of 300 frames at 35 frames/s: w is held in frames 40 to 79, a frame's
    grey is its number.
    """
    folder = tmp_path_factory.mktemp("play")
    for number in range(4):
        with RecordingWriter(
            folder / f"play{number}", fps=Fraction(35), size=(64, 48), meta={"seed": number}
        ) as writer:
            for i in range(300):
                picture = np.full((48, 64, 3), 20 + (i + 50 * number) % 200, np.uint8)
                keys = ("key.keyboard.w",) if 40 <= i < 80 else ()
                writer.write(
                    picture,
                    DeviceState(keys=keys, dx=float(i % 4), valid=i < 290, label_source="scripted"),
                )
    return folder


@pytest.fixture
def spec():
    return ActionSpec.load("doom")


def config(recordings, out, **options):
    return PackConfig(
        recordings=(str(recordings),), out=str(out), **({"val_fraction": 0.3} | options)
    )


def test_clips_hold_the_recordings_actions(tmp_path, recordings, spec):
    out = tmp_path / "data"
    assert pack(config(recordings, out)) == 0
    assert check_dataset(Dataset(out)).problems == []
    rows = Dataset(out).manifest().to_pylist()
    assert len(rows) == 8  # 150 ticks each: 118 + 32
    by_source = {}
    for row in rows:
        by_source.setdefault(row["source_sha256"], []).append(row)
        assert row["label_source"] == "scripted"
    for number in range(4):
        recording = Recording.open(recordings / f"play{number}")
        own = sorted(by_source[recording.sha256], key=lambda row: row["start_tick"])
        assert len({row["split"] for row in own}) == 1
        clips = [decode_clip(row["key"], Dataset(out).read_sample(row)) for row in own]
        actions = recording.actions(spec)
        assert np.array_equal(np.concatenate([clip.buttons for clip in clips]), actions.buttons)
        assert np.array_equal(np.concatenate([clip.camera for clip in clips]), actions.camera)
        valid = np.concatenate([clip.valid for clip in clips])
        assert np.array_equal(valid, actions.valid)
        assert valid.sum() == 145
        assert np.array_equal(
            np.concatenate([clip.confidence for clip in clips]), valid.astype(np.float16)
        )
        assert np.flatnonzero(
            np.concatenate([clip.buttons for clip in clips])[:, 0]
        ).tolist() == list(range(20, 40))
        grey = np.concatenate([clip.frames for clip in clips])[:, 64, 64].mean(axis=1)
        expected = 20 + (np.arange(0, 300, 2) + 50 * number) % 200
        assert np.abs(grey - expected).max() <= 4
        bins = clips[0].camera_prob.argmax(axis=2)
        assert np.array_equal(bins, spec.quantise(clips[0].camera))
        assert clips[0].meta["pts_ns"][:2] == [0, 57142857]


def test_the_lineage_says_how_play_was_varied(tmp_path, recordings):
    play, out = tmp_path / "play", tmp_path / "data"
    shutil.copytree(recordings, play)

    def packed(meta):
        (play / "play0.meta.json").write_text(json.dumps(meta))
        pack(config(play, out))
        rows = Dataset(out).manifest().to_pylist()
        clips = [decode_clip(row["key"], Dataset(out).read_sample(row)) for row in rows]
        sources = {clip.meta["source_sha256"] for clip in clips if "varied" in clip.meta}
        return sources, [clip.meta.get("varied") for clip in clips]

    sources, said = packed({"varied": {"field_of_view": 75, "light": "dark", "fog": 10**400}})
    assert sources == {Recording.open(play / "play0").sha256}
    assert [one for one in said if one] == [{"field_of_view": 75.0}] * 2
    # It decides bytes of a shard: what was varied otherwise is another dataset.
    with pytest.raises(DatasetError, match="made from other recordings"):
        packed({"varied": {"field_of_view": 80}})


@pytest.mark.parametrize(
    ("fractions", "line"),
    [
        ((1.0, 0.0), "Recordings: train 0, val 4, test 0\n"),
        (
            (1e-5, 1e-5),
            "Recordings: train 4, val 0, test 0 (val and test drew none: try another --split-seed",
        ),
    ],
)
def test_it_says_how_the_recordings_fell(tmp_path, recordings, capsys, fractions, line):
    val, test = fractions
    pack(config(recordings, tmp_path / "data", val_fraction=val, test_fraction=test))
    assert line in capsys.readouterr().err


def test_a_second_run_does_only_what_is_missing(tmp_path, recordings):
    out = str(tmp_path / "data")
    settings = config(recordings, out, shard_clips=2)
    pack(settings)
    shards = Dataset(out).committed_shards()
    assert len(shards) >= 4
    before = {shard: storage.read_bytes(Dataset(out).shard_uri(shard)) for shard in shards}
    manifest = Dataset(out).manifest()
    storage.remove(Dataset(out).commit_uri(shards[1]))
    storage.remove(Dataset(out).shard_uri(shards[1]))
    storage.remove(Dataset(out).shard_uri(shards[0]))
    last = Path(Dataset(out).shard_uri(shards[2]))
    written = last.stat().st_mtime_ns
    assert dataset_status(Dataset(out))["lost_shards"] == [shards[0]]
    pack(settings)
    assert {shard: storage.read_bytes(Dataset(out).shard_uri(shard)) for shard in shards} == before
    assert last.stat().st_mtime_ns == written  # a committed shard is not written again
    assert Dataset(out).manifest().equals(manifest)


def test_it_says_what_no_button_means_and_which_spec_it_took(tmp_path, capsys):
    with RecordingWriter(tmp_path / "play" / "own", fps=Fraction(35), size=(64, 48)) as writer:
        for i in range(200):
            keys = ("key.keyboard.i", "key.keyboard.w") if i < 70 else ()
            writer.write(
                np.full((48, 64, 3), i, np.uint8), DeviceState(keys=keys, label_source="human")
            )
    (tmp_path / "play" / "own.meta.json").unlink(missing_ok=True)
    pack(config(tmp_path / "play", tmp_path / "data"))
    said = capsys.readouterr().err
    assert "No recording names its action spec" in said
    assert "Held, but no button of spec 'doom': key.keyboard.i (70 frames)" in said


def test_what_was_removed_is_remembered(tmp_path, recordings):
    from vidact.pipeline.config import RemoveConfig
    from vidact.pipeline.remove import remove

    out, settings = str(tmp_path / "data"), config(recordings, tmp_path / "data", shard_clips=2)
    pack(settings)
    sha = Dataset(out).manifest()["source_sha256"][0].as_py()
    remove(RemoveConfig(dataset=out, source=(sha,)))
    after = Dataset(out).content()
    storage.remove(
        Dataset(out).shard_uri(next(shard["name"] for shard in after["shards"] if shard["path"]))
    )
    pack(settings)
    again = Dataset(out).content()
    assert again["options"]["removed"] == after["options"]["removed"] == [sha]
    assert again["dead_letter_reasons"] == after["dead_letter_reasons"] == {"removed": 1}
    assert sha not in Dataset(out).manifest()["source_sha256"].to_pylist()


def test_folders_of_other_things_are_refused(tmp_path, recordings):
    (tmp_path / "labelled" / "_commits").mkdir(parents=True)
    (tmp_path / "labelled" / "label.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"label\.json says that a labeling job writes here"):
        pack(config(recordings, tmp_path / "labelled"))
    (tmp_path / "code" / "__pycache__").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"holds other things \(__pycache__\)"):
        pack(config(recordings, tmp_path / "code"))


def test_threads_change_no_byte(tmp_path, recordings):
    for threads in (1, 3):
        pack(config(recordings, tmp_path / str(threads) / "data", shard_clips=1, threads=threads))
    one, three = (
        {p.name: p.read_bytes() for p in (tmp_path / n / "data").rglob("*.tar")} for n in ("1", "3")
    )
    assert len(one) == 8
    assert one == three


def test_other_recordings_do_not_mix_into_a_dataset(tmp_path, recordings):
    out = str(tmp_path / "data")
    pack(config(recordings / "play0", out, val_fraction=0, test_fraction=0))
    with pytest.raises(
        DatasetError, match="made from other recordings or options; choose another --out"
    ):
        pack(config(recordings, out, val_fraction=0, test_fraction=0))


@pytest.mark.parametrize("change", ["label", "group"])
def test_other_labels_of_the_same_videos_do_not_mix_into_a_dataset(tmp_path, recordings, change):
    shutil.copytree(recordings, tmp_path / "play")
    settings = config(tmp_path / "play", tmp_path / "data", val_fraction=0, test_fraction=0)
    pack(settings)
    assert pack(settings) == 0
    path = tmp_path / "play" / ("play0.jsonl" if change == "label" else "play0.meta.json")
    text = path.read_text()
    path.write_text(
        text.replace('"key.keyboard.w"', '"key.keyboard.s"')
        if change == "label"
        else '{"group": "other"}'
    )
    with pytest.raises(
        DatasetError, match="made from other recordings or options; choose another --out"
    ):
        pack(settings)
    path.write_text(text)
    assert pack(settings) == 0


def test_what_of_the_meta_file_decides_nothing_may_change(tmp_path, recordings):
    shutil.copytree(recordings, tmp_path / "play")
    settings = config(tmp_path / "play", tmp_path / "data")
    pack(settings)
    (tmp_path / "play" / "play0.meta.json").write_text('{"player": "renamed"}')
    assert pack(settings) == 0


def test_folders_whose_names_are_no_text(tmp_path, recordings):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/nonutf\xff\xfe"))
    try:
        shutil.copytree(recordings, folder)
    except OSError:
        pytest.skip("this disk takes no such names")
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/data\xff\xfe"))
    for out in (tmp_path / "data", strange, folder / "data"):
        assert pack(config(folder, out)) == 0
        assert check_dataset(Dataset(out)).problems == []
        uri = Dataset(out).manifest()["source_uri"][0].as_py()
        assert uri.startswith(f"file://{tmp_path}/nonutf%FF%FE/play")
        assert storage.local_path(uri).is_file()
        assert Dataset(out).content()["options"]["recordings"] == [
            f"file://{tmp_path}/nonutf%FF%FE"
        ]
    assert (
        Dataset(strange).content()["name"]
        == "data\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"
    )


def test_both_phases(tmp_path, recordings):
    out = str(tmp_path / "data")
    pack(config(recordings / "play0", out, all_phases=True, val_fraction=0, test_fraction=0))
    rows = Dataset(out).manifest().to_pylist()
    assert len({row["key"] for row in rows}) == 4
    assert len({row["episode_id"] for row in rows}) == 2
    assert len({row["source_sha256"] for row in rows}) == 1
    assert check_dataset(Dataset(out)).problems == []


def test_views_of_one_game_share_their_split(tmp_path):
    for number in range(8):
        meta = {"group": "game"}
        with RecordingWriter(
            tmp_path / f"view{number}", fps=Fraction(35), size=(64, 48), meta=meta
        ) as writer:
            for i in range(70):
                writer.write(np.full((48, 64, 3), i + number * 10, np.uint8), DeviceState())
    out = str(tmp_path / "data")
    pack(config(tmp_path, out, val_fraction=0.5, test_fraction=0))
    assert len(Dataset(out).content()["splits"]) == 1


def test_the_same_recording_twice_is_refused(tmp_path, recordings):
    for suffix in (".mp4", ".jsonl"):
        storage.write_atomic(
            str(tmp_path / f"copy{suffix}"), storage.read_bytes(str(recordings / f"play0{suffix}"))
        )
    with pytest.raises(RecordingError, match="are the same video"):
        pack(PackConfig(recordings=(str(tmp_path), str(recordings)), out=str(tmp_path / "data")))


def test_a_spec_without_buttons_is_refused_before_the_work(tmp_path, recordings, spec):
    own = tmp_path / "mouse.yaml"
    own.write_text(json.dumps(spec.to_dict() | {"buttons": [], "groups": [], "solo": []}))
    with pytest.raises(ConfigError, match="'doom' has no buttons; a dataset needs one"):
        pack(config(recordings, tmp_path / "data", spec=str(own)))
    assert not (tmp_path / "data").exists()


def test_settings_are_checked():
    with pytest.raises(ConfigError, match=r"val_fraction \+ test_fraction must be at most 1, got"):
        PackConfig(recordings=("a",), out="b", val_fraction=0.6, test_fraction=0.6)
    with pytest.raises(ConfigError, match="chroma must be one of 420, 444, got"):
        PackConfig(recordings=("a",), out="b", chroma="422")
