"""`vidact import vpt-policy`: OpenAI's published policies (`foundation-model-1x.model`,
`foundation-model-1x.weights` and their kin) as a checkpoint of ours.

Both files come from strangers and are read as `networks/vpt.py` says. Every tensor must land in our
graph, by name and shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import repr as short  # of a stranger's values, which may be as long as they like
from typing import Any

from torch import Tensor

from ..datasets.actions.spec import ActionSpec
from ..errors import CheckpointError
from ..networks.checkpoints import save_checkpoint
from ..networks.vpt import (
    FIXED,
    IMPALA_CHANNELS,
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
    take_renamed,
)
from ..progress import log
from .policy.config import PRESETS, ImportVPTPolicyConfig, PolicyConfig
from .policy.policy import Policy, policy_checkpoint_config

SPEC = "minecraft"
# What the graph is made for; another value is another graph.
FIXED_HERE: dict[str, Any] = {**FIXED, "attention_mask_style": "clipped_causal"}
# The same of what a description may leave out.
BY_DEFAULT: dict[str, Any] = {
    "conv3d_params": None,
    "diff_mlp_embedding": False,
    "first_conv_norm": False,
    "img_statistics": None,
    "scale_input_img": True,
}
JOINT, CAMERA = "head.joint.", "head.camera."
# Their names ► ours, a prefix each; what follows is the same. {} is the number of the block. Of two
# that begin alike the longer one comes first.
RENAMED = {
    "net.img_process.cnn.": "trunk.",
    "net.img_process.linear.": "trunk.linear.",
    "net.recurrent_layer.blocks.{}.pre_r_ln.": "blocks.blocks.{}.pre_r_ln.",
    "net.recurrent_layer.blocks.{}.mlp0.": "blocks.blocks.{}.mlp0.",
    "net.recurrent_layer.blocks.{}.mlp1.layer.": "blocks.blocks.{}.mlp1.",
    "net.recurrent_layer.blocks.{}.r.orc_block.": "blocks.blocks.{}.attention.",
    "net.lastlayer.": "last.",
    "net.final_ln.": "final_norm.",
    "value_head.linear.": "value_head.linear.",
    "value_head.normalizer.running_mean_sq": "value_head.mean_square",
    "value_head.normalizer.running_mean": "value_head.mean",
    "value_head.normalizer.debiasing_term": "value_head.weight",
    "pi_head.buttons.linear_layer.": JOINT,
    "pi_head.camera.linear_layer.": CAMERA,
}


def import_vpt_policy(config: ImportVPTPolicyConfig) -> int:
    """Read, convert and write; returns the exit code.

    Raises CheckpointError where either file is not what it should be.
    """
    spec = ActionSpec.load(SPEC)
    require_free(config.out)
    network, temperature = read_model(config.model)
    theirs = read_weights(config.weights)
    ours = convert(theirs, network, spec, temperature=temperature, where=config.weights)
    require_finite(ours, config.weights)
    policy = Policy.without_memory(spec, network)
    preset = next((name for name, sizes in PRESETS.items() if sizes == network), "custom")
    imported = {"model": config.model, "weights": config.weights, "temperature": temperature}
    checkpoint = policy_checkpoint_config(policy, preset=preset, imported=imported)
    digest = save_checkpoint(config.out, ours, checkpoint)
    log(
        f"{config.out}: {len(theirs)} tensors, {policy.num_parameters:,} parameters, "
        f"preset {preset}, checkpoint {digest[:12]}"
    )
    return 0


def read_model(path: str) -> tuple[PolicyConfig, float]:
    """The network and the temperature of its head that a `.model` file describes.

    Raises CheckpointError.
    """
    with described(path, "a policy of VPT") as (net, head):
        others = differing({**BY_DEFAULT, **net}, {**FIXED_HERE, **BY_DEFAULT})
        if list(net["img_shape"])[2:] != [3]:
            others.append(f"img_shape {short(net['img_shape'])}")
        if tuple(net.get("impala_chans", IMPALA_CHANNELS)) != IMPALA_CHANNELS:
            others.append(f"impala_chans {short(net['impala_chans'])}")
        network = PolicyConfig(
            width=int(net["hidsize"]),
            heads=int(net["attention_heads"]),
            blocks=int(net["n_recurrence_layers"]),
            # A chunk of `timesteps` and what came before it together.
            memory=int(net["attention_memory_size"]) - int(net["timesteps"]),
            channels=impala_channels(net),
            residual_blocks=RESIDUAL_BLOCKS,
        )
        temperature = float(head["temperature"])
    if others:
        raise CheckpointError(f"{path} describes another graph than VPT's: {', '.join(others)}")
    return network, require_temperature(path, temperature)


def convert(
    theirs: Mapping[str, Tensor],
    network: PolicyConfig,
    spec: ActionSpec,
    *,
    temperature: float,
    where: str = "weights",
) -> dict[str, Tensor]:
    """Their `state_dict` ► the `state_dict` of `Policy(spec, network)`, in float32.

    The temperature, by which their head divides its logits, goes into the head's weights. Classes
    of actions are numbered alike (`datasets/actions/joint.py`).

    Raises CheckpointError that lists every tensor that is missing, too many, or of another shape.
    """
    left = dict(theirs)
    ours = take_renamed(left, RENAMED, network.blocks)
    expected = Policy.without_memory(spec, network).state_dict()
    require_all_land(ours, expected, unknown=list(left), where=where)
    head = [name for name in ours if name.startswith((JOINT, CAMERA))]
    return in_float32(ours, head=head, temperature=temperature)
