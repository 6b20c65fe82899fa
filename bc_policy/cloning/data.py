"""Which data a run learns from: the versions with which it began, while the datasets go on
growing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...datasets.shards.dataset import Dataset
from ...storage import exists, sha256_file
from ...training.resume import STATE_FILE
from ...training.run import SNAPSHOTS_FOLDER


def data_identity(out: str, data: Sequence[str]) -> list[dict[str, Any]]:
    """The datasets of a run and what lies in them: each one's version, or for a dataset of before
    the digest of its one manifest.

    A run that was stopped goes on with the versions that its snapshot in `out` names.
    """
    begun = {one["uri"]: one for one in _begun(out)}
    return [_identity(uri, begun.get(uri, {})) for uri in data]


def versions_of(identity: Sequence[dict[str, Any]]) -> list[str]:
    """The version of each dataset; "" where it has none, or had none when the run began."""
    return [str(one.get("version", "")) for one in identity]


def _identity(uri: str, begun: dict[str, Any]) -> dict[str, Any]:
    dataset = Dataset(uri)
    version = dataset.content().get("version", "")
    if "version" in begun and version:
        return begun
    if not version or ("manifest_sha256" in begun and exists(dataset.manifest_uri)):
        of_before = {"uri": uri, "manifest_sha256": sha256_file(dataset.manifest_uri)}
        # A dataset that was upgraded since holds what it held.
        if not version or of_before == begun:
            return of_before
    return {"uri": uri, "version": version}


def _begun(out: str) -> list[dict[str, Any]]:
    """The data of the run whose newest readable snapshot lies in `out`."""
    found = sorted(Path(out, SNAPSHOTS_FOLDER).glob(f"state-*/{STATE_FILE}"), reverse=True)
    for path in found:
        try:
            return [dict(one) for one in json.loads(path.read_bytes())["run"]["data"]]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # damaged: the one before it is what the run resumes from, too
    return []
