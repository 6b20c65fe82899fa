"""Random clips of labelled play, augmented, as batches for the network.

B clips, T ticks, K buttons, A axes

A batch is a pure function of (seed, number): a run that resumes at a step sees the same clips as
one that never stopped, and threads may prepare batches ahead in any order.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...datasets.actions.spec import ActionSpec
from ...errors import RecordingError
from ...training.chance import Use, chance
from ..network.augment import ClipDraw, draw, mirror_of_clips
from ..network.config import AugmentConfig
from ..network.inputs import InputPipeline, Inputs
from ..scores.figures import COMMON
from .capture import Recorder, draw_recorder
from .frame_cache import Track
from .look import ClipLook
from .training_play import press_rates

TRIES = 20  # draws of a start before a clip with few labels is taken as it is
# of clips after which the video ends, as it does at cuts: their last tick is labelled from the past
# alone
CUT_SHARE = 0.25
# Of a clip's ticks that must carry a label, so that menus and deaths do not fill batches.
LABELLED_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class ClipBatch:
    """What one step trains on."""

    inputs: Inputs
    buttons: Tensor
    """float [B, T, K], 0 or 1."""
    camera: Tensor
    """float [B, T, A], degrees."""
    valid: Tensor
    """bool [B, T]: ticks whose labels count."""
    known: Tensor
    """bool [B, T, K + A]: which buttons and axes of them do."""
    present: Tensor
    """bool [B, T]: ticks that exist."""

    def to(self, device: torch.device) -> ClipBatch:
        rest = (self.buttons, self.camera, self.valid, self.known, self.present)
        return ClipBatch(self.inputs.to(device), *(part.to(device) for part in rest))


class Variation(Protocol):
    """What varies clips beyond augmentation; a pure function of the batch's number."""

    def clips(self, number: int, count: int) -> list[tuple[Track | None, ClipLook]]:
        """For each clip of a batch its look, and the fresh play that it is taken from, if any."""
        ...


class ClipSampler:
    """Draws batches.

    Args:
        tracks: labelled play; each is drawn from in proportion to its length.
        spec: of the labels.
        pipeline: makes the network's inputs; its radius is how many frames around a clip are read.
        batch_clips: B. clip_ticks: T.
        augment: ranges of the augmentation.
        seed: of all draws.
        dtype: of the motion front end's products.
        rare_clips: part of the clips that are drawn around a press of a rare button.
        variation: of clips, if any.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        spec: ActionSpec,
        pipeline: InputPipeline,
        *,
        batch_clips: int,
        clip_ticks: int,
        augment: AugmentConfig,
        seed: int,
        dtype: torch.dtype = torch.float32,
        rare_clips: float = 0.0,
        variation: Variation | None = None,
    ):
        self.tracks = [track for track in tracks if track.valid.any()]
        if not self.tracks:
            raise RecordingError(
                "no tick of the training recordings has a valid label: nothing to learn from"
            )
        self.spec, self.pipeline = spec, pipeline
        self.batch_clips, self.clip_ticks = batch_clips, clip_ticks
        self.augment, self.mirror = augment, mirror_of_clips(augment, spec)
        self.seed, self.dtype = seed, dtype
        lengths = np.array([track.num_ticks for track in self.tracks], np.float64)
        self._share = np.cumsum(lengths / lengths.sum())
        self.rare_clips, self.variation = rare_clips, variation
        self._rare = rare_presses(self.tracks) if rare_clips else []

    def batch(self, number: int) -> ClipBatch:
        """The batch of a number, such as the step's."""
        generator = chance(Use.CLIPS, self.seed, number)
        radius, ticks = self.pipeline.radius, self.clip_ticks
        frames, buttons, camera, valid, known, present, draws = [], [], [], [], [], [], []
        varied: Sequence[tuple[Track | None, ClipLook | None]]
        varied = [(None, None)] * self.batch_clips
        if self.variation is not None:
            varied = self.variation.clips(number, self.batch_clips)
        for recorder, (fresh, look) in zip(self._recorders(number), varied, strict=True):
            track, start = self._place(generator, fresh)
            one = draw(self.augment, generator, self.spec.frame.width, self.spec.frame.height)
            clip = track.frames(start - radius, start + ticks + radius, recorder, look)
            if radius and generator.random() < CUT_SHARE:
                clip[-radius:] = 0
            frames.append(torch.from_numpy(clip))
            labels = _cut(track, start, start + ticks)
            mirrored = self.mirror.apply(labels[0], labels[1]) if one.mirror else labels[:2]
            buttons.append(mirrored[0])
            camera.append(mirrored[1])
            valid.append(labels[2])
            known.append(self.mirror.apply_known(labels[3]) if one.mirror else labels[3])
            present.append(labels[4])
            draws.append(one)
        return ClipBatch(
            inputs=self._inputs(frames, draws),
            buttons=torch.from_numpy(np.stack(buttons).astype(np.float32)),
            camera=torch.from_numpy(np.stack(camera).astype(np.float32)),
            valid=torch.from_numpy(np.stack(valid)),
            known=torch.from_numpy(np.stack(known)),
            present=torch.from_numpy(np.stack(present)),
        )

    def batches(
        self, first: int, workers: int, *, stride: int = 1, count: int | None = None
    ) -> Generator[ClipBatch, None, None]:
        """Batches first, first + stride, …, `count` of them or without end, prepared ahead by
        `workers` threads (0: when asked for).
        """
        numbers = itertools.islice(itertools.count(first, stride), count)
        if workers == 0:
            yield from map(self.batch, numbers)
            return
        with ThreadPoolExecutor(workers) as pool:
            ahead: deque[Future[ClipBatch]] = deque()
            try:
                while True:
                    for number in itertools.islice(numbers, workers + 1 - len(ahead)):
                        ahead.append(pool.submit(self.batch, number))
                    if not ahead:
                        return
                    yield ahead.popleft().result()
            finally:
                for job in ahead:
                    job.cancel()

    def _recorders(self, number: int) -> list[Recorder]:
        """One a clip of this batch, from a stream of their own."""
        generator = chance(Use.RECORDERS, self.seed, number)
        return [draw_recorder(self.augment, generator) for _ in range(self.batch_clips)]

    def _place(
        self, generator: np.random.Generator, fresh: Track | None = None
    ) -> tuple[Track, int]:
        """A track and a start. Clips may begin anywhere that leaves them whole, or fill a short
        track.
        """
        if fresh is not None:
            return fresh, labelled_start(fresh, self.clip_ticks, generator)
        if self._rare and generator.random() < self.rare_clips:
            return self._around_a_press(generator)
        track, start = self.tracks[0], 0
        for _ in range(TRIES):
            index = int(np.searchsorted(self._share, generator.random(), side="right"))
            track = self.tracks[min(index, len(self.tracks) - 1)]
            start = int(generator.integers(0, max(1, track.num_ticks - self.clip_ticks + 1)))
            if track.valid[start : start + self.clip_ticks].mean() >= LABELLED_SHARE:
                break
        return track, start

    def _around_a_press(self, generator: np.random.Generator) -> tuple[Track, int]:
        """A clip that has a press of a rare button somewhere in it."""
        # By the square root of their number: a button that is pressed a few times is seen more
        # often than it is pressed, and still not learned by heart.
        often = np.cumsum([len(presses) ** 0.5 for presses in self._rare])
        which = int(np.searchsorted(often, generator.random() * often[-1], side="right"))
        presses = self._rare[min(which, len(self._rare) - 1)]
        index, tick = presses[int(generator.integers(len(presses)))]
        track = self.tracks[index]
        start = int(tick) - int(generator.integers(self.clip_ticks))
        return track, min(max(start, 0), max(0, track.num_ticks - self.clip_ticks))

    def _inputs(self, frames: list[Tensor], draws: list[ClipDraw]) -> Inputs:
        return self.pipeline(torch.stack(frames), draws=draws, dtype=self.dtype)


def labelled_start(track: Track, ticks: int, generator: np.random.Generator) -> int:
    """Where a clip of a track begins, so that enough of its ticks have a label if any do."""
    start = 0
    for _ in range(TRIES):
        start = int(generator.integers(0, max(1, track.num_ticks - ticks + 1)))
        if track.valid[start : start + ticks].mean() >= LABELLED_SHARE:
            break
    return start


def rare_presses(tracks: Sequence[Track]) -> list[NDArray[np.int64]]:
    """Where each rare button goes down: for each of them int [n, 2], track and tick.

    Rare are buttons that are held in less than `COMMON` of the valid ticks; a press counts where
    its label is valid and known.
    """
    held = press_rates(tracks)
    found = []
    for button in np.flatnonzero((held > 0) & (held < COMMON)):
        presses = []
        for index, track in enumerate(tracks):
            down = np.diff(track.buttons[:, button].astype(np.int8), prepend=0) > 0
            ticks = np.flatnonzero(down & track.valid & track.known[:, button])
            presses.append(np.stack([np.full(len(ticks), index), ticks], axis=1))
        found.append(np.concatenate(presses))
    return [presses for presses in found if len(presses)]


def _cut(track: Track, start: int, end: int) -> tuple[np.ndarray, ...]:
    """Buttons, camera, valid, known and present of ticks [start, end) of a track that may be
    shorter.
    """
    have = min(end, track.num_ticks) - start
    missing = (0, end - start - have)
    return (
        np.pad(track.buttons[start:end], (missing, (0, 0))),
        np.pad(track.camera[start:end], (missing, (0, 0))),
        np.pad(track.valid[start:end], missing),
        np.pad(track.known[start:end], (missing, (0, 0))),
        np.pad(np.ones(have, bool), missing),
    )
