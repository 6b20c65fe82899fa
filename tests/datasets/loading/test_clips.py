"""ClipLoader: right labels for right frames, exact resume on other ranks and threads, clear
errors.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from vidact import storage
from vidact.datasets.loading.clips import ClipLoader
from vidact.datasets.shards.dataset import Dataset
from vidact.errors import ConfigError, DatasetError, ShardError, SpecMismatchError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, toy_dataset):
    """7 sources of 3 splits; in train 64 + 64 + 32, 64 + 36, 64 + 64, 40 and 64 ticks: 9 clips."""
    uri = str(tmp_path_factory.mktemp("data"))
    return toy_dataset(uri, {"train": [160, 100, 128, 40, 64], "val": [64], "test": [70]})


def same(a, b):
    return a.keys == b.keys and all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for name in ("frames", "buttons", "camera", "confidence", "valid", "first", "ticks")
    )


def rows_of(batches):
    """The rows of the batches of all ranks side by side, as one list of (key, bytes of
    everything).
    """
    return [
        (
            batch.keys[b],
            batch.frames[b].tobytes(),
            batch.buttons[b].tobytes(),
            batch.camera[b].tobytes(),
        )
        for batch in batches
        for b in range(len(batch.keys))
    ]


def test_a_batch_holds_what_the_clips_hold(dataset, toy_spec, toy_clip):
    loader = ClipLoader([dataset], batch_size=3, ticks=64)
    assert loader.spec.sha256 == toy_spec.sha256
    assert (len(loader), loader.num_clips) == (3, 9)
    seen = []
    for batch in loader:
        assert batch.frames.shape == (3, 64, 16, 32, 3)
        assert batch.frames.dtype == np.uint8
        for b, key in enumerate(batch.keys):
            source, start = int(key[:12], 16), int(key[13:])
            ticks = int(batch.valid[b].sum())
            assert batch.ticks[b] == ticks
            clip = toy_clip(source, start, start + ticks)
            assert batch.valid[b, :ticks].all()
            assert np.array_equal(batch.buttons[b, :ticks], clip.buttons)
            assert np.array_equal(batch.camera[b, :ticks], clip.camera)
            assert np.abs(batch.frames[b, :ticks].astype(int) - clip.frames).max() <= 4
            assert not batch.frames[b, ticks:].any()
            assert not batch.buttons[b, ticks:].any()
            assert batch.confidence[b].tolist() == [1.0] * ticks + [0.0] * (64 - ticks)
            assert batch.first[b].tolist() == [True] + [False] * 63
            seen.append(key)
    assert len(set(seen)) == 9
    assert (loader.epoch, loader.step) == (1, 0)


def test_the_next_epoch_is_decoded_ahead(dataset, monkeypatch):
    loader = ClipLoader([dataset], batch_size=3, seed=2, threads=1, prefetch=1)  # 3 steps an epoch
    opened, whole = [], ClipLoader._open
    monkeypatch.setattr(ClipLoader, "_open", lambda self: opened.append(self) or whole(self))
    run = loader.batches()
    taken, states = [], []
    for batch in itertools.islice(run, 8):
        taken.append(batch.keys)
        states.append((loader.epoch, loader.step))
    run.close()
    assert opened == [loader]
    assert taken == [keys for epoch in range(3) for keys in loader.epoch_keys(epoch)][:8]
    assert states == [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]


def test_pieces_of_longer_clips(dataset):
    whole = {
        key: b for batch in ClipLoader([dataset], batch_size=9) for b, key in enumerate(batch.keys)
    }
    reference = next(iter(ClipLoader([dataset], batch_size=9)))
    loader = ClipLoader([dataset], batch_size=1, ticks=20, order="episodes", seed=3)
    assert loader.num_clips == 6 * 4 + 3 * 2  # 64 ticks are 4 pieces; 32, 36 and 40 ticks are 2
    position = {}
    for batch in loader:
        key = batch.keys[0]
        ticks = int(batch.valid[0].sum())
        start = position.get(key, 0)
        position[key] = start + ticks
        row = whole[key]
        assert np.array_equal(batch.frames[0, :ticks], reference.frames[row, start : start + ticks])
        assert np.array_equal(batch.camera[0, :ticks], reference.camera[row, start : start + ticks])
    assert {key: int(reference.valid[row].sum()) for key, row in whole.items()} == position


def test_episodes_go_on_in_their_lane(dataset):
    loader = ClipLoader([dataset], batch_size=2, ticks=64, order="episodes")
    end = [None, None]
    starts = 0
    for batch in loader:
        for b, key in enumerate(batch.keys):
            goes_on = end[b] == (key[:12], int(key[13:]))
            assert batch.first[b, 0] == (not goes_on)
            starts += not goes_on
            end[b] = (key[:12], int(key[13:]) + int(batch.valid[b].sum()))
    assert 5 <= starts <= 6  # 5 episodes, one of which may be cut by the border of the lanes


@pytest.mark.parametrize("order", ["clips", "episodes"])
def test_resume_gives_the_same_bytes_on_other_ranks_and_threads(dataset, order):
    def loader(**options):
        return ClipLoader([dataset], batch_size=4, ticks=32, order=order, seed=7, **options)

    whole = list(
        itertools.islice(loader(threads=1, prefetch=0).batches(), 9)
    )  # 4 steps an epoch: past two epochs
    first = loader(threads=3)
    run = first.batches()
    for step in range(3):
        assert same(next(run), whole[step])
    run.close()
    state = first.state_dict()
    assert (state["epoch"], state["step"]) == (0, 3)
    ranks = [loader(rank=rank, world_size=2, threads=1 + rank, prefetch=3) for rank in range(2)]
    runs = []
    for one in ranks:
        one.load_state_dict(state)
        runs.append(one.batches())
    for step in range(3, 9):
        assert rows_of([next(one) for one in runs]) == rows_of([whole[step]])
    for one in runs:
        one.close()


def test_every_rank_has_as_many_steps(dataset):
    for world_size in (1, 2, 4):
        loaders = [
            ClipLoader([dataset], batch_size=4, rank=r, world_size=world_size)
            for r in range(world_size)
        ]
        assert {len(loader) for loader in loaders} == {2}
        assert {sum(1 for _ in loader) for loader in loaders} == {2}


def test_the_last_step_may_have_empty_rows(dataset):
    loader = ClipLoader([dataset], batch_size=4, drop_last=False)
    batches = list(loader)
    assert len(batches) == 3
    assert batches[-1].keys[1:] == ["", "", ""]
    assert not batches[-1].valid[1:].any()
    assert batches[-1].ticks[1:].tolist() == [0, 0, 0]
    assert not batches[-1].frames[1:].any()
    assert sorted(key for batch in batches for key in batch.keys if key) == sorted(
        key for step in loader.epoch_keys(0) for key in step if key
    )


def test_breaking_off_and_going_on_loses_nothing(dataset):
    loader = ClipLoader([dataset], batch_size=2, frames=False)
    keys = [next(iter(loader)).keys for _ in range(4)]
    assert keys == loader.epoch_keys(0)
    assert loader.epoch == 1


def test_labels_only(dataset):
    batch = next(iter(ClipLoader([dataset], batch_size=2, frames=False)))
    assert batch.frames.shape == (2, 128, 0, 0, 3)
    assert batch.buttons.any()


def test_splits_and_filters(dataset):
    def keys(**options):
        return {
            key
            for step in ClipLoader([dataset], batch_size=1, **options).epoch_keys(0)
            for key in step
        }

    assert len(keys(split=None)) == 12
    assert keys(split="val") == {"000000000006-000000000"}
    assert keys(filters=[("source_uri", "in", ["video4.mp4", "video5.mp4"])]) == {
        "000000000004-000000000",
        "000000000005-000000000",
    }
    assert len(keys(filters=[("source_uri", "not in", ["video1.mp4"]), ("frames", ">=", 60)])) == 4
    assert len(keys(filters=[("presses.go", ">=", 32)])) == 6
    both = ClipLoader(
        [dataset, dataset], batch_size=1, filters=[("source_uri", "in", iter(["video4.mp4"]))]
    )
    assert len(both.epoch_keys(0)) == 2
    with pytest.raises(ConfigError, match="column of the manifest: key, shard"):
        keys(filters=[("confidence", ">", 0.5)])
    with pytest.raises(ConfigError, match="does not fit the manifest"):
        keys(filters=[("frames", "about", 60)])
    with pytest.raises(
        DatasetError,
        match=r"0 clips of split 'train' pass .* has mean_confidence > 1.5: there it is ",
    ):
        keys(filters=[("mean_confidence", ">", 1.5)])
    with pytest.raises(DatasetError, match=r"has frames > 1000: there it is 32 or 36 or 40 or 64$"):
        keys(filters=[("start_tick", ">=", 0), ("frames", ">", 1000)])
    with pytest.raises(DatasetError, match=r"has frames in \[0, 1, 2, 3, 4, 5, \.\.\.\]: there"):
        keys(filters=[("frames", "in", list(range(30)))])
    with pytest.raises(
        DatasetError, match=r"has offset_bytes > 1000000000: there it is from 0 to \d+$"
    ):
        keys(filters=[("offset_bytes", ">", 10**9)])
    with pytest.raises(
        DatasetError, match="has split == 'tran': there it is 'test' or 'train' or 'val'"
    ):
        keys(split="tran")


def test_mixing_by_weight(tmp_path, toy_dataset, dataset):
    other = toy_dataset(str(tmp_path / "other"), {"train": [64, 64, 64]}, first_source=100)
    loader = ClipLoader([dataset, other], batch_size=1, weights=[1, 3], frames=False)
    keys = [key for (key,) in loader.epoch_keys(0)]
    assert len(keys) == 12
    assert (
        sum(key.startswith("00000000006") for key in keys) == 9
    )  # sources 100 to 102 are 0x64 to 0x66
    even = [key for (key,) in ClipLoader([dataset, other], batch_size=1).epoch_keys(0)]
    assert len(set(even)) == 12


def test_specs_must_agree(tmp_path, dataset, toy_spec, toy_clip):
    from vidact.datasets.actions.spec import ActionSpec
    from vidact.datasets.shards.info import DatasetInfo
    from vidact.datasets.shards.writer import ShardWriter

    spec = ActionSpec.from_dict(toy_spec.to_dict() | {"tick_hz": "10"})
    clip = toy_clip(1, 0, 64)
    clip.meta["spec_sha256"] = spec.sha256
    with ShardWriter(str(tmp_path), "train-00000", spec) as writer:
        writer.add(clip)
        writer.commit()
    Dataset(tmp_path).compact(DatasetInfo(name="Slow", spec=spec))
    with pytest.raises(SpecMismatchError, match="tick_hz"):
        ClipLoader([dataset, str(tmp_path)], batch_size=1)


def test_state_of_another_order_is_refused(dataset):
    state = ClipLoader([dataset], batch_size=2).state_dict()
    with pytest.raises(DatasetError, match="batch_size differs"):
        ClipLoader([dataset], batch_size=3).load_state_dict(state)
    with pytest.raises(DatasetError, match="the filters changed"):
        ClipLoader([dataset], batch_size=2, filters=[("frames", "==", 64)]).load_state_dict(state)
    ClipLoader([dataset], batch_size=2, threads=5).load_state_dict(state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("step"), "the loader's state lacks step"),
        (dict.clear, "the loader's state lacks epoch, step, identity"),
        (lambda state: state.update(step=-1), "step must be a whole number from 0 to 3, got -1"),
        (lambda state: state.update(step=4), "step must be a whole number from 0 to 3, got 4"),
        (lambda state: state.update(step=1.5), "step must be a whole number from 0 to 3, got 1.5"),
        (lambda state: state.update(epoch=-2), "epoch must be a whole number from 0 on, got -2"),
        (
            lambda state: state.update(epoch=None),
            "epoch must be a whole number from 0 on, got None",
        ),
        (
            lambda state: state.update(identity={}),
            "identity lacks batch_size, draws, drop_last, manifest, order, seed",
        ),
        (lambda state: state.update(identity=[]), r"identity must be a mapping, got \[\]"),
    ],
)
def test_a_state_that_is_none_is_refused(dataset, change, message):
    loader = ClipLoader([dataset], batch_size=2)
    state = loader.state_dict()
    change(state)
    with pytest.raises(
        DatasetError,
        match=f"cannot resume where the last run stopped: .*{message}.*start a new run",
    ):
        loader.load_state_dict(state)
    assert (loader.epoch, loader.step) == (0, 0)


def test_datasets_may_be_paths(dataset):
    assert ClipLoader([Path(dataset)], batch_size=2).epoch_keys(0) == ClipLoader(
        [dataset], batch_size=2
    ).epoch_keys(0)
    with pytest.raises(ConfigError, match="must be a list"):
        ClipLoader(Path(dataset), batch_size=2)


def test_a_shard_that_changes_under_the_loader_is_an_error(tmp_path, toy_dataset):
    dataset = toy_dataset(str(tmp_path / "data"), {"train": [64, 64]})
    uri = Dataset(dataset).shard_uri("train-00000")
    loader = ClipLoader([dataset], batch_size=1)
    data = bytearray(storage.read_bytes(uri))
    data[len(data) // 3] ^= 255
    storage.write_atomic(uri, bytes(data))
    with pytest.raises(ShardError, match=r"train-00000.*clip.*(checksum|header).*vidact verify"):
        list(loader)
    storage.remove(uri)
    with pytest.raises(ShardError, match=r"train-00000.tar: is missing"):
        list(loader)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be 1 or more, got 0"),
        ({"order": "random"}, "order must be one of clips, episodes, got 'random'"),
        ({"batch_size": 3, "world_size": 2}, "must divide by world_size 2, got 3"),
        ({"rank": 1}, "rank must be from 0 to 0, got 1"),
        ({"ticks": 129}, "ticks must be at most 128"),
        ({"weights": [1, 2]}, "one positive number for each of 1 datasets"),
        ({"weights": [float("nan")]}, "one positive number for each of 1 datasets"),
        ({"weights": [float("inf")]}, "one positive number for each of 1 datasets"),
    ],
)
def test_settings_are_checked(dataset, options, message):
    with pytest.raises(ConfigError, match=message):
        ClipLoader([dataset], **({"batch_size": 1} | options))


def test_what_is_no_dataset_says_what_to_do(tmp_path, dataset):
    with pytest.raises(
        DatasetError,
        match=r"no dataset.json; a dataset is what `vidact label` or `vidact pack` wrote",
    ):
        ClipLoader([str(tmp_path)], batch_size=1)
    with pytest.raises(
        DatasetError, match="9 clips of split 'train' pass the filters, fewer than batch_size 10"
    ):
        ClipLoader([dataset], batch_size=10)
    with pytest.raises(ConfigError, match="must be a list"):
        ClipLoader(dataset, batch_size=10)
