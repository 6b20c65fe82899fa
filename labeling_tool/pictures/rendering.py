"""Which file a task's pictures come from, and rendering them.

A clip of a dataset is 128 pixels wide: right for a network, unreadable for people. So its frames
are rendered from the source that its lineage names; where that is gone from a preview that `label
--previews` kept; and at last from the clip itself. The bundle's head says which (`source`,
`preview`, `clip`), and the screen announces it.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import storage
from ...datasets.shards.dataset import Dataset
from ...errors import VidactError, VideoError
from ..context import Context
from ..store.bundles import pack, unpack
from ..store.models import Source, Task
from .frames import JPEG_QUALITY, jpeg
from .sandbox import frames_limited, render_limited

_FETCHING = threading.Lock()


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


def get_pictures(context: Context, recipe: dict[str, Any]) -> Path:
    """Return the bundle of a recipe, rendered where it is missing. Raises what `render` raises."""
    return context.bundles.get(recipe, partial(render, context))


def prepare_pictures(context: Context, recipe: dict[str, Any]) -> None:
    """Begin to render the bundle of a recipe where it is missing."""
    context.bundles.prepare(recipe, partial(render, context))


def render(context: Context, recipe: dict[str, Any], out: Path) -> None:
    """Write the bundle of a recipe to `out`.

    Raises:
        VidactError: no file is left to render from.
    """
    failures: list[str] = []
    try:
        path = fetch(context, recipe["uri"])
        render_limited(path, recipe["pts_ns"], out, {"from": "source"})
        return
    except (VidactError, OSError, ValueError) as error:
        failures.append(_short(error))
    if recipe["dataset"] and recipe["row"]:
        try:
            _from_preview(context, recipe, out, "; ".join(failures))
            return
        except (VidactError, OSError, ValueError) as error:
            failures.append(_short(error))
        _from_clip(recipe, out, failures[0])
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
            frames_limited(fetch(context, recipe["uri"]), recipe["pts_ns"], out)
            return np.asarray(np.load(out, allow_pickle=False), np.uint8)
        except (VidactError, OSError, ValueError):
            path = get_pictures(context, recipe)
    pictures, _ = unpack(path.read_bytes())
    return np.stack(
        [np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")) for picture in pictures]
    )


def fetch(context: Context, uri: str) -> Path:
    """Return a local file with the bytes at `uri`; remote ones are fetched once and kept."""
    local = storage.local_path(uri)
    if local is not None:
        if not local.is_file():
            raise FileNotFoundError(f"{local.name} is gone")
        return local
    name = hashlib.sha256(uri.encode()).hexdigest()[:40] + storage.remote_suffix(uri)
    kept = context.folder / "pictures" / "fetched" / name
    with _FETCHING:
        if not kept.exists():
            with storage.replacing(kept, sync=False) as temporary:
                storage.download(uri, temporary)
    return kept


def _from_preview(context: Context, recipe: dict[str, Any], out: Path, why: str) -> None:
    """Render from the dataset's `previews/<key>.mp4`, which holds a frame per tick of the clip."""
    import av

    uri = Dataset(recipe["dataset"]).preview_uri(recipe["row"]["key"])
    if not storage.exists(uri):
        raise FileNotFoundError("no preview was kept")
    pictures: list[bytes] = []
    shape = (0, 0)
    with av.open(str(fetch(context, uri))) as container:
        for frame in container.decode(video=0):
            picture = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            shape = (picture.shape[1], picture.shape[0])
            pictures.append(jpeg(picture, JPEG_QUALITY))
    if len(pictures) != len(recipe["pts_ns"]):
        raise VideoError(
            "other_file", uri, f"has {len(pictures)} frames, the clip {len(recipe['pts_ns'])}"
        )
    out.write_bytes(
        pack(pictures, {"from": "preview", "why": why, "width": shape[0], "height": shape[1]})
    )


def _from_clip(recipe: dict[str, Any], out: Path, why: str) -> None:
    from ...datasets.shards.codec import decode_clip

    row = recipe["row"]
    clip = decode_clip(row["key"], Dataset(recipe["dataset"]).read_sample(row))
    if clip.frames is None or len(clip.frames) != len(recipe["pts_ns"]):
        raise VideoError(
            "other_file",
            row["shard"],
            f"clip {row['key']} has other frames than when it was imported",
        )
    height, width = clip.frames.shape[1:3]
    pictures = [jpeg(picture, JPEG_QUALITY) for picture in clip.frames]
    out.write_bytes(pack(pictures, {"from": "clip", "why": why, "width": width, "height": height}))


def _short(error: Exception) -> str:
    """Return what went wrong, without the path that it happened at, for annotators."""
    if isinstance(error, VideoError):
        return f"{error.reason.replace('_', ' ')}: {error.detail}"
    return str(error) or type(error).__name__
