"""Snapshots of a running training, from which it resumes exactly.

A snapshot holds whatever decides the next step: weights, optimizer, average, counters, data
position, and the state of every random generator. On the CPU a run that is killed and started again
computes the same losses, bit for bit, as one that was not.

A snapshot is a folder `state-<step>` with `tensors.safetensors` and `state.json`; it appears by one
rename. The last two are kept: should the newest be damaged (a full disk, a dying machine), the one
before it is used.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from .. import storage
from ..errors import CheckpointError, ConfigError
from ..progress import log
from ..settings import first_difference

TENSORS_FILE = "tensors.safetensors"
STATE_FILE = "state.json"
LOCK_FILE = ".lock"
KEPT = 2  # the newest, and the one before it, should that be damaged


def plain_run(run: Mapping[str, Any]) -> dict[str, Any]:
    """What a run is, as it reads back from JSON."""
    return json.loads(json.dumps(run, default=str, sort_keys=True))


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What two runs differ in, by name."""
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


class Snapshots:
    """The snapshots of one run.

    Args:
        folder: where they lie; made when the first is saved.
        run: what the run is (its resolved config, its data): a snapshot of another run is refused,
            not continued.
    """

    def __init__(self, folder: str | Path, run: Mapping[str, Any]):
        self.folder = Path(folder)
        self.run = plain_run(run)

    def save(self, step: int, state: Mapping[str, Any]) -> Path:
        """Write the snapshot of `step` and drop all but the last two.

        Args:
            state: nested dicts, lists and tuples of tensors, numpy arrays and JSON values, such as
                `{"model": model.state_dict(), "optimizer": optimizer.state_dict(), "loader":
                loader.state_dict()}`. The random generators of torch, numpy and Python are added.
        """
        tensors: dict[str, Tensor] = {}
        tree = _flatten({"state": dict(state), "rng": rng_state()}, tensors)
        data = save_tensors(tensors)
        # The digest lies beside the tensors, not among them: a file that was cut short shows.
        digest = hashlib.sha256(data).hexdigest()
        text = json.dumps({"step": step, "run": self.run, "sha256": digest, "tree": tree})
        final = self.folder / f"state-{step:09d}"
        fresh = self.folder / f".state-{step:09d}.{os.getpid()}.tmp"
        fresh.mkdir(parents=True, exist_ok=True)
        try:
            for name, content in ((TENSORS_FILE, data), (STATE_FILE, text.encode())):
                with open(fresh / name, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())  # before the rename, which must not come first
            # A run may save one step twice: when a snapshot is due, and at its end.
            if final.exists():
                shutil.rmtree(final)
            os.rename(fresh, final)
        finally:  # a full disk must not stay full of it
            shutil.rmtree(fresh, ignore_errors=True)
        for old in self._steps()[:-KEPT]:
            shutil.rmtree(self.folder / f"state-{old:09d}")
        return final

    def load_last(self) -> tuple[int, dict[str, Any]] | None:
        """(step, state) of the newest good snapshot, or None where there is none.

        The random generators are restored.

        Damaged ones that are newer are removed: the run is going to pass these steps again.

        Raises CheckpointError where the folder belongs to a run with other settings.
        """
        for step in reversed(self._steps()):
            folder = self.folder / f"state-{step:09d}"
            try:
                document = json.loads((folder / STATE_FILE).read_bytes())
                digest, run, flat = document["sha256"], document["run"], document["tree"]
                data = (folder / TENSORS_FILE).read_bytes()
            except (OSError, ValueError, KeyError, TypeError) as error:
                log(f"{folder} cannot be read ({error!r}): the snapshot before it is used")
                continue
            if hashlib.sha256(data).hexdigest() != digest:
                log(f"{folder} is damaged (its digest differs): the snapshot before it is used")
                continue
            self._require_same_run(run, folder)
            tree = _unflatten(flat, load_tensors(data))
            for newer in (one for one in self._steps() if one > step):
                # Another process of the run may remove it, too.
                shutil.rmtree(self.folder / f"state-{newer:09d}", ignore_errors=True)
            set_rng_state(tree["rng"])
            return step, tree["state"]
        return None

    def clear(self) -> None:
        """Remove all snapshots: the run is done. What others put into the folder stays."""
        for step in self._steps():
            shutil.rmtree(self.folder / f"state-{step:09d}")
        for half in self.folder.glob(".state-*.tmp"):  # of a process that was killed while it wrote
            shutil.rmtree(half)
        storage.remove_if_empty(self.folder)

    def _steps(self) -> list[int]:
        if not self.folder.is_dir():
            return []
        # Others' files in the folder, and halves (`.state-….tmp`), are no snapshots.
        found = (re.fullmatch(r"state-(\d{9,})", path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def _require_same_run(self, other: Mapping[str, Any], folder: Path) -> None:
        if other == self.run:
            return
        name, before, now = first_difference(other, self.run)
        raise CheckpointError(
            f"{folder} is a snapshot of a run with another '{name}': {before!r}, now {now!r}. "
            f"Use the settings of that run, another --out, or remove {self.folder} to start afresh"
        )


def claim(folder: Path) -> IO[str]:
    """The folder is this process's until the returned file is closed.

    Raises ConfigError where another has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = open(folder / LOCK_FILE, "w")  # noqa: SIM115 - open for the whole run
    # A lock, not a note of the process: it ends with the process, however that ends.
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.close()
        raise ConfigError(
            f"out: another run is at work in {folder}; wait, or give another folder"
        ) from error
    except OSError:
        pass  # a file system without locks
    return handle


def rng_state() -> dict[str, Any]:
    """The state of torch's, numpy's and Python's global generators."""
    cuda = list(torch.cuda.get_rng_state_all()) if torch.cuda.is_available() else []
    return {
        "torch": torch.get_rng_state(),
        "cuda": cuda,
        "numpy": np.random.get_state(),
        "python": random.getstate(),
    }


def set_rng_state(state: Mapping[str, Any]) -> None:
    """The inverse of `rng_state`."""
    torch.set_rng_state(state["torch"])
    # With another number of GPUs there is no state for each of them.
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    np.random.set_state(state["numpy"])
    random.setstate(state["python"])


def _flatten(value: Any, tensors: dict[str, Tensor], path: str = "") -> Any:
    """A JSON tree of `value`; tensors and arrays move to `tensors` under their path."""
    if isinstance(value, Tensor):
        # The memory format is kept: other strides would take other (equally right) rounding paths
        # after a resume.
        channels_last = (
            value.dim() == 4
            and not value.is_contiguous()
            and value.is_contiguous(memory_format=torch.channels_last)
        )
        tensors[path] = value.detach().cpu().contiguous().clone()
        return {"kind": "tensor", "name": path, "channels_last": channels_last}
    if isinstance(value, np.ndarray):
        tensors[path] = torch.from_numpy(np.ascontiguousarray(value).copy())
        return {"kind": "array", "name": path}
    if isinstance(value, Mapping):
        items = [[key, _flatten(item, tensors, f"{path}/{key}")] for key, item in value.items()]
        return {"kind": "dict", "items": items}
    if isinstance(value, (list, tuple)):
        items = [_flatten(item, tensors, f"{path}/{index}") for index, item in enumerate(value)]
        return {"kind": "tuple" if isinstance(value, tuple) else "list", "items": items}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"kind": "value", "value": value}
    raise TypeError(
        f"a snapshot cannot hold a {type(value).__name__} (at {path}): give it a state_dict"
    )


def _unflatten(node: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Any:
    kind = node["kind"]
    if kind == "tensor":
        tensor = tensors[node["name"]]
        return (
            tensor.contiguous(memory_format=torch.channels_last)
            if node["channels_last"]
            else tensor
        )
    if kind == "array":
        return tensors[node["name"]].numpy()
    if kind == "dict":
        return {key: _unflatten(item, tensors) for key, item in node["items"]}
    if kind in ("list", "tuple"):
        items = [_unflatten(item, tensors) for item in node["items"]]
        return tuple(items) if kind == "tuple" else items
    return node["value"]
