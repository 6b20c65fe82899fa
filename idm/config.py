"""Settings of the inverse dynamics model: its network, its training, its evaluation. Loads neither
torch nor Beam.
"""

from __future__ import annotations

from dataclasses import asdict, field
from typing import Annotated, Any, Literal

import tyro
from pydantic import Field, FiniteFloat, NonNegativeFloat, NonNegativeInt, PositiveInt

from ..options import NONE_BY_DEFAULT, ONCE_POSITIONAL, PAIR, several, top_level
from ..settings import Formerly, Share, must_be, require, settings


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


MAX_WIDTH, MAX_BLOCKS = 1 << 14, 256  # building a network beyond them would never end
MAX_POOL = 11  # pixels a side whose sum fits 16 bits
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Blocks = Annotated[int, Field(ge=1, le=MAX_BLOCKS)]
Channels = Annotated[tuple[Width, ...], Field(min_length=1, max_length=MAX_BLOCKS)]
Dilations = Annotated[tuple[Width, ...], Field(max_length=MAX_BLOCKS)]


@settings()
class IDMConfig:
    """The network: picture (and motion) ► vector a frame ► temporal convolutions ► attention ►
    factored head.
    """

    width: Width
    """D: size of a frame's vector."""
    picture_pool: Annotated[int, Field(ge=1, le=MAX_POOL)] = 1
    """Frames are averaged over this many pixels a side before the residual CNN."""
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
        return max(self.temporal_kernel // 2, 1 if self.motion else 0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; `from_dict` reads them back."""
        return asdict(self)

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


LEFT_RIGHT = ("left", "right")  # what a mirror swaps by default, where a spec has them
Degrees = Annotated[float, Field(ge=0, le=45)]


@settings()
class AugmentConfig:
    """Augmentation in training: ranges of one draw a clip. The defaults are VPT's, and a mirror."""

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
    mirror_axes: tuple[str, ...] = ("yaw",)
    """Axes that a mirror turns around."""


MAX_MINUTES = 1e6
Folder = Annotated[str, must_be("a folder", lambda name: bool(name.strip()))]
Positive = Annotated[FiniteFloat, Field(gt=0)]
NotNegative = Annotated[FiniteFloat, Field(ge=0)]
Precision = Literal["auto", "float32", "bfloat16"]


@settings()
class TrainIDMConfig:
    """Train an IDM on recordings.

    The checkpoint is a folder: `model.safetensors` and `config.json`. The same command resumes a
    stopped run.

    Example:
      vidact train-idm --data runs/play --out runs/idm --preset tiny
    """

    data: Annotated[tuple[str, ...], must_be("at least one folder of recordings", bool)]
    """Labelled play: folders of recordings, or recordings."""
    out: Folder
    """The checkpoint folder that is made."""
    val: Annotated[tuple[str, ...], NONE_BY_DEFAULT] = ()
    """Recordings to tune and calibrate on; without any, some of `data` are held out."""
    data_minutes: Annotated[
        float, must_be("0 (all) or within 0.01..1e6", lambda m: m == 0 or 0.01 <= m <= MAX_MINUTES)
    ] = 0.0
    """Minutes of `data` to train on: whole recordings, drawn by their content, the last one cut; 0
    takes all.
    """
    spec: Annotated[str, NONE_BY_DEFAULT] = ""
    """Action spec: a built-in name (an older version as crafter@1) or a YAML file; by default the
    one that the recordings name, else doom.
    """
    init: Annotated[str, NONE_BY_DEFAULT] = ""
    """A trained IDM to go on from (a checkpoint folder, or `doom`, which ships), in place of a new
    network of `preset`: with little play of one's own this is better than starting from nothing. It
    must have been trained under `spec`. What it says on `val` before is shown; augmentation is not
    taken over from it.
    """
    preset: Preset = "tiny"
    """Size of the network: tiny (a laptop, minutes), small, base, or vpt (the published graph)."""
    network: Annotated[IDMConfig | None, tyro.conf.Suppress] = None
    """A network of one's own in place of the preset (in a YAML file)."""
    minutes: float = 6.0
    """Minutes of training, where no number of steps is given."""
    steps: NonNegativeInt = 0
    """Steps of training; above 0 it replaces `minutes`, and the run can be repeated exactly."""
    batch_size: Annotated[PositiveInt, Formerly("batch_clips")] = 6
    """Clips a step."""
    ticks: Annotated[PositiveInt, Formerly("clip_ticks")] = 64
    """Ticks a clip."""
    accumulate: PositiveInt = 1
    """Batches whose gradients are added up before a step (in each process, where torchrun starts
    several).
    """
    learning_rate: NotNegative = 0.0
    """The highest learning rate; 0 is 2e-3 for a new network and 3e-4 for one that goes on
    (`init`).
    """
    warmup_steps: NonNegativeInt = 50
    """Steps to reach it."""
    decay_from: Share = 0.4
    """Part of the run after which it falls, linearly, to zero."""
    weight_decay: NotNegative = 0.05
    """AdamW's, on matrices and kernels."""
    clip_norm: Annotated[Positive, Formerly("gradient_clip")] = 1.0
    """Largest norm of all gradients together."""
    ema_decay: Share = 0.998
    """Of the averaged weights, which are what is measured and saved."""
    rare_balance: Share = 0.3
    """How far rare buttons are weighted up: 0 not at all, 1 until held and released ticks weigh the
    same.
    """
    rare_limit: Positive = 5.0
    """Largest weight of a held tick."""
    val_fraction: Annotated[float, Field(gt=0, lt=1), Formerly("val_share")] = 0.15
    """Part of the recordings held out where no `val` is given (at least one)."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Augmentation of training clips."""
    mirror_average: bool = False
    """Label by the mean of what the network says of the picture and of its mirror image: better, at
    twice the cost. One that goes on from an IDM that does so does it too.
    """
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    """Of initial weights, clips and augmentation."""
    device: str = "auto"
    """cpu, cuda or auto."""
    precision: Precision = "auto"
    """Of matrix products: float32, bfloat16 or auto (bfloat16 where the machine is fast at it)."""
    threads: NonNegativeInt = 0
    """Threads of the network; 0 leaves one core to preparing clips."""
    loader_threads: Annotated[NonNegativeInt, Formerly("workers")] = 1
    """Threads that prepare clips ahead."""
    cache: str = ""
    """Folder of decoded frames (49 kB a tick at 128x128); by default one inside `out`, removed at
    the end.
    """
    save_every: Annotated[Positive, Formerly("snapshot_minutes")] = 1.0
    """How often the run's whole state is saved; a killed run goes on from the last time."""
    eval_minutes: NonNegativeFloat = 10.0
    """How often the averaged weights are measured on validation play (into metrics.jsonl); 0: only
    at the end.
    """
    log_every: PositiveInt = 20
    """Steps between lines of metrics.jsonl."""

    def __post_init__(self) -> None:
        timed = self.steps > 0 or 0.01 <= self.minutes <= MAX_MINUTES
        require(timed, "minutes", self.minutes, "within 0.01..1e6 (or give steps)")
        mirrors = not self.mirror_average or self.augment.mirror > 0
        require(mirrors, "augment.mirror", self.augment.mirror, "above 0 to average")

    @property
    def network_config(self) -> IDMConfig:
        """The network that is trained."""
        return self.network or PRESETS[self.preset]


@settings()
class ImportVPTIDMConfig:
    """Bring OpenAI's published IDM for Minecraft into our format.

    Nothing in the files is executed: of the pickled description only plain values are read, of the
    weights only tensors. The result labels like any other checkpoint, with the published
    arithmetic.

    Example:
      vidact import vpt-idm 4x_idm.model 4x_idm.weights --out runs/vpt-idm
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """The description of the network: `4x_idm.model`."""
    weights: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="WEIGHTS")]
    """Its weights: `4x_idm.weights`."""
    out: Annotated[str, ONCE_POSITIONAL]
    """The checkpoint folder that is made."""
    play: Annotated[tuple[str, ...], NONE_BY_DEFAULT] = ()
    """Labelled play (see `vidact import vpt`) to calibrate its probabilities on and to fit
    eval-idm's baselines to.
    """
    device: str = "auto"
    """cpu, cuda or auto: where it looks at that play."""


@settings()
class EvalIDMConfig:
    """Measure an IDM on recordings it has not seen.

    Writes `metrics.json` (per button and axis, beside three baselines that see no truth) and plots.

    Example:
      vidact eval-idm runs/idm runs/heldout --out runs/idm/eval
    """

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """Checkpoint folder of an IDM, or `doom`, which ships."""
    recordings: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        several("RECORDINGS"),
        must_be("at least one", bool),
    ]
    """Labelled play that it has not seen: folders of recordings, or recordings."""
    out: Folder
    """Folder for metrics.json and plots."""
    bootstrap: NonNegativeInt = 1000
    """Resamplings for the 95 % intervals."""
    resample: Literal["recording", "group"] = "recording"
    """What is drawn for them: recordings, or whole groups of them (players of one game, parts of
    one map), which is stricter where there are more than a few.
    """
    seed: NonNegativeInt = 0
    """Of the resampling and of the sampling baseline."""
    device: str = "auto"
    """cpu, cuda or auto."""
    threads: NonNegativeInt = 0
    """Recordings labelled side by side on the CPU; 0 takes one a core."""
    plots: bool = True
    """Whether to draw plots."""
