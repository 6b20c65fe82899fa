"""Sizes of policy networks, and the settings of `import vpt-policy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from pydantic import Field, Strict

from ...options import ONCE_POSITIONAL
from ...settings import Later, require, settings, to_plain

if TYPE_CHECKING:
    from ...datasets.actions.spec import ActionSpec

MAX_WIDTH = 1 << 14  # building a network beyond these bounds would never end
MAX_STACKS = 16  # each halves the picture: 65,536 pixels are one by then
LOOKED_AT = 64  # pixels of the shorter side that `tiny` looks at; 64x64 suffice for Doom
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Dropped = Annotated[float, Field(ge=0, lt=1), Later(0.0), Strict(strict=False)]
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
    trunk: Annotated[Literal["residual", "strided", "patches"], Later("residual")] = "residual"
    """What turns a frame into a vector. residual: VPT's CNN. strided: a CNN of three strided
    convolutions, for games of free movement. patches: one vector a patch, for games drawn in cells.
    The last two are for two cores: they learn from several times as many frames a second.
    """
    channels: Annotated[
        tuple[Width, ...], Field(min_length=1, max_length=MAX_STACKS), Strict(strict=False)
    ] = (64, 128, 128)
    """Widths of the trunk: of the residual CNN's stacks, of the three strided convolutions, or of
    a patch alone and of a patch that has seen its neighbors.
    """
    residual_blocks: Annotated[int, Field(ge=1, le=64)] = 2
    """Residual blocks a stack."""
    pool: Annotated[int, Field(ge=1, le=256)] = 1
    """Frames are averaged over pool x pool pixels each way before the trunk, which sees whole
    levels unless it is the residual one.
    """
    stride: Annotated[int, Field(ge=1, le=16)] = 1
    """Of the residual CNN's first convolution, in pixels."""
    patch: Annotated[int, Field(ge=1, le=256), Later(8)] = 8
    """Height and width of a patch in pixels."""
    near: Annotated[tuple[int, int] | None, Strict(strict=False), Later(None)] = None
    """Row and column of the patch in which the player stands, counted from 0: the 3x3 patches
    around it also reach the transformer by layers of their own. Only with patches.
    """
    dense: Width = 256
    """Width between the trunk and the transformer."""
    feature_dropout: Dropped = 0.0
    """Share of the features of strided and patches that is dropped in training."""
    output_dropout: Dropped = 0.0
    """Share of what the heads are given that is dropped in training, and of the hidden layer near
    the player.
    """
    patch_mask: Dropped = 0.0
    """Share of the patches that are made gray in training."""
    blind: Annotated[bool, Later(False)] = False
    """Whether every frame is black for this policy, at play too: what can be known without looking
    is the floor that one which looks is measured against.
    """
    shared_classes: bool = False
    """Whether joint actions that hold the same button, and camera bins that turn about as far, also
    learn together in the head. VPT's do not; with minutes of data it is what makes a thousand
    classes learnable.
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
        for name in ("near", "patch_mask"):
            value = getattr(self, name)
            allowed = "left out unless trunk is patches"
            require(self.trunk == "patches" or not value, name, value, allowed)
        allowed = "0 where the trunk is residual"
        fine = self.trunk != "residual" or not self.feature_dropout
        require(fine, "feature_dropout", self.feature_dropout, allowed)

    def to_dict(self) -> dict[str, Any]:
        content: dict[str, Any] = to_plain(self)
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> PolicyConfig:
        """Read what `to_dict` gave. Raises ConfigError for what no network has."""
        return cls(**content)


PRESETS: dict[Preset, PolicyConfig] = {
    "1x": PolicyConfig(width=1024, heads=8, channels=(64, 128, 128)),
    "2x": PolicyConfig(width=2048, heads=16, channels=(128, 256, 256)),
    "3x": PolicyConfig(width=3072, heads=24, channels=(192, 384, 384)),
}
"""The published sizes, which are the same for every game."""


def preset_config(name: Preset, spec: ActionSpec) -> PolicyConfig:
    """The sizes that a preset stands for in a game: `tiny` looks at what the game's frames are.

    Where the spec says that frames are drawn in cells, a patch is a cell; other frames are made
    about 64 pixels small.
    """
    if name in PRESETS:
        return PRESETS[name]
    sizes: dict[str, Any] = {
        "width": 192,
        "heads": 4,
        "blocks": 2,
        "memory": 64,
        "dense": 256,
        "previous_action": True,
    }
    frame = spec.frame
    if frame.tile:
        rows, columns = (frame.height - frame.status) // frame.tile, frame.width // frame.tile
        # Drop-out and masks are what keeps an hour of video from being learned by heart.
        return PolicyConfig(
            trunk="patches",
            channels=(64, 32),
            patch=frame.tile,
            # The player stands in the middle of the world that is shown, if that has a middle.
            near=(rows // 2, columns // 2) if min(rows, columns) >= 3 else None,
            feature_dropout=0.3,
            output_dropout=0.1,
            patch_mask=0.1,
            **sizes,
        )
    pool = max(1, min(frame.height, frame.width) // LOOKED_AT)
    return PolicyConfig(
        trunk="strided", channels=(32, 64, 64), pool=pool, shared_classes=True, **sizes
    )


@settings()
class ImportVPTPolicyConfig:
    """Bring one of OpenAI's published policies for Minecraft into our format.

    Nothing in the files is executed: of the pickled description only plain values are read, of the
    weights only tensors. The result is a checkpoint like any other, with the published arithmetic:
    `clone --init` and `finetune` go on from it.

    Example:
      vidact import vpt-policy foundation-model-1x.model foundation-model-1x.weights --out runs/vpt
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """The description of the network: `foundation-model-1x.model`."""
    weights: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="WEIGHTS")]
    """Its weights: `foundation-model-1x.weights`."""
    out: Annotated[str, ONCE_POSITIONAL]
    """The checkpoint folder that is made."""
