"""Are labels and frames shifted? `python benchmarks/label_shift.py [RECORDINGS…] [--minutes 30]`.

What `vidact spec check` says of recordings of one minute whose labels stand right, and of the same
ones with all labels moved by two and by three ticks, either way: how often it claims a shift, and
how often the very one. Without RECORDINGS, play of both games is recorded. The figures go to
benchmarks/results/label_shift.json, by spec.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path

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
from vidact.games.record_crafter import record_crafter
from vidact.games.record_doom import record_doom

RESULTS = Path(__file__).parent / "results"
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recordings", nargs="*")
    parser.add_argument("--minutes", type=float, default=30, help="of each game")
    parser.add_argument("--out", type=Path, default=RESULTS / "label_shift.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not options.recordings:
            place = Path(folder)
            record_doom(
                RecordDoomConfig(out=str(place / "doom"), minutes=options.minutes, maps="all")
            )
            record_crafter(RecordCrafterConfig(out=str(place / "crafter"), minutes=options.minutes))
            options.recordings = [folder]
        told: dict[str, list[list[int | None]]] = defaultdict(list)
        for recording in unique(find_recordings(options.recordings)):
            for minute in minutes_of(recording):
                told[str(recording.meta["spec"])].append([claimed(minute, m) for m in MOVED])
    result = {
        spec: {
            "minutes": len(found),
            "claimed_of_right_ones": float(np.mean([bool(row[0]) for row in found])),
            "nobody_can_tell": float(np.mean([row[0] is None for row in found])),
        }
        | {
            f"moved_by_{-moved:+d}": {
                "claimed": float(np.mean([bool(row[k]) for row in found])),
                "the_very_one": float(np.mean([row[k] == -moved for row in found])),
            }
            for k, moved in enumerate(MOVED)
            if moved
        }
        for spec, found in told.items()
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
