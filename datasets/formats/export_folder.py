"""The folder of an export: one dataset under one set of options goes into it, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ... import storage
from ...errors import ConfigError, DatasetError
from ...progress import shortened
from ..actions.spec import ActionSpec
from .export_plan import Plan

KEPT = ("name", "labels", "license", "licences", "idm")  # of the dataset's `dataset.json`


def local_folder(out: str, reader: str) -> Path:
    """Return the folder of an export. Raises ConfigError where it is not on this machine."""
    path = storage.local_path(out)
    if path is None:
        raise ConfigError(
            f"out: expected a local folder, got {out!r}: {reader} reads local files; "
            "copy the folder to a bucket afterwards"
        )
    return path


def claim(
    origin: Path,
    out: Path,
    plan: Plan,
    *,
    made_of: Mapping[str, Any],
    content: Mapping[str, Any],
    spec: ActionSpec,
) -> None:
    """Say in `origin` what the folder is made of, or see that it is made of the same.

    Args:
        origin: the file that says so.
        out: the folder, which holds nothing else.
        plan: the clips.
        made_of: options and layout; two exports are one where these and the clips are the same.
        content: of the dataset's `dataset.json`.
        spec: of its labels.

    Raises:
        ConfigError: the folder holds other things.
        DatasetError: it holds an export of something else, or a damaged one.
    """
    made_of = {**made_of, "clips_sha256": plan.identity(), "spec_sha256": spec.sha256}
    try:
        found = json.loads(origin.read_bytes())["made_of"]
        differ = [name for name in made_of if found.get(name) != made_of[name]]
    except FileNotFoundError:
        _require_empty(out)
        text = {
            "made_of": made_of,
            "dataset": storage.storable(plan.dataset.uri),
            "version": plan.version,
            **{name: content.get(name) for name in KEPT},
            "spec": spec.to_dict(),
        }
        storage.write_atomic(origin, to_json(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{origin}: is damaged ({error}); choose another --out") from error
    else:
        if differ:
            raise DatasetError(
                f"{out}: an export of something else is there already: {differ[0]} is "
                f"{found.get(differ[0])!r}, here it is {made_of[differ[0]]!r}; choose another "
                "--out, or delete it"
            )


def _require_empty(out: Path) -> None:
    there = out.iterdir() if out.is_dir() else ()
    if names := sorted(one.name for one in there if not one.name.startswith(".")):
        raise ConfigError(
            f"out: {out} holds other things ({shortened(names, 3)}); "
            "an export needs a folder of its own"
        )


def to_json(value: object) -> bytes:
    """Indented JSON, as LeRobot's own files are."""
    return (json.dumps(value, indent=4, ensure_ascii=False, allow_nan=False) + "\n").encode()
