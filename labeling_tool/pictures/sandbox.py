"""Strangers' bytes are read in a child process with limits: memory, processor time, wall time.

The child is `python -m vidact.labeling_tool.pictures.sandbox`: one JSON request on its standard
input, one JSON answer on its standard output, pictures and indexes in the file that the
request names. It opens no other file than the video.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ...errors import RecordingError, SpecError, VideoError

MEMORY_BYTES = 4 << 30  # address space; the libraries alone map about 1 GiB
CPU_S = 300
WALL_S = 120.0
MAX_PIXELS = 7680 * 4320
BOX = (
    640,
    480,
)  # pixels: large enough to read a game's signs, small enough that a task loads in half a second
JPEG_QUALITY = 88


def run_limited(request: dict[str, Any], *, wall_s: float = WALL_S) -> dict[str, Any]:
    """Let the child do one request. Raises VideoError with the reason it gives, or `crashed`, or `timeout`."""
    path = request["path"]
    command = [sys.executable, "-m", "vidact.labeling_tool.pictures.sandbox"]
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if name in ("PATH", "PYTHONPATH", "HOME", "LANG", "TMPDIR")
        },
        "OMP_NUM_THREADS": "1",
    }
    try:
        child = subprocess.run(
            command,
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=wall_s,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise VideoError("timeout", path, f"nothing after {wall_s:g} s") from error
    try:
        answer = json.loads(child.stdout)
    except ValueError as error:
        last = child.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise VideoError(
            "crashed", path, f"exit code {child.returncode}: {last[0][:300]}"
        ) from error
    if "reason" in answer:
        raise VideoError(answer["reason"], path, answer["detail"])
    return dict(answer)


def probe_limited(path: Path, index: Path) -> dict[str, Any]:
    """Probe a video: its size, rate, codec, hash …; the times of its frames go to `index` (npy, int64 ns)."""
    return run_limited({"do": "probe", "path": str(path), "out": str(index)})


def render_limited(
    path: Path, pts_ns: list[int], out: Path, head: dict[str, Any]
) -> dict[str, Any]:
    """Render the frames at these times into a bundle."""
    return run_limited(
        {"do": "render", "path": str(path), "pts_ns": pts_ns, "out": str(out), "head": head}
    )


def read_recording_limited(stem: Path, spec: dict[str, Any], out: Path) -> dict[str, Any]:
    """Read a recording at the spec's ticks: `pts_ns`, `buttons`, `camera`, `valid` go to `out` (npz)."""
    return run_limited({"do": "recording", "path": str(stem), "spec": spec, "out": str(out)})


def frames_limited(path: Path, pts_ns: list[int], out: Path) -> dict[str, Any]:
    """The frames at these times go to `out` (npy, uint8 [n, h, w, 3])."""
    return run_limited({"do": "frames", "path": str(path), "pts_ns": pts_ns, "out": str(out)})


def fit(width: int, height: int, box: tuple[int, int] = BOX) -> tuple[int, int]:
    """The largest even size of this shape within the box; never larger than the picture itself."""
    scale = min(1.0, box[0] / width, box[1] / height)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def _main() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    request = json.loads(sys.stdin.buffer.read())
    try:
        answer = ACTIONS[request["do"]](request)
    except VideoError as error:
        answer = {"reason": error.reason, "detail": error.detail}
    except (RecordingError, SpecError) as error:
        answer = {"reason": "no_recording", "detail": str(error)}
    except MemoryError:
        answer = {
            "reason": "too_large",
            "detail": f"decoding needs more than {MEMORY_BYTES >> 30} GiB",
        }
    sys.stdout.write(json.dumps(answer))


def _probe(request: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    from ...datasets.video.ticks import probe

    video = probe(request["path"])
    _require_size(video)
    with open(request["out"], "wb") as file:
        np.save(file, video.pts_ns, allow_pickle=False)
    return {
        "codec": video.codec,
        "width": video.width,
        "height": video.height,
        "frames": video.frames,
        "duration_s": video.duration_s,
        "fps": str(video.fps),
        "sha256": video.sha256,
        "truncated": video.truncated,
    }


def _render(request: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    from ...datasets.video.ticks import probe
    from ..store.bundles import pack
    from .frames import frames_at, jpeg

    video = probe(request["path"], sha256=False)
    _require_size(video)
    wanted = np.array(request["pts_ns"], np.int64)
    pictures: list[bytes] = []
    shape = (0, 0)
    for picture in frames_at(video, wanted, BOX):
        pictures.append(jpeg(picture, JPEG_QUALITY))
        shape = (picture.shape[1], picture.shape[0])
    head = {**request["head"], "width": shape[0], "height": shape[1]}
    Path(request["out"]).write_bytes(pack(pictures, head))
    return {"frames": len(pictures), "width": shape[0], "height": shape[1]}


def _frames(request: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    from ...datasets.video.ticks import probe
    from .frames import frames_at

    video = probe(request["path"], sha256=False)
    _require_size(video)
    frames = np.stack(
        list(frames_at(video, np.array(request["pts_ns"], np.int64), BOX))
    )  # (n, h, w, 3)
    with open(request["out"], "wb") as file:
        np.save(file, frames, allow_pickle=False)
    return {"frames": len(frames)}


def _recording(request: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    from ...datasets.actions.spec import ActionSpec
    from ...datasets.recordings.recording import Recording
    from ...datasets.video.timing import frame_slots, tick_times_ns

    spec = ActionSpec.from_dict(request["spec"])
    recording = Recording.open(request["path"])
    video = recording.video
    _require_size(video)
    actions = recording.actions(spec)
    times = tick_times_ns(0, len(actions.buttons), spec.tick_hz)
    pts_ns = video.pts_ns[frame_slots(video.pts_ns - video.pts_ns[0], times, video.tolerance_ns)]
    with open(request["out"], "wb") as file:
        np.savez(
            file, pts_ns=pts_ns, buttons=actions.buttons, camera=actions.camera, valid=actions.valid
        )
    return {
        "name": recording.name,
        "video": str(recording.path),
        "sha256": recording.sha256,
        "fps": str(recording.fps),
        "ticks": len(actions.buttons),
        "meta": recording.meta,
    }


def _require_size(video: Any) -> None:
    if video.width * video.height > MAX_PIXELS:
        raise VideoError(
            "too_large",
            video.path,
            f"{video.width}x{video.height} pixels; at most {MAX_PIXELS} are decoded",
        )


ACTIONS = {"probe": _probe, "render": _render, "frames": _frames, "recording": _recording}

if __name__ == "__main__":
    _main()
