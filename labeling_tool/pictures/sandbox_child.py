"""The child process that serves one request of the tool, within the sandbox's limits.

python -m vidact.labeling_tool.pictures.sandbox_child REPLY_FD LIFELINE_FD LIMITS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import ActionSpec
from ...datasets.recordings.chosen_spec import require_made_for
from ...datasets.recordings.recording import Recording
from ...datasets.video.decoder import require_size
from ...datasets.video.limits import Limits
from ...datasets.video.probe import VideoProbe, probe
from ...datasets.video.sandbox_child import enter
from ...datasets.video.timing import frame_slots, tick_times_ns
from ...errors import RecordingError, SpecError, VideoError
from ..store.bundles import pack
from .frames import BOX, JPEG_QUALITY, evenly, frames_at, jpeg


def main(argv: list[str]) -> None:
    """Serve the one request on standard input."""
    _, replies, limits = enter(argv)
    request = json.loads(sys.stdin.readline())
    serve = REQUESTS[request["do"]]
    try:
        answer = serve(request, limits)
    except VideoError as error:
        answer = {"reason": error.reason, "detail": error.detail}
    except (RecordingError, SpecError) as error:
        answer = {"reason": "no_recording", "detail": str(error)}
    except MemoryError:
        gib = limits.memory_bytes >> 30
        answer = {"reason": "too_large", "detail": f"decoding needs more than {gib} GiB"}
    replies.send(**answer)


def _evenly(request: dict[str, Any], limits: Limits) -> dict[str, Any]:
    video = _open(request, limits, sha256=True)
    shown = evenly(video.pts_ns, max(1, round(request["step_s"] * 1e9)))
    if len(shown) > request["most"]:
        detail = f"{len(shown)} frames would be shown, at most {request['most']} can be"
        raise VideoError("too_long", video.path, f"{detail}; take a larger step or cut the video")
    return _listed(request, video, shown)


def _at(request: dict[str, Any], limits: Limits) -> dict[str, Any]:
    video = _open(request, limits, sha256=True)
    wanted = np.array(request["pts_ns"], np.int64)
    # On screen at a moment is the last frame that began by then.
    shown = np.clip(np.searchsorted(video.pts_ns, wanted, side="right") - 1, 0, None)
    return _listed(request, video, np.unique(shown))


def _listed(request: dict[str, Any], video: VideoProbe, shown: NDArray[np.int64]) -> dict[str, Any]:
    """Write which frames are shown, and answer what is known of their video."""
    np.savez(request["out"], indices=shown, pts_ns=video.pts_ns[shown])
    return {
        "codec": video.codec,
        "width": video.width,
        "height": video.height,
        "frames": video.frames,
        "duration_s": video.duration_s,
        "fps": str(video.fps),
        "sha256": video.sha256,
        "truncated": video.truncated,
        "start_ns": int(video.pts_ns[0]),
    }


def _render(request: dict[str, Any], limits: Limits) -> dict[str, Any]:
    video = _open(request, limits, sha256=False)
    return _bundle(request, video, np.array(request["pts_ns"], np.int64))


def _render_all(request: dict[str, Any], limits: Limits) -> dict[str, Any]:
    video = _open(request, limits, sha256=False)
    if video.frames != request["count"]:
        detail = f"has {video.frames} frames, the clip {request['count']}"
        raise VideoError("other_file", video.path, detail)
    return _bundle(request, video, video.pts_ns)


def _bundle(
    request: dict[str, Any], video: VideoProbe, pts_ns: NDArray[np.int64]
) -> dict[str, Any]:
    pictures: list[bytes] = []
    shape = (0, 0)
    for picture in frames_at(video, pts_ns, tuple(request["box"])):
        pictures.append(jpeg(picture, JPEG_QUALITY))
        shape = (picture.shape[1], picture.shape[0])
    head = {**request["head"], "width": shape[0], "height": shape[1]}
    Path(request["out"]).write_bytes(pack(pictures, head))
    return {"frames": len(pictures), "width": shape[0], "height": shape[1]}


def _frames(request: dict[str, Any], limits: Limits) -> dict[str, Any]:
    video = _open(request, limits, sha256=False)
    wanted = np.array(request["pts_ns"], np.int64)
    frames = np.stack(list(frames_at(video, wanted, BOX)))  # (n, h, w, 3)
    np.save(request["out"], frames, allow_pickle=False)
    return {"frames": len(frames)}


def _recording(request: dict[str, Any], limits: Limits) -> dict[str, Any]:
    spec = ActionSpec.from_dict(request["spec"])
    recording = Recording.open(request["path"])
    require_made_for(recording, spec)
    video = recording.video
    require_size(video, limits.max_pixels)
    actions = recording.actions(spec)
    ticks = len(actions.buttons)
    if ticks > request["most"]:
        detail = f"{ticks} ticks; at most {request['most']} can be imported at once"
        raise VideoError("too_long", recording.path, detail)
    times = tick_times_ns(0, ticks, spec.tick_hz)
    pts_ns = video.pts_ns[frame_slots(video.pts_ns - video.pts_ns[0], times, video.tolerance_ns)]
    np.savez(
        request["out"],
        pts_ns=pts_ns,
        buttons=actions.buttons,
        camera=actions.camera,
        valid=actions.whole,
    )
    return {
        "name": recording.name,
        "video": str(recording.path),
        "sha256": recording.sha256,
        "fps": str(recording.fps),
        "ticks": ticks,
        "meta": recording.meta,
    }


def _open(request: dict[str, Any], limits: Limits, *, sha256: bool) -> VideoProbe:
    video = probe(request["path"], sha256=sha256)
    require_size(video, limits.max_pixels)
    return video


REQUESTS = {
    "evenly": _evenly,
    "at": _at,
    "render": _render,
    "render_all": _render_all,
    "frames": _frames,
    "recording": _recording,
}

if __name__ == "__main__":
    main(sys.argv[1:])
