"""Decodes a part of a source's pictures, at the size of a spec's frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from ..actions.spec import FrameSpec
from .decoder import Decoder, TickReader, VideoFacts
from .ticks import TickFrames
from .view import View


class ViewDecoder:
    """Decodes a part of the pictures.

    Args:
        decoder: decodes whole ones.
        view: the part.
    """

    def __init__(self, decoder: Decoder, view: View):
        self._decoder, self._view = decoder, view

    def probe(self, path: Path, tick_hz: Fraction, *, sha256: bool = True) -> VideoFacts:
        """As `Decoder.probe`."""
        return self._decoder.probe(path, tick_hz, sha256=sha256)

    def ticks(
        self, path: Path, frame: FrameSpec, tick_hz: Fraction, *, start_tick: int, end_tick: int
    ) -> Iterator[TickFrames]:
        """As `Decoder.ticks`."""
        whole = self._view.around(frame)
        for batch in self._decoder.ticks(
            path, whole, tick_hz, start_tick=start_tick, end_tick=end_tick
        ):
            yield replace(batch, frames=self._view.of(batch.frames, frame))

    def close(self) -> None:
        """As `Decoder.close`."""
        self._decoder.close()


def view_reader(
    decoder: Decoder, view: View, path: Path, *, frame: FrameSpec, tick_hz: Fraction, end_tick: int
) -> TickReader:
    """Return what reads ranges of ticks of a part of the pictures; see `TickReader`."""
    of_view = decoder if view.is_whole else ViewDecoder(decoder, view)
    return TickReader(of_view, path, frame=frame, tick_hz=tick_hz, end_tick=end_tick)
