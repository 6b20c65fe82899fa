"""`vidact import vpt-idm`: OpenAI's published IDM (`4x_idm.model`, `4x_idm.weights`) as a
checkpoint of ours.

Both files come from strangers and are read as `networks/vpt.py` says. Every tensor must land in our
graph, by name and shape.

K buttons, A axes, G bins of an axis, D width
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as short  # of a stranger's values, which may be as long as they like
from typing import Any

import numpy as np
from torch import Tensor

from ..datasets.actions.spec import ActionSpec
from ..datasets.recordings.recording import find_recordings, unique
from ..errors import CheckpointError
from ..networks.checkpoints import save_checkpoint
from ..networks.vpt import (
    FIXED,
    RESIDUAL_BLOCKS,
    described,
    differing,
    impala_channels,
    in_float32,
    read_weights,
    require_all_land,
    require_finite,
    require_free,
    require_temperature,
    shape_of,
    take_renamed,
)
from ..progress import log
from ..training.device import pick_device
from ..training.precision import resolve_precision
from .config import ImportVPTIDMConfig
from .fitting.fit_baselines import fit_baselines
from .fitting.validation import calibrate
from .labels.calibration import Calibration
from .labels.checkpoint import idm_checkpoint_config
from .labels.windows import WindowRunner
from .network.config import IDMConfig
from .network.model import InverseDynamicsModel
from .play.frame_cache import open_tracks

SPEC = "minecraft"
# What the graph is made for; another value is another graph.
FIXED_HERE: dict[str, Any] = {**FIXED, "attention_mask_style": "none", "single_output": True}
# Their names ► ours, a prefix each; what follows is the same. {} is the number of the block.
RENAMED = {
    "net.conv3d_layer.layer.": "temporal.conv.",
    "net.img_process.cnn.": "trunk.",
    "net.img_process.linear.": "trunk.linear.",
    "net.recurrent_layer.blocks.{}.pre_r_ln.": "attention.blocks.{}.pre_r_ln.",
    "net.recurrent_layer.blocks.{}.mlp0.": "attention.blocks.{}.mlp0.",
    "net.recurrent_layer.blocks.{}.mlp1.layer.": "attention.blocks.{}.mlp1.",
    "net.recurrent_layer.blocks.{}.r.orc_block.r_layer.": "published.r_layers.{}.",
    "net.recurrent_layer.blocks.{}.r.orc_block.": "attention.blocks.{}.attention.",
    "net.lastlayer.": "published.lastlayer.",
    "net.final_ln.": "final_ln.",
}
# Of a relative attention that reaches no frame: [10, 0].
EMPTY_BIAS = "net.recurrent_layer.blocks.{}.r.orc_block.b_nd"
BUTTONS, CAMERA = "pi_head.buttons.linear_layer.", "pi_head.camera.linear_layer."


def import_vpt_idm(config: ImportVPTIDMConfig) -> int:
    """Read, convert, calibrate if there is play to do it on, and write; returns the exit code.

    Raises CheckpointError where either file is not what it should be.
    """
    spec = ActionSpec.load(SPEC)
    require_free(config.out)
    network, temperature = read_model(config.model)
    theirs = read_weights(config.weights)
    ours = convert(theirs, network, spec, temperature=temperature, where=config.weights)
    require_finite(ours, config.weights)
    calibration = Calibration.neutral(spec)
    extra: dict[str, Any] = {}
    tensors: dict[str, Tensor] = {}
    if config.play:
        device = pick_device(config.device)
        model = InverseDynamicsModel.without_memory(network, spec).allocate()
        model.load_state_dict(ours)
        runner = WindowRunner(model.to(device).eval(), resolve_precision("auto", device))
        with tempfile.TemporaryDirectory(prefix="vidact-import-") as cache:
            tracks = open_tracks(
                unique(find_recordings(config.play)), spec, Path(cache), phases=False
            )
            calibration, figures = calibrate(runner, spec, tracks, np.ones(spec.num_buttons))
            tensors, baselines = fit_baselines(tracks, spec)
        extra = {
            "metrics": {"validation": figures.plain_headline()},
            "baselines": baselines,
            "data": {"val": {track.name: track.recording for track in tracks}},
        }
    imported = {"model": config.model, "weights": config.weights, "temperature": temperature}
    checkpoint = idm_checkpoint_config(
        network, spec, calibration, preset="vpt", imported=imported, **extra
    )
    digest = save_checkpoint(config.out, {**ours, **tensors}, checkpoint)
    parameters = sum(tensor.numel() for tensor in ours.values())
    log(f"{config.out}: {len(theirs)} tensors, {parameters:,} parameters, checkpoint {digest[:12]}")
    if not config.play:
        log(
            "Its probabilities are the network's own; with --play RECORDINGS they are calibrated "
            "on labelled play."
        )
    return 0


def read_model(path: str) -> tuple[IDMConfig, float]:
    """The network and the temperature of its head that a `.model` file describes.

    Raises CheckpointError.
    """
    with described(path, "VPT's inverse dynamics model") as (net, head):
        convolution, others = net["conv3d_params"], differing(net, FIXED_HERE)
        kernel, padding = list(convolution["kernel_size"]), list(convolution["padding"])
        if kernel[1:] != [1, 1] or padding != [kernel[0] // 2, 0, 0] or convolution["inchan"] != 3:
            others.append(f"conv3d_params {short(convolution)}")
        if net["attention_memory_size"] != net["timesteps"]:
            others.append(f"attention_memory_size {short(net['attention_memory_size'])}")
        network = IDMConfig(
            width=int(net["hidsize"]),
            temporal_kernel=int(kernel[0]),
            temporal_channels=int(convolution["outchan"]),
            trunk_channels=impala_channels(net),
            trunk_blocks=RESIDUAL_BLOCKS,
            trunk_norm_first=True,
            attention_blocks=int(net["n_recurrence_layers"]),
            attention_heads=int(net["attention_heads"]),
            published_tensors=True,
            zero_padded_windows=True,
        )
        temperature = float(head["temperature"])
    if others:
        raise CheckpointError(f"{path} describes another graph than 4x_idm: {', '.join(others)}")
    return network, require_temperature(path, temperature)


def convert(
    theirs: Mapping[str, Tensor],
    network: IDMConfig,
    spec: ActionSpec,
    *,
    temperature: float,
    where: str = "weights",
) -> dict[str, Tensor]:
    """Their `state_dict` ► the `state_dict` of `InverseDynamicsModel(network, spec)`, in float32.

    The temperature, by which their head divides its logits, goes into the head's weights.

    Raises CheckpointError that lists every tensor that is missing, too many, or of another shape.
    """
    left = dict(theirs)
    ours: dict[str, Tensor] = {}
    problems: list[str] = []
    for block in range(network.attention_blocks):
        name = EMPTY_BIAS.format(block)
        bias = left.pop(name, None)
        if bias is None or bias.numel():
            problems.append(f"{name}: {shape_of(bias)}, expected (10, 0)")
    for part in ("weight", "bias"):
        found: dict[str, Tensor] = {}
        for name, rows in ((BUTTONS, 2 * spec.num_buttons), (CAMERA, sum(spec.num_bins))):
            tensor = left.pop(name + part, None)
            if tensor is None or not tensor.dim() or len(tensor) != rows:
                problems.append(f"{name}{part}: {shape_of(tensor)}, expected {rows} rows")
            else:
                found[name] = tensor
        if BUTTONS in found:  # rows alternate: released, held
            ours[f"published.released.{part}"] = found[BUTTONS][0::2]
            ours[f"head.buttons.{part}"] = found[BUTTONS][1::2]
        if CAMERA in found:
            for axis, bins in enumerate(found[CAMERA].split(list(spec.num_bins))):
                ours[f"head.axes.{axis}.{part}"] = bins
    head = set(ours)
    ours |= take_renamed(left, RENAMED, network.attention_blocks)
    expected = InverseDynamicsModel.without_memory(network, spec).state_dict()
    require_all_land(ours, expected, unknown=list(left), problems=problems, where=where)
    return in_float32(ours, head=head, temperature=temperature)
