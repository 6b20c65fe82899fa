"""Which file a task's pictures come from, and rendering them.

A clip of a dataset is 128 pixels wide: right for a network, unreadable for people. So its frames
are rendered from the source that its lineage names; where that is gone from a preview that `label
--previews` kept; and at last from the clip itself. The bundle's head says which (`source`,
`preview`, `clip`), and the screen announces it.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import storage
from ...datasets.shards.dataset import Dataset
from ...errors import VidactError, VideoError
from ..context import Context
from ..store.allowed_sources import require_safe_name
from ..store.bundles import BundleStore, unpack
from ..store.models import Source, Task
from .fetching import fetch
from .frames import BOX, FULL_BOX
from .sandbox import frames_limited, render_all_limited, render_limited


def recipe_of(task: Task, source: Source) -> dict[str, Any]:
    """Return what fully says which pictures a task shows; its hash names the bundle."""
    lineage = task.lineage
    return {
        "uri": source.uri,
        "sha256": source.sha256,
        "pts_ns": lineage["pts_ns"],
        "dataset": source.meta.get("dataset"),
        "row": lineage.get("row"),
        "version": 1,
    }


def full_recipe_of(task: Task, source: Source) -> dict[str, Any]:
    """Return the recipe of the same pictures as large as small print needs them."""
    return {**recipe_of(task, source), "box": list(FULL_BOX)}


def get_pictures(context: Context, recipe: dict[str, Any]) -> Path:
    """Return the bundle of a recipe, rendered where it is missing. Raises what `render` raises."""
    return _store_of(context, recipe).get(recipe, partial(render, context))


def prepare_pictures(context: Context, recipe: dict[str, Any]) -> Future[Path]:
    """Begin to render the bundle of a recipe where it is missing."""
    return _store_of(context, recipe).prepare(recipe, partial(render, context))


def render(context: Context, recipe: dict[str, Any], out: Path, *, nice: int = 0) -> None:
    """Write the bundle of a recipe to `out`.

    Args:
        context: the server's.
        recipe: what is shown.
        out: where the bundle goes.
        nice: how far it stands back (`Limits`).

    Raises:
        VidactError: no file is left to render from.
    """
    failures: list[str] = []
    head, box = {"from": "source"}, _box_of(recipe)
    try:
        render_limited(_source(context, recipe), recipe["pts_ns"], out, head, box, nice=nice)
        return
    except (VidactError, OSError, ValueError) as error:
        failures.append(_short(error))
    if recipe["dataset"] and recipe["row"]:
        try:
            _from_preview(context, recipe, out, "; ".join(failures), nice)
            return
        except (VidactError, OSError, ValueError) as error:
            failures.append(_short(error))
        _from_clip(recipe, out, failures[0], nice)
        return
    raise VideoError("gone", recipe["uri"], "; ".join(failures))


def frames_of(context: Context, recipe: dict[str, Any]) -> NDArray[np.uint8]:
    """Return the frames of a recipe, uint8 [n, h, w, 3], as annotators saw them.

    They come from the source without a JPEG in between, where it is still there.
    """
    import io

    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "frames.npy"
        try:
            frames_limited(_source(context, recipe), recipe["pts_ns"], out)
            return np.asarray(np.load(out, allow_pickle=False), np.uint8)
        except (VidactError, OSError, ValueError):
            path = get_pictures(context, recipe)
    pictures, _ = unpack(path.read_bytes())
    return np.stack(
        [np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")) for picture in pictures]
    )


def _source(context: Context, recipe: dict[str, Any]) -> Path:
    """Return the file that a task was cut from. What a dataset names must be allowed."""
    if recipe["dataset"]:
        context.sources.require(recipe["uri"])
    return fetch(context, recipe["uri"])


def _from_preview(context: Context, recipe: dict[str, Any], out: Path, why: str, nice: int) -> None:
    """Render from the dataset's `previews/<key>.mp4`, which holds a frame per tick of the clip."""
    dataset = Dataset(recipe["dataset"])
    uri = dataset.preview_uri(require_safe_name(recipe["row"]["key"], "clip"))
    if not storage.exists(uri):
        raise FileNotFoundError("no preview was kept")
    if dataset.local is not None:
        context.sources.require(uri, inside=dataset.local)  # it may be a link
    head = {"from": "preview", "why": why}
    count, box = len(recipe["pts_ns"]), _box_of(recipe)
    render_all_limited(fetch(context, uri), count, out, head, box, nice=nice)


def _from_clip(recipe: dict[str, Any], out: Path, why: str, nice: int) -> None:
    head = {"from": "clip", "why": why}
    row = recipe["row"]
    require_safe_name(row["shard"], "shard")
    members = Dataset(recipe["dataset"]).read_sample(row)
    if "mp4" not in members:
        raise VideoError("other_file", row["shard"], f"clip {row['key']} has no frames")
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        clip.write_bytes(members["mp4"])
        render_all_limited(clip, len(recipe["pts_ns"]), out, head, nice=nice)


def _store_of(context: Context, recipe: dict[str, Any]) -> BundleStore:
    return context.full_bundles if "box" in recipe else context.bundles


def _box_of(recipe: dict[str, Any]) -> tuple[int, int]:
    width, height = recipe.get("box", BOX)
    return width, height


def _short(error: Exception) -> str:
    """Return what went wrong, without the path that it happened at, for annotators."""
    if isinstance(error, VideoError):
        return f"{error.reason.replace('_', ' ')}: {error.detail}"
    return str(error) or type(error).__name__
