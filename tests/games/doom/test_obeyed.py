from __future__ import annotations

from typing import NamedTuple

from vidact.games.doom.obeyed import REACTION_TICS, Obedience


class Pose(NamedTuple):
    x: float = 0.0
    y: float = 0.0
    angle: float = 0.0
    pitch: float = 0.0


def test_what_was_asked_and_done_is_a_label() -> None:
    watch = Obedience()
    assert watch.obeyed(Pose(angle=10), Pose(x=8, angle=355), right_deg=15, up_deg=0)
    assert watch.obeyed(Pose(angle=355), Pose(angle=5), right_deg=-10, up_deg=0)
    assert watch.obeyed(Pose(), Pose(pitch=2), right_deg=0, up_deg=2)


def test_what_the_game_ignored_is_none() -> None:
    watch = Obedience()
    assert not watch.obeyed(Pose(), Pose(), right_deg=3, up_deg=0)
    # The limit of looking up.
    assert not watch.obeyed(Pose(pitch=31), Pose(pitch=32), right_deg=0, up_deg=4)
    assert watch.obeyed(Pose(pitch=32), Pose(pitch=32), right_deg=0, up_deg=0)


def test_nothing_counts_while_a_teleported_player_is_held_still() -> None:
    watch = Obedience()
    still = Pose(x=900, angle=90)
    assert not watch.obeyed(Pose(), still, right_deg=-90, up_deg=0)
    for _ in range(REACTION_TICS):
        assert not watch.obeyed(still, still, right_deg=0, up_deg=0)
    assert watch.obeyed(still, still, right_deg=0, up_deg=0)
