"""Settings of the inverse dynamics model: its network, its training, its evaluation. Loads neither torch nor Beam."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Literal

import tyro

from ..errors import ConfigError
from ..settings import NONE_BY_DEFAULT, several


@dataclass(frozen=True, kw_only=True, slots=True)
class MotionConfig:
    """The motion front end: patches of one frame are looked for in the next."""

    reach_across: int = 64
    """Largest horizontal shift looked for, pixels: half the picture. A quicker turn shows only by what vanished."""
    reach_along: int = 24
    """Largest vertical shift, pixels."""
    blur_across: int = 4
    """Rows averaged before sideways search: a patch still matches when it also moved up or down a little."""
    blur_along: int = 8
    """Columns averaged before vertical search."""
    band_across: int = 4
    """Height of a patch in sideways search, averaged rows."""
    band_along: int = 2
    """Width of a patch in vertical search, averaged columns."""
    patch: int = 8
    """Length of a patch along the axis of search, pixels."""
    rows_used: float = 0.86
    """Part of the height that is looked at, from the top: below it games show a status bar, which never moves."""
    fov_deg: float = 90.0
    """The game's horizontal field of view, degrees: pictures are bent to that cylinder, where turns are shifts."""
    channels: tuple[int, int, int] = (32, 32, 48)
    """Widths of the three convolutions over the correlations, each of which halves patches and shifts."""
    kernel: tuple[int, int] = (3, 5)
    """Of the first of them: patches, shifts."""
    stride: tuple[int, int] = (2, 2)
    """Of the first of them: (1, 2) looks twice as closely for twice the time."""

    def __post_init__(self) -> None:
        _require(all(size % 2 for size in self.kernel), "kernel", "odd both ways", self.kernel)
        for name in (
            "reach_across",
            "reach_along",
            "blur_across",
            "blur_along",
            "band_across",
            "band_along",
            "patch",
        ):
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        _require(0 < self.fov_deg < 180, "fov_deg", "between 0 and 180", self.fov_deg)
        _require(0 < self.rows_used <= 1, "rows_used", "above 0 and at most 1", self.rows_used)


WIDEST, DEEPEST = (
    1 << 14,
    256,
)  # beyond it a config is a joke, and building its network would never end
NETWORK_MOST = {
    "width": WIDEST,
    "picture_pool": 11,  # pixels a side whose sum fits 16 bits
    "temporal_kernel": DEEPEST,
    "temporal_channels": WIDEST,
    "trunk_blocks": DEEPEST,
    "trunk_stride": 16,
    "trunk_dense": WIDEST,
    "attention_blocks": DEEPEST,
    "attention_heads": WIDEST,
}
"""The largest of each size, at least 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IDMConfig:
    """The network: picture (and motion) ► vector a frame ► temporal convolutions ► attention ► factored head."""

    width: int
    """D: size of a frame's vector."""
    picture_pool: int = 1
    """Frames are averaged over this many pixels a side before the residual CNN."""
    temporal_kernel: int = 3
    """Frames that the first temporal convolution sees, odd: the frame itself and as many before as after it."""
    temporal_channels: int = 8
    """Channels that the first temporal convolution makes of them."""
    trunk_channels: tuple[int, ...] = (16, 32, 32)
    """Widths of the residual CNN's stacks."""
    trunk_blocks: int = 1
    """Residual blocks a stack."""
    trunk_stride: int = 1
    """Stride of the residual CNN's first convolution."""
    trunk_dense: int = 256
    """Width between the residual CNN and the frame's vector."""
    trunk_norm_first: bool = False
    """Whether there is a norm before the residual CNN's first convolution, as in the published IDM."""
    motion: MotionConfig | None = None
    """The motion front end beside the picture, or None for the picture alone, as in the published IDM."""
    time_dilations: tuple[int, ...] = ()
    """Residual convolutions over 5 ticks of a window each, with these dilations, before attention."""
    attention_blocks: int = 2
    """Unmasked transformer blocks over the window."""
    attention_heads: int = 4
    """Heads of each."""
    dropout: float = 0.0
    """Part of the features dropped in training, behind each branch."""
    published_tensors: bool = False
    """Also holds what the published IDM has beyond this graph (a second logit a button; layers that it never uses), so
    that its weights can be imported whole."""
    zero_padded_windows: bool = False
    """A window's first and last frames see black beyond it, even where the video goes on: so computes the published
    IDM. Otherwise they see their true neighbours."""

    def __post_init__(self) -> None:
        _require(self.temporal_kernel % 2 == 1, "temporal_kernel", "odd", self.temporal_kernel)
        for name, most in NETWORK_MOST.items():
            _require(
                1 <= getattr(self, name) <= most, name, f"within 1..{most}", getattr(self, name)
            )
        for name in ("trunk_channels", "time_dilations"):
            sizes = getattr(self, name)
            fits = all(1 <= size <= WIDEST for size in sizes) and len(sizes) <= DEEPEST
            _require(
                fits and (name != "trunk_channels" or bool(sizes)),
                name,
                f"some of 1..{WIDEST}",
                sizes,
            )
        _require(
            self.width % self.attention_heads == 0,
            "width",
            f"a multiple of {self.attention_heads}",
            self.width,
        )
        _require(0 <= self.dropout < 1, "dropout", "at least 0 and below 1", self.dropout)

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
        values = _with_tuples(content)
        if values.get("motion") is not None:
            values["motion"] = MotionConfig(**_with_tuples(values["motion"]))
        return cls(**values)


def _with_tuples(content: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists where the settings have tuples."""
    return {
        key: tuple(value) if isinstance(value, list) else value for key, value in content.items()
    }


def _require(condition: bool, field: str, allowed: str, got: object) -> None:
    if not condition:
        raise ConfigError(f"{field} must be {allowed}, got {got!r}")


PRESETS: dict[str, IDMConfig] = {
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


AUGMENTED_MOST = {
    "hue": 0.5,
    "saturation": 1.0,
    "brightness": 1.0,
    "contrast": 1.0,
    "rotation_deg": 45.0,
    "scale": 0.5,
    "shear_deg": 45.0,
    "translation_px": 64.0,
}


LEFT_RIGHT = ("left", "right")  # what a mirror swaps by default, where a spec has them


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentConfig:
    """Augmentation in training: ranges of one draw a clip. The defaults are VPT's, and a mirror."""

    hue: float = 0.2
    """Largest shift of the hue, in turns of the colour circle."""
    saturation: float = 0.2
    """Largest change of the saturation's factor from 1."""
    brightness: float = 0.2
    """Largest change of the brightness's factor from 1."""
    contrast: float = 0.2
    """Largest change of the contrast's factor from 1."""
    rotation_deg: float = 2.0
    """Largest rotation, degrees."""
    scale: float = 0.02
    """Largest change of the scale from 1."""
    shear_deg: float = 2.0
    """Largest shear, degrees."""
    translation_px: float = 2.0
    """Largest shift along each side, pixels of the full frame."""
    late_frames: float = 0.0
    """Part of the clips that are seen as a recorder of 24 to 60 frames/s shows them: its last frame may be late."""
    compressed: float = 0.0
    """Part of the clips that go through H.264, as hard as `crf` says."""
    crf: tuple[int, int] = (23, 40)
    """Range of x264's quality factor for these: 23 is hardly seen, at 40 a video is blocks and smears."""
    status_bar: float = 0.0
    """Part of the clips whose lowest rows, where games show a status bar, are enlarged over what is above them."""
    mirror: float = 0.5
    """Part of the clips that are mirrored, left with right."""
    mirror_buttons: tuple[tuple[str, str], ...] = (LEFT_RIGHT,)
    """Pairs of buttons that a mirror swaps."""
    mirror_axes: tuple[str, ...] = ("yaw",)
    """Axes that a mirror turns around."""

    def __post_init__(self) -> None:
        for name, most in AUGMENTED_MOST.items():
            _require(
                0 <= getattr(self, name) <= most, name, f"within 0..{most:g}", getattr(self, name)
            )
        for name in ("mirror", "late_frames", "compressed", "status_bar"):
            _require(0 <= getattr(self, name) <= 1, name, "within 0..1", getattr(self, name))
        _require(
            1 <= self.crf[0] <= self.crf[1] <= 51,
            "crf",
            "two numbers of 1..51, the lower first",
            self.crf,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainIDMConfig:
    """`vidact train-idm`."""

    data: tuple[str, ...]
    """Labelled play: folders of recordings, or recordings."""
    out: str
    """The checkpoint folder that is made."""
    val: Annotated[tuple[str, ...], NONE_BY_DEFAULT] = ()
    """Recordings to tune and calibrate on; without any, some of `data` are held out."""
    data_minutes: float = 0.0
    """Minutes of `data` to train on: whole recordings, drawn by their content, the last one cut; 0 takes all."""
    spec: Annotated[str, NONE_BY_DEFAULT] = ""
    """Action spec: a built-in name or a YAML file; by default the one that the recordings name, else doom."""
    init: Annotated[str, NONE_BY_DEFAULT] = ""
    """A trained IDM to go on from (a checkpoint folder, or `doom`, which ships), in place of a new network of `preset`:
    with little play of one's own this is better than starting from nothing. It must have been trained under `spec`.
    What it says on `val` before is shown; augmentation is not taken over from it."""
    preset: str = "tiny"
    """Size of the network: tiny (a laptop, minutes), small, base, or vpt (the published graph)."""
    network: Annotated[IDMConfig | None, tyro.conf.Suppress] = None
    """A network of one's own in place of the preset (in a YAML file)."""
    minutes: float = 6.0
    """Minutes of training, where no number of steps is given."""
    steps: int = 0
    """Steps of training; above 0 it replaces `minutes`, and the run can be repeated exactly."""
    batch_clips: int = 6
    """Clips a step."""
    clip_ticks: int = 64
    """Ticks a clip."""
    accumulate: int = 1
    """Batches whose gradients are added up before a step (in each process, where torchrun starts several)."""
    learning_rate: float = 0.0
    """The highest learning rate; 0 is 2e-3 for a new network and 3e-4 for one that goes on (`init`)."""
    warmup_steps: int = 50
    """Steps to reach it."""
    decay_from: float = 0.4
    """Part of the run after which it falls, linearly, to zero."""
    weight_decay: float = 0.05
    """AdamW's, on matrices and kernels."""
    gradient_clip: float = 1.0
    """Largest norm of all gradients together."""
    ema_decay: float = 0.998
    """Of the averaged weights, which are what is measured and saved."""
    rare_balance: float = 0.3
    """How far rare buttons are weighted up: 0 not at all, 1 until held and released ticks weigh the same."""
    rare_limit: float = 5.0
    """Largest weight of a held tick."""
    val_share: float = 0.15
    """Part of the recordings held out where no `val` is given (at least one)."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Augmentation of training clips."""
    mirror_average: bool = False
    """Label by the mean of what the network says of the picture and of its mirror image: better, at twice the cost. One
    that goes on from an IDM that does so does it too."""
    seed: int = 0
    """Of initial weights, clips and augmentation."""
    device: str = "auto"
    """cpu, cuda or auto."""
    precision: str = "auto"
    """Of matrix products: float32, bfloat16 or auto (bfloat16 where the machine is fast at it)."""
    threads: int = 0
    """Threads of the network; 0 leaves one core to preparing clips."""
    workers: int = 1
    """Threads that prepare clips ahead."""
    cache: str = ""
    """Folder of decoded frames (49 kB a tick at 128x128); by default one inside `out`, removed at the end."""
    snapshot_minutes: float = 1.0
    """How often the run's whole state is saved; a killed run goes on from the last time."""
    eval_minutes: float = 10.0
    """How often the averaged weights are measured on validation play (into metrics.jsonl); 0: only at the end."""
    log_every: int = 20
    """Steps between lines of metrics.jsonl."""

    def __post_init__(self) -> None:
        if self.network is not None:
            replace(self.network)  # checked again: a YAML file's may not have been
        _require(bool(self.data), "data", "at least one folder of recordings", self.data)
        _require(self.preset in PRESETS, "preset", f"one of {', '.join(PRESETS)}", self.preset)
        timed = 0.01 <= self.minutes <= 1e6
        _require(
            self.steps > 0 or timed, "minutes", "within 0.01..1e6 (or give steps)", self.minutes
        )
        for name in ("batch_clips", "clip_ticks", "accumulate", "log_every"):
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        _require(bool(self.out.strip()), "out", "a folder", self.out)
        for name in ("gradient_clip", "snapshot_minutes", "rare_limit"):
            _require(0 < getattr(self, name) < math.inf, name, "above 0", getattr(self, name))
        for name in ("learning_rate", "weight_decay"):
            _require(0 <= getattr(self, name) < math.inf, name, "at least 0", getattr(self, name))
        for name in ("steps", "warmup_steps"):
            _require(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))
        _require(0 <= self.seed < 1 << 63, "seed", "within 0..2^63-1", self.seed)
        for name in ("rare_balance", "decay_from", "ema_decay"):
            _require(0 <= getattr(self, name) <= 1, name, "within 0..1", getattr(self, name))
        fits = self.data_minutes == 0 or 0.01 <= self.data_minutes <= 1e6
        _require(fits, "data_minutes", "0 (all) or within 0.01..1e6", self.data_minutes)
        _require(0 < self.val_share < 1, "val_share", "between 0 and 1", self.val_share)
        _require(
            not self.mirror_average or self.augment.mirror > 0,
            "augment.mirror",
            "above 0 to average",
            0,
        )
        _require(
            self.workers >= 0 and self.threads >= 0,
            "workers and threads",
            "at least 0",
            self.workers,
        )
        _require(self.eval_minutes >= 0, "eval_minutes", "at least 0", self.eval_minutes)

    @property
    def network_config(self) -> IDMConfig:
        """The network that is trained."""
        return self.network or PRESETS[self.preset]


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportVPTIDMConfig:
    """`vidact import vpt-idm`."""

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """The description of the network: `4x_idm.model`."""
    weights: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="WEIGHTS")]
    """Its weights: `4x_idm.weights`."""
    out: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """The checkpoint folder that is made."""
    play: Annotated[tuple[str, ...], NONE_BY_DEFAULT] = ()
    """Labelled play (see `vidact import vpt`) to calibrate its probabilities on and to fit eval-idm's baselines to."""
    device: str = "auto"
    """cpu, cuda or auto: where it looks at that play."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalIDMConfig:
    """`vidact eval-idm`."""

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """Checkpoint folder of an IDM, or `doom`, which ships."""
    recordings: Annotated[tuple[str, ...], tyro.conf.Positional, several("RECORDINGS")]
    """Labelled play that it has not seen: folders of recordings, or recordings."""
    out: str
    """Folder for metrics.json and plots."""
    bootstrap: int = 1000
    """Resamplings for the 95 % intervals."""
    resample: Literal["recording", "group"] = "recording"
    """What is drawn for them: recordings, or whole groups of them (players of one game, parts of one map), which is
    stricter where there are more than a few."""
    seed: int = 0
    """Of the resampling and of the sampling baseline."""
    device: str = "auto"
    """cpu, cuda or auto."""
    threads: int = 0
    """Recordings labelled side by side on the CPU; 0 takes one a core."""
    plots: bool = True
    """Whether to draw plots."""

    def __post_init__(self) -> None:
        _require(bool(self.recordings), "recordings", "at least one", self.recordings)
        _require(bool(self.out.strip()), "out", "a folder", self.out)
        for name in ("bootstrap", "seed", "threads"):
            _require(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))
