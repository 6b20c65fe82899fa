"""What the readers make of kept files, as digests: they must read the same from them for ever."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
import vidact

LABELS = ("buttons", "camera", "confidence", "valid", "first", "ticks")
FIRST_TICKS = 24
SPECS = {"doom": "doom", "crafter": "crafter@1"}
"""The spec that each game's play is read under; of Crafter's there is a newer version."""


def digest(*arrays: np.ndarray) -> str:
    """Of shapes, types and bytes."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def pictures_of(recording: vidact.Recording, spec: vidact.ActionSpec) -> np.ndarray:
    """The frames of a recording, uint8 [T, H, W, 3]."""
    return np.concatenate([batch.frames for batch in recording.frames(spec)])


def recordings_read(folder: Path, spec_name: str) -> dict[str, Any]:
    """Of each recording: its hashes, what its frames decode to, and its actions."""
    recordings = vidact.find_recordings([folder])
    spec = vidact.ActionSpec.load(spec_name)
    found = {}
    for recording in recordings:
        actions = recording.actions(spec)
        found[recording.name] = {
            "sha256": recording.sha256,
            "labels_sha256": recording.labels_sha256,
            "group": recording.group,
            "ticks": recording.num_ticks(spec),
            "frames": digest(pictures_of(recording, spec)),
            "actions": digest(actions.buttons, actions.camera, actions.valid),
        }
    return {"spec": spec.sha256, "recordings": found}


def clips_read(dataset: Path) -> dict[str, Any]:
    """The batches of two epochs in both orders."""
    found: dict[str, Any] = {}
    for order in ("clips", "episodes"):
        options = {"order": order, "split": None, "seed": 3, "threads": 1}
        loader = vidact.ClipLoader([dataset], batch_size=1, ticks=32, **options)
        found["spec"] = loader.spec.sha256
        for _ in range(2):
            for batch in loader:
                labels = digest(*(getattr(batch, name) for name in LABELS))
                row = {"keys": batch.keys, "labels": labels, "frames": digest(batch.frames)}
                found.setdefault(order, []).append(row)
    return found


def policy_says(checkpoint: Path, play: Path) -> dict[str, Any]:
    """What a policy thinks of the first frames of each recording."""
    torch.set_num_threads(1)
    policy, loaded = vidact.load_policy(str(checkpoint))
    found: dict[str, Any] = {"sha256": loaded.sha256, "parameters": policy.num_parameters}
    for recording in vidact.find_recordings([play]):
        frames = torch.from_numpy(pictures_of(recording, policy.spec)[None, :FIRST_TICKS])
        with torch.no_grad():
            said = policy(frames, previous=torch.full((1, frames.shape[1], 2), -1))
        camera = said.logits.camera
        found[recording.name] = {
            "joint": [list(said.logits.joint.shape), digest(said.logits.joint.numpy())],
            "camera": None if camera is None else [list(camera.shape), digest(camera.numpy())],
            "value": [list(said.value.shape), digest(said.value.numpy())],
        }
    return found
