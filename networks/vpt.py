"""What importing OpenAI's published networks shares: their files, read safely, and their names.

The `.model` file is a pickle that describes a network, the `.weights` file a `state_dict` in
torch's format. Both come from strangers: of the first only plain values are read (nothing that it
names is imported or called), of the second only tensors. Every tensor must land in our graph, by
name and shape.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from reprlib import repr as short  # of a stranger's values, which may be as long as they like
from typing import Any, NoReturn

import torch
from torch import Tensor

from .. import storage
from ..errors import CheckpointError, ConfigError
from .checkpoints import CONFIG_FILE, UNFIT, first_not_finite

MAX_MODEL_FILE = 2**20  # bytes; the published ones have a few thousand
IMPALA_CHANNELS = (16, 32, 32)  # of a network of impala_width 1
RESIDUAL_BLOCKS = 2  # of each of its stacks; no file says it
# What both graphs are made for; another value is another graph.
FIXED: dict[str, Any] = {
    "init_norm_kwargs": {"batch_norm": False, "group_norm_groups": 1},
    "only_img_input": True,
    "pointwise_ratio": 4,
    "pointwise_use_activation": False,
    "recurrence_is_residual": True,
    "recurrence_type": "transformer",
    "use_pointwise_layer": True,
    "use_pre_lstm_ln": False,
}


def require_free(out: str | Path) -> None:
    """Raise ConfigError where the folder holds a checkpoint already."""
    folder = storage.local_path(out)
    if folder is not None and (folder / CONFIG_FILE).exists():
        raise ConfigError(
            f"out: {out} holds a checkpoint already; give another folder, or remove it first"
        )


@contextmanager
def described(path: str, what: str) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The arguments of a network and of its head that a `.model` file gives, to be read in a block.

    Raises CheckpointError, which says that it does not describe `what`, where the block finds that
    they lack something or that no network has such sizes.
    """
    content = read_plain_pickle(path)
    try:
        arguments = content["model"]["args"]
        yield arguments["net"]["args"], arguments["pi_head_opts"]
    except (*UNFIT, ConfigError) as error:
        raise CheckpointError(f"{path} does not describe {what}: {short(error)}") from error


def differing(net: Mapping[str, Any], fixed: Mapping[str, Any]) -> list[str]:
    """What the arguments of a network have otherwise than the graph is made for.

    Raises KeyError, TypeError or the like where they lack something.
    """
    found = [
        f"{name} {short(net.get(name))}" for name, one in fixed.items() if net.get(name) != one
    ]
    if net["impala_kwargs"]["post_pool_groups"] != 1:
        found.append(f"post_pool_groups {short(net['impala_kwargs']['post_pool_groups'])}")
    if list(net["img_shape"])[:2] != [128, 128]:
        found.append(f"img_shape {short(net['img_shape'])}")
    return found


def impala_channels(net: Mapping[str, Any]) -> tuple[int, ...]:
    """The widths of the CNN's stacks."""
    return tuple(channels * int(net["impala_width"]) for channels in IMPALA_CHANNELS)


def require_temperature(path: str, temperature: float) -> float:
    """The temperature of a head. Raises CheckpointError where nothing can be divided by it."""
    if not 0 < temperature < math.inf:
        raise CheckpointError(f"{path}: the head's temperature must be above 0, got {temperature}")
    return temperature


class _PlainUnpickler(pickle.Unpickler):
    """Numbers, strings, lists and mappings; whatever else a pickle asks for is refused."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(
            f"it asks for {module}.{name}, and nothing but plain values is read"
        )

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("it refers to something outside itself")


def read_plain_pickle(path: str) -> Any:
    """The plain values in a pickle of a stranger. Raises CheckpointError for anything else."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_MODEL_FILE + 1)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_MODEL_FILE:
        raise CheckpointError(
            f"{path} is larger than {MAX_MODEL_FILE:,} bytes: no description of a network"
        )
    try:
        for operation, argument, _ in pickletools.genops(data):  # looks without doing
            if "PUT" in operation.name and isinstance(argument, int) and argument > len(data):
                # The unpickler would make an empty table of that size.
                raise pickle.UnpicklingError("it would fill the memory")
        return _PlainUnpickler(io.BytesIO(data)).load()
    except Exception as error:  # whatever strangers' bytes set off
        raise CheckpointError(f"{path} is refused: {error}") from error


def read_weights(path: str) -> dict[str, Tensor]:
    """The tensors of a `.weights` file; runs nothing that it names. Raises CheckpointError."""
    try:
        file = open(path, "rb")  # noqa: SIM115 - whether it opens is a question of its own
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        with file:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever strangers' bytes set off
        raise CheckpointError(
            f"{path} is refused: {(str(error).splitlines() or [repr(error)])[0]}"
        ) from error
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise CheckpointError(f"{path} does not hold tensors by name")
    return dict(content)


def take_renamed(
    left: dict[str, Tensor], names: Mapping[str, str], blocks: int
) -> dict[str, Tensor]:
    """Take from `left` what `names` knows, under our names.

    Args:
        names: theirs ► ours, a prefix each; what follows is the same. {} is the number of a block.
    """
    prefixes = {
        old.format(block): new.format(block)
        for block in range(blocks)
        for old, new in names.items()
    }
    taken = {}
    for name in list(left):
        old = next((old for old in prefixes if name.startswith(old)), None)
        if old is not None:
            taken[prefixes[old] + name.removeprefix(old)] = left.pop(name)
    return taken


def in_float32(
    ours: Mapping[str, Tensor], *, head: Collection[str], temperature: float
) -> dict[str, Tensor]:
    """The tensors in float32, those of the `head` divided by its temperature.

    To be called when all shapes are known to be right: what a file says of a tensor's size costs
    nothing until it is computed with.
    """
    return {
        name: tensor.float() / (temperature if name in head else 1.0)
        for name, tensor in ours.items()
    }


def require_all_land(
    ours: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    *,
    unknown: Sequence[str],
    problems: Sequence[str] = (),
    where: str,
) -> None:
    """Raise CheckpointError that lists every tensor that is missing, too many, or of another shape.

    Args:
        ours: what was read, under our names. expected: the `state_dict` of our network.
        unknown: names of theirs that have none of ours. problems: what else was found wrong.
    """
    found = list(problems)
    found += [f"{name}: unknown" for name in unknown]
    found += [f"{name}: missing" for name in sorted(expected.keys() - ours.keys())]
    found += [f"{name}: unknown" for name in sorted(ours.keys() - expected.keys())]
    found += [
        f"{name}: {shape_of(ours[name])}, expected {shape_of(expected[name])}"
        for name in sorted(expected.keys() & ours.keys())
        if ours[name].shape != expected[name].shape
    ]
    found += [
        f"{name}: {tensor.dtype}, {tensor.layout}, expected plain floating point"
        for name, tensor in ours.items()
        if not tensor.is_floating_point() or tensor.layout != torch.strided
    ]
    if found:
        listed = "\n".join(f"  {problem}" for problem in found)
        raise CheckpointError(f"{where} does not fit the network of its .model file:\n{listed}")


def require_finite(state: Mapping[str, Tensor], where: str) -> None:
    """Raise CheckpointError where a tensor holds infinite or undefined numbers."""
    if unfit := first_not_finite(state):
        raise CheckpointError(f"{where}: {unfit} holds numbers that are not finite")


def shape_of(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else str(tuple(tensor.shape))
