"""Are labels and frames shifted? `python benchmarks/label_shift.py [RECORDINGS…] [--minutes 68]`.

What `vidact spec check` says of recordings of one minute whose labels stand right, and of the same
ones with all labels moved by two and by three ticks, either way: how often it claims a shift, and
how often the very one. Without RECORDINGS, play of both games is recorded in WORK: a rerun records
what is missing. The figures go to benchmarks/results/label_shift.json, by spec.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from vidact.datasets.recordings.alignment import (
    decide,
    explained,
    gray_ticks,
    label_features,
    picture_changes,
)
from vidact.datasets.recordings.recording import Recording, find_recordings, spec_of, unique
from vidact.games.config import RecordCrafterConfig, RecordDoomConfig
from vidact.games.doom.maps import parse_maps
from vidact.games.record_crafter import record_crafter
from vidact.games.record_doom import record_doom
from vidact.machine import cores
from vidact.progress import Progress

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
MOVED = (0, -1, 1, -2, 2, -3, 3)
SECONDS, MIN_SECONDS = 60, 55


def minutes_of(recording: Recording) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Changes, labels and whether there is one, of each minute of a recording."""
    spec = spec_of([recording])
    actions = recording.actions(spec)
    ticks = len(actions.valid)
    changes = picture_changes(gray_ticks(recording, spec, ticks))
    labels = label_features(actions.buttons[:-1], actions.camera[:-1])
    length, least = (round(seconds * spec.tick_hz) for seconds in (SECONDS, MIN_SECONDS))
    return [
        (changes[at : at + length], labels[at : at + length], actions.valid[:-1][at : at + length])
        for at in range(0, ticks - least, length)
    ]


def claimed(minute: tuple[np.ndarray, np.ndarray, np.ndarray], moved: int) -> int | None:
    """The shift that is claimed where all labels are moved by some ticks."""
    changes, labels, valid = minute
    known = np.roll(valid, moved)
    # What was rolled in from the other end is no label.
    known[: max(moved, 0)] = False
    known[len(known) + min(moved, 0) :] = False
    return decide(explained(changes, np.roll(labels, moved, axis=0), known)).ticks


def told_of(recording: Recording) -> list[list[int | None]]:
    """The shifts that are claimed of each of its minutes, by `MOVED`."""
    return [[claimed(minute, moved) for moved in MOVED] for minute in minutes_of(recording)]


def share(rows: Sequence[Sequence[int | None]], moved: int) -> dict[str, float]:
    """How often a shift is claimed of labels that were moved, and how often the very one."""
    claims = [row[MOVED.index(moved)] for row in rows]
    return {
        "claimed": float(np.mean([bool(claim) for claim in claims])),
        "the_very_one": float(np.mean([claim == -moved for claim in claims])),
    }


def figures(rows: Sequence[Sequence[int | None]]) -> dict[str, Any]:
    """What came of so many minutes."""
    return {
        "minutes": len(rows),
        "claimed_of_right_ones": share(rows, 0)["claimed"],
        "nobody_can_tell": float(np.mean([row[0] is None for row in rows])),
        **{f"moved_by_{-moved:+d}": share(rows, moved) for moved in MOVED if moved},
    }


def bars(rows: Sequence[Sequence[int | None]]) -> dict[str, Any]:
    """What was asked for, over all minutes."""
    found = min(share(rows, moved)["claimed"] for moved in MOVED if abs(moved) >= 2)
    right = 1 - share(rows, 0)["claimed"]
    return {
        "a shift of two ticks or more is found, at the least": {
            "at_least": 0.95,
            "found": found,
            "holds": found >= 0.95,
        },
        "none is claimed of right ones": {
            "at_least": 0.99,
            "found": right,
            "holds": right >= 0.99,
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recordings", nargs="*")
    parser.add_argument(
        "--minutes", type=int, default=68, help="of each game; of Doom each is a map of its own"
    )
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "label-shift")
    parser.add_argument("--out", type=Path, default=RESULTS / "label_shift.json")
    options = parser.parse_args()
    if not options.recordings:
        # Both go as fast as their engines, and make what is missing. The check looks at 64x64.
        doom, crafter = options.work / "doom", options.work / "crafter"
        maps = ",".join(parse_maps("all")[: options.minutes])
        record_doom(
            RecordDoomConfig(
                out=str(doom), minutes=options.minutes, maps=maps, width=160, height=120
            )
        )
        record_crafter(RecordCrafterConfig(out=str(crafter), minutes=options.minutes))
        options.recordings = [doom, crafter]
    recordings = unique(find_recordings(options.recordings))
    rows: dict[str, list[list[int | None]]] = defaultdict(list)
    with ProcessPoolExecutor(cores()) as pool, Progress("Looking", total=len(recordings)) as done:
        for recording, told in zip(recordings, pool.map(told_of, recordings), strict=True):
            rows[str(recording.meta["spec"])] += told
            done.advance(1)
    result: dict[str, Any] = {spec: figures(one) for spec, one in rows.items() if one}
    result["bars"] = bars([row for one in rows.values() for row in one])
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
