"""Which video track is read of sources that have several, as their plan knows it."""

from __future__ import annotations

from ... import storage
from ...signed_addresses import without_keys
from .dataset import Dataset
from .parquet import open_parquet


def read_tracks(dataset: Dataset) -> dict[str, str]:
    """Return the tracks in words, by URI; none of plans of before, which do not know them."""
    try:
        data = storage.read_bytes(dataset.sources_uri)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    with open_parquet(data) as file:
        if "track" not in file.schema_arrow.names:
            return {}
        rows = file.read(columns=["uri", "track"], use_threads=False).to_pylist()
    return {without_keys(row["uri"]): row["track"] for row in rows if row["track"]}
