"""The verb `spec check`: what a spec loses on recorded play, and whether labels are shifted.

Its bins bend the camera, and some inputs it cannot express at all. The R² ceiling of an axis is the
best that any model can reach on raw degrees when it answers in the spec's bins.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from .actions.joint import JointActions
from .actions.spec import ActionSpec
from .config import SpecCheckConfig
from .recordings.alignment import Shift, find_shift
from .recordings.recording import Recording, find_recordings, labeled_ticks, spec_of
from .texts.filling import fill_in

MOST_DECODED = 12  # recordings whose pictures are looked at: more tell no more


@dataclass(frozen=True, slots=True)
class AxisReport:
    """What a spec keeps of an axis over all ticks that know it, in its unit (degrees, notches) a
    tick.
    """

    r2_ceiling: float | None
    """1 - quantization error / variance; None where the axis never moves."""
    sd_deg: float
    still_fraction: float
    """Share of ticks in the bin of no motion."""
    moved_but_still_fraction: float
    """Share of ticks with some motion, too small for any other bin."""
    clipped_fraction: float
    """Share of ticks beyond the outermost bins' centers."""
    max_deg: float
    unit: str = "degrees"
    """Of the figures above; empty for what stands somewhere between 0 or -1 and 1."""


@dataclass(frozen=True, slots=True)
class SpecReport:
    """What `spec` keeps of the play, over `ticks` valid ticks of `recordings` recordings."""

    spec: str
    recordings: int
    ticks: int
    invalid_ticks: int
    axes: dict[str, AxisReport]
    conflicts: dict[str, float]
    """Share of ticks in which the joint action drops a held button, by button."""
    unmapped_inputs: dict[str, int]
    """Frames in which an input was held that no button names."""
    unknown: list[str]
    """Buttons and axes of which no tick says anything: training refuses them."""
    shift: Shift | None = None
    """Whether labels and pictures are shifted; None where nobody looked."""
    tick_ms: float = 0.0


def check_spec(
    spec: ActionSpec, recordings: Sequence[Recording], *, pictures: bool = False
) -> SpecReport:
    """Measure what `spec` loses on `recordings` (their first phase).

    Args:
        spec: the spec.
        recordings: play.
        pictures: decode them as well, and look whether labels are shifted.
    """
    all_buttons, all_camera, known, invalid = labeled_ticks(recordings, spec)
    joint_actions = JointActions(spec)
    joint, camera_class = joint_actions.encode(all_buttons, spec.quantise(all_camera))
    kept, _ = joint_actions.decode(joint, camera_class)
    lost = np.mean(all_buttons > kept, axis=0) if len(kept) else np.zeros(spec.num_buttons)
    names = (*spec.button_names, *spec.axis_names)
    told = [not len(known) or bool(column.any()) for column in known.T]
    return SpecReport(
        spec=f"{spec.name} v{spec.version}",
        recordings=len(recordings),
        ticks=len(all_buttons),
        invalid_ticks=invalid,
        axes={
            name: _axis_report(spec, a, all_camera[known[:, spec.num_buttons + a], a])
            for a, name in enumerate(spec.axis_names)
        },
        conflicts={
            n: float(share) for n, share in zip(spec.button_names, lost, strict=True) if share
        },
        unmapped_inputs=dict(unmapped_inputs(recordings, spec).most_common()),
        unknown=[name for name, is_told in zip(names, told, strict=True) if not is_told],
        shift=find_shift(_some(recordings), spec) if pictures else None,
        tick_ms=float(1000 / spec.tick_hz),
    )


def _some(recordings: Sequence[Recording]) -> list[Recording]:
    """As many recordings as it takes to tell a shift, from all over the play."""
    step = -(-len(recordings) // MOST_DECODED)
    return list(recordings[::step])


def unmapped_inputs(recordings: Sequence[Recording], spec: ActionSpec) -> Counter[str]:
    """Count the frames in which an input was held that no button names, by input."""
    known = {name for button in spec.buttons for name in button.inputs}
    return Counter(
        name
        for recording in recordings
        for state in recording.states
        for name in state.inputs() - known
    )


def _axis_report(spec: ActionSpec, axis: int, degrees: np.ndarray) -> AxisReport:
    quantiser, unit = spec.axes[axis].quantiser, spec.axes[axis].unit
    if not len(degrees):
        return AxisReport(None, 0.0, 0.0, 0.0, 0.0, 0.0, unit)
    true = degrees.astype(np.float64)
    bins = quantiser.quantise(true)
    error = float(np.mean((quantiser.dequantise(bins) - true) ** 2))
    variance = float(true.var())
    still = bins == quantiser.null_bin
    return AxisReport(
        r2_ceiling=1 - error / variance if variance > 0 else None,
        sd_deg=float(true.std()),
        still_fraction=float(still.mean()),
        moved_but_still_fraction=float((still & (true != 0)).mean()),
        clipped_fraction=float(((true < quantiser.low) | (true > quantiser.high)).mean()),
        max_deg=float(np.abs(true).max()),
        unit=unit,
    )


def render(report: SpecReport) -> str:
    """The report as lines of text."""
    return fill_in("spec_report.txt", **asdict(report))


def spec_check(config: SpecCheckConfig) -> int:
    """The verb `spec check`: print the report; 1 where labels are shifted."""
    recordings = find_recordings(config.recordings)
    report = check_spec(
        spec_of(recordings, config.spec), recordings, pictures=config.look_at_pictures
    )
    print(
        json.dumps(asdict(report), indent=1, ensure_ascii=False) if config.json else render(report)
    )
    return 1 if report.shift is not None and report.shift.ticks else 0
