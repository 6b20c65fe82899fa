"""Which videos do not look like the game: statistics of each source, beside those of the model's
training set.

A wrong game, another mouse sensitivity or an overlay shows in what the model believes to see: other
buttons, turns of another size, low confidence. `source_statistics.parquet` ranks the sources, the
oddest first. Nothing is dropped.

Legend: N sources, K buttons, A axes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ... import storage
from ...datasets.actions.spec import ActionSpec
from ...datasets.shards.commits import CommitRecord
from ...datasets.shards.dataset import SOURCE_STATISTICS, Dataset
from ...datasets.shards.parquet import parquet_bytes

ODD_BUTTONS = 0.25  # bits between the shares of the buttons in a source and in the training set
ODD_RATIO = 3.0  # times as many presses, or degrees turned, as usual; or as few
ODD_CONFIDENCE = 3.5  # robust standard deviations below the median source
MIN_SPREAD = 0.02  # of confidence: sources that agree better than this are not told apart
INACTIVE = 0.9  # share of ticks with no action at all
MIN_PRESSES = 50  # fewer say little about the shares of the buttons
# a shorter source is no measure of how often a button is pressed, or of how far the camera turns
MIN_SECONDS = 60
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Reference:
    """What is usual: from the model's training set where its checkpoint tells, else the median
    source.
    """

    shares: NDArray[np.float64] | None = None
    """[K]: each button's share of all presses."""
    presses_a_tick: float | None = None

    @classmethod
    def of_checkpoint(cls, config: Mapping[str, Any], spec: ActionSpec) -> Reference:
        """A reference from the lengths of holds and pauses in a checkpoint's training set.

        A checkpoint keeps a part of the lengths of each button, as many of rare ones as of frequent
        ones at most: what they say is how often that button is pressed in the time that they cover.
        """
        rates = config.get("baselines", {}).get("rates", {})
        held, released = rates.get("held"), rates.get("released")
        if not held or not released or len(held) != spec.num_buttons:
            return cls()
        covered = np.array(
            [sum(h) + sum(r) for h, r in zip(held, released, strict=True)], np.float64
        )
        a_tick = np.array([len(lengths) for lengths in held]) / np.maximum(covered, 1)
        return cls(_shares(a_tick * covered.max()), float(a_tick.sum())) if a_tick.any() else cls()


def source_statistics(
    records: Iterable[CommitRecord], spec: ActionSpec, reference: Reference
) -> list[dict[str, Any]]:
    """A row per source, the oddest first.

    Columns: `rank source_uri source_sha256 hours clips mean_confidence null_fraction
    presses_a_minute`, `degrees_a_s` by axis, `button_distance` (bits), `flags` (out of `odd_buttons
    too_many_presses too_few_presses odd_turns low_confidence inactive`).
    """
    sums = _sums(records, spec)
    rows = [_row(sha256, own, spec) for sha256, own in sorted(sums.items())]
    if not rows:
        return []
    presses = np.stack([own["presses"] for _, own in sorted(sums.items())])  # (N, K)
    usual_shares = (
        reference.shares if reference.shares is not None else _shares(presses.sum(axis=0))
    )
    rates = np.array([row["presses_a_minute"] for row in rows])
    usual_rate = reference.presses_a_tick and reference.presses_a_tick * float(spec.tick_hz) * 60
    usual_rate = usual_rate or float(np.median(rates))
    confidence = np.array([row["mean_confidence"] for row in rows])
    middle = float(np.median(confidence))
    spread = max(1.4826 * float(np.median(np.abs(confidence - middle))), MIN_SPREAD)
    turns = {
        axis: float(np.median([row["degrees_a_s"][axis] for row in rows]))
        for axis in spec.axis_names
    }
    for row, own in zip(rows, presses, strict=True):
        row["button_distance"] = round(_divergence(_shares(own), usual_shares), 4)
        flags = []
        if own.sum() >= MIN_PRESSES and row["button_distance"] > ODD_BUTTONS:
            flags.append("odd_buttons")
        if row["hours"] * 3600 >= MIN_SECONDS:
            if row["presses_a_minute"] > ODD_RATIO * usual_rate:
                flags.append("too_many_presses")
            if row["presses_a_minute"] < usual_rate / ODD_RATIO:
                flags.append("too_few_presses")
            if any(_is_far(row["degrees_a_s"][axis], usual) for axis, usual in turns.items()):
                flags.append("odd_turns")
        if row["mean_confidence"] < middle - ODD_CONFIDENCE * spread:
            flags.append("low_confidence")
        if row["null_fraction"] > INACTIVE:
            flags.append("inactive")
        row["flags"] = flags
    rows.sort(key=lambda row: (-len(row["flags"]), -row["button_distance"], row["source_sha256"]))
    return [{"rank": rank, **row} for rank, row in enumerate(rows, start=1)]


def total_degrees(camera: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far the camera turned in a clip, in degrees, by axis: float64 [A] of float32 [T, A]."""
    return np.abs(camera.astype(np.float64)).sum(axis=0)


def degrees_for_record(turned: Mapping[str, NDArray[np.float64]]) -> dict[str, list[float]]:
    """The turns as a commit record keeps them, by content hash."""
    return {sha256: degrees.round(3).tolist() for sha256, degrees in sorted(turned.items())}


def write_source_statistics(
    dataset: Dataset, rows: Sequence[Mapping[str, Any]], spec: ActionSpec
) -> None:
    """Write `source_statistics.parquet`."""
    schema = pa.schema(
        {
            "rank": "int64",
            "source_uri": "string",
            "source_sha256": "string",
            "hours": "float64",
            "clips": "int64",
            "mean_confidence": "float64",
            "null_fraction": "float64",
            "presses_a_minute": "float64",
            "degrees_a_s": pa.struct(dict.fromkeys(spec.axis_names, "float64")),
            "button_distance": "float64",
            "flags": pa.list_(pa.string()),
        }
    )
    if not spec.axis_names:
        schema = schema.remove(schema.get_field_index("degrees_a_s"))
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    storage.write_atomic(dataset.source_statistics_uri, parquet_bytes(table))


def flagged_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The oddest sources, for people; none where nothing is odd."""
    odd = [row for row in rows if row["flags"]]
    if not odd:
        return []
    lines = [f"{len(odd)} of {len(rows)} sources look odd ({SOURCE_STATISTICS} has all of them):"]
    for row in odd[:SHOWN]:
        figures = (
            f"confidence {row['mean_confidence']:.2f}, "
            f"{row['presses_a_minute']:.0f} presses a minute, "
            f"buttons {row['button_distance']:.2f} bits off"
        )
        lines.append(f"  {row['source_uri']}: {', '.join(row['flags'])} ({figures})")
    return lines + ([f"  … and {len(odd) - SHOWN} more"] if len(odd) > SHOWN else [])


def _sums(records: Iterable[CommitRecord], spec: ActionSpec) -> dict[str, dict[str, Any]]:
    """Sums over the clips of each source, by content hash."""
    sums: dict[str, dict[str, Any]] = {}
    for record in records:
        for row in record.rows:
            own = sums.setdefault(
                row["source_sha256"],
                {
                    "uri": row["source_uri"],
                    "presses": np.zeros(spec.num_buttons),
                    "degrees": np.zeros(spec.num_axes),
                    "ticks": 0,
                    "clips": 0,
                    "confidence": 0.0,
                    "null": 0.0,
                },
            )
            own["ticks"] += row["frames"]
            own["clips"] += 1
            own["presses"] += [row["presses"][name] for name in spec.button_names]
            own["confidence"] += row["mean_confidence"] * row["frames"]
            own["null"] += row["null_fraction"] * row["frames"]
        for sha256, degrees in record.extra.get("degrees", {}).items():
            if sha256 in sums:
                sums[sha256]["degrees"] += degrees
    return sums


def _row(sha256: str, own: Mapping[str, Any], spec: ActionSpec) -> dict[str, Any]:
    seconds = own["ticks"] / float(spec.tick_hz)
    return {
        "source_uri": own["uri"],
        "source_sha256": sha256,
        "hours": round(seconds / 3600, 6),
        "clips": own["clips"],
        "mean_confidence": round(own["confidence"] / own["ticks"], 4),
        "null_fraction": round(own["null"] / own["ticks"], 4),
        "presses_a_minute": round(float(own["presses"].sum()) / seconds * 60, 3),
        "degrees_a_s": dict(
            zip(spec.axis_names, (own["degrees"] / seconds).round(3).tolist(), strict=True)
        ),
    }


def _shares(presses: NDArray[np.float64]) -> NDArray[np.float64]:
    smoothed = presses + 0.5  # a button that was never pressed is not impossible
    return smoothed / smoothed.sum()


def _divergence(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Jensen-Shannon divergence, bits: 0 the same, 1 nothing in common."""
    middle = (a + b) / 2
    return float((a * np.log2(a / middle)).sum() + (b * np.log2(b / middle)).sum()) / 2


def _is_far(value: float, usual: float) -> bool:
    return usual > 0 and not usual / ODD_RATIO <= value <= usual * ODD_RATIO
