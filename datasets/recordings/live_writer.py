"""Writes play that cannot be played again: what was written survives the death of its process.

While a recording is made it has a hidden name: a fragmented mp4, each picture a fragment of its
own, and a line of JSON per picture, both handed to the system at once. A closed one is an ordinary
recording. Of one that was not closed, `finish_abandoned` makes the recording that its files hold.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import av
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from ...errors import RecordingError
from ..actions.devices import NO_LABEL, DeviceState
from .film import Film, require_filmable
from .writer import ENCODER, SUFFIXES, put_in_place, write_meta


class TakenError(RecordingError):
    """Another recorder has this name."""


MARK = ".live"  # in the hidden name, before the suffix
# A picture leaves the encoder before the next one comes, so that none waits in memory.
LIVE_ENCODER = dict(ENCODER) | {"tune": "zerolatency"}
FRAGMENTED = {
    "movflags": "frag_every_frame+empty_moov+default_base_moof",
    "flush_packets": "1",
}


class LiveWriter:
    """Writes pictures at an equal rate, and their lines, which may come later, until `close`.

    Args:
        stem: path without suffix; its folder is made.
        fps: exact rate of the pictures.
        size: width and height in pixels, both even; larger pictures are made smaller.
        meta: plain values for `<stem>.meta.json`; rate and size are added.

    Raises:
        TakenError: another process writes this recording, or it is there.
    """

    def __init__(
        self,
        stem: Path | str,
        *,
        fps: Fraction,
        size: tuple[int, int],
        meta: Mapping[str, Any] | None = None,
    ):
        self.stem, self.fps, self.size = Path(stem), Fraction(fps), size
        require_filmable(self.fps, size)
        self.meta = {**(meta or {}), "fps": str(self.fps), "width": size[0], "height": size[1]}
        self.num_lines = 0
        self.stem.parent.mkdir(parents=True, exist_ok=True)
        self._files = _live_files(self.stem)
        self._lines = _claim(self._files[".jsonl"])
        # Looked for after the claim: another process may have finished one meanwhile.
        if (there := self.stem.parent / f"{self.stem.name}.jsonl").exists():
            self._files[".jsonl"].unlink()
            self._lines.close()
            raise TakenError(f"{there}: is there already")
        self._lines.truncate()
        # First of all, so that whoever finds the rest knows what it is.
        write_meta(self._files[".meta.json"], self.meta)
        self._film = Film(
            self._files[".mp4"],
            self.stem,
            fps=self.fps,
            size=size,
            encoder=LIVE_ENCODER,
            container=FRAGMENTED,
        )
        self._reformatter = VideoReformatter()
        self._last: av.VideoFrame | None = None

    @property
    def num_pictures(self) -> int:
        """Pictures so far."""
        return self._film.num_pictures

    def add_picture(self, picture: NDArray[Any]) -> None:
        """Add a picture, uint8 [h, w, 4] BGRX, which is not kept."""
        self._last = self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(picture, "bgra"),
            *self.size,
            "yuv420p",
            interpolation=Interpolation.AREA,
            threads=1,
        )
        self._film.add(self._last)

    def repeat_picture(self) -> None:
        """Add the last picture once more, where none could be taken."""
        if self._last is None:
            raise RecordingError(f"{self.stem}: there is no picture yet")
        self._film.add(self._last)

    def add_line(self, state: DeviceState, further: Mapping[str, Any] | None = None) -> None:
        """Add the line of the first picture that has none yet."""
        if self.num_lines == self.num_pictures:
            raise RecordingError(f"{self.stem}: line {self.num_lines} has no picture yet")
        self._lines.write(state.to_json(self.num_lines, further) + "\n")
        self._lines.flush()
        self.num_lines += 1

    def close(self) -> None:
        """Make it a recording. The last pictures, if they have no line, have no label.

        Raises RecordingError if nothing was written.
        """
        if self._film.closed:
            return
        if not self.num_pictures:
            self.discard()
            raise RecordingError(f"{self.stem}: no frames were written")
        while self.num_lines < self.num_pictures:
            self.add_line(NO_LABEL)
        self._film.close()
        write_meta(self._files[".meta.json"], self.meta)
        _finish(self.stem, self._files, self.meta)
        self._lines.close()

    def discard(self) -> None:
        """Throw away what was written."""
        self._film.close()
        for path in self._files.values():
            path.unlink(missing_ok=True)
        self._lines.close()

    def leave(self) -> None:
        """Leave what was written as it is, for `finish_abandoned`."""
        with suppress(av.error.FFmpegError, OSError):
            self._film.close()
        with suppress(OSError):
            self._lines.close()


def abandoned(folder: Path) -> list[Path]:
    """Return the stems of recordings in a folder that were begun, and that nobody writes now."""
    found = []
    for path in sorted(folder.glob(f".*{MARK}.jsonl")):
        with suppress(RecordingError, FileNotFoundError):
            _claim(path).close()
            found.append(folder / path.name[1:].removesuffix(f"{MARK}.jsonl"))
    return found


def finish_abandoned(folder: Path) -> dict[Path, int]:
    """Make recordings of what was begun in a folder and not closed, as its process died.

    Returns:
        The frames of each, by its stem; 0 where not even one was whole, and nothing is left.

    Raises OSError.
    """
    finished = {}
    for stem in abandoned(folder):
        files = _live_files(stem)
        with suppress(RecordingError, FileNotFoundError), _claim(files[".jsonl"]):
            finished[stem] = _finish(stem, files, {"cut_off": True})
    return finished


def _finish(stem: Path, files: Mapping[str, Path], more_meta: Mapping[str, Any]) -> int:
    """Make a recording of live files, of as many frames as have picture and line; how many."""
    lines = list(_whole_lines(files[".jsonl"]))
    final = {suffix: path.parent / f"{path.name}.done" for suffix, path in files.items()}
    frames = _copy_packets(files[".mp4"], final[".mp4"], len(lines)) if lines else 0
    if frames:
        final[".jsonl"].write_bytes(b"".join(lines[:frames]))
        try:
            meta = json.loads(files[".meta.json"].read_bytes())
        except (OSError, ValueError):
            meta = {}
        put_in_place(stem, final, {**meta, **more_meta, "frames": frames})
    # The lines last: they are what is looked for, should this process die here.
    for path in (*final.values(), *(files[suffix] for suffix in SUFFIXES)):
        path.unlink(missing_ok=True)
    return frames


def _copy_packets(source: Path, target: Path, most: int) -> int:
    """Copy the first `most` whole pictures into an ordinary mp4; how many there were.

    Raises OSError where they cannot be written: then nothing of the source may be thrown away.
    """
    packets = _whole_packets(source)
    first = next(packets, None)
    if first is None:
        return 0
    copied = 0
    with av.open(os.fspath(target.absolute()), "w", format="mp4") as container:
        out = container.add_stream_from_template(first.stream)
        for packet in chain([first], islice(packets, most - 1)):
            packet.stream = out
            container.mux(packet)
            copied += 1
    if sum(1 for _ in _whole_packets(target)) != copied:  # a full disk is not always told
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(target))
    return copied


def _whole_packets(path: Path) -> Iterator[av.Packet]:
    """Yield the packets of a video up to where it was cut; none of what is no video."""
    with (
        suppress(av.error.FFmpegError, IndexError),
        av.open(os.fspath(path.absolute())) as container,
    ):
        for packet in container.demux(container.streams.video[0]):
            if packet.size == 0 or packet.is_corrupt:
                return
            yield packet


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file that are device states, up to where it was cut."""
    with open(path, "rb") as file:
        for line in file:
            try:
                DeviceState.from_json(line)
            except (ValueError, TypeError, AttributeError):
                return
            if not line.endswith(b"\n"):
                return
            yield line


def _claim(path: Path) -> IO[str]:
    """Open a live jsonl, as the only one. Raises RecordingError where another process has it."""
    file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - open as long as it is claimed
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise TakenError(f"{path}: another process writes this recording") from error
    return file


def _live_files(stem: Path) -> dict[str, Path]:
    return {suffix: stem.parent / f".{stem.name}{MARK}{suffix}" for suffix in SUFFIXES}
