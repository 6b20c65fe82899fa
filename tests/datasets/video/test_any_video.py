"""Forty kinds of video, each frame numbered: every frame of full passes and random seeks must be
the right one.

`make test` takes short files and a seeded tenth of the seeks; `make soak` the long files and all
1,000.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.spec import FrameSpec
from vidact.datasets.video.probe import probe
from vidact.datasets.video.ticks import decode_ticks, num_ticks

from ..corpus import CORPUS, Made, make, read_code

FRAME = FrameSpec(128, 128)
RATES = (Fraction(20), Fraction(35, 2), Fraction(10), Fraction(30))


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    folder = tmp_path_factory.mktemp("corpus")
    return [make(video, folder, 90) for video in CORPUS]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    folder = tmp_path_factory.mktemp("long-corpus")
    return [make(video, folder, 600) for video in CORPUS]


def test_forty_kinds() -> None:
    assert len({video.name for video in CORPUS}) == 40


def test_full_passes(short: list[Made]) -> None:
    assert full_passes(short) == []


def test_random_seeks(short: list[Made]) -> None:
    assert random_seeks(short, 100) == []


@pytest.mark.soak
def test_full_passes_of_long_files(long: list[Made]) -> None:
    assert full_passes(long) == []


@pytest.mark.soak
def test_thousand_random_seeks(long: list[Made]) -> None:
    assert random_seeks(long, 1000) == []


def full_passes(corpus: list[Made]) -> list[str]:
    """What is wrong in whole passes over all files, at a rate of its own each."""
    wrong = []
    for number, made in enumerate(corpus):
        video = probe(made.path)
        if video.frames != len(made.codes):
            wrong.append(f"{made.path.name}: {video.frames} frames, {len(made.codes)} were written")
            continue
        since_first = (video.pts_ns - video.pts_ns[0]) / 1e9
        if np.abs(since_first - made.times).max() > 1e-3:
            wrong.append(
                f"{made.path.name}: timestamps are off by "
                f"{np.abs(since_first - made.times).max():.4f} s"
            )
        tick_hz = rate_for(made, number)
        shown = list(codes(made, tick_hz))
        wrong += mismatches(made, tick_hz, shown)
        if [tick for tick, _ in shown] != list(range(num_ticks(video, tick_hz))):
            wrong.append(f"{made.path.name}: {len(shown)} ticks of {num_ticks(video, tick_hz)}")
    return wrong


def random_seeks(corpus: list[Made], seeks: int) -> list[str]:
    """What is wrong in the frames found by random seeks over all files."""
    rng = np.random.default_rng(20)
    wrong = []
    probes = [probe(made.path, sha256=False) for made in corpus]
    for _ in range(seeks):
        number = int(rng.integers(len(corpus)))
        made, video = corpus[number], probes[number]
        tick_hz = rate_for(made, int(rng.integers(len(RATES))))
        start = int(rng.integers(num_ticks(video, tick_hz)))
        end = min(start + int(rng.integers(1, 5)), num_ticks(video, tick_hz))
        shown = list(codes(made, tick_hz, start_tick=start, end_tick=end, probe=video))
        wrong += mismatches(made, tick_hz, shown)
        if [tick for tick, _ in shown] != list(range(start, end)):
            wrong.append(
                f"{made.path.name}: ticks {[tick for tick, _ in shown]} for [{start}, {end})"
            )
    return wrong


def rate_for(made: Made, number: int) -> Fraction:
    """One of the rates that the file's own rate can carry."""
    possible = [rate for rate in RATES if rate / 2 < len(made.times) / (made.times[-1] + 0.05)]
    return possible[number % len(possible)]


def codes(made: Made, tick_hz: Fraction, **options: object) -> Iterator[tuple[int, int]]:
    """(tick, number shown)."""
    for batch in decode_ticks(made.path, FRAME, tick_hz, **options):  # type: ignore[arg-type]
        for i, picture in enumerate(batch.frames):
            yield batch.start_tick + i, read_code(picture)


def mismatches(made: Made, tick_hz: Fraction, shown: list[tuple[int, int]]) -> list[str]:
    return [
        f"{made.path.name}: tick {tick} at {tick_hz} Hz shows {code}, "
        f"not {made.on_screen(tick, tick_hz)}"
        for tick, code in shown
        if code not in made.on_screen(tick, tick_hz)
    ]


def test_reading_a_code_notices_what_is_wrong(tmp_path: Path) -> None:
    from ..corpus import draw_code

    picture = draw_code(1234, 192, 108)
    assert read_code(picture) == 1234
    assert read_code(picture[::-1]) != 1234
    assert read_code(picture[:, ::-1]) != 1234
    assert read_code(picture // 2 + draw_code(2345, 192, 108) // 2) == -1
