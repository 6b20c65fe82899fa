"""`vidact import vpt-idm`: OpenAI's published IDM (`4x_idm.model`, `4x_idm.weights`) as a
checkpoint of ours.

The `.model` file is a pickle that describes the network, the `.weights` file a `state_dict` in
torch's format. Both come from strangers: of the first only plain values are read (nothing that it
names is imported or called), of the second only tensors. Every tensor must land in our graph, by
name and shape.

K buttons, A axes, G bins of an axis, D width
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as short  # of a stranger's values, which may be as long as they like
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from .. import storage
from ..datasets.actions.spec import ActionSpec
from ..datasets.recordings.recording import find_recordings, unique
from ..errors import CheckpointError, ConfigError
from ..networks.checkpoints import (
    CONFIG_FILE,
    UNFIT,
    first_not_finite,
    save_checkpoint,
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
MAX_MODEL_FILE = 2**20  # bytes; the published ones have a few thousand
IMPALA_CHANNELS = (16, 32, 32)  # of a network of impala_width 1
# What the graph is made for; another value is another graph.
FIXED: dict[str, Any] = {
    "attention_mask_style": "none",
    "init_norm_kwargs": {"batch_norm": False, "group_norm_groups": 1},
    "only_img_input": True,
    "pointwise_ratio": 4,
    "pointwise_use_activation": False,
    "recurrence_is_residual": True,
    "recurrence_type": "transformer",
    "single_output": True,
    "use_pointwise_layer": True,
    "use_pre_lstm_ln": False,
}
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
    folder = storage.local_path(config.out)
    if folder is not None and (folder / CONFIG_FILE).exists():
        raise ConfigError(
            f"out: {config.out} holds a checkpoint already; give another folder, or remove it first"
        )
    network, temperature = read_model(config.model)
    theirs = read_weights(config.weights)
    ours = convert(theirs, network, spec, temperature=temperature, where=config.weights)
    if unfit := first_not_finite(ours):
        raise CheckpointError(f"{config.weights}: {unfit} holds numbers that are not finite")
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
    content = read_plain_pickle(path)
    try:
        arguments = content["model"]["args"]
        net, head = arguments["net"]["args"], arguments["pi_head_opts"]
        convolution, norm_groups = net["conv3d_params"], net["impala_kwargs"]["post_pool_groups"]
        differing = [
            f"{name} {short(net.get(name))}"
            for name, value in FIXED.items()
            if net.get(name) != value
        ]
        kernel, padding = list(convolution["kernel_size"]), list(convolution["padding"])
        if kernel[1:] != [1, 1] or padding != [kernel[0] // 2, 0, 0] or convolution["inchan"] != 3:
            differing.append(f"conv3d_params {short(convolution)}")
        if norm_groups != 1:
            differing.append(f"post_pool_groups {short(norm_groups)}")
        if net["attention_memory_size"] != net["timesteps"]:
            differing.append(f"attention_memory_size {short(net['attention_memory_size'])}")
        if list(net["img_shape"])[:2] != [128, 128]:
            differing.append(f"img_shape {short(net['img_shape'])}")
        network = IDMConfig(
            width=int(net["hidsize"]),
            temporal_kernel=int(kernel[0]),
            temporal_channels=int(convolution["outchan"]),
            trunk_channels=tuple(
                channels * int(net["impala_width"]) for channels in IMPALA_CHANNELS
            ),
            trunk_blocks=2,
            trunk_norm_first=True,
            attention_blocks=int(net["n_recurrence_layers"]),
            attention_heads=int(net["attention_heads"]),
            published_tensors=True,
            zero_padded_windows=True,
        )
        temperature = float(head["temperature"])
    except (*UNFIT, ConfigError) as error:
        raise CheckpointError(
            f"{path} does not describe VPT's inverse dynamics model: {short(error)}"
        ) from error
    if differing:
        raise CheckpointError(f"{path} describes another graph than 4x_idm: {', '.join(differing)}")
    if not 0 < temperature < math.inf:
        raise CheckpointError(f"{path}: the head's temperature must be above 0, got {temperature}")
    return network, temperature


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
    blocks = range(network.attention_blocks)
    prefixes = {
        old.format(block): new.format(block) for block in blocks for old, new in RENAMED.items()
    }
    for block in blocks:
        name = EMPTY_BIAS.format(block)
        bias = left.pop(name, None)
        if bias is None or bias.numel():
            problems.append(f"{name}: {_shape(bias)}, expected (10, 0)")
    for part in ("weight", "bias"):
        found: dict[str, Tensor] = {}
        for name, rows in ((BUTTONS, 2 * spec.num_buttons), (CAMERA, sum(spec.num_bins))):
            tensor = left.pop(name + part, None)
            if tensor is None or not tensor.dim() or len(tensor) != rows:
                problems.append(f"{name}{part}: {_shape(tensor)}, expected {rows} rows")
            else:
                found[name] = tensor
        if BUTTONS in found:  # rows alternate: released, held
            ours[f"published.released.{part}"] = found[BUTTONS][0::2]
            ours[f"head.buttons.{part}"] = found[BUTTONS][1::2]
        if CAMERA in found:
            for axis, bins in enumerate(found[CAMERA].split(list(spec.num_bins))):
                ours[f"head.axes.{axis}.{part}"] = bins
    head = set(ours)
    for name in list(left):
        old = next((old for old in prefixes if name.startswith(old)), None)
        if old is not None:
            ours[prefixes[old] + name.removeprefix(old)] = left.pop(name)
    expected = InverseDynamicsModel.without_memory(network, spec).state_dict()
    problems += [f"{name}: unknown" for name in left]
    problems += [f"{name}: missing" for name in sorted(expected.keys() - ours.keys())]
    problems += [f"{name}: unknown" for name in sorted(ours.keys() - expected.keys())]
    problems += [
        f"{name}: {_shape(ours[name])}, expected {_shape(expected[name])}"
        for name in sorted(expected.keys() & ours.keys())
        if ours[name].shape != expected[name].shape
    ]
    problems += [
        f"{name}: {tensor.dtype}, {tensor.layout}, expected plain floating point"
        for name, tensor in ours.items()
        if not tensor.is_floating_point() or tensor.layout != torch.strided
    ]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise CheckpointError(f"{where} does not fit the network of its .model file:\n{listed}")
    # Shapes first: what a file says of a tensor's size costs nothing until it is computed with.
    return {
        name: tensor.float() / (temperature if name in head else 1.0)
        for name, tensor in ours.items()
    }


def _shape(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else str(tuple(tensor.shape))
