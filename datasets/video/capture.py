"""How somebody else's recorder would have kept the same play: at another rate, smaller, compressed.

T frames, H rows, W columns
"""

from __future__ import annotations

import io

import av
import numpy as np
from numpy.typing import NDArray

from ..actions.spec import FrameSpec
from .resize import FrameResizer, as_video_frame

KEYFRAME_EVERY = "100"  # frames
AS_RECORDED_CRF = 17  # x264 changes next to nothing up to here


def squeeze(frames: NDArray[np.uint8], crf: int, preset: str = "ultrafast") -> NDArray[np.uint8]:
    """H.264 and back, [T, H, W, 3]: at 23 hardly to be seen, at 40 blocks and smears."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="nut") as container:
        stream = container.add_stream(
            "libx264", rate=30, options={"crf": str(crf), "preset": preset, "g": KEYFRAME_EVERY}
        )
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(as_video_frame(frame)))
        container.mux(stream.encode(None))
    buffer.seek(0)
    out = np.empty_like(frames)
    with av.open(buffer, "r") as video:
        video.streams.video[0].thread_count = 1
        for index, picture in enumerate(video.decode(video=0)):
            out[index] = picture.to_ndarray(format="rgb24")
    return out


def coarsened(frames: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """Made smaller to this share of both sides and larger again, [T, H, W, 3]: detail is lost."""
    height, width = frames.shape[1:3]
    small = FrameSpec(max(2, round(width * share)), max(2, round(height * share)))
    down, up = FrameResizer(small), FrameResizer(FrameSpec(width, height))
    return np.stack([up.from_rgb(down.from_rgb(frame)) for frame in frames])


def frames_shown(
    wanted: NDArray[np.int64],
    screen_hz: float,
    *,
    fps: float,
    jitter: float,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Which frames of the screen a recorder has, where those of `wanted` (rising) are asked for.

    It takes `fps` pictures a second, each early or late by up to `jitter` of the time between two;
    the last one before the middle of a screen's frame is what there is. At twice the screen's rate
    and without jitter that is the frame itself. Frames before the first come out negative.
    """
    step = screen_hz / fps  # screen frames between two pictures
    looked = wanted + 0.5
    offset = generator.random()
    newest = np.floor(looked / step - offset).astype(np.int64)
    first = int(newest.min()) - 2
    early = jitter * generator.uniform(-1.0, 1.0, int(newest.max()) + 2 - first)
    taken = (np.arange(first, first + len(early)) + offset + early) * step
    # Jitter below a whole step cannot make a picture overtake the next but one.
    candidates = taken[newest[:, None] - first + np.arange(-1, 2)]  # (N, 3)
    last = np.where(candidates <= looked[:, None], candidates, -np.inf).max(1)
    return np.minimum(np.floor(last).astype(np.int64), wanted)
