"""Forty inputs that are no ordinary video, each with what must become of it: ticks that are
right, and a reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.video.probe import probe
from vidact.errors import VideoError

from ..corpus import Video, make
from .test_broken_video import FRAMES, REFUSED, Result, picture_file, read

CUT_REASONS = ("empty", "not_a_video", "no_frames", "no_video_stream", "damaged", "truncated")
NAMES = {
    "spaces": "a b  c.mp4",
    "quotes": 'it\'s "x".mp4',
    "Unicode": "späße 游戏 🎮.mp4",
    "newline": "a\nb.mp4",
}
WHOLE = Result(FRAMES, [], "", None)
NOT_AS_ROOT = (
    "import os, sys; from vidact.datasets.video.probe import probe\n"
    "from vidact.errors import VideoError\n"
    "os.chdir(sys.argv[1]); os.setuid(65534)\n"
    "try: probe('locked.mp4')\n"
    "except VideoError as error: print(error.reason)"
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The forty, by what is wrong with them."""
    folder = tmp_path_factory.mktemp("forty")
    options = {"preset": "veryfast", "g": "30", "bf": "2"}
    whole = make(
        Video(name="whole", options=options, muxer={"movflags": "faststart"}), folder, FRAMES
    ).path
    content = whole.read_bytes()
    found: dict[str, Path] = {}

    def add(kind: str, name: str, data: bytes | None = None) -> Path:
        found[kind] = folder / name
        if data is not None:
            found[kind].write_bytes(data)
        return found[kind]

    for place in range(20):
        add(f"cut at {place}/20", f"cut{place:02}.mp4", content[: len(content) * place // 20])
    for seed in range(3):
        rng, flipped = np.random.default_rng(seed), bytearray(content)
        for at in rng.integers(len(content) // 4, len(content) * 9 // 10, 40):
            flipped[at] ^= 1 << int(rng.integers(8))
        add(f"flipped bits {seed}", f"flipped{seed}.mp4", bytes(flipped))
    for kind in ("empty", "garbage", "sound", "text", "fifo", "folder", "dangling"):
        REFUSED[f"{kind}.mp4"][0](add(kind, f"{kind}.mp4"))
    picture_file(add("png", "picture.png"), "png", "rgb24")
    picture_file(add("gif", "one.gif"), "gif", "rgb8", size=(96, 64))
    for kind, frames, size in (
        ("1 frame", 1, (64, 48)),
        ("16x16", 30, (16, 16)),
        ("3840x2160", 3, (3840, 2160)),
    ):
        add(
            kind,
            make(Video(name=kind, size=size, rate="30", options=options), folder, frames).path.name,
        )
    for kind, name in NAMES.items():
        add(kind, name, content)
    shutil.copyfile(whole, add("no permission", "locked.mp4"))
    found["no permission"].chmod(0)
    whole.unlink()
    return found


def test_there_are_forty(inputs: dict[str, Path]) -> None:
    assert len(inputs) == len(set(inputs.values())) == 40


def test_cut_files_give_what_is_whole(inputs: dict[str, Path]) -> None:
    results = [read(inputs[f"cut at {place}/20"]) for place in range(20)]
    assert [result.wrong for result in results] == [[]] * 20
    assert all(
        result.reason in CUT_REASONS and result.tick in (None, result.good) for result in results
    )
    good = [result.good for result in results]
    assert good == sorted(good)
    assert good[-1] > FRAMES * 0.8


def test_flipped_bits_give_no_wrong_picture(inputs: dict[str, Path]) -> None:
    for seed in range(3):
        result = read(inputs[f"flipped bits {seed}"])
        assert (result.wrong, result.reason, result.tick) == ([], "damaged", result.good)


@pytest.mark.parametrize("kind", NAMES)
def test_names_do_not_matter(inputs: dict[str, Path], kind: str) -> None:
    assert read(inputs[kind]) == WHOLE


@pytest.mark.parametrize(
    "kind", ["empty", "garbage", "sound", "text", "fifo", "folder", "dangling"]
)
def test_no_video_is_refused(inputs: dict[str, Path], kind: str) -> None:
    assert read(inputs[kind]) == Result(0, [], REFUSED[f"{kind}.mp4"][1], None)


def test_pictures(inputs: dict[str, Path]) -> None:
    assert read(inputs["png"]) == Result(0, [], "not_a_video", None)
    assert (
        probe(inputs["gif"]).frames == probe(inputs["1 frame"]).frames == 1
    )  # too short for a clip, but whole


@pytest.mark.parametrize(("kind", "frames"), [("16x16", 30), ("3840x2160", 3)])
def test_sizes(inputs: dict[str, Path], kind: str, frames: int) -> None:
    result = read(inputs[kind])
    assert (result.good, result.reason) == (frames, "")


def test_no_permission(inputs: dict[str, Path]) -> None:
    locked = inputs["no permission"]
    if os.geteuid() != 0:
        with pytest.raises(VideoError) as raised:
            probe(locked)
        assert raised.value.reason == "no_permission"
        return
    locked.parent.chmod(0o755)  # as root everything may be read, so it is tried as `nobody`
    command = [sys.executable, "-c", NOT_AS_ROOT, str(locked.parent)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "no_permission", done.stderr
