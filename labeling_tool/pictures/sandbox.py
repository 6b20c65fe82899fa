"""What the tool asks of strangers' bytes: each request is served by a child process of its own.

The sandbox is the labeling job's; a child of the tool has other requests, a limit of time for
each, and sees no more of the environment than it needs. Pictures and indexes go to the file that
the request names; it opens no other file than the video.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...datasets.video.limits import Limits
from ...datasets.video.sandbox import Child, ChildLostError
from ...errors import VideoError
from .frames import BOX

ENTRY = (sys.executable, "-P", "-m", "vidact.labeling_tool.pictures.sandbox_child")
LIMITS = Limits(cpu_s=300)  # of memory and pixels as much as the labeling job
WALL_S = 120.0
# The server's environment may hold secrets, such as the database's password.
PASSED_ON = ("PATH", "PYTHONPATH", "HOME", "LANG", "TMPDIR")


def run_limited(
    request: dict[str, Any], *, wall_s: float = WALL_S, nice: int = 0
) -> dict[str, Any]:
    """Let a child do one request and return its answer; for `nice` see `Limits`.

    Raises:
        VideoError: with the reason that the child gives, or `crashed`, or `timeout`.
    """
    path = request["path"]
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    child = Child(ENTRY, replace(LIMITS, nice=nice), environment=environment)
    try:
        child.send(**request)
        answer = child.receive(wall_s=wall_s)
    except ChildLostError as lost:
        if lost.code is None:
            raise VideoError("timeout", path, lost.detail) from lost
        detail = f"exit code {lost.code}: {lost.last[:300] or 'no message'}"
        raise VideoError("crashed", path, detail) from lost
    finally:
        child.kill()
    if "reason" in answer:
        raise VideoError(answer["reason"], path, answer["detail"])
    return answer


def evenly_limited(path: Path, step_s: float, out: Path, *, most: int) -> dict[str, Any]:
    """Find the frames of a video that are on screen every `step_s` seconds.

    Arrays `indices` and `pts_ns` (int64) go to `out` (npz); the answer has the video's size, rate,
    codec, hash and more.

    Args:
        path: the video.
        step_s: seconds between two moments.
        out: where the arrays go.
        most: how many frames there may be; with more the video is refused as `too_long`.
    """
    return run_limited(
        {"do": "evenly", "path": str(path), "step_s": step_s, "out": str(out), "most": most}
    )


def at_limited(path: Path, pts_ns: list[int], out: Path) -> dict[str, Any]:
    """Find the frames of a video that are on screen at these times; for the rest see
    `evenly_limited`.
    """
    return run_limited({"do": "at", "path": str(path), "pts_ns": pts_ns, "out": str(out)})


def render_limited(
    path: Path,
    pts_ns: list[int],
    out: Path,
    head: dict[str, Any],
    box: tuple[int, int] = BOX,
    *,
    nice: int = 0,
) -> dict[str, Any]:
    """Render the frames at these times into a bundle, within a box of pixels."""
    asked = {"do": "render", "path": str(path), "pts_ns": pts_ns}
    return run_limited({**asked, "out": str(out), "head": head, "box": box}, nice=nice)


def render_all_limited(
    path: Path,
    count: int,
    out: Path,
    head: dict[str, Any],
    box: tuple[int, int] = BOX,
    *,
    nice: int = 0,
) -> dict[str, Any]:
    """Render all frames of a video, which must be `count`, into a bundle, within a box."""
    asked = {"do": "render_all", "path": str(path), "count": count}
    return run_limited({**asked, "out": str(out), "head": head, "box": box}, nice=nice)


def read_recording_limited(
    stem: Path, spec: dict[str, Any], out: Path, *, most: int
) -> dict[str, Any]:
    """Read a recording at the spec's ticks, of which there may be `most`.

    Arrays `pts_ns`, `buttons`, `camera`, `valid` go to `out` (npz).
    """
    return run_limited(
        {"do": "recording", "path": str(stem), "spec": spec, "out": str(out), "most": most}
    )


def frames_limited(path: Path, pts_ns: list[int], out: Path) -> dict[str, Any]:
    """Write the frames at these times to `out` (npy, uint8 [n, h, w, 3])."""
    return run_limited({"do": "frames", "path": str(path), "pts_ns": pts_ns, "out": str(out)})
