"""Settings of the IDM's network: its front ends, its sizes and presets by name, and what training
does to its pictures. Loads no torch.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PositiveInt

from ...options import PAIR, top_level
from ...settings import Later, Share, must_be, require, settings, to_plain

if TYPE_CHECKING:
    from ...datasets.actions.spec import ActionSpec


MAX_WIDTH, MAX_BLOCKS = 1 << 14, 256  # building a network beyond them would never end
MAX_POOL = 11  # pixels a side whose sum fits 16 bits
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Blocks = Annotated[int, Field(ge=1, le=MAX_BLOCKS)]
Channels = Annotated[tuple[Width, ...], Field(min_length=1, max_length=MAX_BLOCKS)]
Dilations = Annotated[tuple[Width, ...], Field(max_length=MAX_BLOCKS)]


@settings()
class MotionConfig:
    """The motion front end: patches of one frame are looked for in the next."""

    reach_across: PositiveInt = 64
    """Largest horizontal shift looked for, pixels: half the picture. A quicker turn shows only by
    what vanished.
    """
    reach_along: PositiveInt = 24
    """Largest vertical shift, pixels."""
    blur_across: PositiveInt = 4
    """Rows averaged before sideways search: a patch still matches when it also moved up or down a
    little.
    """
    blur_along: PositiveInt = 8
    """Columns averaged before vertical search."""
    band_across: PositiveInt = 4
    """Height of a patch in sideways search, averaged rows."""
    band_along: PositiveInt = 2
    """Width of a patch in vertical search, averaged columns."""
    patch: PositiveInt = 8
    """Length of a patch along the axis of search, pixels."""
    rows_used: Annotated[float, Field(gt=0, le=1)] = 0.86
    """Part of the height that is looked at, from the top: below it games show a status bar, which
    never moves.
    """
    fov_deg: Annotated[float, Field(gt=0, lt=180)] = 90.0
    """The game's horizontal field of view, degrees: pictures are bent to that cylinder, where turns
    are shifts.
    """
    channels: tuple[int, int, int] = (32, 32, 48)
    """Widths of the three convolutions over the correlations, each of which halves patches and
    shifts.
    """
    kernel: Annotated[
        tuple[int, int], must_be("odd both ways", lambda kernel: all(n % 2 for n in kernel))
    ] = (3, 5)
    """Of the first of them: patches, shifts."""
    stride: tuple[int, int] = (2, 2)
    """Of the first of them: (1, 2) looks twice as closely for twice the time."""


@settings()
class PatchConfig:
    """The patch front end: each patch of a frame, and how it differs from the next frame's.

    What is small changes few pixels (a number in an inventory): averaged over the picture it is
    lost, within its own patch it is a large part.
    """

    size: PositiveInt = 8
    """Pixels a side of a patch; of a game that is drawn in cells, a cell."""
    channels: tuple[Width, Width] = (64, 32)
    """Widths of a patch alone, and of one that has seen its neighbors."""
    dense: Width = 192
    """Width between the patches and the frame's vector."""
    mask: Share = 0.05
    """Part of the patches that are hidden in training, other ones in each frame."""


@settings()
class IDMConfig:
    """The network: picture (and motion) ► vector a frame ► temporal convolutions ► attention ►
    factored head.
    """

    width: Width
    """D: size of a frame's vector."""
    picture_pool: Annotated[int, Field(ge=1, le=MAX_POOL)] = 1
    """Frames are averaged over this many pixels a side before the residual CNN or the patches."""
    temporal_kernel: Annotated[Blocks, must_be("odd", lambda frames: frames % 2 == 1)] = 3
    """Frames that the first temporal convolution sees, odd: the frame itself and as many before as
    after it.
    """
    temporal_channels: Width = 8
    """Channels that the first temporal convolution makes of them."""
    trunk_channels: Channels = (16, 32, 32)
    """Widths of the residual CNN's stacks."""
    trunk_blocks: Blocks = 1
    """Residual blocks a stack."""
    trunk_stride: Annotated[int, Field(ge=1, le=16)] = 1
    """Stride of the residual CNN's first convolution."""
    trunk_dense: Width = 256
    """Width between the residual CNN and the frame's vector."""
    trunk_norm_first: bool = False
    """Whether there is a norm before the residual CNN's first convolution, as in the published IDM.
    """
    patches: Annotated[PatchConfig | None, Later(None)] = None
    """The patch front end in place of the residual CNN and the temporal convolution, or None."""
    motion: MotionConfig | None = None
    """The motion front end beside the picture, or None for the picture alone, as in the published
    IDM.
    """
    time_dilations: Dilations = ()
    """Residual convolutions over 5 ticks of a window each, with these dilations, before attention.
    """
    attention_blocks: Blocks = 2
    """Unmasked transformer blocks over the window."""
    attention_heads: Width = 4
    """Heads of each."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Part of the features dropped in training, behind each branch."""
    exclusive: Annotated[bool, Later(False)] = False
    """Of a group's buttons (those with `conflict: last`) one at most is held: they share one
    distribution, and the likeliest state is said. Otherwise each is decided by itself.
    """
    published_tensors: bool = False
    """Also holds what the published IDM has beyond this graph (a second logit a button; layers that
    it never uses), so that its weights can be imported whole.
    """
    zero_padded_windows: bool = False
    """A window's first and last frames see black beyond it, even where the video goes on: so
    computes the published IDM. Otherwise they see their true neighbours.
    """

    def __post_init__(self) -> None:
        heads = self.attention_heads
        require(self.width % heads == 0, "width", self.width, f"a multiple of {heads}")

    @property
    def radius(self) -> int:
        """How many frames before and after a frame its vector depends on."""
        of_picture = 1 if self.patches else self.temporal_kernel // 2
        return max(of_picture, 1 if self.motion else 0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; `from_dict` reads them back."""
        content: dict[str, Any] = to_plain(self)
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> IDMConfig:
        """The configuration that a checkpoint holds."""
        return cls(**content)


Preset = Literal["tiny", "small", "base", "vpt"]
PRESETS: dict[Preset, IDMConfig] = {
    "tiny": IDMConfig(
        width=128,
        picture_pool=4,
        trunk_channels=(16, 32, 32),
        trunk_dense=128,
        motion=MotionConfig(),
        time_dilations=(1, 2, 4, 8),
        attention_blocks=1,
        attention_heads=4,
        dropout=0.1,
    ),
    "small": IDMConfig(
        width=256,
        picture_pool=2,
        temporal_channels=16,
        trunk_channels=(32, 64, 64),
        trunk_stride=2,
        motion=MotionConfig(channels=(32, 64, 64), stride=(1, 2)),
        time_dilations=(1, 2, 4, 8),
        attention_blocks=2,
        attention_heads=4,
        dropout=0.1,
    ),
    "base": IDMConfig(
        width=512,
        picture_pool=1,
        temporal_channels=32,
        trunk_channels=(64, 128, 128),
        trunk_blocks=2,
        trunk_stride=2,
        motion=MotionConfig(channels=(64, 96, 128), stride=(1, 2)),
        time_dilations=(1, 2, 4, 8),
        attention_blocks=4,
        attention_heads=8,
        dropout=0.1,
    ),
    # The published 4x_idm graph: 482,330,046 parameters under the minecraft spec.
    "vpt": IDMConfig(
        width=4096,
        temporal_kernel=5,
        temporal_channels=128,
        trunk_channels=(256, 512, 512),
        trunk_blocks=2,
        trunk_norm_first=True,
        attention_blocks=2,
        attention_heads=32,
        published_tensors=True,
    ),
}
"""Networks by name: what a user chooses by the machine at hand."""

# Of games that are drawn in cells: there is no camera whose motion could be looked for.
TILE_PRESETS: dict[Preset, IDMConfig] = {
    "tiny": IDMConfig(
        width=160,
        patches=PatchConfig(),
        time_dilations=(1,),
        attention_blocks=2,
        attention_heads=4,
        dropout=0.2,
        exclusive=True,
    ),
    "small": IDMConfig(
        width=256,
        patches=PatchConfig(channels=(128, 64), dense=384),
        time_dilations=(1, 2),
        attention_blocks=3,
        attention_heads=4,
        dropout=0.2,
        exclusive=True,
    ),
    "base": IDMConfig(
        width=512,
        patches=PatchConfig(channels=(256, 128), dense=512),
        time_dilations=(1, 2),
        attention_blocks=4,
        attention_heads=8,
        dropout=0.2,
        exclusive=True,
    ),
}
"""The same names where the spec says that frames are grids of cells; `vpt` has one graph."""


def preset_config(name: Preset, spec: ActionSpec) -> IDMConfig:
    """The network that a preset stands for under a spec: patches are the cells of its frames, where
    it has some.
    """
    if not spec.frame.tile or name not in TILE_PRESETS:
        return PRESETS[name]
    network = TILE_PRESETS[name]
    cells = replace(network.patches or PatchConfig(), size=spec.frame.tile)
    return replace(network, patches=cells)


# Of augmentation: what makes sense of what a camera saw.
OF_CAMERAS = (
    "hue",
    "saturation",
    "brightness",
    "contrast",
    "rotation_deg",
    "scale",
    "shear_deg",
    "translation_px",
)
LEFT_RIGHT = ("left", "right")  # what a mirror swaps by default, where a spec has them
YAW = "yaw"
Degrees = Annotated[float, Field(ge=0, le=45)]


@settings()
class AugmentConfig:
    """Augmentation in training: ranges of one draw a clip. The defaults are VPT's, and a mirror.

    In a game that is drawn in cells each thing always looks alike, and a shift cuts its cells in
    two: there colors and geometry are left alone, unless they are set to something else.
    """

    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    """Largest shift of the hue, in turns of the colour circle."""
    saturation: Share = 0.2
    """Largest change of the saturation's factor from 1."""
    brightness: Share = 0.2
    """Largest change of the brightness's factor from 1."""
    contrast: Share = 0.2
    """Largest change of the contrast's factor from 1."""
    rotation_deg: Degrees = 2.0
    """Largest rotation, degrees."""
    scale: Annotated[float, Field(ge=0, le=0.5)] = 0.02
    """Largest change of the scale from 1."""
    shear_deg: Degrees = 2.0
    """Largest shear, degrees."""
    translation_px: Annotated[float, Field(ge=0, le=64)] = 2.0
    """Largest shift along each side, pixels of the full frame."""
    late_frames: Share = 0.0
    """Part of the clips that are seen as a recorder of 24 to 60 frames/s shows them: its last frame
    may be late.
    """
    compressed: Share = 0.0
    """Part of the clips that go through H.264, as hard as `crf` says."""
    crf: Annotated[
        tuple[int, int],
        must_be("two numbers of 1..51, the lower first", lambda crf: 1 <= crf[0] <= crf[1] <= 51),
    ] = (23, 40)
    """Range of x264's quality factor for these: 23 is hardly seen, at 40 a video is blocks and
    smears.
    """
    status_bar: Share = 0.0
    """Part of the clips whose lowest rows, where games show a status bar, are enlarged over what is
    above them.
    """
    mirror: Share = 0.5
    """Part of the clips that are mirrored, left with right."""
    mirror_buttons: Annotated[tuple[PAIR, ...], top_level("mirror")] = (LEFT_RIGHT,)
    """Pairs of buttons that a mirror swaps."""
    mirror_axes: tuple[str, ...] = (YAW,)
    """Axes of the camera that a mirror turns around; of sticks and the pointer it turns what goes
    from left to right (`gamepad.left_x`, `cursor.x`).
    """

    def under(self, spec: ActionSpec) -> AugmentConfig:
        """What it is under a spec: without color and geometry where frames are grids of cells."""
        if not spec.frame.tile:
            return self
        default = {f.name: f.default for f in fields(self)}
        left: dict[str, Any] = {
            name: 0.0 for name in OF_CAMERAS if getattr(self, name) == default[name]
        }
        return replace(self, **left)
