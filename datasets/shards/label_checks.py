"""What must hold of a clip's label arrays: asked before writing, and again by `verify`.

Legend: T ticks, K buttons, A axes, Q bins of the axis with most bins.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..actions.spec import ActionSpec
from .clip import ARRAY_DTYPES, LATER_DTYPES
from .lengths import CLIP_TICKS

SUM_TOLERANCE = 0.02  # a distribution over 39 bins in float16 sums to 1 within 39 * 2^-11
CAMERA_SLACK = 1.0 + 1e-3  # float32 rounding at the outermost bin


def array_shapes(spec: ActionSpec, ticks: int) -> dict[str, tuple[int, ...]]:
    """The shape of each label array of a clip of `ticks` ticks."""
    bins = max(spec.num_bins, default=0)
    return {
        "buttons": (ticks, spec.num_buttons),
        "buttons_prob": (ticks, spec.num_buttons),
        "camera": (ticks, spec.num_axes),
        "camera_prob": (ticks, spec.num_axes, bins),
        "confidence": (ticks,),
        "valid": (ticks,),
        "in_game": (ticks,),
    }


def label_problems(
    arrays: Mapping[str, np.ndarray], spec: ActionSpec, *, inferred: bool
) -> list[str]:
    """Everything wrong with the arrays, as `field: what, expected, got`; empty where all is well.

    `inferred` labels come from a model, whose camera cannot leave the quantiser's range; true ones
    may.
    """
    problems = _shape_problems(arrays, spec)
    if problems:
        return problems
    for name in ("buttons_prob", "camera_prob", "confidence", "in_game"):
        values = arrays.get(name)
        if (
            values is not None
            and values.size
            and not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1)
        ):
            problems.append(f"{name}: expected finite values in [0, 1], got {_extent(values)}")
    if arrays["buttons"].size and arrays["buttons"].max() > 1:
        problems.append(f"buttons: expected 0 or 1, got {arrays['buttons'].max()}")
    valid = arrays["valid"]
    for a, axis in enumerate(spec.axes):
        camera = arrays["camera"][:, a]
        low, high = axis.quantiser.low, axis.quantiser.high
        slack = max(-low, high) * (CAMERA_SLACK - 1)
        if not np.isfinite(camera).all():
            problems.append(
                f"camera.{axis.name}: expected finite {axis.unit or 'values'}, "
                f"got {_extent(camera)}"
            )
        elif inferred and (np.any(camera < low - slack) or np.any(camera > high + slack)):
            allowed = f"at most {high}" if low == -high else f"{low} to {high}"
            problems.append(
                f"camera.{axis.name}: expected {allowed} {axis.unit}".rstrip()
                + f", got {_extent(camera)}"
            )
        distribution = arrays["camera_prob"][valid, a].astype(np.float32)  # (valid ticks, Q)
        if distribution[:, axis.quantiser.bins :].any():
            problems.append(
                f"camera_prob.{axis.name}: expected zeros beyond its {axis.quantiser.bins} bins"
            )
        sums = distribution.sum(axis=1)
        if sums.size and np.abs(sums - 1).max() > SUM_TOLERANCE:
            worst = sums[np.abs(sums - 1).argmax()]
            problems.append(
                f"camera_prob.{axis.name}: expected each tick to sum to 1, got {worst:.4f}"
            )
    return problems


def _shape_problems(arrays: Mapping[str, np.ndarray], spec: ActionSpec) -> list[str]:
    missing = [f"{name}: is missing" for name in ARRAY_DTYPES if name not in arrays]
    if missing:
        return missing
    problems = []
    ticks = len(arrays["buttons"]) if arrays["buttons"].ndim else 0
    if not 1 <= ticks <= CLIP_TICKS:
        problems.append(f"buttons: expected 1 to {CLIP_TICKS} ticks, got {ticks}")
    dtypes = ARRAY_DTYPES | LATER_DTYPES
    for name, shape in array_shapes(spec, ticks).items():
        if (array := arrays.get(name)) is None:
            continue  # one that came later
        if array.dtype != dtypes[name]:
            problems.append(f"{name}: expected dtype {dtypes[name]}, got {array.dtype}")
        if array.shape != shape:
            problems.append(f"{name}: expected shape {list(shape)}, got {list(array.shape)}")
    return problems


def _extent(values: np.ndarray) -> str:
    return f"{np.nanmin(values):.4g} to {np.nanmax(values):.4g}" + (
        " and nan" if np.isnan(values).any() else ""
    )
