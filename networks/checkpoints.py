"""A checkpoint: a folder with `model.safetensors` and `config.json`, whole or refused.

Nothing in it is a pickle, so a checkpoint of a stranger can be loaded without running anything of
theirs. `config.json` carries the digest of the weights: a pair that does not belong together is
refused.

Beside the model may lie what judges its input (`BESIDE`): another `<name>.safetensors`, and an
entry of that name in `config.json`. It says nothing of what the model does, so the model has the
same digest with it and without it, and what was begun with the one is resumed with the other.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from .. import storage
from ..datasets.actions.spec import ActionSpec
from ..errors import CheckpointError, ConfigError

MODEL_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
# Of the layout of config.json; raised when an old reader would misread a new checkpoint.
VERSION = 1
KINDS = ("idm", "policy", "filter")
BESIDE = ("game",)
"""What may lie beside a model: the density of an IDM's own play."""
# What reading a config that somebody altered may raise, up to a network that cannot be built.
UNFIT = (
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """What a checkpoint folder holds."""

    state: dict[str, torch.Tensor]
    """The network's `state_dict`, on the CPU."""
    config: dict[str, Any]
    """Network, spec, training configuration, lineage, metrics."""
    sha256: str
    """Digest over weights and configuration (hex): the name by which labels and scores refer to
    this model.
    """
    uri: str
    """The folder or URL that it was read from."""
    beside: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)
    """The tensors of what lies beside the model, by names out of `BESIDE`."""

    def require_kind(self, kind: str) -> Checkpoint:
        """Return self, or raise CheckpointError where this is another kind of model."""
        if self.config.get("kind") != kind:
            raise CheckpointError(
                f"{self.uri}: this checkpoint is of kind '{self.config.get('kind')}', "
                f"but a '{kind}' is needed here"
            )
        return self

    @contextmanager
    def config_read(self) -> Iterator[None]:
        """Within the block a config that lacks something or holds something else is a
        CheckpointError.
        """
        try:
            yield
        except UNFIT as error:
            raise CheckpointError(
                f"{self.uri}/{CONFIG_FILE} is damaged, or of another program: {error!r}"
            ) from error

    def spec(self) -> ActionSpec:
        """The action spec that the model was made under.

        Raises CheckpointError where it was edited.
        """
        with self.config_read():
            spec, says = ActionSpec.from_dict(self.config["spec"]), str(self.config["spec_sha256"])
        if spec.sha256 != says:
            raise CheckpointError(
                f"{self.uri}: its action spec has digest {spec.sha256[:12]}, but it says "
                f"{says[:12]}: the config was edited; train again under the new spec"
            )
        return spec


def require_place(out: str | Path, kind: str) -> None:
    """Raise ConfigError where a folder holds what a checkpoint of this kind must not replace, or
    lie among.
    """
    from ..datasets.shards.dataset import Dataset

    if Dataset(out).has_tables():
        raise ConfigError(f"out: {out} holds a dataset; a checkpoint needs a folder of its own")
    config = storage.join(str(out), CONFIG_FILE)
    if not storage.exists(config):
        return
    try:
        other = str(json.loads(storage.read_bytes(config))["kind"])
    except (ValueError, KeyError, TypeError):
        other = "something else"
    if other != kind:
        raise ConfigError(
            f"out: {config} is of {other!r}; that of {kind!r} would replace it: use another --out"
        )


def save_checkpoint(
    folder: str | Path,
    state: Mapping[str, torch.Tensor],
    config: Mapping[str, Any],
    *,
    beside: Mapping[str, Mapping[str, torch.Tensor]] | None = None,
) -> str:
    """Write a checkpoint folder and return its digest.

    Args:
        folder: a local path or any fsspec URL. The configuration is put in place last, and each
            file by one rename (in a bucket: one upload): a folder without it is no checkpoint yet,
            and one that was interrupted between the two is refused by its digest. Other files of
            the folder (snapshots, metrics) stay.
        state: the network's `state_dict`.
        config: JSON-able; must name its `kind`: `idm`, `policy` or `filter`.
        beside: tensors of what lies beside the model; the config has an entry for each.
    """
    if config.get("kind") not in KINDS:
        raise CheckpointError(
            f"a checkpoint's config must have a 'kind' out of {KINDS}, got {config.get('kind')!r}"
        )
    weights = _tensor_bytes(state)
    complete = {**config, "version": VERSION, "model_sha256": hashlib.sha256(weights).hexdigest()}
    files = {}
    for name, tensors in (beside or {}).items():
        files[tensor_file(name)] = data = _tensor_bytes(tensors)
        complete[name] = {**complete[name], "sha256": hashlib.sha256(data).hexdigest()}
    text = _config_bytes(complete)
    files |= {MODEL_FILE: weights, CONFIG_FILE: text}  # the configuration last
    local = storage.local_path(folder)
    if local is not None:
        with storage.replacing_all([local / name for name in files]) as temporary:
            for path, data in zip(temporary, files.values(), strict=True):
                path.write_bytes(data)
    else:
        for name, data in files.items():
            storage.write_atomic(storage.join(str(folder), name), data)
    return _digest(weights, text, complete)


def add_beside(
    checkpoint: Checkpoint, name: str, tensors: Mapping[str, torch.Tensor], entry: Mapping[str, Any]
) -> None:
    """Put something beside a model in its own folder; the file of its weights is not touched.

    Args:
        name: out of `BESIDE`.
        tensors: its numbers.
        entry: what the configuration says of it.
    """
    data = _tensor_bytes(tensors)
    says = {**entry, "sha256": hashlib.sha256(data).hexdigest()}
    text = _config_bytes({**checkpoint.config, name: says})
    storage.write_atomic(storage.join(checkpoint.uri, tensor_file(name)), data)
    storage.write_atomic(storage.join(checkpoint.uri, CONFIG_FILE), text)


def tensor_file(name: str) -> str:
    """The file of what lies beside a model."""
    return f"{name}.safetensors"


def _tensor_bytes(tensors: Mapping[str, torch.Tensor]) -> bytes:
    return save_tensors(
        {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    )


def _config_bytes(config: Mapping[str, Any]) -> bytes:
    return (json.dumps(config, indent=1, sort_keys=True, default=_plain) + "\n").encode()


def load_checkpoint(folder: str | Path) -> Checkpoint:
    """Read a checkpoint folder.

    Raises CheckpointError where a part is missing, damaged, or does not belong to the other.
    """
    text, weights = _read(folder, CONFIG_FILE), _read(folder, MODEL_FILE)
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{folder}/{CONFIG_FILE} is not JSON: {error}") from error
    version = config.get("version", 0) if isinstance(config, dict) else None
    if not isinstance(version, int) or version > VERSION:
        raise CheckpointError(
            f"{folder}/{CONFIG_FILE} is of version {version!r}; this program reads up to "
            f"{VERSION}: use a newer one"
        )
    state = _tensors_of(folder, MODEL_FILE, weights, config.get("model_sha256"))
    beside = {}
    for name in BESIDE:
        if (says := config.get(name)) is not None:
            expected = says.get("sha256") if isinstance(says, Mapping) else says
            file = tensor_file(name)
            beside[name] = _tensors_of(folder, file, _read(folder, file), expected)
    digest = _digest(weights, text, config)
    return Checkpoint(state=state, config=config, sha256=digest, uri=str(folder), beside=beside)


def _tensors_of(
    folder: str | Path, file: str, data: bytes, expected: object
) -> dict[str, torch.Tensor]:
    """The tensors of a file, which is the one that the config was written for."""
    got = hashlib.sha256(data).hexdigest()
    if expected is not None and expected != got:
        raise CheckpointError(
            f"{folder}: {file} is not the file that {CONFIG_FILE} was written for "
            f"(sha256 {got[:12]}, expected {str(expected)[:12]}): copy the whole folder again"
        )
    try:
        found: dict[str, torch.Tensor] = load_tensors(data)
    except SafetensorError as error:
        raise CheckpointError(f"{folder}/{file} is damaged: {error}") from error
    return found


def config_in(folder: str | Path) -> dict[str, Any]:
    """What the checkpoint in a folder says of itself; nothing where there is no whole one."""
    try:
        return load_checkpoint(folder).config
    except CheckpointError:
        return {}


def allocate(module: torch.nn.Module) -> None:
    """Give what `module` has on the `meta` device memory on the CPU, for a `state_dict` to fill.

    What is elsewhere already, as constants, is left as it is. (`Module.to_empty` asks torch for
    symbolic shapes, whose library takes a second to import.)
    """
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False):
            if parameter.is_meta:
                setattr(part, name, torch.nn.Parameter(_memory(parameter)))
        for name, buffer in part.named_buffers(recurse=False):
            if buffer.is_meta:
                setattr(part, name, _memory(buffer))


def _memory(like: torch.Tensor) -> torch.Tensor:
    return torch.empty_strided(like.shape, like.stride(), dtype=like.dtype)


def load_into(module: torch.nn.Module, checkpoint: Checkpoint) -> None:
    """Load the weights into `module`; CheckpointError names the first tensors that do not fit."""
    require_fit(module, checkpoint)
    if unfit := first_not_finite(checkpoint.state):
        raise CheckpointError(
            f"{checkpoint.uri}: {unfit} holds numbers that are not finite: train it again"
        )
    module.load_state_dict(checkpoint.state)


def first_not_finite(state: Mapping[str, torch.Tensor]) -> str | None:
    """The name of a tensor with infinite or undefined numbers, if there is one."""
    return next(
        (name for name in sorted(state) if not bool(torch.isfinite(state[name]).all())), None
    )


def require_fit(module: torch.nn.Module, checkpoint: Checkpoint) -> None:
    """Raise CheckpointError where the weights are not those of `module`, which may be one without
    memory (`meta`).
    """
    own = module.state_dict()
    missing = sorted(own.keys() - checkpoint.state.keys())
    surplus = sorted(checkpoint.state.keys() - own.keys())
    wrong = [
        f"{name}: {_kind(checkpoint.state[name])}, expected {_kind(own[name])}"
        for name in sorted(own.keys() & checkpoint.state.keys())
        if _kind(own[name]) != _kind(checkpoint.state[name])
    ]
    if missing or surplus or wrong:
        raise CheckpointError(
            f"{checkpoint.uri}: the weights do not fit the network of its config: "
            f"missing {missing[:3]}, unknown {surplus[:3]}, wrong shape {wrong[:3]}"
        )


def _kind(tensor: torch.Tensor) -> str:
    """Shape, and whether its numbers are whole."""
    return f"{tuple(tensor.shape)}{'' if tensor.is_floating_point() else ' of whole numbers'}"


def _read(folder: str | Path, name: str) -> bytes:
    try:
        return storage.read_bytes(storage.join(os.fspath(folder), name))
    except (FileNotFoundError, NotADirectoryError) as error:
        path = storage.local_path(folder)
        if path is not None and not path.exists():
            raise CheckpointError(
                f"{path}: there is no such folder (seen from {Path.cwd()})"
            ) from None
        raise CheckpointError(
            f"{folder} is no checkpoint: it has no {name} "
            f"(a checkpoint is a folder with {MODEL_FILE}, {CONFIG_FILE})"
        ) from error


def _digest(weights: bytes, text: bytes, config: Mapping[str, Any]) -> str:
    """The digest of a model, from its weights and its configuration (its bytes, and what they say);
    see the head of this file.
    """
    own = {name: value for name, value in config.items() if name not in BESIDE}
    if len(own) < len(config):  # else the bytes as they are, whoever wrote them
        text = _config_bytes(own)
    return hashlib.sha256(
        hashlib.sha256(weights).digest() + hashlib.sha256(text).digest()
    ).hexdigest()


def _plain(value: object) -> object:
    """JSON for the few other types that configs hold."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "item"):
        return value.item()
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
