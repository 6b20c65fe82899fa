"""A labelled dataset's least certain clips as tasks of action review."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select

from ...datasets.shards.codec import decode_clip
from ...datasets.shards.dataset import Dataset
from ...errors import DatasetError
from ...progress import Progress
from ..context import Context
from ..store.allowed_sources import require_safe_name
from ..store.models import Task
from ..work.predictions import Predictions
from .task_rows import add_task, get_project, get_source

ROW = ("key", "shard", "offset_bytes", "size_bytes", "sample_crc32")  # what finds a clip again
COLUMNS = ("key", "shard", "valid_frames", "mean_confidence")  # what clips are chosen by


def choose(clips: pa.Table, count: int, random_fraction: float) -> pa.Table:
    """Choose the clips worth a human's time.

    Those are the ones with the most expected wrong frames, and a random share of the others: from
    the random share accuracy can be estimated without bias.

    Args:
        clips: of a manifest, with COLUMNS.
        count: how many to choose.
        random_fraction: the random share.
    """
    confidence = clips["mean_confidence"].to_numpy().astype(np.float64)
    wrong_frames = clips["valid_frames"].to_numpy() * (1.0 - confidence)
    keys = clips["key"].to_numpy(zero_copy_only=False).astype("S")
    ranked = np.lexsort((keys, -wrong_frames))
    drawn = min(round(count * random_fraction), max(0, len(ranked) - 1))
    first = ranked[: count - drawn]
    rest = ranked[len(first) :]
    # With a fixed seed, so that importing again chooses the same clips.
    places = random.Random(0).sample(range(len(rest)), min(drawn, len(rest)))
    return clips.take(np.concatenate([first, rest[places]]))


def import_dataset(
    context: Context, uri: str, *, clips: int, random_fraction: float
) -> tuple[int, int]:
    """Make or extend the project that reviews a dataset.

    Args:
        uri: the dataset's folder or bucket prefix; named by the operator.
        clips: how many clips to take.
        random_fraction: the share of them, and of the queue, that is random.

    Returns:
        Id of the project and the number of new tasks.
    """
    dataset = Dataset(uri)
    spec = dataset.spec()
    manifest = dataset.open_manifest()
    table = manifest.table(COLUMNS)
    table = table.filter(pc.greater(table["valid_frames"], 0))
    if not len(table):
        raise DatasetError(f"{dataset}: has no clips to review")
    title = f"Review of {dataset.name}"
    with context.database.write() as session:
        project = get_project(session, title, spec, origin=uri, random_fraction=random_fraction)
        known = set(session.scalars(select(Task.identity).where(Task.project_id == project.id)))
    new = 0
    chosen = [
        row
        for row in manifest.whole_rows(choose(table, clips, random_fraction))
        if f"clip:{row['key']}" not in known
    ]
    with Progress("Importing uncertain clips", total=len(chosen), unit="clips") as progress:
        for row in chosen:
            require_safe_name(row["key"], "clip")
            require_safe_name(row["shard"], "shard")
            clip = decode_clip(row["key"], dataset.read_sample(row), frames=False)
            predictions = Predictions(
                buttons=np.asarray(clip.buttons, np.uint8),
                buttons_prob=np.asarray(clip.buttons_prob, np.float32),
                camera=np.asarray(clip.camera, np.float32),
                confidence=np.asarray(clip.confidence, np.float32),
                valid=np.asarray(clip.valid, bool),
            )
            with context.database.write() as session:
                source = get_source(
                    session,
                    project,
                    kind="clip",
                    name=clip.meta["source_uri"].rsplit("/", 1)[-1],
                    uri=clip.meta["source_uri"],
                    sha256=clip.meta["source_sha256"],
                    meta={"dataset": uri},
                )
                new += add_task(
                    session,
                    project,
                    source,
                    identity=f"clip:{row['key']}",
                    pts_ns=clip.meta["pts_ns"],
                    gain=predictions.gain,
                    labels=predictions.to_bytes(),
                    lineage={
                        "row": {name: row[name] for name in ROW},
                        "first_tick": row["start_tick"],
                        "episode_id": row["episode_id"],
                        "idm_sha256": row["idm_sha256"],
                    },
                )
            progress.advance(1)
    return project.id, new
