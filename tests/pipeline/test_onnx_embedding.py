"""Networks in ONNX look at pictures; what would run code or read other files is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vidact.errors import CheckpointError, ConfigError
from vidact.pipeline.filtering.config import TrainFilterConfig
from vidact.pipeline.filtering.embeddings import embedding_of, embedding_of_weights

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def network(
    *, shape: tuple[Any, ...] = ("N", 3, 32, 32), domain: str = "", op: str = "Conv"
) -> Any:
    """A convolution of 8 x 8 pixels with 5 channels, and the mean of each over all places."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weights = np.random.default_rng(0).normal(size=(5, 3, 8, 8)).astype(np.float32)
    nodes = [
        helper.make_node(op, ["x", "w"], ["maps"], domain=domain, strides=[8, 8]),
        helper.make_node("GlobalAveragePool", ["maps"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["vectors"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(name, kind, None) for name in ("vectors", "maps")],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    opsets = [helper.make_opsetid("", 17)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def saved(folder: Path, model: Any) -> str:
    path = folder / "own.onnx"
    path.write_bytes(model.SerializeToString())
    return str(path)


FRAMES = np.random.default_rng(1).integers(0, 255, (3, 40, 40, 3)).astype(np.uint8)


def test_a_network_in_onnx_looks_at_pictures(tmp_path: Path) -> None:
    found = embedding_of_weights("", saved(tmp_path, network()))
    vectors = found(FRAMES)
    assert vectors.shape == (3, 1, 5)
    # From the checkpoint it is the same, whatever is looked at beside a picture.
    again = embedding_of(found.entry, found.state())(FRAMES[1:])
    assert np.array_equal(again, vectors[1:])
    one = embedding_of_weights("", saved(tmp_path, network(shape=(1, 3, 32, 32))))(FRAMES)
    np.testing.assert_allclose(one, vectors, rtol=1e-4, atol=1e-5)


def test_each_place_of_a_map_is_a_cell(tmp_path: Path) -> None:
    model = network()
    model.graph.output.reverse()  # the maps first
    assert embedding_of_weights("", saved(tmp_path, model))(FRAMES).shape == (3, 16, 5)


def test_custom_operators_and_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"operator Conv of my\.company"):
        embedding_of_weights("", saved(tmp_path, network(domain="my.company")))
    with pytest.raises(CheckpointError, match=r"operator FusedConv of com\.microsoft"):
        embedding_of_weights("", saved(tmp_path, network(domain="com.microsoft", op="FusedConv")))

    hidden = network()
    inner = network(domain="my.company").graph
    hidden.graph.node.append(
        onnx.helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    )
    with pytest.raises(CheckpointError, match="operator Conv"):
        embedding_of_weights("", saved(tmp_path, hidden))

    for where in ("initializer", "attribute", "function"):
        outside = network()
        tensor = outside.graph.initializer[0]
        onnx.external_data_helper.set_external_data(tensor, location="/etc/passwd")
        tensor.ClearField("raw_data")
        if where == "attribute":
            node = onnx.helper.make_node("Constant", [], ["w2"], value=tensor)
            outside.graph.node.append(node)
        if where == "function":
            default = onnx.helper.make_attribute("value", tensor)
            function = onnx.helper.make_function(
                "own", "Weights", [], ["y"], [], outside.opset_import, attribute_protos=[default]
            )
            outside.functions.append(function)
        if where != "initializer":
            del outside.graph.initializer[:]
        with pytest.raises(CheckpointError, match="weights in other files"):
            embedding_of_weights("", saved(tmp_path, outside))


def test_what_is_no_such_network_is_told(tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    path.write_bytes(b"\x80\x04not a network")
    with pytest.raises(CheckpointError, match=r"own\.onnx"):
        embedding_of_weights("", str(path))
    with pytest.raises(CheckpointError, match="one input of pictures"):
        embedding_of_weights("", saved(tmp_path, network(shape=("N", 4, 32, 32))))
    odd = network()
    odd.graph.initializer.append(onnx.numpy_helper.from_array(np.array([8, 7]), "seven"))
    odd.graph.node.append(onnx.helper.make_node("Reshape", ["vectors", "seven"], ["odd"]))
    odd.graph.output[0].name = "odd"
    with pytest.raises(CheckpointError, match=r"^weights: .*own\.onnx: .*Reshape"):
        embedding_of_weights("", saved(tmp_path, odd))
    odd.graph.node[-1].op_type = "Shape"
    del odd.graph.node[-1].input[1:]
    odd.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    with pytest.raises(CheckpointError, match=r"^weights: .*own\.onnx: .*vectors of shape \[2\]"):
        embedding_of_weights("", saved(tmp_path, odd))
    with pytest.raises(ConfigError, match="no file on this machine"):
        embedding_of_weights("", str(tmp_path / "none.onnx"))
    with pytest.raises(ConfigError, match="alone in ONNX"):
        TrainFilterConfig(labels=("x",), out="y", architecture="resnet18", weights="z.onnx")
