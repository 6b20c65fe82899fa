"""Writes labeled play as it happens: `<stem>.mp4`, `<stem>.jsonl` and `<stem>.meta.json`.

All three are written under temporary names and renamed at the end, the jsonl last, so that a
recording either exists whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import storage
from ...attempts import temporary_name
from ...errors import RecordingError
from ..actions.devices import DeviceState
from .film import Film, require_filmable

# In the order in which they are put in place: a folder is searched for the jsonl, so it comes last.
SUFFIXES = (".meta.json", ".mp4", ".jsonl")
# Recording shares its machine with the game: the cheapest preset encodes and decodes fastest, and
# crf 18 keeps the pictures as good as a slower preset's at 23; size is no matter for recordings
# that are packed or trained on at once.
ENCODER = {"preset": "ultrafast", "crf": "18", "g": "120"}


class RecordingWriter:
    """Writes frames and device states one by one, until `close`.

    An exception inside a `with` block discards everything.

    Args:
        stem: path without suffix; its folder is made.
        fps: exact rate of the frames, such as `Fraction(35)`.
        size: width and height in pixels, both even (H.264 with halved chroma).
        meta: plain values for `<stem>.meta.json` (game, map, seed, player …); rate and size are
            added.
        encoder: options of libx264, where size matters more than speed.
    """

    def __init__(
        self,
        stem: Path | str,
        *,
        fps: Fraction,
        size: tuple[int, int],
        meta: Mapping[str, Any] | None = None,
        encoder: Mapping[str, str] = ENCODER,
    ):
        self.stem = Path(stem)
        self.fps = Fraction(fps)
        self.size = size
        require_filmable(self.fps, size)
        self.meta = {**(meta or {}), "fps": str(self.fps), "width": size[0], "height": size[1]}
        self._temporary = _temporary_files(self.stem)
        lines = self._temporary[".jsonl"]
        self._lines = open(lines, "w", encoding="utf-8")  # noqa: SIM115 - open until `close`
        self._film = Film(
            self._temporary[".mp4"], self.stem, fps=self.fps, size=size, encoder=encoder
        )

    @property
    def num_frames(self) -> int:
        """Frames so far."""
        return self._film.num_pictures

    def write(
        self, frame: NDArray[np.uint8], state: DeviceState, further: Mapping[str, Any] | None = None
    ) -> None:
        """Add a frame, uint8 [h, w, 3] RGB, and what the devices did after it was shown.

        `further` fields go into the frame's line as they are.
        """
        if frame.shape != (self.size[1], self.size[0], 3) or frame.dtype != np.uint8:
            raise RecordingError(
                f"{self.stem}: frame {self.num_frames}: expected uint8 "
                f"[{self.size[1]}, {self.size[0]}, 3], got {frame.dtype} {list(frame.shape)}"
            )
        number = self._film.add_rgb(frame)
        self._lines.write(state.to_json(number, further) + "\n")

    def close(self) -> None:
        """Finish the files and put them in place. Raises RecordingError if nothing was written."""
        if self._film.closed:
            return
        if not self.num_frames:
            self.discard()
            raise RecordingError(f"{self.stem}: no frames were written")
        self._film.close()
        self._lines.close()
        self.meta["frames"] = self.num_frames
        put_in_place(self.stem, self._temporary, self.meta)

    def discard(self) -> None:
        """Throw away what was written."""
        self._film.abandon()
        with suppress(OSError):  # on a full disk what is not yet written cannot be
            self._lines.close()
        for path in self._temporary.values():
            path.unlink(missing_ok=True)

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.discard()
            return
        try:
            self.close()
        except BaseException:
            self.discard()
            raise


def copy_recording(
    video: Path,
    stem: Path | str,
    states: Sequence[DeviceState],
    further: Sequence[Mapping[str, Any]],
    meta: Mapping[str, Any],
) -> None:
    """Make a recording of a video that exists already.

    Its file is copied as it is, states and meta are written beside it.

    Args:
        video: an mp4 with as many frames as there are `states`.
        stem: path of the new recording without suffix.
        states: one per frame.
        further: fields for the line of each frame.
        meta: plain values for `<stem>.meta.json`.
    """
    target = Path(stem)
    temporary = _temporary_files(target)
    try:
        shutil.copyfile(video, temporary[".mp4"])
        with open(temporary[".jsonl"], "w", encoding="utf-8") as lines:
            for i, (state, more) in enumerate(zip(states, further, strict=True)):
                lines.write(state.to_json(i, more) + "\n")
        put_in_place(target, temporary, dict(meta) | {"frames": len(states)})
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)


def make_folder(out: str | Path) -> Path:
    """Make the folder of recordings where there is none, and remove what killed writers left."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for unfinished in {path.parent for path in folder.rglob(".*.tmp")}:
        storage.remove_abandoned(unfinished)
    return folder


def _temporary_files(stem: Path) -> dict[str, Path]:
    stem.parent.mkdir(parents=True, exist_ok=True)
    return {suffix: stem.parent / temporary_name(f"{stem.name}{suffix}") for suffix in SUFFIXES}


def put_in_place(stem: Path, files: Mapping[str, Path], meta: Mapping[str, Any]) -> None:
    """Make a recording of a video and lines that are written, by suffix, and of its meta."""
    write_meta(files[".meta.json"], meta)
    for suffix in SUFFIXES:
        os.replace(files[suffix], stem.parent / (stem.name + suffix))


def is_written(stem: Path, more_suffixes: Sequence[str] = ()) -> bool:
    """Whether a recording is there with all of its files, also those that lie beside it."""
    suffixes = (*SUFFIXES, *more_suffixes)
    return all((stem.parent / f"{stem.name}{suffix}").is_file() for suffix in suffixes)


def write_meta(path: Path, meta: Mapping[str, Any]) -> None:
    """Write what a recording says about itself."""
    path.write_text(json.dumps(meta, indent=1, sort_keys=True) + "\n", encoding="utf-8")
