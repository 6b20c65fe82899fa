"""Windows of 128 ticks over any stretch of video, on an absolute grid, streaming.

r radius of the network, D width, K buttons

Window i covers ticks [64 i, 64 i + 128) and labels its centre 64; the first and the last window
that a stretch (what lies between two cuts) needs label its edges too. The part of a window outside
its stretch is masked out. Since the grid is absolute, a label never depends on how a video was cut
into segments. Vectors of frames are computed once, in chunks of 64 ticks on the same grid, and
shared by the two windows that overlap there; every batch has the same shape, so that the bytes do
not depend on the segmentation either. The published IDM sees nothing beyond a window: for it
(`zero_padded_windows`) the few vectors at a window's ends are computed a second time, in the dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...datasets.actions.mirror import Mirror
from ...networks.heads import FactoredLogits
from ...networks.mirror import mirrored
from ...training.precision import autocast
from ..network.model import InverseDynamicsModel

WINDOW = 128
STRIDE = 64
EDGE = (WINDOW - STRIDE) // 2

Range = tuple[int, int]


def window_of(tick: int, stretch: Range) -> int:
    """The number of the window that labels a tick of a stretch of ticks [s, e)."""
    first = stretch[0] // STRIDE
    last = max(first, -((WINDOW - stretch[1]) // STRIDE))  # the first that reaches the end
    return min(max((tick - EDGE) // STRIDE, first), last)


def labelled_by(window: int, stretch: Range) -> Range:
    """The ticks of a stretch that a window labels: its centre, and at an edge of the stretch all up
    to there.
    """
    start, end = window * STRIDE + EDGE, window * STRIDE + EDGE + STRIDE
    return (
        stretch[0] if window_of(start - 1, stretch) == window else start,
        stretch[1] if window_of(end, stretch) == window else end,
    )


def frame_range(keep: Range, stretch: Range, radius: int) -> Range:
    """Which frames labels for `keep` are computed from, wherever in `stretch` further cuts may be
    found.

    Args:
        keep: ticks [a, b) that are to be labelled.
        stretch: ticks [s, e) that belong together; keep lies within.
        radius: frames around a frame that its vector depends on.
    """
    _check(keep, stretch)
    # A tick of chunk c is labelled by window c - 1 or c, which cover chunks c - 1 to c + 1.
    first, last = keep[0] // STRIDE - 1, (keep[1] - 1) // STRIDE + 1
    return max(stretch[0], first * STRIDE - radius), min(stretch[1], (last + 1) * STRIDE + radius)


class Chunk(NamedTuple):
    """Vectors of 64 frames, B = 1, or 2 with those of the mirror image; r frames at each end a
    second time.
    """

    vectors: Tensor
    """[B, 64, D]."""
    opening: Tensor
    """[B, r, D]: the first r, where a window begins with them and sees nothing before. Empty where
    that is the same.
    """
    closing: Tensor
    """[B, r, D]: the last r, where a window ends with them."""


@dataclass(frozen=True, slots=True)
class WindowLogits:
    """What the network says about one window, in float32."""

    first_tick: int
    """The tick of index 0."""
    keep: Range
    """Indices [a, b) whose labels are wanted."""
    present: NDArray[np.bool_]
    """[128]: ticks within the stretch."""
    buttons: NDArray[np.float32]
    """[128, K] log-odds."""
    axes: tuple[NDArray[np.float32], ...]
    """For each axis [128, bins]."""


class WindowRunner:
    """Runs a network over stretches of video.

    Args:
        model: in evaluation mode, on its device.
        dtype: of matrix products.
        mirror: what a mirrored picture means for the actions, to average over the picture and its
            mirror image.
    """

    def __init__(
        self,
        model: InverseDynamicsModel,
        dtype: torch.dtype = torch.float32,
        *,
        mirror: Mirror | None = None,
    ):
        self.model = model
        self.dtype = dtype
        self.mirror = mirror
        self.device = next(model.parameters()).device

    def run(
        self, frames: Iterable[NDArray[np.uint8]], *, start: int, stretch: Range, keep: Range
    ) -> Iterator[WindowLogits]:
        """Yield the windows that label `keep`, in order; holds a few chunks, however long the
        stretch.

        Args:
            frames: batches uint8 [n, H, W, 3] of consecutive frames.
            start: the tick of the first of them; with all of `frame_range(keep, stretch, radius)`
                behind it.
            stretch, keep: ticks, see `frame_range`.
        """
        radius = self.model.radius
        needed = frame_range(keep, stretch, radius)
        if start > needed[0]:
            raise ValueError(
                f"frames must begin at tick {needed[0]} or before to label {keep}, got {start}"
            )
        buffer = _FrameBuffer(frames, start, stretch)
        first, last = window_of(keep[0], stretch), window_of(keep[1] - 1, stretch)
        before = self._chunk(first, buffer, stretch)
        for window in range(first, last + 1):
            after = self._chunk(window + 1, buffer, stretch)
            yield self._window(window, before, after, stretch, keep)
            before = after

    @torch.inference_mode()
    def _chunk(self, chunk: int, buffer: _FrameBuffer, stretch: Range) -> Chunk | None:
        """A chunk of the grid, or None where it lies outside the stretch."""
        start, end, radius = chunk * STRIDE, (chunk + 1) * STRIDE, self.model.radius
        if end <= stretch[0] or start >= stretch[1]:
            return None
        taken = torch.from_numpy(buffer.take(start - radius, end + radius))
        frames = taken[None]  # (1, 64 + 2r, H, W, 3)
        if self.mirror is not None:
            image = mirrored(frames, self.model.inputs.status, columns=3)
            frames = torch.cat([frames, image])
        vectors = self._features(frames)  # (B, 64, D)
        if not self.model.config.zero_padded_windows:
            return Chunk(vectors, vectors[:, :0], vectors[:, :0])
        # What a window sees that begins or ends here: the frames outside it are black.
        opening = frames[:, : 3 * radius].clone()  # (B, 3r, H, W, 3)
        closing = frames[:, -3 * radius :].clone()
        opening[:, :radius] = 0
        closing[:, -radius:] = 0
        ends = self._features(torch.cat([opening, closing]))  # (2B, r, D)
        return Chunk(vectors, *ends.chunk(2))

    def _features(self, frames: Tensor) -> Tensor:
        with autocast(self.device, self.dtype):
            return self.model.features(frames.to(self.device)).float()

    @torch.inference_mode()
    def _window(
        self, window: int, before: Chunk | None, after: Chunk | None, stretch: Range, keep: Range
    ) -> WindowLogits:
        features = _joined(before, after)  # (1 or 2, 128, D)
        first_tick = window * STRIDE
        ticks = np.arange(first_tick, first_tick + WINDOW)
        present = (ticks >= stretch[0]) & (ticks < stretch[1])
        with autocast(self.device, self.dtype):
            seen = torch.from_numpy(present).expand(len(features), -1)
            logits = self.model.forward_windows(features, seen.to(self.device))
        if self.mirror is not None:
            logits = _mean_of_both(logits, self.mirror)
        start, end = labelled_by(window, stretch)
        return WindowLogits(
            first_tick=first_tick,
            keep=(max(keep[0], start) - first_tick, min(keep[1], end) - first_tick),
            present=present,
            buttons=logits.buttons[0].float().cpu().numpy(),
            axes=tuple(axis[0].float().cpu().numpy() for axis in logits.axes),
        )


def _joined(before: Chunk | None, after: Chunk | None) -> Tensor:
    """The vectors of a window, [B, 128, D]; nothing where a chunk lies outside the stretch."""
    parts = []
    if before is not None:
        parts += [before.opening, before.vectors[:, before.opening.shape[1] :]]
    if after is not None:
        parts += [after.vectors[:, : STRIDE - after.closing.shape[1]], after.closing]
    vectors = torch.cat(parts, dim=1)
    return F.pad(vectors, (0, 0, STRIDE if before is None else 0, STRIDE if after is None else 0))


def _mean_of_both(logits: FactoredLogits, mirror: Mirror) -> FactoredLogits:
    """[2, T, …], of a picture and its mirror image ► [1, T, …]."""
    plain = FactoredLogits(logits.buttons[:1], tuple(axis[:1] for axis in logits.axes))
    image = FactoredLogits(logits.buttons[1:], tuple(axis[1:] for axis in logits.axes))
    mirrored = image.mirrored(mirror)
    axes = tuple(
        (a.float() + b.float()) / 2 for a, b in zip(plain.axes, mirrored.axes, strict=True)
    )
    return FactoredLogits((plain.buttons.float() + mirrored.buttons.float()) / 2, axes)


class _FrameBuffer:
    """Frames of a stretch by tick, from a stream; what was taken is dropped as the ticks rise."""

    def __init__(self, frames: Iterable[NDArray[np.uint8]], start: int, stretch: Range):
        self._stream = iter(frames)
        self._parts: list[NDArray[np.uint8]] = []
        self._start, self._end = start, start  # ticks of what is held
        self._stretch = stretch

    def take(self, start: int, end: int) -> NDArray[np.uint8]:
        """uint8 [end - start, H, W, 3]; black outside the stretch. Later calls may not ask for
        earlier starts.
        """
        first, last = max(start, self._stretch[0]), min(end, self._stretch[1])
        while self._end < last:
            part = next(self._stream, None)
            if part is None:
                raise ValueError(
                    f"the frames end at tick {self._end}, but ticks up to {last} were promised"
                )
            self._parts.append(part)
            self._end += len(part)
        while self._parts and self._start + len(self._parts[0]) <= first:
            self._start += len(self._parts.pop(0))
        held = np.concatenate(self._parts)  # a few chunks
        out = np.zeros((end - start, *held.shape[1:]), np.uint8)
        out[first - start : last - start] = held[first - self._start : last - self._start]
        return out


def _check(keep: Range, stretch: Range) -> None:
    if not stretch[0] <= keep[0] < keep[1] <= stretch[1]:
        raise ValueError(f"ticks {keep} to label are not within their stretch {stretch}")
