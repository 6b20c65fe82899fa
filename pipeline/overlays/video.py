"""One video with an overlay: found, read, and painted over.

The first pass looks at frames from all over the video, and finds what is drawn on it; the second
reads every frame and films it without the overlay. Both decode in a child process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import FrameSpec
from ...datasets.formats.pictures import ENCODER
from ...datasets.recordings.film import Film
from ...datasets.video.config import DecoderConfig
from ...datasets.video.decoder import Decoder, VideoFacts
from ...datasets.video.sandbox import open_decoder
from ...errors import VideoError
from .layout import Layout
from .masking import Mask
from .place import Place, find_place, still_picture
from .reading import OverlayReader, find_opacity, probabilities

LOOKS = 48  # frames that the overlay is looked for in
LOOKED_AT_S = 600.0  # of a video: an overlay that moves later is another one
OPACITY_LOOKS = 24  # of these frames, by which its opacity is told
MIN_FRAMES = 100  # fewer tell no overlay from the game
MAX_FPS = Fraction(60)


@dataclass(frozen=True, slots=True)
class Found:
    """A layout on the screen, and which of its inputs are read off it."""

    layout: Layout
    place: Place
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """What a video shows."""

    found: tuple[Found, ...]
    names: tuple[str, ...]
    """Inputs, B of them."""
    probability: NDArray[np.float64]
    """That each is held, [N, B]."""
    motion: NDArray[np.float32]
    """Mean change of the picture from the frame before, levels, [N]."""
    fps: Fraction
    size: tuple[int, int]
    damage: str
    """What ended the video early; empty where nothing did."""


class OverlayVideo:
    """A local video file.

    Args:
        path: the file.
        decoder: settings of the child that decodes.
        height: of the frames that are looked at, where the video's are higher.
    """

    def __init__(self, path: Path, decoder: DecoderConfig, height: int):
        self.path = path
        self.facts, self.fps = _facts(path, decoder)
        self.size = _size(self.facts, height)
        self.frame = FrameSpec(*self.size)
        self._decoder: Decoder = open_decoder(decoder, self.frame)

    def find(self, layouts: Sequence[Layout], min_score: float) -> tuple[Found, ...]:
        """Find the layouts that are on the screen.

        Raises:
            VideoError: `no_overlay`, with how well the best one fits; or the file is damaged.
        """
        looks = self._looks()
        still = still_picture(looks)
        found: list[Found] = []
        seen: set[str] = set()
        best = 0.0
        for layout in layouts:
            place = find_place(still, layout)
            best = max(best, place.score if place else 0.0)
            names = tuple(name for name in layout.inputs if name not in seen)
            if place is None or place.score < min_score or not names:
                continue
            some = looks[:: max(1, len(looks) // OPACITY_LOOKS)]
            found.append(Found(layout, find_opacity(some, layout, place, names), names))
            seen |= set(names)
        if not found:
            raise VideoError(
                "no_overlay",
                self.path,
                f"the edges of no layout fit what stands still in the picture: the best have "
                f"{best:.2f}, {min_score:g} are needed",
            )
        return tuple(found)

    def read(
        self,
        found: Sequence[Found],
        film: Path,
        recording: Path,
        advance: Callable[[int], None],
    ) -> Read:
        """Read every frame, and write what it shows without the overlay to `film`.

        What comes before damage is kept.
        """
        readers = [OverlayReader(f.layout, f.place, self.size, f.names) for f in found]
        mask = Mask([f.place.box(f.layout) for f in found], self.size)
        writer = Film(film, recording, fps=self.fps, size=self.size, encoder=ENCODER)
        evidence, motion, damage = [], [], ""
        last: NDArray[np.uint8] | None = None
        try:
            for batch in self._frames(self.fps, self.facts.ticks):
                frames = batch.copy()  # the decoder's own memory is used again
                evidence.append(np.concatenate([r.evidence(frames) for r in readers], axis=1))
                mask.cover(frames)
                small = frames[:, ::8, ::8, 1]
                before = small[:1] if last is None else last
                change = np.diff(np.concatenate([before, small]).astype(np.int16), axis=0)
                motion.append(np.abs(change).mean((1, 2), dtype=np.float32))
                last = small[-1:].copy()
                for frame in frames:
                    writer.add_rgb(frame)
                advance(len(frames))
        except VideoError as error:
            if writer.num_pictures < MIN_FRAMES:
                writer.abandon()
                raise
            damage = error.detail
        except BaseException:
            writer.abandon()
            raise
        writer.close()
        return Read(
            tuple(found),
            tuple(name for f in found for name in f.names),
            probabilities(np.concatenate(evidence)),
            np.concatenate(motion),
            self.fps,
            self.size,
            damage,
        )

    def close(self) -> None:
        """End the child."""
        self._decoder.close()

    def _looks(self) -> NDArray[np.uint8]:
        """Frames from all over the video, uint8 [n, H, W, 3]."""
        if self.facts.ticks < MIN_FRAMES:
            detail = f"{self.facts.ticks} frames; at least {MIN_FRAMES} are needed"
            raise VideoError("too_short", self.path, detail)
        seconds = min(self.facts.ticks / float(self.fps), LOOKED_AT_S)
        hz = Fraction(LOOKS / seconds).limit_denominator(1000)
        found: list[NDArray[np.uint8]] = []
        try:
            found.extend(batch.copy() for batch in self._frames(hz, LOOKS))
        except VideoError:
            if not found:
                raise
        return np.concatenate(found)

    def _frames(self, hz: Fraction, ticks: int) -> Iterator[NDArray[np.uint8]]:
        for batch in self._decoder.ticks(self.path, self.frame, hz, start_tick=0, end_tick=ticks):
            yield batch.frames


def _facts(path: Path, config: DecoderConfig) -> tuple[VideoFacts, Fraction]:
    """What is known of a file, at its own rate: a tick a frame."""
    decoder = open_decoder(config, FrameSpec(16, 16))
    try:
        first = decoder.probe(path, Fraction(1))
        fps = min(Fraction(first.fps).limit_denominator(1001), MAX_FPS)
        return decoder.probe(path, fps, sha256=False), fps
    finally:
        decoder.close()


def _size(facts: VideoFacts, height: int) -> tuple[int, int]:
    """Width and height of the frames: the video's, or made smaller to a height; even."""
    wide, high = facts.width, facts.height
    if facts.rotation in (90, 270):
        wide, high = high, wide
    shrink = min(1.0, height / high)
    return max(16, round(wide * shrink / 2) * 2), max(16, round(high * shrink / 2) * 2)
