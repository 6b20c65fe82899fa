"""What every recorder does around its own recordings: deal out the minutes, skip what is there, make the rest."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..machine import cores
from ..progress import Progress, log
from .doom.tracks import SUFFIX
from .workers import Job, record_in_processes

PARTS = (".mp4", ".jsonl", ".meta.json")  # of a recording


@dataclass(frozen=True, slots=True)
class Wanted:
    """One recording that a run consists of."""

    stem: Path
    frames: int
    meta: dict[str, object]
    """What it says about itself; equal for equal recordings."""
    item: Any
    """What the job makes it from; picklable."""


def equal_parts(minutes: float, longest: float, frames_per_minute: int) -> list[int]:
    """Lengths in frames of as few nearly equal recordings as give `minutes`, none longer than `longest` minutes."""
    count = math.ceil(minutes / longest - 1e-9)
    total = round(minutes * frames_per_minute)
    bounds = [total * i // count for i in range(count + 1)]
    return [end - start for start, end in pairwise(bounds)]


def record_missing(
    title: str, job: Job, wanted: Sequence[Wanted], *, out: Path, jobs: int, tracks: bool = False
) -> int:
    """Make the recordings that are missing; returns the exit code.

    Args:
        title: of the progress display.
        job: makes the recording of an item, see `record_in_processes`.
        wanted: all recordings of the run, in the order in which they are made.
        out: their folder.
        jobs: how many are made at a time; 0 is one a core.
        tracks: whether each has a track beside it, see `tracks.py`.

    Raises ConfigError where recordings of these names lie there that were made otherwise: they are not replaced.
    """
    out.mkdir(parents=True, exist_ok=True)
    todo = [one for one in wanted if not is_recorded(one, tracks)]
    if len(todo) < len(wanted):
        log(f"{out}: {len(wanted) - len(todo)} of {len(wanted)} recordings are there already")
    total = sum(one.frames for one in wanted)
    with Progress(title, total=total, unit="frames") as progress:
        progress.resume_at(total - sum(one.frames for one in todo))
        for n in record_in_processes(job, [one.item for one in todo], jobs or cores(), where=out):
            progress.advance(n)
    return 0


def is_recorded(wanted: Wanted, tracks: bool) -> bool:
    """Whether all its files are there. Raises ConfigError where they are of another recording."""
    stem = wanted.stem
    suffixes = (*PARTS, SUFFIX) if tracks else PARTS
    if not all((stem.parent / f"{stem.name}{suffix}").is_file() for suffix in suffixes):
        return False
    try:
        written = json.loads((stem.parent / f"{stem.name}.meta.json").read_text(encoding="utf-8"))
    except ValueError:
        return False
    expected = json.loads(json.dumps(wanted.meta))
    other = [
        key
        for key in expected
        if not isinstance(written, dict) or written.get(key) != expected[key]
    ]
    if other:
        raise ConfigError(
            f"{stem} was recorded otherwise ({', '.join(sorted(other)[:3])}): give another --out, or remove it first"
        )
    return True
