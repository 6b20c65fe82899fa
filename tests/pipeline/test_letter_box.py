"""Play between black bars is dropped as that, unless the game has them itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from vidact.pipeline.config import FilterConfig
from vidact.pipeline.labelling.filter import StaticFilter
from vidact.pipeline.labelling.letter_box import LEAST_TICKS, bars_of, boxed, without_bars
from vidact.pipeline.labelling.not_the_game import GameFilter


def play(ticks: int) -> np.ndarray:
    return np.random.default_rng(0).integers(60, 250, (ticks, 64, 64, 3)).astype(np.uint8)


def barred(frames: np.ndarray, top: int, bottom: int, left: int = 0, right: int = 0) -> np.ndarray:
    out = frames.copy()
    out[:, :top] = out[:, 64 - bottom :] = 8  # what a codec makes of black
    out[:, :, :left] = out[:, :, 64 - right :] = 8
    return out


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ((8, 8), (8, 8, 0, 0)),
        ((8, 9), (8, 9, 0, 0)),  # half a pixel of the source
        ((0, 0, 6, 6), (0, 0, 6, 6)),
        ((8, 8, 6, 6), (8, 8, 6, 6)),
        ((8, 4), (0, 0, 0, 0)),
        ((1, 1), (0, 0, 0, 0)),  # a rim
        ((0, 12), (0, 0, 0, 0)),
        ((28, 28), (0, 0, 0, 0)),  # hardly a picture
    ],
)
def test_bars_by_hand(given: tuple[int, ...], found: tuple[int, ...]) -> None:
    assert bars_of(barred(play(1), *given)[0]) == found


def test_black_and_letters_in_a_bar_are_no_bars() -> None:
    assert bars_of(np.zeros((64, 64, 3), np.uint8)) == (0, 0, 0, 0)
    written = barred(play(1), 8, 8)[0]
    written[3, 20:24] = 250
    assert bars_of(written) == (0, 0, 0, 0)


def test_bars_stay_for_a_while() -> None:
    frames = play(4 * LEAST_TICKS)
    frames[5 : 5 + LEAST_TICKS] = barred(frames[5 : 5 + LEAST_TICKS], 8, 8)
    short = slice(2 * LEAST_TICKS, 3 * LEAST_TICKS - 1)
    frames[short] = barred(frames[short], 8, 8)
    found = boxed(frames)
    assert np.flatnonzero(found.any(1)).tolist() == list(range(5, 5 + LEAST_TICKS))
    # A part with that many ticks on each side says the same.
    assert np.array_equal(boxed(frames[: 10 + LEAST_TICKS])[:10], found[:10])


def test_what_lies_between_is_brought_to_size() -> None:
    frames = np.full((2, 64, 64, 3), 200, np.uint8)
    bars = np.array([[8, 8, 0, 0], [0, 0, 6, 6]])
    dark = np.concatenate([barred(frames[:1], 8, 8), barred(frames[1:], 0, 0, 6, 6)])
    assert np.array_equal(without_bars(dark, bars), frames)


class Question:
    """Says of frames what it is told to, by whether they have bars."""

    context = 4

    def __init__(self, with_bars: float, without: float):
        self.said = with_bars, without

    def ask(self, frames: np.ndarray, start: int) -> np.ndarray:
        dark = (frames[:, 0] < 24).all((1, 2))
        return np.where(dark, *self.said).astype(np.float32)


@pytest.mark.parametrize(
    ("with_bars", "without", "reason"),
    [
        (0.7, 0.9, "letter_box"),
        (0.1, 0.9, "letter_box"),
        (0.9, 0.7, None),  # its own bars
        (0.1, 0.3, "not_the_game"),  # a film
    ],
)
def test_bars_of_the_game_itself_do_not_count(
    with_bars: float, without: float, reason: str | None
) -> None:
    frames = play(80)
    frames[:40] = barred(frames[:40], 8, 8)
    question: Any = Question(with_bars, without)
    static = StaticFilter(FilterConfig()).judge(frames, 0)
    game = GameFilter(question, "digest")
    verdicts, in_game = game.judge(frames, static)
    rest = None if without >= 0.5 else "not_the_game"
    assert verdicts.reasons.tolist() == 40 * [reason] + 40 * [rest]
    assert in_game is not None
    assert in_game[0] == np.float32(with_bars)
    # A source without ticks that look like the game is told to be another one's.
    for said in (verdicts, verdicts.without(np.ones(80, bool), "menu")):
        game.begin()
        game.note("source", "uri", (0, 80), said, in_game)
        ticks = game.for_record()["in_game"]["source"]["ticks"]
        assert ticks == np.sum(verdicts.reasons != "not_the_game")
