"""Settings of the verbs that read and write data at rest. Imports neither torch nor Beam."""

from __future__ import annotations

from typing import Annotated, Literal

import tyro
from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt

from ..options import ONCE_POSITIONAL, several
from ..settings import Formerly, LocalPath, Share, must_be, require, settings
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
    """A built-in spec (doom, crafter, minecraft; an older version as crafter@1) or a YAML file; by
    default the one that recordings name, else doom.
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
    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]*$")] = "mygame"
    """The spec's name."""
    tick_hz: Annotated[float, Field(ge=0, le=240)] = 0.0
    """Ticks per second; 0 takes the frames' rate, or the whole part of it that is at most 20."""
    min_presses: PositiveInt = 3
    """Inputs with fewer presses are left out, and named in a comment."""


@settings()
class ImportVPTConfig:
    """Bring OpenAI's contractor recordings of Minecraft into our format.

    Reads an index file or a folder (6.x to 10.x, BASALT) and fixes the known quirks of the
    recordings.

    Example:
      vidact import vpt all_7xx_Apr_6.json --out runs/vpt --limit 10
    """

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """An index (`all_7xx_Apr_6.json`: basedir and relpaths), or a folder of mp4 and jsonl files."""
    out: Annotated[str, ONCE_POSITIONAL]
    """The folder to write recordings to."""
    limit: NonNegativeInt = 0
    """Import at most this many recordings; 0 for all."""
    draw_cursor: bool = True
    """Draw a cursor into frames with an open GUI; the recorder left it out."""
    max_mismatch: Annotated[NonNegativeInt, Formerly("most_mismatch")] = 20
    """How many frames and lines of a recording may differ in number (1 s); with more it is left
    out.
    """
    basedir: str = ""
    """Where the files are, instead of the index's own basedir."""
    threads: Annotated[NonNegativeInt, Formerly("workers")] = 0
    """Recordings imported at a time; 0: one a core."""
    strict: bool = False
    """Exit with 1 if any recording had to be left out."""


@settings()
class ImportOwamcapConfig:
    """Bring OWAMcap recordings (ocap, D2E) of any game into our format.

    Reads mcap files, and the video beside each (mkv, mp4). Frames come at an equal rate, each with
    the keys, buttons, wheel and raw motion that followed it; inputs while another window had the
    focus are left out. Quirks are mended and counted in OUT/import_report.json, with each file that
    could not be read. What was imported before is not done again.

    Example:
      vidact import owamcap D2E-480p/Apex_Legends --out runs/apex --window apex
    """

    files: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        several("FILES"),
        must_be("at least one mcap file or folder", bool),
    ]
    """Mcap files, or folders of them, at any depth."""
    out: LocalPath
    """The folder to write recordings to."""
    spec: str = ""
    """An action spec, built in or a YAML file, at whose rate frames are taken, and which recordings
    name (where it is built in).
    """
    fps: Annotated[float, Field(ge=0, le=240)] = 0.0
    """Frames per second; 0 takes the spec's rate, else 20."""
    height: Annotated[int, Field(ge=0, le=8192)] = 0
    """Largest height of the frames in pixels, to which larger video is scaled down; 0 keeps its
    height.
    """
    window: str = ""
    """A part of the title of the window whose inputs count; by default the one that had the focus
    most of the time.
    """
    any_window: bool = False
    """Inputs count whatever window has the focus: recordings of a whole desktop."""
    license: str = ""
    """Licence of the recordings; by default the one that the file or the README.md beside it, or
    above it in a named folder, tells.
    """
    threads: NonNegativeInt = 0
    """Recordings imported at a time; 0: one a core."""
    strict: bool = False
    """Exit with 1 if any recording had to be left out."""


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
    """A built-in spec (doom, crafter, minecraft; an older version as crafter@1) or a YAML file; by
    default the one that recordings name, else doom.
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


# ---- datasets in formats of other projects


@settings()
class ExportLerobotConfig:
    """Write a dataset in LeRobot's format, version 3.0.

    Actions become a float32 vector with names: buttons as 0 or 1, then axes in degrees. Frames are
    copied, not encoded again. The same command resumes a run that was stopped.

    Example:
      vidact export lerobot runs/dataset --out runs/lerobot
    """

    dataset: DatasetPlace
    """The dataset: a folder or an fsspec URL."""
    out: str
    """The folder to write: a local one."""
    split: Literal["", "train", "val", "test"] = ""
    """Only this split; all of them if empty, one after the other."""
    task: str = ""
    """What is done, in words, for policies that read it; if empty, `Play NAME.` with the spec's
    name.
    """
    camera: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")] = "screen"
    """The frames' name: the feature is `observation.images.screen`."""
