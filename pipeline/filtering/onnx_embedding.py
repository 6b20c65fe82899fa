"""A network of the user's own in ONNX, as what looks at pictures.

N frames, H rows, W columns, C cells of a picture, D size of a cell's vector

An ONNX file is a graph of standard operators with its weights: nothing in it is a program. What
would make it more is refused before it is run: operators that ONNX does not define, for which a
library would have to be loaded, and weights in other files, whose names are paths on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import CheckpointError, MissingDependencyError
from .standard_pictures import SIDE, in_batches

ONNX = "onnx"
STANDARD = ("", "ai.onnx", "ai.onnx.ml")  # the domains of operators that ONNX itself defines
FILE = "file"  # the tensor that holds the file's bytes in a filter's checkpoint
AT_ONCE = 8  # frames, where the network takes any number: always as many
MOST_CELLS, MOST_VALUES = 256, 4096  # a covariance of each cell is kept


class OnnxEmbedding:
    """A network in ONNX. Make it with `OnnxEmbedding.of`.

    Args:
        data: the file's bytes.
        session: what runs it.
    """

    def __init__(self, data: bytes, session: Any):
        self.entry: Mapping[str, Any] = {"name": ONNX}
        self._data, self._session = data, session
        (taken,) = session.get_inputs()
        self._input = taken.name
        count, _, height, width = taken.shape
        self._count = count if isinstance(count, int) else AT_ONCE
        rows, columns = (side if isinstance(side, int) else SIDE for side in (height, width))
        self._size = rows, columns

    @classmethod
    def of(cls, data: bytes, where: str) -> OnnxEmbedding:
        """That of a file's bytes.

        Raises:
            CheckpointError: it is no ONNX network that takes pictures, or more than a network; the
                message begins with `where`.
            MissingDependencyError: onnx or onnxruntime is not installed.
        """
        try:
            import onnx
            import onnxruntime
        except ImportError as error:
            raise MissingDependencyError(
                "weights in ONNX need onnx and onnxruntime: pip install 'vidact[onnx]'"
            ) from error
        try:
            model = onnx.ModelProto.FromString(data)
        except Exception as error:  # protobuf's own kind; the file is anybody's
            raise CheckpointError(f"{where}: is no ONNX file: {error}") from error
        require_plain(model, where)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # as all of a worker
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(data, options, ["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's kinds have no common base
            raise CheckpointError(f"{where}: cannot be run: {_first_line(error)}") from error
        shapes = [(one.name, one.type, one.shape) for one in session.get_inputs()]
        if [kind for _, kind, _ in shapes] != ["tensor(float)"] or (
            len(shapes[0][2]) != 4 or shapes[0][2][1] not in (3, None)
        ):
            raise CheckpointError(
                f"{where}: expected one input of pictures, float32 [N, 3, H, W], got {shapes}"
            )
        found = cls(data, session)
        try:
            found(np.zeros((1, 8, 8, 3), np.uint8))  # what comes out is known once it has run
        except Exception as error:
            raise CheckpointError(f"{where}: {_first_line(error)}") from error
        return found

    @classmethod
    def of_state(cls, tensors: Mapping[str, Tensor]) -> OnnxEmbedding:
        """That of a filter's checkpoint. Raises as `of`."""
        return cls.of(tensors[FILE].numpy().astype(np.uint8).tobytes(), "the filter's network")

    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        return in_batches(frames, self._look, count=self._count, size=self._size)  # (N, C, D)

    def _look(self, pictures: Tensor) -> NDArray[np.float32]:
        out, *_ = self._session.run(None, {self._input: pictures.numpy()})
        return _cells(np.asarray(out, np.float32))

    def state(self) -> dict[str, Tensor]:
        return {FILE: torch.from_numpy(np.frombuffer(self._data, np.uint8).copy())}


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def require_plain(model: Any, where: str) -> None:
    """Raise CheckpointError where a network is more than standard operators and its own weights."""
    own = {(function.domain, function.name) for function in model.functions}
    nodes = [node for function in model.functions for node in function.node]
    attributes = [one for function in model.functions for one in function.attribute_proto]
    graphs = [model.graph]
    tensors = []
    while graphs or nodes or attributes:
        for graph in graphs:
            nodes += graph.node
            tensors += graph.initializer
            for sparse in graph.sparse_initializer:
                tensors += [sparse.values, sparse.indices]
        for node in nodes:
            if node.domain not in STANDARD and (node.domain, node.op_type) not in own:
                raise CheckpointError(
                    f"{where}: uses the operator {node.op_type} of {node.domain}, which ONNX does "
                    "not define: it would run code of its own; export it with standard operators"
                )
            attributes += node.attribute
        graphs, nodes = [], []
        for attribute in attributes:
            graphs += [attribute.g] if attribute.HasField("g") else []
            graphs += attribute.graphs
            tensors += [*_tensors_of(attribute)]
        attributes = []
    if any(tensor.data_location or tensor.external_data for tensor in tensors):
        raise CheckpointError(
            f"{where}: keeps weights in other files; save it as one file "
            "(onnx.save(model, path, save_as_external_data=False))"
        )


def _tensors_of(attribute: Any) -> Iterator[Any]:
    yield from ([attribute.t] if attribute.HasField("t") else [])
    yield from attribute.tensors
    sparse = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
    for one in [*sparse, *attribute.sparse_tensors]:
        yield from (one.values, one.indices)


def _cells(out: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a network says of N pictures as [N, C, D]: of [N, D] one cell, of [N, D, H, W] each
    place one, [N, C, D] as it is.
    """
    if out.ndim == 4:
        out = out.reshape(*out.shape[:2], -1).swapaxes(1, 2)
    elif out.ndim == 2:
        out = out[:, None]
    if out.ndim != 3 or out.shape[1] > MOST_CELLS or out.shape[2] > MOST_VALUES:
        raise CheckpointError(
            "the network gives vectors of shape "
            f"{list(out.shape)}; expected [N, D], [N, D, H, W] or [N, cells, D] with at most "
            f"{MOST_CELLS} cells of at most {MOST_VALUES} values"
        )
    if not np.isfinite(out).all():
        raise CheckpointError("the network gives numbers that are not finite")
    return np.ascontiguousarray(out)
