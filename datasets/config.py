"""Settings of the verbs that read and write data at rest. Imports neither torch nor Beam."""

from __future__ import annotations

from typing import Annotated, Literal

import tyro
from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt

from ..options import several
from ..settings import Share, must_be, named_like, require, settings
from .loading.conditions import Condition

Chroma = Annotated[Literal["420", "444"], BeforeValidator(str)]  # YAML reads 420 as a number
Recordings = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    several("RECORDINGS"),
    must_be("at least one folder, mp4 file or stem", bool),
]

DatasetPlace = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]


@settings()
class SpecCheckConfig:
    """Show what an action spec loses on recorded play, and whether labels are shifted.

    Prints the R² ceiling of each axis after quantizing, which inputs of the recordings no button
    takes up, and whether pictures show what was done some ticks earlier or later than the labels
    say (exit code 1). A shift of one tick is not told from none.

    Example:
      vidact spec check runs/play --spec doom
    """

    recordings: Recordings
    """Recordings: folders, mp4 files or stems."""
    spec: str = ""
    """A built-in spec (doom, crafter, minecraft, luanti, gamepad, desktop …; an older version as
    crafter@1) or a YAML file; by default the one that recordings name, else doom, but for
    recordings of screens and imports.
    """
    json: bool = False
    """Print the report as JSON."""
    look_at_pictures: bool = True
    """Decode pictures, up to four minutes of up to 12 recordings, to look for a shift."""


@settings()
class SpecInferConfig:
    """Draft an action spec from recorded play.

    Keys and buttons that were pressed become buttons, motion of the mouse becomes axes with bins
    that cost little, and the tick rate follows from the frames. The draft works as it is; read it,
    and give the buttons their names.

    Example:
      vidact spec infer runs/mine --name mygame --out mygame.yaml
    """

    recordings: Recordings
    """Recordings: folders, mp4 files or stems."""
    out: str = ""
    """The YAML file to write; by default the draft is printed."""
    name: Annotated[
        str, named_like("[A-Za-z][A-Za-z0-9._-]*", "letters, digits, dots, dashes and underscores")
    ] = "mygame"
    """The spec's name."""
    tick_hz: Annotated[float, Field(ge=0, le=240)] = 0.0
    """Ticks per second; 0 takes the frames' rate, or the whole part of it that is at most 20."""
    min_presses: PositiveInt = 3
    """Inputs with fewer presses are left out, and named in a comment."""


# ---- datasets at rest: pack, status, inspect


@settings()
class PackConfig:
    """Make shards from recordings with their true actions.

    Example:
      vidact pack runs/play --out runs/dataset-true
    """

    recordings: Recordings
    """Recordings: folders, mp4 files or stems."""
    out: str
    """The dataset to write: a folder or an fsspec URL."""
    spec: str = ""
    """A built-in spec (doom, crafter, minecraft, luanti, gamepad, desktop …; an older version as
    crafter@1) or a YAML file; by default the one that recordings name, else doom, but for
    recordings of screens and imports.
    """
    name: str = ""
    """Title of the data card; the folder's name if empty."""
    license: str = "other"
    """SPDX name of the licence, for the data card."""
    all_phases: bool = False
    """Take every possible first frame: 35 frames/s at 17.5 ticks/s give two clips of each moment.
    """
    val_fraction: Share = 0.05
    """Share of recordings in the split val."""
    test_fraction: Share = 0.05
    """Share of recordings in the split test."""
    split_seed: int = 0
    """Another seed divides the recordings otherwise."""
    shard_clips: PositiveInt = 256
    """Clips in a shard; 256 of 128x128 pixels are about 70 MB."""
    chroma: Chroma = "420"
    """Colour resolution of the video: 420 (decodes fastest) or 444 (keeps coloured edges)."""
    threads: NonNegativeInt = 0
    """Shards written side by side; 0 takes one a core."""

    def __post_init__(self) -> None:
        both = self.val_fraction + self.test_fraction
        require(both <= 1, "val_fraction + test_fraction", both, "at most 1")


@settings()
class StatusConfig:
    """Show how far a labeling job is: done, to do, dropped and why.

    Example:
      vidact status runs/dataset
    """

    dataset: DatasetPlace
    """The dataset: a folder or an fsspec URL."""
    json: bool = False
    """Print it as JSON."""


@settings()
class InspectConfig:
    """Show a clip of a dataset: its labels, its lineage, and a picture of both.

    Or, with `--dropped`, what filters left out.

    Example:
      vidact inspect runs/dataset --out clip.png
      vidact inspect runs/dataset --dropped --out dropped.png
    """

    dataset: DatasetPlace
    """The dataset: a folder or an fsspec URL."""
    key: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[KEY]")] = ""
    """Key of a clip, or the beginning of one; if empty, the clip in which most different buttons
    are pressed.
    """
    out: str = ""
    """The picture: a PNG file. None is drawn if empty."""
    frames: PositiveInt = 12
    """Frames of the strip, or of the sheet of `--dropped`."""
    dropped: bool = False
    """List the stretches that were dropped as no play of the game, or as not clean, with the scores
    that were stored, nearest to being kept first; the picture shows frames of them, read from the
    sources. KEY is a reason then, such as `menu`; all reasons if empty.
    """


# ---- datasets from datasets: merge, split, subset, repack


@settings()
class CopyConfig:
    """How clips are copied into another dataset."""

    shard_mb: PositiveFloat = 90.0
    """Megabytes after which a shard is full."""
    threads: NonNegativeInt = 0
    """Shards written side by side; 0 takes one a core."""


@settings()
class MergeConfig(CopyConfig):
    """Make one dataset of several with the same action spec.

    Samples are copied bit by bit. A video that several have is taken from the first of them. The
    same command resumes a run that was stopped.

    Example:
      vidact merge runs/monday runs/tuesday --out runs/both
    """

    datasets: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        several("DATASETS"),
        must_be("at least two datasets", lambda datasets: len(datasets) > 1),
    ]
    """The datasets: folders or fsspec URLs."""
    out: str
    """The dataset to write: a folder or an fsspec URL."""
    name: str = ""
    """Title of the data card; the folder's name if empty."""


@settings()
class SubsetConfig(CopyConfig):
    """Make a dataset of the clips that meet conditions.

    Conditions are on columns of the manifest, such as `mean_confidence`, `source_uri`, `split`,
    `presses.attack`. Samples are copied bit by bit; the same command resumes a run that was
    stopped.

    Example:
      vidact subset runs/dataset --where 'mean_confidence >= 0.9' --out runs/sure
    """

    dataset: DatasetPlace
    """The dataset: a folder or an fsspec URL."""
    out: str
    """The dataset to write: a folder or an fsspec URL."""
    where: Annotated[
        tuple[Condition, ...],
        tyro.conf.UseAppendAction,
        must_be("at least one condition", bool),
    ]
    """A condition such as `frames >= 64` or `source_uri in [a.mp4, b.mp4]`; several by repeating
    it: all must hold.
    """
    name: str = ""
    """Title of the data card; the folder's name if empty."""


@settings()
class RepackConfig(CopyConfig):
    """Put the clips of a dataset into shards of one size.

    For datasets that grew by many small runs. Samples are copied bit by bit into a new dataset;
    the same command resumes a run that was stopped.

    Example:
      vidact repack runs/dust --out runs/dataset
    """

    dataset: DatasetPlace
    """The dataset: a folder or an fsspec URL."""
    out: str
    """The dataset to write: a folder or an fsspec URL."""
    name: str = ""
    """Title of the data card; the folder's name if empty."""


@settings()
class SplitConfig(CopyConfig):
    """Divide a dataset into several of about the same size that share no video.

    Writes OUT/part-0, OUT/part-1 … Samples are copied bit by bit; the splits train, val and test
    stay what they are; the same command resumes a run that was stopped.

    Example:
      vidact split runs/dataset --parts 4 --out runs/parts
    """

    dataset: DatasetPlace
    """The dataset: a folder or an fsspec URL."""
    out: str
    """The folder of the datasets to write."""
    parts: Annotated[int, Field(ge=2)]
    """How many datasets."""


@settings()
class PushConfig:
    """Send a dataset to the Hugging Face hub, with its card.

    Files that lie there already are not sent again, so that the same command resumes a run that
    was stopped; the tables and the card come last, in one commit. Sources that were taken down
    here go there, too. Log in with `hf auth login`, or set HF_TOKEN.

    Example:
      vidact push runs/dataset hf://datasets/me/doom --private
    """

    dataset: DatasetPlace
    """The dataset: a folder or an fsspec URL."""
    to: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="REPOSITORY")]
    """`hf://datasets/OWNER/NAME`, made where it is not there; `…@BRANCH` for another than main."""
    private: bool = False
    """Make the repository a private one, if it is not there."""
    endpoint: str = ""
    """Address of the hub, where it is not the public one; HF_ENDPOINT says the same."""
