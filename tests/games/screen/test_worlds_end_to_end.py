"""From recorded games to verified labels and a clone that plays: nothing changes but the spec."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from vidact.cli import run
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.alignment import find_shift
from vidact.datasets.recordings.recording import Recording
from vidact.datasets.shards.dataset import Dataset

pytest.importorskip("xcffib")

from tests.games.screen.crispy_doom import crispy_doom, record_crispy_doom
from tests.games.screen.luanti import DEGREES_PER_PIXEL, HZ, luanti, record_luanti, seen
from tests.games.screen.x11 import wait_for, x_server

SECONDS, STEPS = 30, 8  # of each of two recordings; of each training
PLAYER = Path(__file__).parents[3] / "docs" / "guides" / "play_my_game.py"


def record_two_of_luanti(name: str, folder: Path) -> list[Recording]:
    """Play of Luanti, whose server saw the player turn as far as the mouse was moved.

    But for little: the game looks where the pointer is and puts it back, and what it is moved for
    in between is lost, more of it the busier the machine is.
    """
    recordings = []
    with luanti(name, folder.parent / "home") as window:
        for number in (0, 1):
            before = seen(folder.parent / "home")[-1]
            recording, player = record_luanti(
                *(name, window, folder.parent / "home", folder, SECONDS * HZ),
                seed=number,
                stem=f"luanti-{number}",
            )
            recordings.append(recording)
            motion = DEGREES_PER_PIXEL * np.array([done[1:] for done in player.done.values()])
            moved, way = motion.sum(0), np.abs(motion).sum(0)

            def obeyed() -> bool:
                left, down = (seen(folder.parent / "home")[-1] - before)[:2]  # noqa: B023
                off = np.abs([(moved[0] + left + 180) % 360 - 180, moved[1] - down])  # noqa: B023
                return bool(np.all(off < 0.05 * way))  # noqa: B023

            wait_for(obeyed)
    # Where the machine is too slow nobody can tell.
    assert not find_shift(recordings, ActionSpec.load("luanti")).ticks
    return recordings


def record_two_of_crispy_doom(name: str, folder: Path) -> list[Recording]:
    """Play of two levels."""
    recordings = []
    for level in ("1", "2"):
        (folder / level).mkdir(parents=True)
        recordings.append(record_crispy_doom(name, folder / level, SECONDS, int(level))[0])
    return recordings


@pytest.mark.soak
@pytest.mark.parametrize("game", ["luanti", "doom"])
def test_a_game_is_recorded_learned_labeled_and_played(game: str, tmp_path: Path) -> None:
    play, idm, dataset, clone = (tmp_path / name for name in ("play", "idm", "dataset", "clone"))
    # In Luanti the pointer, which is moved until the game puts it back, needs room.
    with x_server("1600x1200" if game == "luanti" else "640x480") as name:
        if game == "luanti":
            recordings = record_two_of_luanti(name, play)
            again, title = luanti(name, tmp_path / "again"), "Minetest"
        else:
            recordings = record_two_of_crispy_doom(name, play)
            again, title = crispy_doom(name, tmp_path / "again"), "Crispy Doom"

        # Whether it works is asked here, not how well.
        steps = ("--steps", str(STEPS), "--batch-size", "2", "--plain")
        learn = ("train-idm", "--data", str(play), "--spec", game, *steps, "--out", str(idm))
        assert run([*learn]) == 0
        label = ("label", str(play), "--idm", str(idm), "--out", str(dataset), "--plain")
        assert run([*label, "--layout.val-fraction", "0"]) == 0
        assert run(["verify", str(dataset), "--plain"]) == 0
        labeled = sum(row["frames"] for row in Dataset(dataset).manifest().to_pylist())
        ticks = sum(recording.num_ticks(ActionSpec.load(game)) for recording in recordings)
        assert labeled > 0.8 * ticks

        assert run(["clone", "--data", str(dataset), *steps, "--out", str(clone)]) == 0
        with again:
            assert runpy.run_path(str(PLAYER))["play"](str(clone), title, 5.0, name) > 5
