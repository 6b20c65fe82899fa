"""The verb `inspect`: a clip's frames over the lanes of its labels, and its lineage as text; or
what filters left out.
"""

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
from .shards.dropped import draw_dropped, dropped_stretches
from .shards.manifest import Manifest
from .shards.tracks import read_tracks

WIDTH, LANES_WIDTH = 14.0, 13.1  # inches: of the picture, and of the lanes beside their names
CHOICES = 5  # keys that an ambiguous beginning lists
# Colors that differ in gray as well.
HELD, PROBABLE, CAMERA, CONFIDENCE = "#1f4e79", "#9ecae1", "#7a3b00", "#3a7d44"


def inspect(config: InspectConfig) -> int:
    """Print what is known of a clip, and draw it where a picture is wanted; return 0.

    Raises DatasetError where no clip fits the key.
    """
    if config.out and not config.out.lower().endswith(".png"):
        raise ConfigError(f"out must be the name of a PNG, got {config.out!r}")
    dataset = Dataset(config.dataset)
    spec = dataset.spec()
    if config.dropped:
        return inspect_dropped(dataset, spec, config)
    row = choose_clip(dataset, config.key)
    clip = decode_clip(row["key"], dataset.read_sample(row), frames=bool(config.out))
    print("\n".join(describe_clip(clip, row, spec)))
    if track := read_tracks(dataset).get(row["source_uri"]):
        print(f"track: {track}")
    if config.out:
        draw_clip(clip, spec, config.out, frames=config.frames)
        print(f"picture: {config.out}")
    else:
        print("picture: none; --out FILE.png draws the frames over their labels")
    return 0


def inspect_dropped(dataset: Dataset, spec: ActionSpec, config: InspectConfig) -> int:
    """Print the stretches that filters dropped, and draw frames of them; return 0.

    Raises DatasetError where nothing was dropped for the reason that is asked for.
    """
    found = list(dropped_stretches(dataset))
    wanted = [one for one in found if config.key in ("", one.reason)]
    if not wanted:
        reasons = ", ".join(sorted({one.reason for one in found})) or "nothing"
        named = f"as {config.key!r}" if config.key else "by a filter that keeps scores"
        raise DatasetError(f"{dataset}: nothing was dropped {named}; dropped are: {reasons}")
    wanted.sort(key=lambda one: (-one.score, one.source_uri, one.start_tick))
    hz = float(spec.tick_hz)
    print("\n".join(one.line(hz) for one in wanted))
    ticks = sum(one.end_tick - one.start_tick for one in wanted)
    print(f"{len(wanted):,} stretches, {ticks / hz:.1f} s")
    if config.out:
        missing = draw_dropped(wanted[: config.frames], spec, config.out)
        print("\n".join([*(f"not drawn: {why}" for why in missing), f"picture: {config.out}"]))
    return 0


def choose_clip(dataset: Dataset, key: str) -> dict[str, Any]:
    """The manifest's row of the clip whose key begins with `key`.

    Where `key` is empty, that is the clip in which most different buttons are pressed.
    """
    manifest = dataset.open_manifest()
    chosen = _beginning_with(dataset, manifest, key) if key else _most_varied(manifest)
    if chosen is None:
        raise DatasetError(
            f"{dataset}: has no clips; `vidact status` says what became of the sources"
        )
    return manifest.whole_rows(chosen)[0]


def _beginning_with(dataset: Dataset, manifest: Manifest, key: str) -> pa.Table | None:
    """The one clip whose key begins with `key`, or is just that; None where there are no clips.

    Raises DatasetError where there are others, or several.
    """
    count = 0
    found: list[pa.Table] = []
    some: list[str] = []
    for batch in manifest.batches(["key", "shard"]):
        if len(exact := batch.filter(pc.equal(batch["key"], key))):
            return exact.slice(0, 1)
        own = batch.filter(pc.starts_with(batch["key"], key))
        count += len(own)
        if len(found) < CHOICES:  # a batch holds some thousand: few are kept
            found += [own.slice(i, 1) for i in range(min(CHOICES, len(own)))]
        some = some or batch["key"].slice(0, CHOICES).to_pylist()
    if count == 1:
        return found[0]
    if not some:
        return None
    if count:
        listed = ", ".join(clip["key"][0].as_py() for clip in found[:CHOICES])
        raise DatasetError(f"{dataset}: {count:,} clips begin with {key!r}; such as {listed}")
    raise DatasetError(f"{dataset}: no clip begins with {key!r}; such as {', '.join(some)}")


def _most_varied(manifest: Manifest) -> pa.Table | None:
    """The clip in which most different buttons are pressed, and of these most often; None where
    there are no clips.
    """
    best, clip = (-1, -1), None
    for batch in manifest.batches(["key", "shard", "presses"]):
        columns = [column.to_numpy() for column in batch["presses"].combine_chunks().flatten()]
        presses = np.stack([np.zeros(len(batch), np.int32), *columns])  # (1 + K, N)
        if not len(batch):
            continue
        kinds, times = (presses > 0).sum(axis=0), presses.sum(axis=0)
        first = int(np.lexsort((-times, -kinds))[0])
        if (own := (int(kinds[first]), int(times[first]))) > best:
            best, clip = own, batch.slice(first, 1)
    return clip


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
        moved, axis = clip.camera[clip.valid, a], spec.axes[a]
        if axis.kind == "absolute":
            low, mean, high = (
                (moved.min(), moved.mean(), moved.max()) if len(moved) else (np.nan,) * 3
            )
            lines.append(f"axis {name}: {mean:+.2f} on average, from {low:+.2f} to {high:+.2f}")
            continue
        what = "camera" if axis.kind == "relative" else "axis"
        lines.append(
            f"{what} {name}: {moved.sum():+.1f} {axis.unit} in all, "
            f"{np.abs(moved).sum():.1f} there and back"
        )
    lineage = {name: value for name, value in clip.meta.items() if name != "pts_ns"}
    return [*lines, "lineage: " + json.dumps(lineage, ensure_ascii=False)]


def draw_clip(clip: Clip, spec: ActionSpec, out: str, *, frames: int = 12) -> None:
    """Draw a clip's frames over a lane for each button, each axis and confidence.

    The picture is a PNG, written to the local path `out`.
    """
    from matplotlib.figure import Figure

    if clip.frames is None:
        raise ValueError(f"clip {clip.key} was read without frames")
    shown = np.linspace(0, clip.ticks - 1, min(frames, clip.ticks)).round().astype(int)
    strip = np.concatenate(list(clip.frames[shown]), axis=1)  # (H, n * W, 3)
    lanes = spec.num_buttons
    picture = LANES_WIDTH / len(shown) * clip.frames.shape[1] / clip.frames.shape[2]
    heights = [picture, *([0.22 * lanes] if lanes else []), *([0.9] * spec.num_axes), 0.6]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.8), layout="constrained")
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
    for a in range(spec.num_axes):
        lane = axes.pop(0)
        lane.axhline(0, color="0.8", linewidth=0.8)
        lane.step(ticks, clip.camera[:, a], where="mid", color=CAMERA, linewidth=1.2)
        lane.set_ylabel(spec.axes[a].lane_name, fontsize=8, rotation=0, ha="right", va="center")
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
