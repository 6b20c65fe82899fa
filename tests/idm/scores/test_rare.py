"""Buttons that means hide: which are rare, which are never found, and what is said of them."""

from __future__ import annotations

from vidact.idm.scores.rare import never_found, rare_buttons, rare_table, warning


def figures(held: int, said: int, found: int, ticks: int = 1000) -> dict[str, float | None]:
    return {
        "pressed": held / ticks,
        "held_ticks": float(held),
        "said_ticks": float(said),
        "recall": found / held if held else None,
        "precision": found / said if said else None,
    }


PLAY = {
    "forward": figures(500, 500, 490),
    "craft": figures(9, 0, 0),
    "place": figures(12, 10, 9),
    "drop": figures(4, 0, 0),
    "map": figures(0, 2, 0),
}


def test_rare_buttons_occur_and_are_listed_by_how_often() -> None:
    assert rare_buttons(PLAY) == ["place", "craft", "drop"]
    head, *rows = rare_table(PLAY)
    assert head.split() == [
        "rare",
        "buttons",
        "held",
        "ticks",
        "said",
        "ticks",
        "recall",
        "precision",
    ]
    assert [row.split() for row in rows] == [
        ["place", "12", "10", "0.750", "0.900"],
        ["craft", "9", "0", "0.000", "–"],
        ["drop", "4", "0", "0.000", "–"],
    ]
    assert rare_table({"forward": PLAY["forward"]}) == []


def test_a_warning_names_what_is_never_found() -> None:
    assert never_found(PLAY) == ["craft"]  # four presses may all be missed by accident
    assert "never found in this play: craft (9 ticks)" in (warning(PLAY, "this play") or "")
    assert warning({"place": PLAY["place"]}, "this play") is None
