"""How somebody plays: speed, press rates, hold lengths, turns, from recordings with tracks.

`python benchmarks/doom_play.py DIR…` prints one table with a column per folder, so that the
scripted player can be laid beside people. Figures are per game tic (1/35 s) unless they say
otherwise; what is not valid is left out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from vidact.datasets.actions.devices import read_device_states
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.actions.stretches import stretches
from vidact.errors import RecordingError
from vidact.games.doom.obeyed import TELEPORT_UNITS
from vidact.games.doom.tracks import SUFFIX, read_track

TICS_PER_SECOND = 35.0
STUCK_TICS = 12
STUCK_UNITS = 12.0
CELL = 64.0
MOVES = ("forward", "back", "left", "right")


@dataclass(frozen=True, kw_only=True)
class Play:
    """One recording as arrays.

    `held` bool [N, K] in the order of `names`; `turn`, `look` float [N] in degrees per tic (right
    and down are positive); `valid` bool [N]; `track` float32 [N, 6] or None.
    """

    names: tuple[str, ...]
    held: np.ndarray
    turn: np.ndarray
    look: np.ndarray
    valid: np.ndarray
    track: np.ndarray | None


def read_play(stem: Path, spec: ActionSpec) -> Play:
    """The device states of a recording as a spec sees them, with its track if there is one."""
    states = read_device_states(str(stem.parent / f"{stem.name}.jsonl"))
    inputs = [state.inputs() for state in states]
    held = np.array([[bool(set(b.inputs) & i) for b in spec.buttons] for i in inputs], bool)
    scale = spec.axes[0].degrees_per_pixel
    has_track = (stem.parent / f"{stem.name}{SUFFIX}").is_file()
    return Play(
        names=spec.button_names,
        held=held.reshape(len(states), spec.num_buttons),
        turn=np.array([s.dx for s in states]) * scale,
        look=np.array([s.dy for s in states]) * scale,
        valid=np.array([s.valid for s in states], bool),
        track=read_track(stem) if has_track else None,
    )


def play_statistics(plays: Sequence[Play]) -> dict[str, float]:
    """The figures of the table by name; shares are between 0 and 1."""
    names = plays[0].names
    held = np.concatenate([p.held[p.valid] for p in plays])
    turn = np.concatenate([p.turn[p.valid] for p in plays])
    look = np.concatenate([p.look[p.valid] for p in plays])
    minutes = len(turn) / TICS_PER_SECOND / 60
    out = {"minutes": minutes, "recordings": float(len(plays)), **_movement(plays)}
    for k, name in enumerate(names):
        out[f"held {name}"] = float(held[:, k].mean())
    weapons = [k for k, name in enumerate(names) if name.startswith("weapon.")]
    presses = sum(len(_holds(p.held[:, k])) for p in plays for k in weapons)
    out["weapon keys a minute"] = presses / minutes
    for name in (*MOVES, "run", "attack", "use"):
        holds = np.concatenate([_holds(p.held[:, names.index(name)]) for p in plays])
        lengths = holds / TICS_PER_SECOND
        for share, called in ((0.1, "10 %"), (0.5, "median"), (0.9, "90 %")):
            out[f"hold {name} {called} (s)"] = np.quantile(lengths, share) if len(lengths) else 0.0
        out[f"presses of {name} a minute"] = len(lengths) / minutes
    out.update(_motion("turn", turn))
    out.update(_motion("look", look))
    pitches = [p.track[p.valid, 4] for p in plays if p.track is not None]
    if pitches:
        pitch = np.concatenate(pitches)
        out["pitch sd (deg)"] = float(pitch.std())
        out["time level within 4 deg"] = float((np.abs(pitch) < 4).mean())
    return {name: float(value) for name, value in out.items()}


def _movement(plays: Sequence[Play]) -> dict[str, float]:
    tracked = [(p, p.track) for p in plays if p.track is not None]
    if not tracked:
        return {}
    speeds, stuck, pushed, cells, tics, by_play, standing = [], 0, 0, 0, 0, [], 0
    for play, track in tracked:
        xy = track[:, :2].astype(np.float64)
        step = np.hypot(*np.diff(xy, axis=0).T)
        # A teleporter's leap is no walk.
        whole = play.valid[1:] & play.valid[:-1] & (step < TELEPORT_UNITS)
        speeds.append(step[whole])
        by_play.append(float(step[whole].mean()) if whole.any() else 0.0)
        standing += int((step[whole] < 0.2).sum())
        moving = play.held[:, [play.names.index(m) for m in MOVES]].any(axis=1) & play.valid
        if len(xy) > STUCK_TICS:
            # [N - STUCK_TICS, STUCK_TICS]: each window has a position after its last tic.
            held = np.lib.stride_tricks.sliding_window_view(moving, STUCK_TICS)[:-1]
            window = np.asarray(held.all(axis=1))
            way = np.hypot(*(xy[STUCK_TICS:] - xy[:-STUCK_TICS]).T)
            stuck += int((window & (way < STUCK_UNITS)).sum())
            pushed += len(window)
        cells += len({(int(x), int(y)) for x, y in np.floor(xy[play.valid] / CELL)})
        tics += int(play.valid.sum())
    speed = np.concatenate(speeds)
    return {
        "speed (units a tic)": float(speed.mean()),
        "speed, slowest recording": min(by_play),
        "speed, fastest recording": max(by_play),
        "time standing": standing / max(len(speed), 1),
        "time stuck": stuck / max(pushed, 1),
        "cells of 64 units a minute": cells / max(tics / TICS_PER_SECOND / 60, 1e-9),
    }


def _motion(name: str, degrees: np.ndarray) -> dict[str, float]:
    moving = degrees[degrees != 0]
    return {
        f"{name} sd (deg)": float(degrees.std()),
        f"{name} sd while moving (deg)": float(moving.std()) if len(moving) else 0.0,
        f"{name} exactly 0": float((degrees == 0).mean()),
        f"{name} 99 % (deg)": float(np.quantile(np.abs(degrees), 0.99)),
        f"{name} largest (deg)": float(np.abs(degrees).max()),
    }


def _holds(held: np.ndarray) -> np.ndarray:
    """Lengths in tics of the stretches in which a button is held, int [P]."""
    return np.diff(stretches(held))[:, 0]


def table(columns: dict[str, dict[str, float]]) -> str:
    """A Markdown table with a row a figure and a column a player."""
    rows = list(dict.fromkeys(name for column in columns.values() for name in column))
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in rows:
        values = (f"{column[row]:.3g}" if row in column else "" for column in columns.values())
        lines.append(f"| {row} | " + " | ".join(values) + " |")
    return "\n".join(lines)


def statistics_of_folder(folder: Path, spec: ActionSpec) -> dict[str, float]:
    """The statistics of all recordings in a folder. Raises RecordingError if it holds none."""
    stems = [
        path.with_suffix("")
        for path in sorted(folder.glob("*.jsonl"))
        if not path.name.startswith(".")
    ]
    if not stems:
        raise RecordingError(
            f"{folder}: no recordings (*.jsonl with *.mp4); "
            f"`vidact record doom --out {folder}` makes some"
        )
    return play_statistics([read_play(stem, spec) for stem in stems])


def main(folders: Sequence[str]) -> int:
    """Print the table of some folders."""
    spec = ActionSpec.load("doom")
    print(table({Path(f).name: statistics_of_folder(Path(f), spec) for f in folders}))
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print("usage: python benchmarks/doom_play.py FOLDER…", file=sys.stderr)
        sys.exit(2)
    try:
        sys.exit(main(sys.argv[1:]))
    except RecordingError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)
