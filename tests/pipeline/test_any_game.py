"""`label` drops what is not the game that its IDM knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from vidact.datasets.config import StatusConfig
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import check_dataset
from vidact.datasets.status import dataset_status
from vidact.errors import DatasetError
from vidact.idm.in_game.density import GameDensity
from vidact.idm.in_game.embedding import TrunkEmbedding
from vidact.idm.in_game.negatives import negative_clips
from vidact.idm.labels.checkpoint import load_idm, load_network
from vidact.networks.checkpoints import add_beside
from vidact.pipeline.config import RelabelConfig
from vidact.pipeline.relabel import relabel

from .conftest import config, moving_picture, plain_loop, run_label, write_video

FPS = 30


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A game of 20 s, a film of 20 s, and one that is half of each."""
    folder = tmp_path_factory.mktemp("films")
    game, film = moving_picture(600, seed=1), _film(600)
    write_video(folder / "game.mp4", game, FPS)
    write_video(folder / "film.mp4", film, FPS)
    write_video(folder / "half.mp4", np.concatenate([game[:300], film[:300]]), FPS)
    return folder


def _film(frames: int) -> np.ndarray:
    """Slow gray stripes."""
    x = np.arange(96)
    rows = [128 + 100 * np.sin((x + t) / 20) for t in range(frames)]
    return np.stack([np.broadcast_to(row[:, None, None], (96, 96, 3)) for row in rows]).astype(
        np.uint8
    )


def _small(frames: np.ndarray) -> np.ndarray:
    """At the spec's size: means over 3 x 3 pixels."""
    return frames.reshape(len(frames), 32, 3, 32, 3, 3).mean((2, 4)).astype(np.uint8)


@pytest.fixture(scope="module")
def knowing(idm: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The random IDM of the other tests, which knows the moving pictures."""
    folder = tmp_path_factory.mktemp("knowing")
    for file in Path(idm).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    checkpoint = load_idm(str(folder))
    spec = checkpoint.spec()
    embed = TrunkEmbedding(load_network(checkpoint, spec).eval())
    small = _small(moving_picture(600, seed=1)[::2])
    play = embed(np.stack([small[i : i + 3] for i in range(len(small) - 2)]))
    stripes = _small(_film(300))
    other = [stripes[i : i + 3] for i in range(0, 298, 3)]
    other += negative_clips(spec.frame, 3, 60, np.random.default_rng(0))
    density = GameDensity.fit(play, [play], embed(np.stack(other)))
    entry = {"threshold": density.threshold, "scale": density.scale, "embedding": "trunk"}
    add_beside(checkpoint, "game", density.tensors(), entry)
    return str(folder)


def letters(dataset: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(dataset / "dead_letters.parquet").to_pylist()
    return found


def test_what_is_not_the_game_is_dropped_and_a_film_is_one_dead_letter(
    films: Path, knowing: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run_label(config(films, knowing, out)) == 0
    (letter,) = letters(out)
    assert (Path(letter["source_uri"]).name, letter["reason"]) == ("film.mp4", "not_the_game")
    assert (letter["stage"], letter["start_tick"]) == ("filter", None)
    assert letter["detail"].startswith("no stretch of it looks like the game")
    dataset = Dataset(out)
    rows = dataset.manifest().to_pylist()
    assert {Path(row["source_uri"]).name for row in rows} == {"game.mp4", "half.mp4"}
    half = [row for row in rows if row["source_uri"].endswith("half.mp4")]
    last = max(row["start_tick"] + row["frames"] for row in half)
    assert 64 <= last < 10 * 17.5 + 27  # ten seconds are the game, less what is near the film
    status = dataset_status(Dataset(StatusConfig(dataset=str(out)).dataset))
    assert status["dropped_ticks"]["not_the_game"] > 350 + 100
    assert status["dead_letters"] == {"not_the_game": 1}
    card = (out / "README.md").read_text("utf-8")
    assert "| not_the_game | 1 dead letters |" in card
    assert "`in_game`" in card
    content = json.loads((out / "dataset.json").read_bytes())
    assert content["idm"]["game"]["sha256"] == load_idm(knowing).config["game"]["sha256"]
    scores = [
        score
        for record in dataset.commits()
        for said in record.extra["in_game"].values()
        for _, _, score in said["not_the_game"]
    ]
    assert scores
    assert max(scores) < 0.5
    assert not check_dataset(dataset).problems


def test_each_tick_says_how_much_it_looks_like_the_game(
    films: Path, knowing: str, idm: str, tmp_path: Path
) -> None:
    from vidact.datasets.shards.codec import decode_clip

    out, again, before = tmp_path / "out", tmp_path / "again", tmp_path / "before"
    assert run_label(config(films / "game.mp4", knowing, out, verify=False)) == 0
    relabel_to(out, again, knowing)
    relabel_to(out, before, idm)
    for folder, schema in ((out, 2), (again, 2), (before, 1)):
        dataset = Dataset(folder)
        for row in dataset.manifest().to_pylist():
            clip = decode_clip(row["key"], dataset.read_sample(row), frames=False)
            assert clip.meta["schema_version"] == schema
            if schema == 1:  # an IDM that cannot tell says nothing
                assert clip.in_game is None
                assert "game_sha256" not in clip.meta
            else:
                assert clip.in_game is not None
                assert clip.in_game.dtype == np.float16
                assert clip.in_game.min() >= 0.5
        assert not check_dataset(dataset).problems


def relabel_to(source: Path, out: Path, idm: str) -> None:
    settings = RelabelConfig(
        dataset=str(source), idm=idm, out=str(out), workers=1, device="cpu", verify=False
    )
    assert relabel(settings, runner=plain_loop) == 0


def test_any_game_is_the_users_word_and_is_kept(films: Path, knowing: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = config(films, knowing, out, any_game=True, verify=False)
    assert run_label(settings) == 0
    assert letters(out) == []
    content = json.loads((out / "dataset.json").read_bytes())
    assert content["options"]["any_game"] is True
    assert content["counts"]["sources"] == 3
    assert "in_game" not in content["features"]
    with pytest.raises(DatasetError, match=r"any_game|game_sha256"):
        run_label(config(films, knowing, out, verify=False))


def test_a_dataset_of_before_goes_on_as_it_was_begun(
    films: Path, idm: str, knowing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run_label(config(films / "game.mp4", idm, out, verify=False)) == 0
    assert "does not know what its game looks like" in "".join(capsys.readouterr())
    # The IDM has learned since what its game looks like; its weights are the same.
    assert run_label(config(films, knowing, out, verify=False)) == 0
    assert "goes on so" in "".join(capsys.readouterr())
    assert letters(out) == []
    assert Dataset(out).content()["counts"]["sources"] == 3
