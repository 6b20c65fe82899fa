"""Settings of the inverse dynamics model: its training, its evaluation. Loads neither torch nor
Beam.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from pydantic import Field, FiniteFloat, NonNegativeFloat, NonNegativeInt, PositiveInt

from ..errors import ConfigError
from ..options import NONE_BY_DEFAULT, ONCE_POSITIONAL, several
from ..randomize.config import ADRConfig
from ..settings import Formerly, Later, LocalPath, Share, must_be, require, settings, to_plain
from .network.config import AugmentConfig, IDMConfig, Preset, preset_config

if TYPE_CHECKING:
    from ..datasets.actions.spec import ActionSpec

MAX_MINUTES = 1e6
RARE_CLIPS = 0.25  # of training in a game of cells
Folder = Annotated[LocalPath, must_be("a folder", lambda name: bool(name.strip()))]
Positive = Annotated[FiniteFloat, Field(gt=0)]
NotNegative = Annotated[FiniteFloat, Field(ge=0)]
Precision = Literal["auto", "float32", "bfloat16"]
USUAL_ADR = to_plain(ADRConfig())
RANDOMIZE = "none, fixed:SHARE with a share above 0 and up to 1, or adr"


def share_of(mode: str) -> float | None:
    """The share that `fixed:SHARE` asks for; None for other modes. Raises ValueError."""
    kind, _, share = mode.partition(":")
    if kind != "fixed":
        return None
    if not 0 < float(share) <= 1:
        raise ValueError(share)
    return float(share)


def is_mode(mode: str) -> bool:
    """Whether this is a mode of `--randomize`."""
    try:
        return mode in ("none", "adr") or share_of(mode) is not None
    except ValueError:
        return False


@settings()
class TrainIDMConfig:
    """Train an IDM on recordings.

    The checkpoint is a folder: `model.safetensors`, `config.json`, and `game.safetensors`, by which
    `vidact label` knows the game from other videos. The same command resumes a stopped run.

    Example:
      vidact train-idm --data runs/play --out runs/idm --preset tiny
      vidact train-idm --add-game-density runs/old-idm --data runs/play
    """

    data: Annotated[tuple[str, ...], must_be("at least one folder of recordings", bool)]
    """Labelled play: folders of recordings, or recordings."""
    out: Annotated[LocalPath, NONE_BY_DEFAULT] = ""
    """The checkpoint folder that is made."""
    add_game_density: Annotated[str, NONE_BY_DEFAULT, Later("")] = ""
    """Train nothing: teach this IDM (a checkpoint folder) what its game looks like, from play of it
    in `data`; its weights stay what they are.
    """
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
    one that the recordings name, else doom, but for recordings of screens and imports.
    """
    init: Annotated[str, NONE_BY_DEFAULT] = ""
    """A trained IDM to go on from (a checkpoint folder, or `doom`, which ships), in place of a new
    network of `preset`: with little play of one's own this is better than starting from nothing. It
    must have been trained under `spec`. What it says on `val` before is shown; augmentation is not
    taken over from it.
    """
    preset: Preset = "tiny"
    """Size of the network: tiny (a laptop, minutes), small, base, or vpt (the published graph).
    What it looks at depends on the spec: motion in a camera's pictures, or cells.
    """
    network: Annotated[IDMConfig | None, tyro.conf.Suppress] = None
    """A network of one's own in place of the preset (in a YAML file)."""
    minutes: float = 6.0
    """Minutes of training, where no number of steps is given."""
    core_minutes: Annotated[NotNegative, Later(0.0)] = 0.0
    """Minutes that processors work for the training, its tests and its recorders, all together;
    above 0 they replace `minutes`: runs with and without recorders can be compared.
    """
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
    rare_clips: Annotated[Share | None, Later(None)] = None
    """Part of the clips that are drawn around a press of a rare button (one held in less than 2 %
    of the ticks); by default a quarter where frames are grids of cells, and none elsewhere.
    """
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
    randomize: Annotated[str, must_be(RANDOMIZE, is_mode), Later("none")] = "none"
    """Vary the play as strangers' differs (`suite`): `none`; `fixed:SHARE` draws from that share of
    all limits; `adr` begins with nothing and lets each range grow while the model still does well
    at its edge, by tests on validation play.
    """
    suite: Annotated[str, NONE_BY_DEFAULT, Later("")] = ""
    """What is varied: `doom`, `crafter` or a YAML file; by default the suite of the spec's name."""
    adr: Annotated[ADRConfig, Later(USUAL_ADR)] = field(default_factory=ADRConfig)
    """How ranges grow."""
    recorders: Annotated[PositiveInt, Later(1)] = 1
    """Processes beside the training that have the game draw fresh play, where the suite asks for
    it.
    """
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
        needed = bool(self.out.strip()) != bool(self.add_game_density)
        require(needed, "out", self.out, "a folder (or give --add-game-density, which needs none)")
        timed = self.steps > 0 or 0.01 <= self.minutes <= MAX_MINUTES
        require(timed, "minutes", self.minutes, "within 0.01..1e6 (or give steps)")
        if self.steps and self.core_minutes:
            raise ConfigError("give either steps or core_minutes")
        mirrors = not self.mirror_average or self.augment.mirror > 0
        require(mirrors, "augment.mirror", self.augment.mirror, "above 0 to average")

    def network_for(self, spec: ActionSpec) -> IDMConfig:
        """The network that is trained under a spec."""
        return self.network or preset_config(self.preset, spec)

    def rare_clips_for(self, spec: ActionSpec) -> float:
        """Part of the clips around presses of rare buttons under a spec."""
        by_default = RARE_CLIPS if spec.frame.tile else 0.0
        return by_default if self.rare_clips is None else self.rare_clips


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


@settings()
class RobustnessConfig:
    """Measure how far an IDM may be from the play that it was trained on.

    Every parameter of a suite is varied by itself, which gives a curve each, and all together as
    automatic domain randomization does it, with the model as it is: how wide its ranges get is one
    number of robustness. Writes robustness.json and a page. The same command resumes.

    Example:
      vidact robustness runs/idm --suite doom --out runs/idm/robustness
    """

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """Checkpoint folder of an IDM, or `doom`, which ships."""
    out: Folder
    """Folder for robustness.json and robustness.html."""
    suite: Annotated[str, NONE_BY_DEFAULT] = ""
    """What is varied: `doom`, `crafter` or a YAML file; by default the suite of the IDM's spec."""
    data: Annotated[tuple[str, ...], NONE_BY_DEFAULT] = ()
    """Labelled play that it has not seen: folders of recordings, or recordings. Without any the
    suite's game is played on maps for tests.
    """
    clips: Annotated[int, Field(ge=2)] = 24
    """Clips for each point of a curve, the same for all points."""
    points: PositiveInt = 3
    """Points of a curve on each side of play as recorded."""
    ticks: Annotated[int, Field(ge=8)] = 64
    """Ticks a clip."""
    adr: ADRConfig = field(default_factory=ADRConfig)
    """How ranges grow; `test_every` is of trainings alone."""
    max_tests: NonNegativeInt = 400
    """Tests of boundaries, unless all stop before; 0 draws the curves alone."""
    recorders: PositiveInt = 1
    """Processes that have the game draw play anew."""
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    """Of clips and tests."""
    device: str = "auto"
    """cpu, cuda or auto."""
    threads: NonNegativeInt = 0
    """Threads of the network; 0 leaves it to torch."""
