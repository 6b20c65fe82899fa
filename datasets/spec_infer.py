"""The verb `spec infer`: drafts an action spec from recorded play.

What was pressed becomes buttons, what moved becomes axes; which buttons exclude each other, and the
bins of the axes, follow from how they were used. The draft works as it is; its names are guesses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import storage
from ..errors import ConfigError, RecordingError
from ..plain_yaml import load_plain
from ..progress import log
from .actions.axes import AXIS_INPUTS, Axis
from .actions.quantiser import Even, MuLaw, Quantiser
from .actions.spec import ActionSpec, Button, FrameSpec, Group, built_in_specs
from .config import SpecInferConfig
from .recordings.recording import Recording, find_recordings, labeled_ticks
from .texts.filling import fill_in

MAX_HZ = 20  # as VPT ticks: faster labels cost more and tell hardly more
# Names that the field, and the mirror, know; any other input is called by its own.
WALKING = {"w": "forward", "s": "back", "a": "left", "d": "right"}
MOUSE = {"mouse.0": "mouse_left", "mouse.1": "mouse_right", "mouse.2": "mouse_middle"}
KEY = "key.keyboard."
OPPOSITES = (
    (f"{KEY}w", f"{KEY}s"),
    (f"{KEY}a", f"{KEY}d"),
    (f"{KEY}up", f"{KEY}down"),
    (f"{KEY}left", f"{KEY}right"),
)
DIGITS = {f"{KEY}{digit}" for digit in range(10)}
# The policy's joint head has a class for each choice out of all groups: Minecraft's has 8,641.
MAX_JOINT = 10_000
# Where so many ticks with a button have never two of them, it is a game of one button at a time.
ENOUGH_ALONE = 100
DEGREES_PER_PIXEL = 0.15  # Minecraft's usual one; only a unit, as long as nobody knows the game's
MIN_MOVING = 0.002  # share of ticks; less is a mouse that was pushed
R2_WANTED = 0.995
BINS, MU = range(11, 62, 2), (1.0, 5.0, 10.0, 15.0, 20.0, 30.0, 50.0)
CLIPPED = 0.001  # share of moving ticks that may lie beyond the outermost bins
STICK, TRIGGER = Even(low=-1.0, high=1.0, bins=21), Even(low=0.0, high=1.0, bins=17)  # `gamepad`'s
PLACE = Even(low=0.0, high=1.0, bins=33)  # of the pointer: what is clicked is hardly smaller
MOST_NOTCHES = 9  # of the wheel in a tick; more are a wheel that spins freely
FRAME = FrameSpec(128, 128)


@dataclass(frozen=True, slots=True)
class Used:
    """An input, and how it was used."""

    input: str
    presses: int
    """Ticks in which it went down."""
    held: float
    """Share of ticks with it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A spec and what it was made of."""

    spec: ActionSpec
    used: tuple[Used, ...]
    """One per button, in order."""
    rare: tuple[Used, ...]
    """Inputs with too few presses to be learned."""
    ticks: int
    r2: dict[str, float]
    """What the bins of each axis keep."""


def draft_spec(
    recordings: Sequence[Recording], *, name: str, tick_hz: Fraction | None = None, presses: int = 3
) -> Draft:
    """Draft the spec of a game.

    Args:
        recordings: play of it.
        name: the spec's.
        tick_hz: the tick rate; by default the recordings', or the part of it that is at most 20.
        presses: how many presses make an input a button.

    Raises:
        ConfigError: there are more ticks than frames.
        RecordingError: nothing was pressed, and nothing moved.
    """
    slowest = min(recordings, key=lambda recording: recording.fps)
    hz = tick_hz or _tick_hz(slowest.fps)
    if hz > slowest.fps * Fraction(1001, 1000):
        raise ConfigError(
            f"tick_hz must be at most the {float(slowest.fps):g} frames/s of {slowest.stem}, got "
            f"{float(hz):g}"
        )
    inputs = sorted({name for r in recordings for state in r.states for name in state.inputs()})
    # What some lines do not say would cost their ticks the label.
    told = [set(state.axes) for r in recordings for state in r.states if state.valid]
    stands = sorted(set.intersection(*told)) if told else []
    probing = _probing(inputs, stands, hz)
    held, camera, _, without = labeled_ticks(recordings, probing)
    went_down = np.diff(held.astype(np.int8), axis=0, prepend=0) > 0  # (ticks, inputs)
    found = [
        Used(name, int(went_down[:, k].sum()), float(held[:, k].sum() / max(1, len(held))))
        for k, name in enumerate(inputs)
    ]
    kept = [k for k, used in enumerate(found) if used.presses >= presses]
    groups = _groups([inputs[k] for k in kept], held[:, kept])
    names = _names([inputs[k] for k in kept])
    axes, r2 = [], {}
    for a, axis in enumerate(probing.axes):
        moved = camera[:, a].astype(np.float64)
        rest = np.median(moved) if len(moved) and axis.kind == "absolute" else 0.0
        if not len(moved) or np.mean(moved != rest) < MIN_MOVING:
            continue
        quantiser, r2[axis.name] = _quantiser_of(axis, moved)
        axes.append(replace(axis, quantiser=quantiser))
    # A game that turns by the mouse holds the pointer or hides it: its place says nothing.
    if any(axis.kind == "relative" for axis in axes):
        axes = [axis for axis in axes if axis.rests]
    if not kept and not axes:
        raise RecordingError(
            f"{len(recordings)} recordings: in the {len(held):,} ticks with a label ({without:,} "
            f"have none: late frames, say) nothing was pressed {presses} times, and nothing "
            "moved: there is nothing to make a spec of"
        )
    spec = ActionSpec(
        name=name,
        version=1,
        buttons=tuple(Button(names[inputs[k]], (inputs[k],)) for k in kept),
        groups=tuple(Group(tuple(names[i] for i in members), how) for members, how in groups),
        solo=(),
        axes=tuple(axes),
        tick_hz=hz,
        frame=FRAME,
        axis_groups=_sticks(axes),
    )
    rare = tuple(used for k, used in enumerate(found) if k not in kept)
    return Draft(spec, tuple(found[k] for k in kept), rare, len(held), r2)


def _tick_hz(fps: Fraction) -> Fraction:
    """The largest whole part of a rate that is at most 20, give or take a thousandth."""
    rate = fps.limit_denominator(1001)
    return rate / max(1, math.ceil(rate / (MAX_HZ * Fraction(1001, 1000))))


def _probing(inputs: Sequence[str], stands: Sequence[str], hz: Fraction) -> ActionSpec:
    """A spec with a button for each input, motion in degrees, and an axis for what stands."""
    wide = MuLaw(max_deg=1e6, bins=3, mu=1.0)
    return ActionSpec(
        name="probing",
        version=1,
        buttons=tuple(Button(name, (name,)) for name in inputs),
        groups=tuple(Group((name,)) for name in inputs),
        solo=(),
        axes=(
            Axis("pitch", "dy", DEGREES_PER_PIXEL, wide),
            Axis("yaw", "dx", DEGREES_PER_PIXEL, wide),
            Axis("wheel", "wheel", 1.0, STICK, "wheel"),
            *(
                Axis(name.removeprefix("gamepad.").replace(".", "_"), name, 1.0, STICK, "absolute")
                for name in stands
                if AXIS_INPUTS["absolute"].fullmatch(name)
            ),
        ),
        tick_hz=hz,
        frame=FRAME,
    )


def _sticks(axes: Sequence[Axis]) -> tuple[tuple[str, ...], ...]:
    """The pairs of axes that are one stick, or the pointer."""
    by_input = {axis.input: axis.name for axis in axes if axis.kind == "absolute"}
    pairs: list[tuple[str, ...]] = []
    for name, axis in by_input.items():
        if name.endswith(("_x", ".x")) and (other := by_input.get(f"{name[:-1]}y")):
            pairs.append((axis, other))
    return tuple(pairs)


def _quantiser_of(axis: Axis, moved: NDArray[np.float64]) -> tuple[Quantiser, float]:
    """The bins of an axis, and the share of the variance that they keep."""
    if axis.kind == "relative":
        return _quantiser(moved)
    bins = STICK if moved.min() < 0 else TRIGGER
    if axis.kind == "wheel":
        most = min(MOST_NOTCHES, max(1, math.ceil(np.abs(moved).max())))
        bins = Even(low=-float(most), high=float(most), bins=2 * most + 1)
    elif not axis.rests:
        bins = PLACE
    return bins, _kept(bins, moved)


def _names(inputs: Sequence[str]) -> dict[str, str]:
    """Names of buttons: what the walking keys do is known, others are called by their key."""
    walks = sum(f"{KEY}{key}" in inputs for key in WALKING) >= 2
    names: dict[str, str] = {}
    for name in inputs:
        key = name.removeprefix(KEY)
        plain = MOUSE.get(name, key.removeprefix("gamepad.").replace(".", "_"))
        if walks:
            plain = WALKING.get(key, f"arrow_{key}" if key in ("left", "right") else plain)
        plain = re.sub(r"\W", "_", plain)
        tried = chain([plain], (f"{plain}_{number}" for number in count(2)))
        names[name] = next(one for one in tried if one not in names.values())
    return names


def _groups(inputs: Sequence[str], held: NDArray[np.uint8]) -> list[tuple[list[str], str]]:
    """Inputs that exclude each other, with what several of them at once mean.

    Opposite directions cancel, of the digits one counts. Where that leaves too many choices for one
    head, those join that were held together least.
    """
    together = held.T.astype(np.float64) @ held  # (inputs, inputs): ticks with both
    alone = int(np.sum(held.sum(1) == 1))
    if len(inputs) > 1 and alone >= ENOUGH_ALONE and np.all(held.sum(1) <= 1):
        return [(list(inputs), "last")]
    index = {name: k for k, name in enumerate(inputs)}
    pairs = [list(pair) for pair in OPPOSITES if all(name in index for name in pair)]
    paired = {name for pair in pairs for name in pair}
    digits = [name for name in inputs if name in DIGITS]
    others = [[name] for name in inputs if name not in paired and name not in DIGITS]
    joining = ([digits] if digits else []) + others

    def choices() -> int:
        return 3 ** len(pairs) * math.prod(len(group) + 1 for group in joining)

    has = np.array([[name in group for name in inputs] for group in joining], np.float64)
    while choices() > MAX_JOINT and len(joining) > 1:
        shared = has @ together @ has.T  # (groups, groups): ticks with both
        shared[np.tri(len(joining), dtype=bool)] = np.inf  # each pair stands once
        first, second = divmod(int(shared.argmin()), len(joining))
        kept = [g for g in range(len(joining)) if g not in (first, second)]
        joining = [*(joining[g] for g in kept), joining[first] + joining[second]]
        has = np.concatenate([has[kept], [has[first] + has[second]]])
    return [(pair, "none") for pair in pairs] + [(group, "last") for group in joining]


def _quantiser(degrees: NDArray[np.float64]) -> tuple[MuLaw, float]:
    """The fewest bins that keep 99.5 % of the variance, or the most there are, and what they keep.

    Args:
        degrees: motion of an axis per tick, [ticks], somewhere above 0.
    """
    moving = np.abs(degrees[degrees != 0])
    most = float(np.quantile(moving, 1 - CLIPPED))
    # Two digits: a person reads this.
    size = 10.0 ** (math.floor(math.log10(most)) - 1)
    most = round(math.ceil(most / size) * size, 6)
    best = (-1.0, MuLaw(max_deg=most, bins=BINS[0], mu=MU[0]))
    for bins in BINS:
        for mu in MU:
            quantiser = MuLaw(max_deg=most, bins=bins, mu=mu)
            best = max(best, (_kept(quantiser, degrees), quantiser), key=lambda one: one[0])
        if best[0] >= R2_WANTED:
            break
    return best[1], best[0]


def _kept(quantiser: Quantiser, values: NDArray[np.float64]) -> float:
    """The share of the variance of `values`, [ticks], that the bins keep."""
    error = quantiser.dequantise(quantiser.quantise(values)) - values
    return 1 - float(np.mean(error**2) / values.var())


def render_draft(draft: Draft) -> str:
    """The spec as YAML, with what was seen in comments."""
    content: dict[str, Any] = {"axis_groups": [], **draft.spec.to_dict()}
    for button, used in zip(content["buttons"], draft.used, strict=True):
        button |= {"presses": used.presses, "held": used.held}
    text = fill_in("spec_draft.yaml", **content, ticks=draft.ticks, rare=draft.rare, r2=draft.r2)
    return f"{text}\n"


def spec_infer(config: SpecInferConfig) -> int:
    """The verb `spec infer`: print the draft, or write it."""
    hz = Fraction(str(config.tick_hz)).limit_denominator(1001) if config.tick_hz else None
    if config.out and Path(config.out).exists():
        raise ConfigError(f"out {config.out} exists already; choose another name, or remove it")
    if config.name in built_in_specs():
        raise ConfigError(f"name: a built-in spec is called {config.name!r}; choose another name")
    draft = draft_spec(
        find_recordings(config.recordings),
        name=config.name,
        tick_hz=hz,
        presses=config.min_presses,
    )
    text = render_draft(draft)
    read = ActionSpec.from_dict(load_plain(text))
    draft.spec.require_same(read, "the written draft")
    if not config.out:
        print(text, end="")
        return 0
    storage.write_atomic(Path(config.out), text.encode())
    log(
        f"{config.out}: {read.num_buttons} buttons, {read.num_axes} axes, "
        f"{float(read.tick_hz):g} ticks/s; read it, and give the buttons their names"
    )
    return 0
