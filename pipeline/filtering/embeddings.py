"""Pictures to vectors of their parts, by which a filter tells clean frames from others.

N frames, H rows, W columns, C cells of a picture, D size of a cell's vector

An embedding needs no download: the first layers of an IDM. Weights of one's own are those of an
architecture of torchvision, from a local file that holds tensors and nothing else, or a network in
ONNX (`onnx_embedding.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn
from torch.nn import functional as F

from ...datasets.actions.spec import ActionSpec
from ...errors import CheckpointError, ConfigError
from ...idm.in_game.embedding import TrunkEmbedding
from ...idm.network.config import IDMConfig
from ...idm.network.model import InverseDynamicsModel
from ...networks.checkpoints import Checkpoint, first_not_finite
from .cell_pixels import cell_pixels
from .config import ARCHITECTURES, ONNX_SUFFIX
from .onnx_embedding import ONNX, OnnxEmbedding
from .standard_pictures import in_batches

Frames = NDArray[np.uint8]
Vectors = NDArray[np.float32]
TRUNK, BACKBONE = "trunk", "backbone"
CELL, MOST_CELLS = 8, 16  # pixels of a cell's side, about a small letter's; cells a side
AT_ONCE = 8  # frames; always as many, so that a frame's vector does not depend on its neighbors
HEADS = ("fc", "classifier", "head", "heads")
"""The names under which torchvision's architectures keep what follows their features."""


class PictureEmbedding(Protocol):
    """What turns pictures into vectors. Another one is a class with an entry of its own."""

    entry: Mapping[str, Any]
    """What a filter's configuration says of it."""

    def __call__(self, frames: Frames) -> Vectors:
        """uint8 [N, H, W, 3] ► [N, C, D]; a network that sees the whole at once has one cell."""

    def state(self) -> dict[str, Tensor]:
        """The tensors that it needs."""


class StillTrunk:
    """The first layers of an IDM, which see a picture that stands still.

    Args:
        trunk: those layers.
        entry: the IDM's network and action spec.
    """

    def __init__(self, trunk: TrunkEmbedding, entry: Mapping[str, Any]):
        self._trunk = trunk
        self.entry = entry

    @classmethod
    def of_idm(cls, checkpoint: Checkpoint, spec: ActionSpec) -> StillTrunk:
        """That of an IDM's checkpoint. Raises CheckpointError."""
        with checkpoint.config_read():
            entry = {
                "name": TRUNK,
                "network": checkpoint.config["network"],
                "spec": spec.to_dict(),
                "idm_sha256": checkpoint.sha256,
            }
            return cls.of(entry, checkpoint.state)

    @classmethod
    def of(cls, entry: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> StillTrunk:
        """From what a filter's checkpoint keeps; its other layers take no memory."""
        network = IDMConfig.from_dict(entry["network"])
        model = InverseDynamicsModel.without_memory(network, ActionSpec.from_dict(entry["spec"]))
        own = {name: tensors[name] for name in _tensors_of(model)}
        model.load_state_dict(own, strict=False, assign=True)
        return cls(TrunkEmbedding(model.eval()), entry)

    def __call__(self, frames: Frames) -> Vectors:
        side = min(MOST_CELLS, max(1, min(frames.shape[1:3]) // CELL))
        maps = self._trunk.maps(  # (N, D', G, G) each
            frames[:, None], lambda x: F.adaptive_max_pool2d(x, side)
        )
        parts = [x.reshape(*x.shape[:2], -1) for x in (*maps, cell_pixels(frames, side))]
        cells = np.concatenate(parts, axis=1)
        return np.ascontiguousarray(cells.swapaxes(1, 2))  # (N, C, D)

    def state(self) -> dict[str, Tensor]:
        return _tensors_of(self._trunk.model)


def _tensors_of(model: InverseDynamicsModel) -> dict[str, Tensor]:
    """Those of the layers that look, by their names in the model."""
    return {
        f"{part}.{name}": tensor
        for part, one in TrunkEmbedding.parts_of(model).items()
        for name, tensor in one.state_dict().items()
    }


class Backbone:
    """A classifier of torchvision, up to what its last layer reads.

    Args:
        entry: its architecture.
        model: the network without that layer, in evaluation mode.
    """

    def __init__(self, entry: Mapping[str, Any], model: nn.Module):
        self.entry, self.model = entry, model

    @classmethod
    def of(cls, entry: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Backbone:
        """With these weights; a last layer among them is left out.

        Raises CheckpointError where they are not of this architecture.
        """
        name = str(entry["architecture"])
        if name not in ARCHITECTURES:
            raise CheckpointError(f"architecture {name!r}: known are {', '.join(ARCHITECTURES)}")
        from torchvision import models

        model = models.get_model(name, weights=None)
        for head in HEADS:
            if hasattr(model, head):
                setattr(model, head, nn.Identity())
        expected = model.state_dict()
        own = {key: value for key, value in tensors.items() if key in expected}
        wrong = [
            key
            for key, value in expected.items()
            if key not in own or own[key].shape != value.shape
        ]
        if wrong:
            raise CheckpointError(
                f"these are not the weights of torchvision's {name}: {len(wrong)} of "
                f"{len(expected)} tensors are missing or of another shape, such as {wrong[0]}"
            )
        if unfit := first_not_finite(own):
            raise CheckpointError(f"{unfit} of the weights holds numbers that are not finite")
        model.load_state_dict(own)
        return cls({"name": BACKBONE, "architecture": name}, model.float().eval())

    def __call__(self, frames: Frames) -> Vectors:
        return in_batches(
            frames, lambda x: self.model(x).flatten(1)[:, None].numpy(), count=AT_ONCE
        )  # (N, 1, D)

    def state(self) -> dict[str, Tensor]:
        return self.model.state_dict()


def embedding_of(entry: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> PictureEmbedding:
    """The embedding of a filter's checkpoint."""
    if entry["name"] == TRUNK:
        return StillTrunk.of(entry, tensors)
    if entry["name"] == BACKBONE:
        return Backbone.of(entry, tensors)
    if entry["name"] == ONNX:
        return OnnxEmbedding.of_state(tensors)
    raise ValueError(f"embedding {entry['name']!r}: known are {TRUNK}, {BACKBONE} and {ONNX}")


def embedding_of_weights(architecture: str, file: str) -> PictureEmbedding:
    """The network of a file of the user's own: of this architecture, or whole in ONNX.

    Raises ConfigError, CheckpointError, MissingDependencyError.
    """
    if Path(file).suffix != ONNX_SUFFIX:
        return Backbone.of({"name": BACKBONE, "architecture": architecture}, read_weights(file))
    if not Path(file).is_file():
        raise ConfigError(f"weights: {file} is no file on this machine")
    return OnnxEmbedding.of(Path(file).read_bytes(), f"weights: {file}")


def read_weights(file: str) -> dict[str, Tensor]:
    """The tensors of a file of the user's own; nothing in it is executed.

    Raises ConfigError where it is neither safetensors nor a `state_dict` that torch reads with
    `weights_only=True`.
    """
    path = Path(file)
    if not path.is_file():
        raise ConfigError(f"weights: {file} is no file on this machine")
    if path.suffix == ".safetensors":
        try:
            return dict(load_tensors(path.read_bytes()))
        except SafetensorError as error:
            raise ConfigError(f"weights: {file} is damaged: {error}") from error
    if path.suffix not in (".pth", ".pt"):
        raise ConfigError(
            f"weights: {file}: expected .safetensors, or .pth or .pt with a state_dict, or .onnx "
            "without an architecture; other formats are not read"
        )
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds: the file is anybody's
        reason = str(error).strip().split("\n")[0]
        raise ConfigError(
            f"weights: {file} holds more than tensors, or is damaged, and is not read: {reason}; "
            "save its state_dict as safetensors"
        ) from error
    if not isinstance(found, Mapping) or not all(isinstance(x, Tensor) for x in found.values()):
        raise ConfigError(f"weights: {file} holds no state_dict: a mapping of names to tensors")
    return {str(name): tensor for name, tensor in found.items()}
