"""Labeled play at rest: a video with a device state per frame, read at the tick rate of a spec.

The format is VPT's contractor format (`<stem>.mp4`, `<stem>.jsonl`): line i holds what was done
*after* frame i was shown. Tick k shows the frame on screen at its moment and sums up the lines
until the next tick's frame.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import storage
from ...errors import RecordingError
from ...progress import log
from ..actions.devices import (
    NO_LABEL,
    DeviceState,
    TickActions,
    actions_of,
    parse_line,
    read_device_states,
)
from ..actions.spec import ActionSpec
from ..video.probe import VideoProbe, probe
from ..video.ticks import TickFrames, decode_ticks, num_ticks
from ..video.timing import NS, frame_slots, tick_times_ns
from .meta import known_of, latency_frames, read_meta, varied_of

DEFAULT_SPEC = "doom"


@dataclass(eq=False)
class Recording:
    """One recording on disk. Open it with `Recording.open`."""

    stem: Path
    """Path without suffix."""
    video: VideoProbe
    """The probed mp4."""
    states: list[DeviceState]
    """One per frame; where the recorder measured how late its program shows what was done
    (`latency_ms` of the meta file), it is moved to the frame after which it is seen.
    """
    meta: dict[str, Any]
    """`<stem>.meta.json`, or empty."""

    @property
    def name(self) -> str:
        """The last part of the stem."""
        return self.stem.name

    @classmethod
    def open(cls, path: str | Path) -> Recording:
        """Open by stem or by the mp4's path.

        Raises:
            VideoError: the video cannot be read.
            RecordingError: the labels cannot, or there are not as many as frames.
        """
        stem = _stem(Path(path))
        video = probe(_beside(stem, ".mp4"))
        if video.truncated:
            raise RecordingError(
                f"{stem}.mp4 is cut short: {video.truncated}; record or fetch it again"
            )
        states = read_device_states(str(_beside(stem, ".jsonl")))
        meta = read_meta(_beside(stem, ".meta.json"))
        if len(states) != video.frames:
            raise RecordingError(
                f"{stem}: {video.frames} frames in the mp4 but {len(states)} lines in the jsonl; "
                "line i must hold what was done after frame i "
                "(`vidact import vpt` fixes OpenAI's recordings)"
            )
        if (known := known_of(stem, meta)) is not None:
            states = [replace(s, known=known) if s.known is None else s for s in states]
        late = latency_frames(stem, meta, video.fps)
        return cls(stem, video, as_seen(states, late), meta)

    @property
    def num_frames(self) -> int:
        return self.video.frames

    @property
    def fps(self) -> Fraction:
        return self.video.fps

    @cached_property
    def sha256(self) -> str:
        """Hex digest of the mp4."""
        return self.video.sha256

    @cached_property
    def labels_sha256(self) -> str:
        """Hex digest of what was done, where `sha256` says what was shown: of the jsonl, of the
        frames by which it is moved, and of what of it is truth.

        Raises:
            RecordingError: it cannot be read.
        """
        path = _beside(self.stem, ".jsonl")
        try:
            digest = storage.sha256_file(path)
        except OSError as error:
            raise RecordingError(f"{path}: cannot be read: {error.strerror}") from error
        moved = latency_frames(self.stem, self.meta, self.fps)
        known = known_of(self.stem, self.meta)
        # Of a recording that says neither, the digest is that of its lines.
        further = ([str(moved)] if moved else []) + ([] if known is None else [json.dumps(known)])
        return (
            hashlib.sha256(" ".join([digest, *further]).encode()).hexdigest() if further else digest
        )

    def taken_ns(self) -> NDArray[np.int64]:
        """Return when each frame was taken on the recorder's clock, int64 [N] in ns.

        Raises:
            RecordingError: the lines do not say so, as only `record screen` writes it.
        """
        path = _beside(self.stem, ".jsonl")
        with open(path, "rb") as file:
            times = [parse_line(line).get("time_ns") for line in file if line.strip()]
        if not all(isinstance(time, int) for time in times):
            raise RecordingError(
                f"{path}: its lines have no time_ns: no recorder of screens made it"
            )
        return np.array(times, np.int64)

    @property
    def path(self) -> Path:
        """The mp4."""
        return Path(self.video.path)

    @property
    def group(self) -> str:
        """The name of what stays together where play is divided: players of one game share it."""
        return str(self.meta.get("group") or self.sha256)

    @property
    def varied(self) -> dict[str, float]:
        """How its play is not as usual, see `varied_of`."""
        return varied_of(self.meta)

    def phases(self, spec: ActionSpec) -> int:
        """Return how many first frames give different ticks: 2 for 35 frames/s at 17.5 ticks/s."""
        return max(1, min(int(self.fps / spec.tick_hz), self.num_frames))

    def num_ticks(self, spec: ActionSpec, phase: int = 0) -> int:
        """Return how many ticks `actions` and `frames` give."""
        return num_ticks(self.video, spec.tick_hz, self._phase_s(phase))

    def actions(self, spec: ActionSpec, phase: int = 0) -> TickActions:
        """Return the actions of all ticks from source frame `phase` on.

        The last tick is not valid if the recording ends within it.

        Raises:
            RecordingError: the recording is slower than the ticks; what was done in half a frame is
                not known.
        """
        if self.fps < spec.tick_hz * Fraction(999, 1000):
            raise RecordingError(
                f"{self.stem}: {float(self.fps):g} frames/s is slower than the "
                f"{float(spec.tick_hz):g} ticks/s of spec {spec.name!r}; "
                "use a spec with a lower tick_hz"
            )
        starts = self._slots(spec, phase)
        complete = tick_times_ns(
            len(starts), len(starts) + 1, spec.tick_hz, round(self._phase_s(phase) * NS)
        )[0]
        # Where ticks share a frame (timestamps that jitter around an equal rate), only the last
        # of them has its line.
        own = np.flatnonzero(np.diff(starts, append=self.num_frames) > 0)
        summed = actions_of(spec, self.states, np.append(starts[own], self.num_frames))
        buttons = np.zeros((len(starts), spec.num_buttons), np.uint8)
        camera = np.zeros((len(starts), spec.num_axes), np.float32)
        valid = np.zeros(len(starts), bool)
        known = np.ones((len(starts), spec.num_buttons + spec.num_axes), bool)
        buttons[own], camera[own], valid[own] = summed.buttons, summed.camera, summed.valid
        known[own] = summed.known
        recorded_ns = self.video.end_ns - int(self.video.pts_ns[0]) + self.video.tolerance_ns
        if len(starts) and complete > recorded_ns:
            valid[-1] = False
        return TickActions(buttons, camera, valid, known)

    def episodes(
        self, spec: ActionSpec, phase: int = 0, *, derived: bool = False
    ) -> list[tuple[int, int]]:
        """Return the half-open tick ranges of the recording's episodes, one after the other.

        A tick in whose midst an episode begins is the last one of the episode before.

        Args:
            derived: where no line says where an episode begins, as in recordings of before lines
                did, it is derived from where scripted players lay dead.
        """
        slots = self._slots(spec, phase)
        begun = [number for number, state in enumerate(self.states) if state.first]
        if derived and not begun:
            begun = self._after_deaths()
        starts = np.searchsorted(slots, begun)
        inner = sorted({int(tick) for tick in starts if 0 < tick < len(slots)})
        return list(pairwise([0, *inner, len(slots)]))

    def frames(
        self, spec: ActionSpec, phase: int = 0, *, start_tick: int = 0, end_tick: int | None = None
    ) -> Iterator[TickFrames]:
        """Yield frames of the same ticks, in batches of up to 64. Raises VideoError on damage."""
        return decode_ticks(
            self.video.path,
            spec.frame,
            spec.tick_hz,
            start_tick=start_tick,
            end_tick=end_tick,
            phase_s=self._phase_s(phase),
            probe=self.video,
        )

    def _after_deaths(self) -> list[int]:
        """The frames with which lives begin that follow on another, of a scripted player.

        Nothing is held in the frames between two lives, and there is no label; where a game only
        did not obey, something was held. People also pause, so that theirs say nothing.
        """
        if not str(self.meta.get("player", "")).startswith("scripted"):
            return []
        dead = [
            not (state.valid or state.inputs() or state.dx or state.dy) for state in self.states
        ]
        return [number for number, pair in enumerate(pairwise(dead), 1) if pair == (True, False)]

    def _slots(self, spec: ActionSpec, phase: int) -> NDArray[np.int64]:
        """Return the source frame of each tick, int64 [T]."""
        times = tick_times_ns(
            0, self.num_ticks(spec, phase), spec.tick_hz, round(self._phase_s(phase) * NS)
        )
        return frame_slots(self.video.pts_ns - self.video.pts_ns[0], times, self.video.tolerance_ns)

    def _phase_s(self, phase: int) -> float:
        if not 0 <= phase < self.num_frames:
            raise RecordingError(
                f"{self.stem}: phase must be a frame number below {self.num_frames}, got {phase}"
            )
        return int(self.video.pts_ns[phase] - self.video.pts_ns[0]) / NS


def as_seen(states: Sequence[DeviceState], frames: int) -> list[DeviceState]:
    """Move what was done later by some frames; what belongs to the picture stays where it is.

    The first ones, of which nobody knows what was done before the recording, have no label. Fewer
    than 0 frames move it earlier, and the last ones have none.
    """
    if not frames:
        return list(states)
    return [
        replace(
            (told := states[i - frames] if 0 <= i - frames < len(states) else NO_LABEL),
            valid=state.valid and told.valid,
            first=state.first,
            gui_open=state.gui_open,
            cursor_x=state.cursor_x,
            cursor_y=state.cursor_y,
        )
        for i, state in enumerate(states)
    ]


def labeled_ticks(
    recordings: Sequence[Recording], spec: ActionSpec
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_], int]:
    """Return buttons [ticks, K], motion [ticks, A] and what of both is known [ticks, K + A], of all
    ticks with a label.

    And how many have none; of the first phase.
    """
    buttons, camera, known, without = [], [], [], 0
    for recording in recordings:
        actions = recording.actions(spec)
        buttons.append(actions.buttons[actions.valid])
        camera.append(actions.camera[actions.valid])
        known.append(actions.known[actions.valid])
        without += int((~actions.valid).sum())
    return np.concatenate(buttons), np.concatenate(camera), np.concatenate(known), without


def find_recordings(paths: Sequence[str | Path]) -> list[Recording]:
    """Open all recordings that `find_stems` finds. Raises RecordingError, or VideoError."""
    return [Recording.open(stem) for stem in find_stems(paths)]


def find_stems(paths: Sequence[str | Path]) -> list[Path]:
    """Return the stems of recordings under folders, at any depth, and at files or stems, sorted.

    In a folder, what stands alone or has a hidden name is passed over: a recording that is being
    written has one. What is named itself must be there.

    Raises:
        RecordingError: a path leads to no recording, or there are no paths.
    """
    stems: set[Path] = set()
    for name in paths:
        path = storage.local_path(name)
        if path is None:
            raise RecordingError(
                f"{name}: recordings are read from this machine: download it first"
            )
        if path.is_dir():
            found = {
                _stem(p)
                for p in path.rglob("*.jsonl")
                if not p.name.startswith(".") and _beside(_stem(p), ".mp4").is_file()
            }
            if not found:
                raise RecordingError(
                    f"{path}: no recordings (pairs of .mp4 and .jsonl) in this folder"
                )
            stems |= found
        else:
            stem = _stem(path)
            if not any(_beside(stem, ending).exists() for ending in (".mp4", ".jsonl")):
                raise RecordingError(
                    f"{path}: there is no folder and no recording of this name "
                    f"(seen from {Path.cwd()})"
                )
            stems.add(stem)
    if not stems:
        raise RecordingError("no recordings given: name folders, mp4 files or stems")
    return sorted(stems)


def unique(recordings: Sequence[Recording]) -> list[Recording]:
    """Return each play once, however many names it was given by.

    Raises:
        RecordingError: the same video was given with different labels.
    """
    found: dict[str, Recording] = {}
    for recording in recordings:
        twin = found.setdefault(recording.sha256, recording)
        if twin.labels_sha256 != recording.labels_sha256:
            raise RecordingError(
                f"{twin.stem} and {recording.stem} are the same video with other labels: "
                "give only the ones that count"
            )
    return list(found.values())


def spec_of(recordings: Sequence[Recording], chosen: str = "") -> ActionSpec:
    """Return the action spec to read recordings under.

    It is `chosen`, else the one that their meta files name. Where they name none it is Doom's, but
    of recordings of screens, and of other projects', it has to be chosen: their game may be any.

    Args:
        recordings: open recordings; other tools' have no meta file, and name none.
        chosen: a built-in name or a YAML file, or empty.

    Raises:
        RecordingError: they name different specs, or none, so that nobody but the user can tell.
    """
    named = sorted(
        {str(recording.meta["spec"]) for recording in recordings if recording.meta.get("spec")}
    )
    if not chosen and len(named) > 1:
        raise RecordingError(
            f"recordings of {len(named)} specs ({', '.join(named)}): choose one with --spec"
        )
    if not chosen and not named:
        for recording in recordings:
            if not {"recorder", "source_format"}.isdisjoint(recording.meta):
                raise RecordingError(
                    f"{recording.stem}: names no action spec, and may be of any game: give one "
                    "with --spec (`vidact spec infer` drafts it)"
                )
        log(
            f"No recording names its action spec (.meta.json does): {DEFAULT_SPEC!r} is taken; "
            "--spec names another"
        )
    return ActionSpec.load(chosen or (named[0] if named else DEFAULT_SPEC))


def spec_doubts(recordings: Sequence[Recording], spec: ActionSpec) -> list[str]:
    """Return a warning where recordings were made for another spec than they are read under."""
    named = {str(recording.meta.get("spec", spec.name)) for recording in recordings}
    others = sorted(named - {spec.name})
    if not others:
        return []
    return [f"recordings made for spec {', '.join(others)} are read under {spec.name!r}"]


def _stem(path: Path) -> Path:
    """Take the known suffixes off, and no others: names may hold dots (`8.0/x-20220315`)."""
    for suffix in (".meta.json", ".mp4", ".jsonl"):
        if path.name.endswith(suffix):
            return path.parent / path.name.removesuffix(suffix)
    return path


def _beside(stem: Path, suffix: str) -> Path:
    return stem.parent / (stem.name + suffix)
