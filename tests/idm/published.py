"""OpenAI's IDM as published, the plain way: the names and shapes of its tensors, and its arithmetic
on them.

Written from the description of the graph, with nothing of vidact's networks in it: what those are
measured against.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

BUTTONS, BINS, AXES = 20, 11, 2


def arguments(*, width: int, heads: int, impala: int, conv: int) -> dict[str, Any]:
    """What a `.model` file holds."""
    return {
        "model": {
            "function": "ypt.model.inverse_action_model:create",
            "args": {
                "net": {
                    "args": {
                        "attention_heads": heads,
                        "attention_mask_style": "none",
                        "attention_memory_size": 128,
                        "conv3d_params": {
                            "inchan": 3,
                            "kernel_size": [5, 1, 1],
                            "outchan": conv,
                            "padding": [2, 0, 0],
                        },
                        "hidsize": width,
                        "img_shape": [128, 128, conv],
                        "impala_kwargs": {"post_pool_groups": 1},
                        "impala_width": impala,
                        "init_norm_kwargs": {"batch_norm": False, "group_norm_groups": 1},
                        "n_recurrence_layers": 2,
                        "only_img_input": True,
                        "pointwise_ratio": 4,
                        "pointwise_use_activation": False,
                        "recurrence_is_residual": True,
                        "recurrence_type": "transformer",
                        "single_output": True,
                        "timesteps": 128,
                        "use_pointwise_layer": True,
                        "use_pre_lstm_ln": False,
                    }
                },
                "pi_head_opts": {"temperature": 4},
            },
        }
    }


RELEASED = {"width": 4096, "heads": 32, "impala": 16, "conv": 128}
SMALL = {"width": 128, "heads": 4, "impala": 1, "conv": 16}


def shapes(*, width: int, heads: int, impala: int, conv: int) -> dict[str, tuple[int, ...]]:
    """The names and shapes of all 100 tensors."""
    found: dict[str, tuple[int, ...]] = {}

    def layer(name: str, *shape: int, norm: int = 0, bias: bool = False) -> None:
        if norm:
            found[f"{name}.norm.weight"] = found[f"{name}.norm.bias"] = (norm,)
        found[f"{name}.layer.weight"] = shape
        if bias:
            found[f"{name}.layer.bias"] = shape[:1]

    previous = conv
    for stack, channels in enumerate((16 * impala, 32 * impala, 32 * impala)):
        base = f"net.img_process.cnn.stacks.{stack}"
        layer(f"{base}.firstconv", channels, previous, 3, 3, norm=previous)
        found[f"{base}.n.weight"] = found[f"{base}.n.bias"] = (channels,)
        for block in range(2):
            for number in range(2):
                layer(
                    f"{base}.blocks.{block}.conv{number}", channels, channels, 3, 3, norm=channels
                )
        previous = channels
    layer("net.img_process.cnn.dense", 256, previous * 16 * 16, norm=previous * 16 * 16)
    layer("net.img_process.linear", width, 256, norm=256)
    for block in range(2):
        base = f"net.recurrent_layer.blocks.{block}"
        layer(f"{base}.mlp0", 4 * width, width, norm=width)
        layer(f"{base}.mlp1", width, 4 * width, bias=True)
        found[f"{base}.pre_r_ln.weight"] = found[f"{base}.pre_r_ln.bias"] = (width,)
        orc = f"{base}.r.orc_block"
        found[f"{orc}.b_nd"] = (10, 0)
        layers = [("q", width, True), ("k", width, False), ("v", width, False)]
        layers += [("proj", width, True), ("r", 10 * heads, True)]
        for name, rows, bias in layers:
            found[f"{orc}.{name}_layer.weight"] = (rows, width)
            if bias:
                found[f"{orc}.{name}_layer.bias"] = (rows,)
    layer("net.lastlayer", width, width, norm=width)
    found["net.final_ln.weight"] = found["net.final_ln.bias"] = (width,)
    layer("net.conv3d_layer", conv, 3, 5, 1, 1, bias=True)
    for head, rows in (("buttons", 2 * BUTTONS), ("camera", AXES * BINS)):
        found[f"pi_head.{head}.linear_layer.weight"] = (rows, width)
        found[f"pi_head.{head}.linear_layer.bias"] = (rows,)
    return found


def random_weights(sizes: dict[str, int], seed: int = 0) -> dict[str, Tensor]:
    """Weights of those shapes under which signals neither die nor blow up."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes(**sizes).items():
        noise = torch.randn(shape, generator=generator)
        if len(shape) > 1:
            fan_in = max(1, noise[0].numel()) if len(noise) else 1
            weights[name] = noise * fan_in**-0.5
        elif "norm.weight" in name or name.endswith(("ln.weight", "n.weight")):
            weights[name] = 1 + 0.1 * noise
        else:
            weights[name] = 0.1 * noise
    return weights


def moving_pictures(ticks: int) -> np.ndarray:
    """uint8 [ticks, 128, 128, 3]: noise that drifts."""
    canvas = np.random.default_rng(0).integers(0, 256, (128 + ticks, 256, 3), dtype=np.uint8)
    return np.stack([np.roll(canvas, 3 * t, axis=1)[t : t + 128, :128] for t in range(ticks)])


@torch.no_grad()
def logits(
    weights: dict[str, Tensor], frames: Tensor, *, heads: int, temperature: float
) -> tuple[Tensor, Tensor]:
    """uint8 [T, 128, 128, 3], one window ► logits [T, 20, 2] (released, held) and [T, 2, 11]
    (pitch, yaw).
    """

    def normed(name: str, x: Tensor) -> Tensor:
        scale, shift = weights[f"{name}.norm.weight"], weights[f"{name}.norm.bias"]
        return (
            F.group_norm(x, 1, scale, shift)
            if x.ndim == 4
            else F.layer_norm(x, x.shape[-1:], scale, shift)
        )

    def convolved(name: str, x: Tensor) -> Tensor:
        return F.relu(F.conv2d(normed(name, x), weights[f"{name}.layer.weight"], padding=1))

    def dense(name: str, x: Tensor) -> Tensor:
        return F.relu(F.linear(normed(name, x), weights[f"{name}.layer.weight"]))

    def layer_norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"])

    x = (frames.float() / 255).permute(3, 0, 1, 2)[None]  # (1, 3, T, H, W)
    kernel, bias = weights["net.conv3d_layer.layer.weight"], weights["net.conv3d_layer.layer.bias"]
    x = F.relu(F.conv3d(x, kernel, bias, padding=(2, 0, 0)))[0].transpose(0, 1)  # (T, C, H, W)
    for stack in range(3):
        base = f"net.img_process.cnn.stacks.{stack}"
        x = F.max_pool2d(convolved(f"{base}.firstconv", x), kernel_size=3, stride=2, padding=1)
        x = F.group_norm(x, 1, weights[f"{base}.n.weight"], weights[f"{base}.n.bias"])
        for block in range(2):
            x = x + convolved(
                f"{base}.blocks.{block}.conv1", convolved(f"{base}.blocks.{block}.conv0", x)
            )
    x = dense("net.img_process.linear", dense("net.img_process.cnn.dense", x.flatten(1)))  # (T, D)
    for block in range(2):
        base = f"net.recurrent_layer.blocks.{block}"
        orc = f"{base}.r.orc_block"
        x = layer_norm(f"{base}.pre_r_ln", x)
        query = F.linear(x, weights[f"{orc}.q_layer.weight"], weights[f"{orc}.q_layer.bias"])
        key, value = (
            F.linear(x, weights[f"{orc}.k_layer.weight"]),
            F.linear(x, weights[f"{orc}.v_layer.weight"]),
        )
        query, key, value = (
            part.unflatten(-1, (heads, -1)).transpose(0, 1) for part in (query, key, value)
        )
        weight = torch.softmax(query @ key.transpose(1, 2) / query.shape[-1], dim=-1)  # (G, T, T)
        attended = (weight @ value).transpose(0, 1).flatten(1)
        x = x + F.linear(
            attended, weights[f"{orc}.proj_layer.weight"], weights[f"{orc}.proj_layer.bias"]
        )
        hidden = dense(f"{base}.mlp0", x)
        x = x + F.linear(
            hidden, weights[f"{base}.mlp1.layer.weight"], weights[f"{base}.mlp1.layer.bias"]
        )
    x = layer_norm("net.final_ln", F.relu(x))
    heads_out = {
        name: F.linear(
            x,
            weights[f"pi_head.{name}.linear_layer.weight"],
            weights[f"pi_head.{name}.linear_layer.bias"],
        )
        for name in ("buttons", "camera")
    }
    return (
        heads_out["buttons"].unflatten(-1, (BUTTONS, 2)) / temperature,
        heads_out["camera"].unflatten(-1, (AXES, BINS)) / temperature,
    )
