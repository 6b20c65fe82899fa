"""Which play an IDM is trained and measured on, and what that play is like.

K buttons, A axes
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import ActionSpec
from ...datasets.recordings.recording import Recording, find_recordings, spec_of, unique
from ...errors import ConfigError
from ...progress import log
from ..config import TrainIDMConfig
from .frame_cache import Track, open_tracks


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlay:
    """The recordings of one training."""

    spec: ActionSpec
    train: list[Recording]
    val: list[Recording]
    """Recordings to tune and calibrate on."""
    max_ticks: int | None
    """Ticks of `train` that are used, in each phase; None: all."""

    @classmethod
    def choose(cls, config: TrainIDMConfig) -> TrainingPlay:
        """The play that the settings ask for. Raises ConfigError, RecordingError, SpecError."""
        train, val = choose_recordings(config)
        spec = spec_of([*train, *val], config.spec)
        ticks = round(60 * config.data_minutes * spec.tick_hz)
        max_ticks = max(1, ticks) if config.data_minutes else None
        return cls(
            spec=spec, train=first_recordings(train, spec, max_ticks), val=val, max_ticks=max_ticks
        )

    def open(self, cache: Path, *, val_phases: bool = False) -> tuple[list[Track], list[Track]]:
        """Decode into the cache what it lacks: tracks to train on, tracks to validate on.

        `val_phases`: whether frames between the ticks of the latter can be read too.
        """
        train = first_ticks(open_tracks(self.train, self.spec, cache), self.max_ticks)
        val = open_tracks(self.val, self.spec, cache, phases=val_phases)
        return train, [track for track in val if track.phase == 0]

    def summary(self) -> str:
        """How much it is, in one line."""
        hz = float(self.spec.tick_hz)
        train, val = (
            sum(recording.num_ticks(self.spec) for recording in recordings)
            for recordings in (self.train, self.val)
        )
        used = min(train, self.max_ticks or train)
        return (
            f"{len(self.train)} recordings to train on ({used / hz / 60:.1f} minutes), "
            f"{len(self.val)} to tune and calibrate on ({val / hz / 60:.1f} minutes)"
        )


def choose_recordings(config: TrainIDMConfig) -> tuple[list[Recording], list[Recording]]:
    """Training and validation recordings: those named, or a share held out by content hash.

    Raises ConfigError.
    """
    found = {recording.sha256: recording for recording in unique(find_recordings(config.data))}
    if config.val:
        val = {recording.sha256: recording for recording in unique(find_recordings(config.val))}
        if both := sorted(found[sha256].name for sha256 in found.keys() & val.keys()):
            raise ConfigError(
                f"val: {', '.join(both[:3])} is also in data; validation must not be trained on"
            )
        groups, others = ({recording.group for recording in some.values()} for some in (found, val))
        if shared := sorted(groups & others):
            log(
                f"val shares {', '.join(shared[:3])} with data (one map, one game): "
                "its figures will flatter"
            )
        return list(found.values()), list(val.values())
    digests: dict[str, str] = {}  # of each group, the lowest of its recordings
    for recording in found.values():
        lowest = digests.get(recording.group, recording.sha256)
        digests[recording.group] = min(recording.sha256, lowest)
    if len(digests) < 2:
        raise ConfigError(
            "data: a single recording cannot be divided; give more of them, or others with --val"
        )
    count = min(max(1, round(config.val_fraction * len(digests))), len(digests) - 1)
    # Digests are as good as drawn by lot, and stay what they are.
    held_out = set(sorted(digests, key=digests.__getitem__)[:count])
    divided: tuple[list[Recording], list[Recording]] = ([], [])
    for recording in found.values():
        divided[recording.group in held_out].append(recording)
    return divided


def first_recordings(
    recordings: list[Recording], spec: ActionSpec, ticks: int | None
) -> list[Recording]:
    """As many recordings, by rising digest, as hold this number of ticks; all of them without a
    number.
    """
    if ticks is None:
        return recordings
    chosen = []
    for recording in sorted(recordings, key=lambda one: one.sha256):
        if ticks <= 0:
            break
        chosen.append(recording)
        ticks -= recording.num_ticks(spec)
    return chosen


def first_ticks(tracks: list[Track], ticks: int | None) -> list[Track]:
    """The first ticks of the tracks, this number in each phase; all of them without a number."""
    if ticks is None:
        return tracks
    so_far: Counter[int] = Counter()
    kept = []
    for track in tracks:
        count = max(ticks - so_far[track.phase], 0)
        so_far[track.phase] += track.num_ticks
        kept.append(track.first(count))
    return [track for track in kept if track.num_ticks]


def digest_of(recordings: Sequence[Recording]) -> str:
    """A digest of videos and labels, whatever their order."""
    each = sorted(f"{recording.sha256} {recording.labels_sha256}" for recording in recordings)
    return hashlib.sha256("\n".join(each).encode()).hexdigest()


def press_rates(tracks: Sequence[Track]) -> NDArray[np.float64]:
    """Share of the valid ticks in which each button is held, of those in which it is known, [K]."""
    held, ticks = (np.zeros(tracks[0].buttons.shape[1], np.int64) for _ in range(2))
    for track in tracks:
        known = track.known[:, : len(held)] & track.valid[:, None]  # (T, K)
        held += (known & (track.buttons > 0)).sum(0)
        ticks += known.sum(0)
    return held / np.maximum(ticks, 1)


def camera_scale(tracks: Sequence[Track], spec: ActionSpec) -> NDArray[np.float32]:
    """Deviation of each axis in degrees, over valid ticks in which it is known, [A]; at least half
    the finest bin.
    """
    camera = np.concatenate([track.camera[track.valid] for track in tracks])
    known = np.concatenate([track.known[track.valid, spec.num_buttons :] for track in tracks])
    deviation = np.array(
        [
            camera[known[:, a], a].std(dtype=np.float64) if known[:, a].any() else 0.0
            for a in range(spec.num_axes)
        ]
    )
    # The loss divides errors by it: an axis that hardly moves in this play would count without
    # bound.
    finest = [np.diff(spec.bin_centres(axis)).min() / 2 for axis in range(spec.num_axes)]
    return np.maximum(deviation, finest).astype(np.float32) if finest else np.zeros(0, np.float32)
