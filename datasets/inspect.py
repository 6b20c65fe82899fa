"""The verb `inspect`: a clip's frames over the lanes of its labels, and its lineage as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import ConfigError, DatasetError
from .actions.spec import ActionSpec
from .actions.stretches import stretches
from .config import InspectConfig
from .shards.clip import Clip
from .shards.codec import decode_clip
from .shards.dataset import Dataset
from .shards.manifest import Manifest
from .shards.tracks import read_tracks

WIDTH, LANES_WIDTH = 14.0, 13.1  # inches: of the picture, and of the lanes beside their names
CHOICES = 5  # keys that an ambiguous beginning lists
# Colors that differ in gray as well.
HELD, PROBABLE, CAMERA, CONFIDENCE = "#1f4e79", "#9ecae1", "#7a3b00", "#3a7d44"


def inspect(config: InspectConfig) -> int:
    """Print what is known of a clip and draw it; return 0.

    Raises DatasetError where no clip fits the key.
    """
    if config.out and not config.out.lower().endswith(".png"):
        raise ConfigError(f"out must be the name of a PNG, got {config.out!r}")
    dataset = Dataset(config.dataset)
    spec = dataset.spec()
    row = choose_clip(dataset, config.key)
    clip = decode_clip(row["key"], dataset.read_sample(row))
    out = config.out or f"{clip.key}.png"
    draw_clip(clip, spec, out, frames=config.frames)
    print("\n".join(describe_clip(clip, row, spec)))
    if track := read_tracks(dataset).get(row["source_uri"]):
        print(f"track: {track}")
    print(f"picture: {out}")
    return 0


def choose_clip(dataset: Dataset, key: str) -> dict[str, Any]:
    """The manifest's row of the clip whose key begins with `key`.

    Where `key` is empty, that is the clip in which most different buttons are pressed.
    """
    manifest = dataset.open_manifest()
    table = manifest.table(["key", "shard"] if key else ["key", "shard", "presses"])
    if not len(table):
        raise DatasetError(
            f"{dataset}: has no clips; `vidact status` says what became of the sources"
        )
    if not key:
        return _row(manifest, table, _most_varied(table))
    begins = pc.starts_with(table["key"], key)
    found = np.flatnonzero(begins.to_numpy(zero_copy_only=False))
    exact = np.flatnonzero(pc.equal(table["key"], key).to_numpy(zero_copy_only=False))
    chosen = exact if len(exact) else found
    if len(chosen) != 1:
        some = table["key"].take(found) if len(found) else table["key"]
        listed = ", ".join(some.slice(0, CHOICES).to_pylist())
        what = (
            f"{len(found):,} clips begin with {key!r}"
            if len(found)
            else f"no clip begins with {key!r}"
        )
        raise DatasetError(f"{dataset}: {what}; such as {listed}")
    return _row(manifest, table, int(chosen[0]))


def _most_varied(table: pa.Table) -> int:
    """The clip in which most different buttons are pressed, and of these most often."""
    if not table["presses"].type.num_fields:
        return 0
    columns = [column.to_numpy() for column in table["presses"].combine_chunks().flatten()]
    presses = np.stack(columns)  # (K, N)
    return int(np.lexsort((-presses.sum(axis=0), -(presses > 0).sum(axis=0)))[0])


def _row(manifest: Manifest, table: pa.Table, index: int) -> dict[str, Any]:
    """All columns of a clip, read with its shard's part alone."""
    key, shard = table["key"][index].as_py(), table["shard"][index].as_py()
    return next(row for row in manifest.rows(shard) if row["key"] == key)


def describe_clip(clip: Clip, row: Mapping[str, Any], spec: ActionSpec) -> list[str]:
    """A clip in lines of text."""
    pressed = {name: n for name, n in row["presses"].items() if n}
    lines = [
        f"clip {clip.key} of {row['shard']}: {clip.ticks} ticks from tick {row['start_tick']} "
        f"({row['start_tick'] / float(spec.tick_hz):.1f} s), {row['valid_frames']} with labels",
        f"confidence: mean {row['mean_confidence']:.3f}, "
        f"10th percentile {row['p10_confidence']:.3f}; "
        f"nothing is done in {row['null_fraction']:.0%} of the ticks",
        "presses: " + (", ".join(f"{name} {n}" for name, n in pressed.items()) or "none"),
    ]
    for a, name in enumerate(spec.axis_names):
        turned = clip.camera[clip.valid, a]
        lines.append(
            f"camera {name}: {turned.sum():+.1f} degrees in all, "
            f"{np.abs(turned).sum():.1f} there and back"
        )
    lineage = {name: value for name, value in clip.meta.items() if name != "pts_ns"}
    return [*lines, "lineage: " + json.dumps(lineage, ensure_ascii=False)]


def draw_clip(clip: Clip, spec: ActionSpec, out: str, *, frames: int = 12) -> None:
    """Draw a clip's frames over a lane for each button, each axis and confidence.

    The picture is a PNG, written to the local path `out`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if clip.frames is None:
        raise ValueError(f"clip {clip.key} was read without frames")
    shown = np.linspace(0, clip.ticks - 1, min(frames, clip.ticks)).round().astype(int)
    strip = np.concatenate(list(clip.frames[shown]), axis=1)  # (H, n * W, 3)
    lanes = spec.num_buttons
    picture = LANES_WIDTH / len(shown) * clip.frames.shape[1] / clip.frames.shape[2]
    heights = [picture, *([0.22 * lanes] if lanes else []), *([0.9] * spec.num_axes), 0.6]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.8), layout="constrained")
    FigureCanvasAgg(figure)  # no display is needed, and pyplot's global state is left alone
    axes = list(
        figure.subplots(
            len(heights), 1, sharex=True, gridspec_kw={"height_ratios": heights}, squeeze=False
        )[:, 0]
    )
    film = axes.pop(0)
    film.imshow(
        strip, extent=(-0.5, clip.ticks - 0.5, 0, 1), aspect="auto", interpolation="nearest"
    )
    film.set_yticks([])
    film.set_title(
        f"{clip.key}   {clip.meta['source_uri']}   {clip.meta['label_source']} labels", fontsize=9
    )
    ticks = np.arange(clip.ticks)
    if lanes:
        _draw_buttons(axes.pop(0), clip, spec)
    for a, name in enumerate(spec.axis_names):
        lane = axes.pop(0)
        lane.axhline(0, color="0.8", linewidth=0.8)
        lane.step(ticks, clip.camera[:, a], where="mid", color=CAMERA, linewidth=1.2)
        lane.set_ylabel(f"{name}\n°/tick", fontsize=8, rotation=0, ha="right", va="center")
    lane = axes.pop(0)
    lane.step(
        ticks, clip.confidence.astype(np.float32), where="mid", color=CONFIDENCE, linewidth=1.2
    )
    lane.set_ylim(-0.05, 1.05)
    lane.set_ylabel("confidence", fontsize=8, rotation=0, ha="right", va="center")
    lane.set_xlabel(
        f"tick of the clip ({float(spec.tick_hz):g} a second); hatched: no label", fontsize=8
    )
    lane.set_xlim(-0.5, clip.ticks - 0.5)
    for axis in figure.axes[1:]:
        axis.tick_params(labelsize=7)
        for start, end in stretches(~clip.valid).tolist():
            axis.axvspan(
                start - 0.5, end - 0.5, facecolor="none", edgecolor="0.6", hatch="///", linewidth=0
            )
    figure.savefig(out, dpi=90)


def _draw_buttons(lane: Any, clip: Clip, spec: ActionSpec) -> None:
    """Draw a row per button: pale bars as high as its probability, dark ones where it is held."""
    for k in range(spec.num_buttons):
        base = spec.num_buttons - 1 - k
        ticks = np.arange(clip.ticks)
        lane.bar(
            ticks,
            0.85 * clip.buttons_prob[:, k].astype(np.float32),
            1.0,
            bottom=base,
            color=PROBABLE,
        )
        held = clip.buttons[:, k] > 0
        lane.bar(ticks[held], 0.85, 1.0, bottom=base, color=HELD)
        lane.axhline(base, color="0.85", linewidth=0.6)
    lane.set_yticks(np.arange(spec.num_buttons) + 0.4, spec.button_names[::-1], fontsize=7)
    lane.set_ylim(0, spec.num_buttons)
