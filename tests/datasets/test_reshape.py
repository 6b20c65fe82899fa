"""`merge`, `split`, `subset`, `repack`: the same samples in other shards, whole and resumable."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from vidact.cli import run
from vidact.datasets.config import SplitConfig
from vidact.datasets.reshaping import copies
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import check_dataset
from vidact.datasets.shards.samples import iter_samples
from vidact.datasets.split import part_of, split
from vidact.errors import ConfigError, DatasetError

from tests.datasets.conftest import source_hash

Make = Callable[..., str]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, toy_dataset: Make) -> str:
    """Eight sources of a clip each, every one in a shard of its own, and two of `val`."""
    splits = {"train": [64] * 8, "val": [64] * 2}
    return toy_dataset(str(tmp_path_factory.mktemp("data")), splits, sources_a_shard=1)


def samples(uri: str | Path) -> dict[str, dict[str, bytes]]:
    """The members of every clip, after the dataset was verified."""
    dataset = Dataset(uri)
    assert check_dataset(dataset).problems == []
    return {key: members for tar in dataset.tars() for key, members in iter_samples(tar)}


def verb(*words: object) -> None:
    assert run([*map(str, words), "--threads", "1"]) == 0


def test_repack_makes_large_shards_of_dust(dataset: str, tmp_path: Path) -> None:
    verb("repack", dataset, "--out", tmp_path / "out")
    assert Dataset(tmp_path / "out").committed_shards() == ["train-00000", "val-00000"]
    assert samples(tmp_path / "out") == samples(dataset)
    content = Dataset(tmp_path / "out").content()
    assert (
        content["options"]["repack"]["from"][0]["version"] == Dataset(dataset).content()["version"]
    )
    row = Dataset(dataset).manifest().to_pylist()[0]
    small = 3 * row["size_bytes"] / 1e6
    verb("repack", dataset, "--out", tmp_path / "small", "--shard-mb", small)
    assert 3 <= len(Dataset(tmp_path / "small").committed_shards()) <= 6


def test_subset_takes_what_meets_all_conditions(dataset: str, tmp_path: Path) -> None:
    where = ("--where", "source_uri in [video1.mp4, video9.mp4, video3.mp4]")
    verb("subset", dataset, *where, "--where", "split == train", "--out", tmp_path / "out")
    keys = {f"{source_hash(source)[:12]}-000000000" for source in (1, 3)}
    whole = samples(dataset)
    assert samples(tmp_path / "out") == {key: whole[key] for key in keys}
    assert run(["subset", dataset, "--out", str(tmp_path / "none"), "--where", "frames > 64"]) == 2
    assert run(["subset", dataset, "--out", dataset, "--where", "frames > 0"]) == 2
    assert run(["subset", dataset, "--out", str(tmp_path / "x"), "--where", "tall > 0"]) == 2


def test_merge_takes_a_video_once(dataset: str, tmp_path: Path, toy_dataset: Make) -> None:
    other = toy_dataset(str(tmp_path / "other"), {"train": [64, 64]}, first_source=10)
    gone = source_hash(11)
    verb("merge", dataset, other, "--out", tmp_path / "out", "--name", "Both")
    merged = samples(tmp_path / "out")
    assert merged == {**samples(other), **samples(dataset)}
    assert len(merged) == 11  # source 10 is in both
    assert Dataset(tmp_path / "out").content()["name"] == "Both"
    # What was taken down in one of them is not brought back by the other.
    Dataset(other).bury([gone])
    verb("merge", other, dataset, "--out", tmp_path / "later")
    assert f"{gone[:12]}-000000000" not in samples(tmp_path / "later")
    assert gone in Dataset(tmp_path / "later").tombstones()


def test_split_divides_by_video(dataset: str, tmp_path: Path) -> None:
    verb("split", dataset, "--parts", 2, "--out", tmp_path / "out")
    parts = [samples(tmp_path / "out" / f"part-{part}") for part in range(2)]
    assert {**parts[0], **parts[1]} == samples(dataset)
    for number, part in enumerate(parts):
        sources = {json.loads(members["json"])["group"] for members in part.values()}
        assert {part_of(source, 2) for source in sources} == {number}
    config = SplitConfig(dataset=dataset, out=str(tmp_path / "many"), parts=50)
    with pytest.raises(DatasetError, match="10 groups of videos, of which none falls into part"):
        split(config)


def test_a_stopped_copy_goes_on(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Dataset(dataset).manifest().to_pylist()[0]
    words = ("repack", dataset, "--out", str(tmp_path / "out"), "--threads", "1")
    size = ("--shard-mb", str(3 * row["size_bytes"] / 1e6))
    write, written = copies._write, []

    def stopping(choices, places, shard, *more):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(shard)
        return write(choices, places, shard, *more)

    monkeypatch.setattr(copies, "_write", stopping)
    assert run([*words, *size]) == 75
    assert len(Dataset(tmp_path / "out").committed_shards()) == 2
    monkeypatch.setattr(copies, "_write", write)
    assert run([*words, "--shard-mb", "90"]) == 2  # other shards
    assert run([*words, *size]) == 0
    assert samples(tmp_path / "out") == samples(dataset)


def test_a_folder_of_other_things_is_left_alone(dataset: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match="holds other things"):
        copies.copy_clips(
            [copies.Choice.of(Dataset(dataset))],
            Dataset(tmp_path / "home"),
            verb="repack",
            details={},
            shard_mb=1,
        )
