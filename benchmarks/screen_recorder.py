"""Whether a recording is true: `python benchmarks/screen_recorder.py [--minutes 10] [--kills 50]`.

On an X server without a screen (Xvfb) the bar program, which draws its own tick and what it has
received over moving scenery, is played by XTEST at 1280x720 and 30 Hz, its pointer held, and
`vidact record screen` records it. Presses and releases of keys are told by the program's own ticks:
what a line holds came after the tick that its picture shows, and is known to the program with the
first tick after the next picture's, at the latest. (Counted in pictures, a key that just missed a
tick is seen two pictures later although its line is right, where program and recorder tick at the
same moment: the program itself hears of it a tick later.) A picture that shows fewer or more of
them than the lines around it say, by more than a tick, is mislabeled; frames that the recorder
itself gives no label, as the machine was late, are counted aside. Then the recorder is killed with
SIGKILL again and again, at any moment, and what it left is made whole. The figures go to
benchmarks/results/screen_recorder.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import lent_tests  # noqa: F401 - makes `tests` the repository's
import numpy as np
from vidact.datasets.actions.spec import FrameSpec
from vidact.datasets.recordings.live_writer import finish_abandoned
from vidact.datasets.recordings.recording import Recording, find_recordings
from vidact.datasets.video.frames import decode_frames
from vidact.games.screen.bar_program import read_bars
from vidact.games.screen.display import Display
from vidact.games.screen.hands import Hands

from tests.games.screen.x11 import bars, x_server

RESULTS = Path(__file__).parent / "results"
SIZE, HZ = (1280, 720), 30
KEYS = [f"key.keyboard.{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]


@contextmanager
def played() -> Iterator[str]:
    """The name of a display on which the bar program runs."""
    with (
        x_server("x".join(map(str, SIZE))) as name,
        bars(name, "--hz", str(HZ), "--grab", "--scenery", size=SIZE),
    ):
        yield name


def recorder(name: str, out: Path, minutes: float) -> subprocess.Popen[bytes]:
    """The recorder, as a user runs it."""
    words = ("--out", str(out), "--display", name, "--window", "bars", "--fps", str(HZ))
    run = [sys.executable, "-m", "vidact.cli", "record", "screen", *words, "--plain"]
    return subprocess.Popen([*run, "--minutes", str(minutes), "--chunk-minutes", "60"])


@dataclass
class Play:
    """Presses a key after the other, and moves the mouse 125 times a second."""

    name: str
    presses: int = 0
    moved: np.ndarray = field(default_factory=lambda: np.zeros(2, np.int64))

    def go(self, seconds: float) -> None:
        hands, rng = Hands(Display(self.name)), np.random.default_rng(0)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            key = KEYS[self.presses % len(KEYS)]
            for down in (True, False):
                hands.key(key, down=down)
                self.presses += down
                for _ in range(int(rng.integers(3, 20))):
                    step = rng.integers(-20, 21, 2)
                    hands.move(*map(int, step))
                    self.moved += step
                    time.sleep(0.008)


def first_line(out: Path) -> None:
    """Wait until the recorder has written a line."""
    while not any(path.stat().st_size for path in out.glob(".*.live.jsonl")):
        time.sleep(0.02)


def fidelity(minutes: float) -> dict[str, float]:
    """What of a recording is not as it was."""
    with tempfile.TemporaryDirectory() as folder, played() as name:
        play = Play(name)
        process = recorder(name, Path(folder), minutes)
        first_line(Path(folder))
        player = threading.Thread(target=play.go, args=(minutes * 60 - 3,))
        player.start()
        _, _, used = os.wait4(process.pid, 0)
        player.join()
        (recording,) = find_recordings([folder])
        return truth(recording, play) | {
            "recorder_cores": (used.ru_utime + used.ru_stime) / float(recording.video.duration_s),
            "recorder_peak_mb": used.ru_maxrss / 1024,
            "megabit_per_s": os.path.getsize(recording.path)
            * 8e-6
            / float(recording.video.duration_s),
        }


def truth(recording: Recording, play: Play) -> dict[str, float]:
    """Compare what pictures show with what lines say."""
    states, frames = recording.states, recording.num_frames
    pictures = decode_frames(recording.video, FrameSpec(*SIZE), np.arange(frames))
    bars = [read_bars(picture) for _, picture in pictures]
    shown = np.array([b["presses"] + b["releases"] for b in bars], np.int64)
    drawn = np.array([b["drawn"] for b in bars], np.int64)
    newest = np.array([[b[name] for name in ("newest", "second", "third")] for b in bars])
    # One key after the other goes down and up again.
    held = [len(state.keys) for state in states]
    pressed = np.array([len(state.new_keys) for state in states])
    released = pressed - np.diff(held, prepend=0)
    before = np.append(0, np.cumsum(pressed + released))  # by the lines before frame i, [N + 1]
    # Where a frame was lost there is no label, before it and on it.
    labeled = np.array([state.valid for state in states])
    taken = np.append(True, labeled[:-1])
    # A frame may know of what the line after it holds, and not yet of what only came after the
    # last frame whose tick is two older: then it is a tick off.
    due = np.searchsorted(drawn[taken], drawn - 2, side="right")
    least = np.append(0, before[:-1][taken])[due]
    mislabeled = ((shown < least) | (shown > before[1:])) & labeled & taken
    events = np.arange(before[-1])
    line = np.searchsorted(before, events, side="right") - 1
    events, line = events[labeled[line]], line[labeled[line]]
    if not len(events):
        raise SystemExit("no line with a label holds a key: the machine is too busy to measure")
    seen = np.searchsorted(shown, events, side="right")  # the first frame with it
    never = seen == frames
    seen = np.minimum(seen, frames - 1)
    # A frame tells the ticks of the three newest; of more, as after lost frames, only the range.
    newer = shown[seen] - events - 1
    told = ~never & (newer < newest.shape[1])
    latest = np.where(told, newest[seen, np.where(told, newer, 0)], newest[seen, -1])
    earliest = np.where(told, latest, drawn[np.maximum(seen - 1, 0)] + 1)
    off = np.maximum(drawn[line] + 1 - latest, earliest - drawn[line + 1] - 1).clip(0)
    off[never] = frames
    # Which tick of the program a frame shows, against when it was taken.
    taken_s = (recording.taken_ns() - recording.taken_ns()[0]) / 1e9
    apart = drawn - np.median(drawn - taken_s * HZ) - taken_s * HZ
    return {
        "frames": frames,
        "presses": play.presses,
        "presses_in_lines": int(pressed.sum()),
        "frames_off_by_more_than_a_tick": int(mislabeled.sum()),
        "key_events": len(off),
        "key_events_off_by_more_than_a_tick": int((off > 1).sum()),
        "key_events_whose_tick_is_told": int(told.sum()),
        "of_these_off_at_all": int((off[told] > 0).sum()),
        "pictures_later_than_the_next_mean": float((seen - 1 - line).mean()),
        "pictures_later_than_the_next_max": int((seen - 1 - line).max()),
        "ticks_of_the_program_apart_p99": float(np.quantile(np.abs(apart), 0.99)),
        "motion_lost": float(
            np.abs([sum(s.dx for s in states), sum(s.dy for s in states)] - play.moved).sum()
        ),
        "pixels_moved": int(np.abs(play.moved).sum()),
        "late_fraction": recording.meta["late_frames"] / frames,
        "frames_without_label": int(np.sum(~labeled)),
        "lost_frames": recording.meta["lost_frames"],
    }


def kills(count: int) -> dict[str, float]:
    """Kill the recorder at any moment; what is lost."""
    rng = np.random.default_rng(1)
    lost_s = []
    with tempfile.TemporaryDirectory() as folder, played() as name:
        out = Path(folder)
        for _ in range(count):
            process = recorder(name, out, 10)
            first_line(out)
            time.sleep(rng.uniform(0.2, 2.5))
            killed_ns = time.monotonic_ns()
            process.kill()
            process.wait()
            (stem,) = finish_abandoned(out)
            recording = Recording.open(stem)
            numbers = np.arange(recording.num_frames)
            for _ in decode_frames(recording.video, FrameSpec(64, 64), numbers):
                pass  # all of it decodes
            lost_s.append((killed_ns - int(recording.taken_ns()[-1])) / 1e9)
    return {
        "kills": count,
        "recordings_read": len(lost_s),
        "seconds_lost_most": max(lost_s),
        "seconds_lost_mean": float(np.mean(lost_s)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--out", type=Path, default=RESULTS / "screen_recorder.json")
    options = parser.parse_args()
    result: dict[str, float] = {}
    if options.minutes:
        result |= fidelity(options.minutes)
    if options.kills:
        result |= kills(options.kills)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
