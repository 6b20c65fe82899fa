"""The decoder child: the same frames as in process; crash, hang and bloat cost their place in
the video and no more.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from vidact.datasets.actions.spec import FrameSpec
from vidact.datasets.video import sandbox
from vidact.datasets.video.config import DecoderConfig
from vidact.datasets.video.decoder import Decoder, InProcessDecoder, TickReader
from vidact.datasets.video.sandbox import ChildDecoder
from vidact.datasets.video.ticks import TickFrames
from vidact.errors import VideoError

from ...hanging_disk import NAME, hanging_disk

HZ = Fraction(35, 2)
FRAME = FrameSpec(width=64, height=64)

TRAPPED_CHILD = """
import ctypes, sys
from vidact.datasets.video import sandbox_child
from vidact.datasets.video.decoder import InProcessDecoder

ACTION, TICK = sys.argv[1], int(sys.argv[2])

def spring():
    if ACTION == "crash":
        ctypes.string_at(0)  # a real segmentation fault
    elif ACTION == "hang":
        ctypes.PyDLL(None).sleep(1000)  # holds the interpreter's lock, as a stuck C extension does
    elif ACTION == "hang_in_a_codec":
        ctypes.CDLL(None).sleep(1000)  # without that lock: other threads of the child go on
    elif ACTION == "bloat":
        held = []
        while True:
            held.append(bytearray(64 << 20))
    elif ACTION == "exit":
        sys.exit("the codec gave up")

class Trapped(InProcessDecoder):
    def ticks(self, path, frame, tick_hz, *, start_tick, end_tick):
        for batch in super().ticks(path, frame, tick_hz, start_tick=start_tick, end_tick=end_tick):
            if batch.start_tick <= TICK < batch.start_tick + len(batch.frames):
                spring()
            yield batch

sandbox_child.main(sys.argv[3:], Trapped)
"""


def _trapped(tmp_path: Path, action: str, tick: int, **limits: float) -> ChildDecoder:
    script = tmp_path / "trapped_child.py"
    script.write_text(TRAPPED_CHILD)
    entry = (sys.executable, str(script), action, str(tick))
    return ChildDecoder(DecoderConfig(**limits), FRAME, entry=entry)  # type: ignore[arg-type]


def _reader(decoder: object, path: Path, end: int) -> TickReader:
    decoder = cast(Decoder, decoder)
    return TickReader(decoder, path, frame=FRAME, tick_hz=HZ, end_tick=end)


def test_same_frames_as_in_process(videos: Path) -> None:
    child, here = ChildDecoder(DecoderConfig(), FRAME), InProcessDecoder()
    path = videos / "a.mp4"
    assert child.probe(path, HZ) == here.probe(path, HZ)
    ours, theirs = _reader(child, path, 700), _reader(here, path, 700)
    # On from within, on from the end, a jump ahead, a jump back, the last ticks.
    for start, end in [(0, 150), (100, 500), (500, 520), (600, 650), (64, 100), (690, 700)]:
        for got, wanted in zip(ours.read(start, end), theirs.read(start, end), strict=True):
            if isinstance(wanted, np.ndarray):
                assert len(wanted) == end - start
                np.testing.assert_array_equal(got, wanted)
            else:
                assert got is wanted is None
    with pytest.raises(VideoError, match="no known container"):
        child.probe(videos / "garbage.mp4", HZ)
    assert child.probe(videos / "b.mp4", HZ).ticks == 455  # the child goes on
    child.close()


def test_frames_of_other_sizes_than_the_usual_one(videos: Path) -> None:
    child, here = ChildDecoder(DecoderConfig(), FRAME), InProcessDecoder()
    for frame in (FRAME, FrameSpec(width=85, height=64), FrameSpec(width=64, height=40), FRAME):
        ours, theirs = (
            [
                batch.frames.copy()
                for batch in decoder.ticks(videos / "a.mp4", frame, HZ, start_tick=30, end_tick=100)
            ]
            for decoder in (child, here)
        )
        np.testing.assert_array_equal(np.concatenate(ours), np.concatenate(theirs))
    child.close()


def test_reader_knows_its_place_after_a_range_that_ends_earlier() -> None:
    class Numbered:
        """The frame of each tick is its number."""

        def ticks(  # type: ignore[no-untyped-def]
            self, path, frame, hz, *, start_tick: int, end_tick: int
        ) -> Iterator[TickFrames]:
            for begin in range(start_tick, end_tick, 64):
                ticks = np.arange(begin, min(begin + 64, end_tick))
                pixels = np.broadcast_to(
                    ticks[:, None, None, None], (len(ticks), FRAME.height, FRAME.width, 3)
                )
                yield TickFrames(begin, ticks, pixels.astype(np.uint8))

    reader = _reader(Numbered(), Path("x"), 256)
    for start, end in [(0, 100), (50, 80), (70, 120), (90, 120), (110, 200)]:
        frames, pts_ns, error = reader.read(start, end)
        assert error is None
        assert pts_ns.tolist() == frames[:, 0, 0, 0].tolist() == list(range(start, end))


def test_reader_keeps_what_it_can_of_an_overlap(videos: Path) -> None:
    class Counting(InProcessDecoder):
        opened = 0

        def ticks(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def, override]
            Counting.opened += 1
            return super().ticks(*args, **kwargs)  # type: ignore[arg-type]

    reader = _reader(Counting(), videos / "a.mp4", 700)
    for start in range(0, 600, 100):
        frames, _, _ = reader.read(start, start + 130)
        assert len(frames) == 130
    assert Counting.opened == 1


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("crash", "decoder_crashed"),
        ("hang", "decoder_hung"),
        ("hang_in_a_codec", "decoder_hung"),
        ("bloat", "memory_limit"),
        ("exit", "decoder_crashed"),
    ],
)
def test_misbehaviour_costs_its_place_only(
    videos: Path, tmp_path: Path, action: str, reason: str
) -> None:
    decoder = _trapped(
        tmp_path, action, tick=400, memory_gib=1.5, stall_s=2.0 if "hang" in action else 30.0
    )
    reader = _reader(decoder, videos / "a.mp4", 700)
    frames, _, error = reader.read(0, 700)
    assert len(frames) == 384  # the batches of 64 before the trap
    assert error is not None
    assert error.reason == reason
    frames, _, error = reader.read(450, 700)  # beyond it
    assert (len(frames), error) == (250, None)
    decoder.close()


def test_a_disk_that_hangs_is_not_the_decoder_s_fault(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "SOURCE_S", 2.0)
    monkeypatch.setattr(sandbox, "KILL_S", 0.2)
    decoder = ChildDecoder(DecoderConfig(stall_s=1.0), FRAME)
    with ExitStack() as stack:
        try:
            data = (videos / "a.mp4").read_bytes()
            disk = stack.enter_context(hanging_disk(tmp_path, data))
        except OSError as error:
            pytest.skip(f"no disk can be mounted here: {error}")
        stack.callback(decoder.close)
        reader = _reader(decoder, tmp_path / NAME, 700)
        assert len(reader.read(0, 100)[0]) == 100
        disk.answers.clear()
        with pytest.raises(TimeoutError, match="its disk has not answered for 2 s"):
            reader.read(500, 700)
        disk.answers.set()
        frames, _, error = reader.read(500, 700)
        assert (len(frames), error) == (200, None)


def test_a_child_killed_by_chance_costs_nothing(videos: Path) -> None:
    decoder = ChildDecoder(DecoderConfig(), FRAME)
    parts = []
    for batch in decoder.ticks(videos / "a.mp4", FRAME, HZ, start_tick=0, end_tick=700):
        parts.append(batch.frames.copy())
        if len(parts) in (2, 5):
            os.kill(decoder._child._process.pid, signal.SIGKILL)  # type: ignore[union-attr]
    wanted, _, _ = _reader(InProcessDecoder(), videos / "a.mp4", 700).read(0, 700)
    np.testing.assert_array_equal(np.concatenate(parts), wanted)
    decoder.close()


def test_limits_on_pictures(videos: Path) -> None:
    decoder = ChildDecoder(DecoderConfig(max_pixels=90 * 90), FRAME)
    with pytest.raises(VideoError, match="pictures of 96 x 96; 8100 pixels are allowed"):
        decoder.probe(videos / "a.mp4", HZ)
    decoder.close()


def test_a_hung_child_dies_with_its_worker(videos: Path, tmp_path: Path) -> None:
    script = tmp_path / "trapped_child.py"
    script.write_text(TRAPPED_CHILD)
    worker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(f"""
            import sys
            from fractions import Fraction
            from pathlib import Path
            from vidact.datasets.actions.spec import FrameSpec
            from vidact.datasets.video.sandbox import ChildDecoder
            from vidact.datasets.video.config import DecoderConfig
            entry = (sys.executable, {str(script)!r}, "hang", "0")
            decoder = ChildDecoder(DecoderConfig(), FrameSpec(64, 64), entry=entry)
            decoder.probe(Path({str(videos / "a.mp4")!r}), Fraction(35, 2))
            print(decoder._child._process.pid, flush=True)
            path = Path({str(videos / "a.mp4")!r})
            next(decoder.ticks(path, FrameSpec(64, 64), Fraction(35, 2), start_tick=0, end_tick=9))
        """),
        ],
        stdout=subprocess.PIPE,
    )
    assert worker.stdout is not None
    child = int(worker.stdout.readline())
    time.sleep(0.5)  # into the hang
    assert _state(child) not in ("", "Z")
    worker.kill()
    worker.wait()
    worker.stdout.close()
    deadline = time.monotonic() + 10
    while _state(child) not in ("", "Z") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _state(child) in ("", "Z")


def test_a_worker_that_is_the_first_process_of_its_container(videos: Path) -> None:
    """Its number is 1 then, which is also that of whoever takes in orphans."""

    def unshared(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["unshare", "--pid", "--fork", *command],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    if unshared("true").returncode:
        pytest.skip("needs the right to make a namespace of processes")
    worker = f"""
        import sys
        from fractions import Fraction
        from pathlib import Path
        from vidact.datasets.actions.spec import FrameSpec
        from vidact.datasets.video.config import DecoderConfig
        from vidact.datasets.video.sandbox import ChildDecoder
        decoder = ChildDecoder(DecoderConfig(), FrameSpec(64, 64))
        print(decoder.probe(Path({str(videos / "a.mp4")!r}), Fraction(35, 2)).duration_s)
        decoder.close()
    """
    found = unshared(sys.executable, "-c", textwrap.dedent(worker))
    assert float(found.stdout) > 0, found.stderr


def _state(pid: int) -> str:
    """The kernel's letter for a process' state; empty where there is none. A zombie (Z) waits
    for init only.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
