"""OpenAI's policies as published, the plain way: the names and shapes of their tensors, and their
arithmetic on them, a frame at a time.

Written from the description of the graph, with nothing of vidact's networks in it: what those are
measured against.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

JOINT, CAMERA, BASIS = 8641, 121, 10
SIZES = {
    "1x": {"width": 1024, "heads": 8, "impala": 4, "blocks": 4, "memory": 128},
    "2x": {"width": 2048, "heads": 16, "impala": 8, "blocks": 4, "memory": 128},
    "3x": {"width": 3072, "heads": 24, "impala": 12, "blocks": 4, "memory": 128},
}
SMALL = {"width": 32, "heads": 2, "impala": 1, "blocks": 2, "memory": 4}


def arguments(*, width: int, heads: int, impala: int, blocks: int, memory: int) -> dict[str, Any]:
    """What a `.model` file holds."""
    net = {
        "attention_heads": heads,
        "attention_mask_style": "clipped_causal",
        "attention_memory_size": 128 + memory,
        "diff_mlp_embedding": False,
        "hidsize": width,
        "img_shape": [128, 128, 3],
        "impala_chans": [16, 32, 32],
        "impala_kwargs": {"post_pool_groups": 1},
        "impala_width": impala,
        "init_norm_kwargs": {"batch_norm": False, "group_norm_groups": 1},
        "n_recurrence_layers": blocks,
        "only_img_input": True,
        "pointwise_ratio": 4,
        "pointwise_use_activation": False,
        "recurrence_is_residual": True,
        "recurrence_type": "transformer",
        "timesteps": 128,
        "use_pointwise_layer": True,
        "use_pre_lstm_ln": False,
    }
    args = {"net": {"args": net}, "pi_head_opts": {"temperature": 2.0}}
    return {"model": {"args": args}}


def shapes(
    *, width: int, heads: int, impala: int, blocks: int, memory: int
) -> dict[str, tuple[int, ...]]:
    """The names and shapes of all tensors: 134 with four blocks."""
    found: dict[str, tuple[int, ...]] = {}

    def layer(name: str, *shape: int, norm: int = 0, bias: bool = False) -> None:
        if norm:
            found[f"{name}.norm.weight"] = found[f"{name}.norm.bias"] = (norm,)
        found[f"{name}.layer.weight"] = shape
        if bias:
            found[f"{name}.layer.bias"] = shape[:1]

    before = 3
    for stack, channels in enumerate((16 * impala, 32 * impala, 32 * impala)):
        base = f"net.img_process.cnn.stacks.{stack}"
        # The first convolution of all has a bias in place of a norm.
        layer(
            f"{base}.firstconv", channels, before, 3, 3, norm=before if stack else 0, bias=not stack
        )
        found[f"{base}.n.weight"] = found[f"{base}.n.bias"] = (channels,)
        for number in (f"{block}.conv{conv}" for block in range(2) for conv in range(2)):
            layer(f"{base}.blocks.{number}", channels, channels, 3, 3, norm=channels)
        before = channels
    layer("net.img_process.cnn.dense", 256, before * 16 * 16, norm=before * 16 * 16)
    layer("net.img_process.linear", width, 256, norm=256)
    for block in range(blocks):
        base = f"net.recurrent_layer.blocks.{block}"
        layer(f"{base}.mlp0", 4 * width, width, norm=width)
        layer(f"{base}.mlp1", width, 4 * width, bias=True)
        found[f"{base}.pre_r_ln.weight"] = found[f"{base}.pre_r_ln.bias"] = (width,)
        orc = f"{base}.r.orc_block"
        found[f"{orc}.b_nd"] = (BASIS, memory)
        for name, rows in (("q", width), ("k", width), ("v", width), ("proj", width)):
            found[f"{orc}.{name}_layer.weight"] = (rows, width)
            if name in ("q", "proj"):
                found[f"{orc}.{name}_layer.bias"] = (rows,)
        found[f"{orc}.r_layer.weight"] = (BASIS * heads, width)
        found[f"{orc}.r_layer.bias"] = (BASIS * heads,)
    layer("net.lastlayer", width, width, norm=width)
    found["net.final_ln.weight"] = found["net.final_ln.bias"] = (width,)
    for head, rows in (
        ("value_head.linear", 1),
        ("pi_head.camera.linear_layer", CAMERA),
        ("pi_head.buttons.linear_layer", JOINT),
    ):
        found[f"{head}.weight"], found[f"{head}.bias"] = (rows, width), (rows,)
    found["value_head.normalizer.running_mean"] = (1,)
    found["value_head.normalizer.running_mean_sq"] = (1,)
    found["value_head.normalizer.debiasing_term"] = ()
    return found


def random_weights(sizes: dict[str, int], seed: int = 0) -> dict[str, Tensor]:
    """Weights of those shapes under which signals neither die nor blow up."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes(**sizes).items():
        noise = torch.randn(shape, generator=generator)
        if name.endswith("b_nd"):
            weights[name] = noise
        elif len(shape) > 1:
            weights[name] = noise * noise[0].numel() ** -0.5
        elif "norm.weight" in name or name.endswith(("ln.weight", "n.weight")):
            weights[name] = 1 + 0.1 * noise
        else:
            weights[name] = 0.1 * noise
    # A mean of 3 and a mean square of 13, half of whose weight is there yet: a deviation of 2.
    weights["value_head.normalizer.running_mean"] = torch.tensor([1.5])
    weights["value_head.normalizer.running_mean_sq"] = torch.tensor([6.5])
    weights["value_head.normalizer.debiasing_term"] = torch.tensor(0.5)
    return weights


@torch.no_grad()
def act(
    weights: dict[str, Tensor], frames: Tensor, sizes: dict[str, int], temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """One episode, a frame after the other: uint8 [T, 128, 128, 3] ► logits of the joint action
    [T, 8641] and of the camera [T, 121], and the value [T] in units of its normalizer, in float64.
    """
    heads, memory = sizes["heads"], sizes["memory"]

    def of(name: str) -> Tensor:
        return weights[name].double()

    def normed(name: str, x: Tensor) -> Tensor:
        scale, shift = of(f"{name}.norm.weight"), of(f"{name}.norm.bias")
        if x.ndim == 4:
            return F.group_norm(x, 1, scale, shift)
        return F.layer_norm(x, x.shape[-1:], scale, shift)

    def convolved(name: str, x: Tensor) -> Tensor:
        return F.relu(F.conv2d(normed(name, x), of(f"{name}.layer.weight"), padding=1))

    def dense(name: str, x: Tensor) -> Tensor:
        return F.relu(F.linear(normed(name, x), of(f"{name}.layer.weight")))

    def layer_norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], of(f"{name}.weight"), of(f"{name}.bias"))

    seen: dict[str, list[tuple[Tensor, Tensor]]] = {}
    out = []
    for frame in frames:
        x = (frame.double() / 255).permute(2, 0, 1)[None]  # (1, 3, H, W)
        for stack in range(3):
            base = f"net.img_process.cnn.stacks.{stack}"
            if stack:
                x = convolved(f"{base}.firstconv", x)
            else:
                first = f"{base}.firstconv.layer"
                x = F.relu(F.conv2d(x, of(f"{first}.weight"), of(f"{first}.bias"), padding=1))
            x = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)
            x = F.group_norm(x, 1, of(f"{base}.n.weight"), of(f"{base}.n.bias"))
            for block in range(2):
                inner = convolved(f"{base}.blocks.{block}.conv0", x)
                x = x + convolved(f"{base}.blocks.{block}.conv1", inner)
        x = dense("net.img_process.linear", dense("net.img_process.cnn.dense", x.flatten(1)))[0]
        for block in range(sizes["blocks"]):
            base = f"net.recurrent_layer.blocks.{block}"
            orc = f"{base}.r.orc_block"
            x = layer_norm(f"{base}.pre_r_ln", x)  # (D,)
            query = F.linear(x, of(f"{orc}.q_layer.weight"), of(f"{orc}.q_layer.bias"))
            key, value = (F.linear(x, of(f"{orc}.{name}_layer.weight")) for name in "kv")
            past = seen.setdefault(orc, [])
            past.append((key, value))
            del past[:-memory]
            wanted = F.linear(x, of(f"{orc}.r_layer.weight"), of(f"{orc}.r_layer.bias"))
            wanted = wanted.view(heads, BASIS)
            attended = []
            for head in range(heads):
                part = slice(head * len(x) // heads, (head + 1) * len(x) // heads)
                scores = []
                for distance, (one, _) in enumerate(reversed(past)):
                    bias = wanted[head] @ of(f"{orc}.b_nd")[:, distance]
                    scores.append(query[part] @ one[part] / len(query[part]) + bias)
                shares = torch.softmax(torch.stack(scores), 0)
                values = torch.stack([one[part] for _, one in reversed(past)])
                attended.append(shares @ values)
            proj = f"{orc}.proj_layer"
            x = x + F.linear(torch.cat(attended), of(f"{proj}.weight"), of(f"{proj}.bias"))
            hidden, mlp = dense(f"{base}.mlp0", x), f"{base}.mlp1.layer"
            x = x + F.linear(hidden, of(f"{mlp}.weight"), of(f"{mlp}.bias"))
        out.append(layer_norm("net.final_ln", dense("net.lastlayer", F.relu(x))))
    features = torch.stack(out)  # (T, D)
    joint, camera, value = (
        F.linear(features, of(f"{name}.weight"), of(f"{name}.bias"))
        for name in (
            "pi_head.buttons.linear_layer",
            "pi_head.camera.linear_layer",
            "value_head.linear",
        )
    )
    return joint / temperature, camera / temperature, value[:, 0]
