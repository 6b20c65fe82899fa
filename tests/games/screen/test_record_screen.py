"""Recordings of a program that shows what it received, on an X server without a screen."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.actions.spec import FrameSpec
from vidact.datasets.recordings.live_writer import LiveWriter, finish_abandoned
from vidact.datasets.recordings.recording import Recording, find_recordings
from vidact.datasets.video.frames import decode_frames
from vidact.games.config import RecordScreenConfig

from tests.games.screen.x11 import (
    SIZE,
    bars,
    wait_for,
    wait_for_pictures,
    wait_for_recording,
)

pytest.importorskip("xcffib")
from vidact.games.record_screen import record_screen
from vidact.games.screen import session as session_module
from vidact.games.screen.bar_program import read_bars
from vidact.games.screen.display import Display
from vidact.games.screen.flash import measure_latency
from vidact.games.screen.hands import Hands
from vidact.games.screen.pictures import Pictures
from vidact.games.screen.session import MIN_WAITING, TOO_SMALL, Counts, Session, Wish

W, D, PAUSE = "key.keyboard.w", "key.keyboard.d", "key.keyboard.pause"
KEYS = [f"key.keyboard.{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]


def wish(out: Path, **more: object) -> Wish:
    values = {"name": "t", "fps": Fraction(30), "pause_key": PAUSE, "part_frames": 10_000}
    return Wish(out=out, **(values | more))  # type: ignore[arg-type]


def record(name: str, window: int, order: Wish, play: Callable[[Hands, Session], None]) -> Counts:
    """Record while `play` plays."""
    session = Session(Display(name), window, order)

    def run() -> None:
        try:
            wait_for_recording(session)
            play(Hands(Display(name)), session)
            wait_for_pictures(session)
        finally:
            session.stop.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        return session.run()
    finally:
        thread.join()


def tap(hands: Hands, key: str) -> None:
    for down in (True, False):
        hands.key(key, down=down)


def test_five_seconds_of_play_while_the_program_holds_the_pointer(
    x_display: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    pressed: list[tuple[int, int]] = []  # the time before each press, and after it
    moved = np.zeros(2, int)

    def play(hands: Hands, session: Session) -> None:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            key = KEYS[len(pressed) % len(KEYS)]  # a line tells one press of a key, not two
            before = time.monotonic_ns()
            hands.key(key, down=True)
            hands.sync()
            pressed.append((before, time.monotonic_ns()))
            for _ in range(int(rng.integers(1, 8))):
                step = rng.integers(-20, 20, 2)
                hands.move(*map(int, step))
                moved[:] += step
                time.sleep(0.008)
            hands.key(key, down=False)
            hands.wheel(up=True)
            time.sleep(0.02)

    with bars(x_display, "--hz", "30", "--grab") as window:
        counts = record(x_display, window, wish(tmp_path), play)
    (recording,) = find_recordings([tmp_path])
    assert (counts.recordings, counts.frames) == (1, recording.num_frames)
    states, taken = recording.states, recording.taken_ns()
    assert (sum(s.dx for s in states), sum(s.dy for s in states)) == tuple(moved)
    assert sum(s.wheel for s in states) == len(pressed)

    # Each press stands in the line of the picture before it; the server's times are whole ms.
    lines = np.repeat(np.arange(len(states)), [len(s.new_keys) for s in states])
    assert len(lines) == len(pressed)
    ends = np.append(taken[1:], taken[-1] + 10**9)
    for line, (before, after) in zip(lines, pressed, strict=True):
        assert taken[line] <= after + 2_000_000
        assert ends[line] >= before - 2_000_000

    # By its label no picture shows what came after it; the next tick knows what came before it.
    presses, drawn = (shown_in(recording, name) for name in ("presses", "drawn"))
    came_before = before_each(states)
    assert np.all(presses <= came_before)
    for k in np.flatnonzero([True, *(state.valid for state in states[:-1])]):
        assert np.all(presses[drawn > drawn[k]] >= came_before[k])
    assert presses[-1] == len(pressed)


def test_what_a_busy_server_did_before_a_picture_came_before_it(
    x_display: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Pictures.take

    def when_it_can(pictures: Pictures, window: int, number: int) -> int | None:
        time.sleep(0.1)
        return take(pictures, window, number)

    def play(hands: Hands, session: Session) -> None:
        for key in KEYS * 4:  # in two seconds, of which it is busy for four fifths
            tap(hands, key)
            time.sleep(0.02)

    monkeypatch.setattr(Pictures, "take", when_it_can)
    with bars(x_display) as window:
        record(x_display, window, wish(tmp_path, fps=Fraction(8)), play)
    (recording,) = find_recordings([tmp_path])
    presses = shown_in(recording, "presses")
    assert presses[-1] == 4 * len(KEYS)
    assert np.all(presses <= before_each(recording.states))


def shown_in(recording: Recording, name: str) -> np.ndarray:
    """A number in each picture."""
    frames = decode_frames(recording.video, FrameSpec(*SIZE), np.arange(recording.num_frames))
    return np.array([read_bars(picture)[name] for _, picture in frames])


def before_each(states: Sequence[DeviceState]) -> np.ndarray:
    """Presses before each picture, by the lines."""
    return np.cumsum([0, *(len(state.new_keys) for state in states)])[:-1]


def test_interruptions_end_a_recording_and_hide_what_is_typed(
    x_display: str, tmp_path: Path
) -> None:
    said: list[str] = []
    own = Display(x_display)

    def play(hands: Hands, session: Session) -> None:
        session.said = said.append
        other = own.connection.generate_id()
        own.core.CreateWindow(
            24, other, own.root, 400, 300, 50, 50, 0, 1, own.screen.root_visual, 0, []
        )
        own.core.MapWindow(other)
        hands.key(W, down=True)
        own.core.SetInputFocus(1, other, 0, is_checked=True).check()
        wait_for(lambda: session.idle)
        hands.key(W, down=False)
        tap(hands, "key.keyboard.x")  # a password, say
        own.core.SetInputFocus(1, session.window, 0, is_checked=True).check()
        wait_for_recording(session)
        hands.key(PAUSE, down=True)
        tap(hands, PAUSE)  # it repeats while it is held, as viewers of remote screens have it
        wait_for(lambda: session.idle)
        tap(hands, "key.keyboard.y")
        tap(hands, PAUSE)
        wait_for_recording(session)
        own.core.ConfigureWindow(session.window, 4 | 8, [200, 100], is_checked=True).check()
        wait_for(lambda: session.counts.recordings == 3)
        wait_for_recording(session)
        tap(hands, D)
        own.core.DestroyWindow(other)

    with bars(x_display) as window:
        record(x_display, window, wish(tmp_path), play)
    recordings = find_recordings([tmp_path])
    assert [recording.meta["ended"] for recording in recordings] == [
        "the window lost the focus",
        "paused",
        "the window is 200x100 now",
        "length",
    ]
    sizes = [(recording.video.width, recording.video.height) for recording in recordings]
    assert sizes == [SIZE] * 3 + [(200, 100)]
    keys = [sorted({k for s in r.states for k in s.inputs()}) for r in recordings]
    assert keys[0] in ([W], [])  # the line in which the focus went has no label
    assert keys[1:] == [[], [], [D]]


def command(name: str, out: Path, window: int, *words: str) -> list[str]:
    run = "from vidact.cli import main; main()"
    given = ("--display", name, "--out", str(out), "--window", f"0x{window:x}", "--fps", "30")
    return [sys.executable, "-c", run, "record", "screen", *given, *words, "--plain"]


def test_a_killed_recorder_loses_a_frame_or_two_and_the_next_run_finishes_it(
    x_display: str, tmp_path: Path
) -> None:
    with bars(x_display, "--hz", "20") as window:
        for number in (1, 2):
            recorder = subprocess.Popen(
                command(x_display, tmp_path, window), stderr=subprocess.DEVNULL
            )
            lines = wait_for(lambda: next(tmp_path.glob(".*.live.jsonl"), None))
            wait_for(lambda: lines.read_bytes().count(b"\n") > 20)  # noqa: B023
            written = lines.read_bytes().count(b"\n")
            recorder.kill()
            recorder.wait()
            config = RecordScreenConfig(
                out=str(tmp_path), display=x_display, window=f"0x{window:x}", minutes=0.001, fps=30
            )
            if number == 1:
                assert record_screen(config) == 0  # a fraction of a second, after mending
                assert len(find_recordings([tmp_path])) == 2
    finish_abandoned(tmp_path)
    cut = [r for r in find_recordings([tmp_path]) if r.meta.get("cut_off")]
    assert len(cut) == 2
    assert min(recording.num_frames for recording in cut) >= 19
    # The muxer holds the newest picture back until it knows how long it stands.
    assert cut[-1].num_frames >= written - 1


def test_ctrl_c_ends_a_recording_and_latency_is_applied_once(
    x_display: str, tmp_path: Path
) -> None:
    (tmp_path / "flash_test.json").write_text(json.dumps({"latency_ms": 67}))
    with bars(x_display) as window:
        recorder = subprocess.Popen(
            command(x_display, tmp_path, window, "--height", "96", "--spec", "minecraft"),
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: next(tmp_path.glob(".*.live.jsonl"), None))
        time.sleep(0.5)
        os.kill(recorder.pid, signal.SIGINT)
        _, said = recorder.communicate()
    assert recorder.returncode == 0
    assert "1 recordings with" in said
    (recording,) = find_recordings([tmp_path])
    assert (recording.video.width, recording.video.height) == (160, 96)
    assert (recording.meta["latency_ms"], recording.meta["spec"]) == (67, "minecraft")
    # 67 ms are two frames of 33: of the first two nobody knows what was done.
    assert not any(state.valid for state in recording.states[:2])


def test_the_flash_test_finds_little_on_a_server_without_a_screen(x_display: str) -> None:
    measured = measure_latency(Display(x_display), Fraction(60), x_display)
    assert measured["presses"] >= 20
    assert 0 <= measured["latency_ms"] < 500


def test_two_recorders_of_one_second_have_names_of_their_own(
    x_display: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "strftime", lambda _: "20261130-134201")
    with bars(x_display) as window:
        config = RecordScreenConfig(
            out=str(tmp_path), display=x_display, window=f"0x{window:x}", minutes=0.002, fps=30
        )
        for _ in range(3):
            assert record_screen(config) == 0
    names = sorted(path.name for path in tmp_path.glob("*.mp4"))
    assert names == [f"screen-20261130-134201{end}-000.mp4" for end in ("", "-2", "-3")]


def test_a_recording_s_name_is_its_own_when_two_recorders_begin_at_once(
    x_display: str, tmp_path: Path
) -> None:
    with bars(x_display) as window:
        sessions = [Session(Display(x_display), window, wish(tmp_path)) for _ in range(2)]
        for session in (*sessions, sessions[0]):  # one name for all, chosen before any began
            session.run(frames=session.frames + 3)
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == [
        f"t-00{number}.mp4" for number in range(3)
    ]


def test_a_picture_s_time_is_not_before_its_wait_for_the_encoder(
    x_display: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, encoded_ns = LiveWriter.add_picture, []

    def slowly(writer: LiveWriter, picture: np.ndarray) -> None:
        time.sleep(0.25)
        add(writer, picture)
        encoded_ns.append(time.monotonic_ns())

    monkeypatch.setattr(LiveWriter, "add_picture", slowly)
    with bars(x_display) as window:
        counts = Session(Display(x_display), window, wish(tmp_path, fps=Fraction(8))).run(frames=14)
    (recording,) = find_recordings([tmp_path])
    assert counts.lost
    lines = recording.path.with_suffix(".jsonl").read_text().splitlines()
    taken_ns = [line["time_ns"] for line in map(json.loads, lines) if not line.get("repeated")]
    # A picture takes the place of the one four before it; the server's times are whole ms.
    later = zip(encoded_ns, taken_ns[MIN_WAITING:], strict=False)
    assert all(taken > encoded - 1_000_000 for encoded, taken in later)


def test_pictures_wait_by_the_clock_for_an_encoder_that_is_slow(
    x_display: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, encoded_ns = LiveWriter.add_picture, []

    def slowly(writer: LiveWriter, picture: np.ndarray) -> None:
        time.sleep(0.1)  # so that half a second of pictures would take one and a half
        add(writer, picture)
        encoded_ns.append(time.monotonic_ns())

    monkeypatch.setattr(LiveWriter, "add_picture", slowly)
    with bars(x_display) as window:
        Session(Display(x_display), window, wish(tmp_path)).run(frames=120)
    (recording,) = find_recordings([tmp_path])
    lines = recording.path.with_suffix(".jsonl").read_text().splitlines()
    taken_ns = [line["time_ns"] for line in map(json.loads, lines) if not line.get("repeated")]
    waited_s = (np.array(encoded_ns) - taken_ns)[10:] / 1e9
    assert np.median(waited_s) < 2 * session_module.MAX_WAITING_S


def test_what_stood_still_for_long_is_no_play(
    x_display: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "MAX_STILL_S", 0.5)
    take = Pictures.take
    taken = []

    def stopped_once(pictures: Pictures, window: int, number: int) -> int | None:
        taken.append(number)
        if len(taken) == 5:
            time.sleep(1.2)
        if len(taken) == 9:
            session.stop.set()
        return take(pictures, window, number)

    monkeypatch.setattr(Pictures, "take", stopped_once)
    with bars(x_display) as window:
        session = Session(Display(x_display), window, wish(tmp_path))
        session.run()
    ends = [str(recording.meta["ended"]) for recording in find_recordings([tmp_path])]
    assert any(end.startswith("the recorder stood still") for end in ends)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    # As a recorder leaves it that was killed.
    writer = LiveWriter(tmp_path / "cut", fps=Fraction(30), size=SIZE)
    noise = np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0], 4), np.uint8)
    for _ in range(10):
        writer.add_picture(noise)
        writer.add_line(DeviceState())
    writer.leave()
    before = {path: path.read_bytes() for path in tmp_path.glob(".cut*")}
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, usual[1]))
    try:
        with pytest.raises(OSError, match="cut"):
            finish_abandoned(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert {path: path.read_bytes() for path in before} == before
    assert finish_abandoned(tmp_path) == {tmp_path / "cut": 10}


def test_a_window_that_is_too_small_is_waited_for(x_display: str, tmp_path: Path) -> None:
    said: list[str] = []
    own = Display(x_display)

    def play(_: Hands, session: Session) -> None:
        session.said = said.append
        own.core.ConfigureWindow(session.window, 4 | 8, [8, 8], is_checked=True).check()
        wait_for(lambda: TOO_SMALL in said)
        own.core.ConfigureWindow(session.window, 4 | 8, [200, 100], is_checked=True).check()
        wait_for_recording(session)

    with bars(x_display) as window:
        record(x_display, window, wish(tmp_path), play)
    recordings = find_recordings([tmp_path])
    sizes = [(recording.video.width, recording.video.height) for recording in recordings]
    assert sizes == [SIZE, (200, 100)]
