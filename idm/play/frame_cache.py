"""Decoded frames of recordings on disk, so that training reads clips instead of decoding video
again and again.

A file a phase of a recording: raw uint8 frames [T, H, W, 3] at the spec's size and tick rate, named
after the content hash of the video, the spec and the phase. Both phases of a 35 Hz recording at
17.5 Hz come from one decoding pass. Clips are read by position; a memory map would count the whole
cache as the process's memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from threading import Event

import numpy as np
from numpy.typing import NDArray

from ... import storage
from ...datasets.actions.spec import ActionSpec
from ...datasets.recordings.recording import Recording
from ...datasets.video.capture import squeeze
from ...datasets.video.frames import DamageError, decode_frames
from ...datasets.video.timing import frame_slots, tick_times_ns
from ...errors import RecordingError
from ...machine import cores
from ...progress import Progress
from .capture import Recorder, enlarge_bar
from .look import ClipLook

SUFFIX = ".frames"
BATCH_TICKS = 64  # read at a time where a whole track is looked at


@dataclass(frozen=True, slots=True)
class Track:
    """One phase of one recording: frames in the cache, labels in memory."""

    recording: str
    """Content hash of its video."""
    name: str
    phase: int
    phases: tuple[Path, ...]
    """The file of the frames of each phase."""
    buttons: NDArray[np.uint8]
    """[T, K]."""
    camera: NDArray[np.float32]
    """[T, A], degrees."""
    valid: NDArray[np.bool_]
    """[T]."""
    known: NDArray[np.bool_]
    """[T, K + A]: which buttons and axes of the labels are truth."""
    frame_shape: tuple[int, int, int]
    tick_hz: float

    @property
    def path(self) -> Path:
        """The file of its frames."""
        return self.phases[self.phase]

    @property
    def num_ticks(self) -> int:
        return len(self.buttons)

    def first(self, ticks: int) -> Track:
        """Its beginning, as a track that ends there."""
        labels = ("buttons", "camera", "valid", "known")
        return replace(self, **{name: getattr(self, name)[:ticks] for name in labels})

    def batches(self) -> Iterator[NDArray[np.uint8]]:
        """All frames, some at a time."""
        for start in range(0, self.num_ticks, BATCH_TICKS):
            yield self.frames(start, min(start + BATCH_TICKS, self.num_ticks))

    def frames(
        self,
        start: int,
        end: int,
        recorder: Recorder | None = None,
        look: ClipLook | None = None,
    ) -> NDArray[np.uint8]:
        """Frames of ticks [start, end), uint8 [n, H, W, 3], as they are or as another recorder
        shows them, with another look; ticks outside the recording are black.
        """
        out = np.zeros((end - start, *self.frame_shape), np.uint8)
        first, last = max(start, 0), min(end, self.num_ticks)
        if first >= last:
            return out
        inside = out[first - start : last - start]
        if look is not None and look.is_late:
            self._read_late(inside, first, look.shown)
        elif recorder is not None and recorder.fps:
            self._read_late(inside, first, recorder.shown)
        else:
            with open(self.path, "rb", buffering=0) as file:
                _read(file, first, inside)
        if recorder is not None and recorder.bar[0]:
            enlarge_bar(inside, *recorder.bar)
        if look is not None:
            inside[:] = look.apply(inside)
        if recorder is not None and recorder.crf:
            inside[:] = squeeze(inside, recorder.crf)
        return out

    def _read_late(
        self,
        out: NDArray[np.uint8],
        first: int,
        shown_of: Callable[[NDArray[np.int64], float], NDArray[np.int64]],
    ) -> None:
        """The frames of ticks from `first` on; between two ticks lie those of the other phases."""
        count = len(self.phases)
        wanted = self.phase + count * np.arange(first, first + len(out))
        shown = np.maximum(shown_of(wanted, self.tick_hz * count), 0)
        with ExitStack() as stack:
            files = [stack.enter_context(open(path, "rb", buffering=0)) for path in self.phases]
            for index, frame in enumerate(shown.tolist()):
                _read(files[frame % count], frame // count, out[index : index + 1])


def _read(file: FileIO, first: int, out: NDArray[np.uint8]) -> None:
    """Fill `out` with cached frames from number `first` on."""
    file.seek(first * out[0].size)
    view = out.reshape(-1).data
    done = 0
    while done < len(view):
        read = file.readinto(view[done:])
        if not read:
            raise RecordingError(
                f"{file.name}: the cached frames end early; remove this file and start again"
            )
        done += read


def open_tracks(
    recordings: list[Recording],
    spec: ActionSpec,
    folder: Path,
    *,
    phases: bool = True,
    quiet: bool = False,
) -> list[Track]:
    """Decode what the cache lacks, in as many threads as there are cores, and return all tracks in
    order.

    Args:
        recordings: labelled play.
        spec: what the labels and frames are read under.
        folder: of the cache; made if missing.
        phases: all phases of each recording, or only the first (validation needs no second look).
        quiet: show no progress.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # their labels first: what is wrong with a recording shows before an hour of decoding
    tracks = []
    for recording in recordings:
        paths = tuple(_paths(recording, spec, folder, phases))
        for phase in range(len(paths)):
            actions = recording.actions(spec, phase)
            tracks.append(
                Track(
                    recording=recording.sha256,
                    name=recording.name,
                    phase=phase,
                    phases=paths,
                    buttons=actions.buttons,
                    camera=actions.camera,
                    valid=actions.valid,
                    known=actions.known,
                    frame_shape=(spec.frame.height, spec.frame.width, 3),
                    tick_hz=float(spec.tick_hz),
                )
            )
    missing = [
        recording for recording in recordings if not _is_cached(recording, spec, folder, phases)
    ]
    if missing:
        _decode_all(missing, spec, folder, phases, quiet)
    return tracks


def _decode_all(
    missing: list[Recording], spec: ActionSpec, folder: Path, phases: bool, quiet: bool
) -> None:
    stop = Event()
    total = sum(recording.num_frames for recording in missing)
    with (
        nullcontext()
        if quiet
        else Progress("Decoding recordings", total=total, unit="frames") as progress,
        ThreadPoolExecutor(cores()) as pool,
    ):
        jobs = {
            pool.submit(_decode, r, spec, _paths(r, spec, folder, phases), stop): r for r in missing
        }
        try:
            for job in as_completed(jobs):
                job.result()
                if progress is not None:
                    progress.advance(jobs[job].num_frames)
        except (
            BaseException
        ):  # Ctrl-C too: what runs ends at its next frame, what waits does not begin
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _paths(recording: Recording, spec: ActionSpec, folder: Path, phases: bool) -> list[Path]:
    count = recording.phases(spec) if phases else 1
    return [
        folder / f"{recording.sha256[:16]}-{spec.sha256[:16]}-{phase}{SUFFIX}"
        for phase in range(count)
    ]


def _is_cached(recording: Recording, spec: ActionSpec, folder: Path, phases: bool) -> bool:
    frame_bytes = spec.frame.height * spec.frame.width * 3
    return all(
        path.is_file() and path.stat().st_size == recording.num_ticks(spec, phase) * frame_bytes
        for phase, path in enumerate(_paths(recording, spec, folder, phases))
    )


def remove_cache(folder: Path) -> None:
    """Remove the cached frames, also those that a killed run left half, and the folder if nothing
    else is in it.
    """
    for path in (*folder.glob(f"*{SUFFIX}"), *folder.glob(f".*{SUFFIX}.*.tmp")):
        path.unlink()
    storage.remove_if_empty(folder)


def _decode(recording: Recording, spec: ActionSpec, paths: list[Path], stop: Event) -> None:
    """One pass over the video; each phase's frames go to its file, whole or not at all."""
    video = recording.video
    since_first = video.pts_ns - video.pts_ns[0]
    slots = []
    for phase in range(len(paths)):
        times = tick_times_ns(
            0, recording.num_ticks(spec, phase), spec.tick_hz, int(since_first[phase])
        )
        slots.append(frame_slots(since_first, times, video.tolerance_ns))
    written = [0] * len(paths)
    try:
        # Not synced: a cache can be made again, and its size is checked before it is used.
        with storage.replacing_all(paths, sync=False) as temporary:
            with ExitStack() as stack:
                files = [stack.enter_context(open(path, "wb")) for path in temporary]
                for index, picture in decode_frames(
                    video, spec.frame, np.unique(np.concatenate(slots))
                ):
                    if stop.is_set():
                        raise CancelledError
                    for phase, wanted in enumerate(slots):
                        while written[phase] < len(wanted) and wanted[written[phase]] == index:
                            files[phase].write(np.ascontiguousarray(picture).data)
                            written[phase] += 1
            for phase, wanted in enumerate(slots):
                if written[phase] != len(wanted):
                    raise RecordingError(
                        f"{recording.stem}.mp4 shows {written[phase]} of {len(wanted)} ticks and "
                        "then ends; remove the recording or make it again"
                    )
    except DamageError as error:
        raise RecordingError(
            f"{recording.stem}.mp4 is damaged after tick {written[0]}: {error}; "
            "remove the recording or make it again"
        ) from error
