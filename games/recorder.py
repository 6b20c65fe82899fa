"""What every recorder does around its own recordings.

It deals out the minutes, skips what is there already, and makes the rest in processes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..datasets.recordings.writer import is_written, make_folder
from ..errors import ConfigError
from ..machine import cores
from ..progress import Progress, log
from .workers import Job, record_in_processes


@dataclass(frozen=True, slots=True)
class Wanted:
    """One recording that a run consists of."""

    stem: Path
    frames: int
    """How many it has; of an episode, whose end is not known before, how many at most."""
    meta: dict[str, object]
    """What it says about itself; equal for equal recordings."""
    item: Any
    """What the job makes it from; picklable."""


def equal_parts(minutes: float, longest: float, frames_per_minute: int) -> list[int]:
    """The lengths in frames of as few nearly equal recordings as give `minutes`.

    None is longer than `longest` minutes.
    """
    # The quotient of two floats may lie just above a whole number: that is no further recording.
    count = math.ceil(minutes / longest - 1e-9)
    total = round(minutes * frames_per_minute)
    bounds = [total * i // count for i in range(count + 1)]
    return [end - start for start, end in pairwise(bounds)]


def record_missing(
    title: str,
    job: Job,
    wanted: Sequence[Wanted],
    *,
    out: Path,
    jobs: int,
    more_suffixes: Sequence[str] = (),
) -> int:
    """Make the recordings that are missing; returns the exit code.

    Args:
        title: of the progress display.
        job: makes the recording of an item, see `record_in_processes`.
        wanted: all recordings of the run, in the order in which they are made.
        out: their folder.
        jobs: how many are made at a time; 0 is one per core.
        more_suffixes: of the files that these recordings have beside those of every recording.

    Raises ConfigError where recordings of these names were made otherwise: they are not replaced.
    """
    make_folder(out)
    missing = [recording for recording in wanted if not is_recorded(recording, more_suffixes)]
    if len(missing) < len(wanted):
        log(f"{out}: {len(wanted) - len(missing)} of {len(wanted)} recordings are there already")
    total = sum(recording.frames for recording in wanted)
    items = [recording.item for recording in missing]
    with Progress(title, total=total, unit="frames") as progress:
        progress.resume_at(total - sum(recording.frames for recording in missing))
        for frames in record_in_processes(job, items, jobs or cores(), where=out):
            progress.advance(frames)
    return 0


def record_episodes(
    title: str,
    job: Job,
    wanted: Callable[[int], Wanted],
    *,
    frames: int,
    out: Path,
    jobs: int,
    more_suffixes: Sequence[str] = (),
    lasting: bool = False,
) -> int:
    """Record episodes, each whole, until they have `frames` frames; returns the exit code.

    They are numbered, and so many are made as it takes: which ones does not depend on how many are
    made at a time. The other arguments are those of `record_missing`.

    Args:
        wanted: the recording of a number, from 0; its frames are those of the longest episode.
        lasting: whether a process makes several recordings, see `record_in_processes`.
    """
    make_folder(out)
    begun: list[Wanted] = []
    lengths: dict[int, int] = {}  # of the finished ones

    def look() -> int:
        """The frames that there are for sure, with episodes under way taken as the longest."""
        for number, recording in enumerate(begun):
            if number not in lengths and is_recorded(recording, more_suffixes):
                lengths[number] = _frames_of(recording)
        return sum(lengths.get(n, recording.frames) for n, recording in enumerate(begun))

    def due() -> Iterator[Any]:
        while True:
            if look() < frames:
                recording = wanted(len(begun))
                begun.append(recording)
                if not is_recorded(recording, more_suffixes):
                    yield recording.item
                else:
                    progress.resume_at(progress.done + _frames_of(recording))
            elif len(lengths) < len(begun):
                yield None
            else:
                return

    with Progress(title, total=frames, unit="frames") as progress:
        recorded = record_in_processes(job, due(), jobs or cores(), where=out, lasting=lasting)
        for done in recorded:
            progress.advance(done)
    log(f"{out}: {len(begun)} episodes with {sum(lengths.values())} frames")
    return 0


def _frames_of(recorded: Wanted) -> int:
    path = recorded.stem.parent / f"{recorded.stem.name}.meta.json"
    return int(json.loads(path.read_text(encoding="utf-8"))["frames"])


def is_recorded(wanted: Wanted, more_suffixes: Sequence[str] = ()) -> bool:
    """Whether all its files are there. Raises ConfigError where they are of another recording."""
    if not is_written(wanted.stem, more_suffixes):
        return False
    meta = wanted.stem.with_name(f"{wanted.stem.name}.meta.json")
    try:
        written = json.loads(meta.read_text(encoding="utf-8"))
    except ValueError:
        return False
    expected = json.loads(json.dumps(wanted.meta))  # tuples as the lists that a file gives back
    differing = [
        key
        for key in expected
        if not isinstance(written, dict) or written.get(key) != expected[key]
    ]
    if differing:
        raise ConfigError(
            f"{wanted.stem} was recorded otherwise ({', '.join(sorted(differing)[:3])}): "
            "give another --out, or remove it first"
        )
    return True
