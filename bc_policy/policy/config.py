"""Sizes of policy networks, and what all verbs of the policy say of the machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from ...settings import require, settings

MAX_WIDTH = 1 << 14  # building a network beyond these bounds would never end
MAX_STACKS = 16  # each halves the picture: 65,536 pixels are one by then
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Preset = Literal["tiny", "1x", "2x", "3x"]
Precision = Literal["auto", "float32", "bfloat16"]


@settings(strict=True)
class PolicyConfig:
    """Sizes of a policy network."""

    width: Width = 1024
    """D: the width of the transformer."""
    heads: Width = 8
    """Attention heads; VPT has 128 numbers a head."""
    blocks: Annotated[int, Field(ge=1, le=256)] = 4
    """Transformer blocks."""
    memory: Annotated[int, Field(ge=1, le=1 << 16)] = 128
    """Frames that a frame sees, itself included; at most an hour at 20 Hz."""
    channels: Annotated[
        tuple[Width, ...], Field(min_length=1, max_length=MAX_STACKS), Strict(strict=False)
    ] = (64, 128, 128)
    """Widths of the CNN's stacks."""
    residual_blocks: Annotated[int, Field(ge=1, le=64)] = 2
    """Residual blocks a stack."""
    pool: Annotated[int, Field(ge=1, le=256)] = 1
    """Frames are averaged over pool x pixels each way before the CNN."""
    stride: Annotated[int, Field(ge=1, le=16)] = 1
    """Of the first convolution, in pixels."""
    dense: Width = 256
    """Width between the CNN and the transformer."""
    shared_classes: bool = False
    """Whether joint actions that hold the same button, and camera bins that turn the same way,
    share parameters in the head. VPT's do not; with little data it is what makes a thousand classes
    learnable.
    """
    previous_action: bool = False
    """Whether the policy is told its last action. VPT's is not: with enough data the frames tell
    it, without the risk of learning to repeat itself. With minutes of data it is what makes
    movement coherent.
    """

    def __post_init__(self) -> None:
        require(
            self.width % self.heads == 0, "width", self.width, f"a multiple of heads ({self.heads})"
        )

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "channels": list(self.channels)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> PolicyConfig:
        return cls(**content)


PRESETS: dict[Preset, PolicyConfig] = {
    "tiny": PolicyConfig(
        width=192,
        heads=4,
        blocks=2,
        memory=64,
        channels=(16, 32, 48),
        residual_blocks=1,
        pool=2,
        stride=2,
        dense=256,
        previous_action=True,
    ),
    "1x": PolicyConfig(width=1024, heads=8, channels=(64, 128, 128)),
    "2x": PolicyConfig(width=2048, heads=16, channels=(128, 256, 256)),
    "3x": PolicyConfig(width=3072, heads=24, channels=(192, 384, 384)),
}
