"""Settings of the verbs that read and write formats of other projects."""

from __future__ import annotations

from typing import Annotated, Literal

import tyro
from pydantic import Field, NonNegativeInt

from ...options import ONCE_POSITIONAL, several
from ...settings import Formerly, LocalPath, must_be, named_like, settings
from ..config import DatasetPlace


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


@settings()
class ImportLerobotConfig:
    """Bring a LeRobot dataset (version 3) of any game into our format.

    Every episode becomes a recording. Numbers of the action become buttons (held above 0.5) and
    axes by their names, which have to be those of the action spec; exports of ours bring theirs.
    Quirks are mended and counted in OUT/import_report.json, with each episode that could not be
    read. What was imported before is not done again.

    Example:
      vidact import lerobot data/lerobot --out recordings --spec mygame.yaml
    """

    dataset: DatasetPlace
    """The dataset: a folder on this machine."""
    out: LocalPath
    """The folder to write recordings to."""
    spec: str = ""
    """The action spec, built in or a YAML file; by default the one that an export of ours names."""
    camera: str = ""
    """The feature of frames, such as `screen` of `observation.images.screen`; by default the only
    one.
    """
    height: Annotated[int, Field(ge=0, le=8192)] = 0
    """Largest height of the frames in pixels, to which larger video is scaled down; 0 keeps its
    height.
    """
    license: str = ""
    """License of the recordings; by default the one that the dataset tells."""
    threads: NonNegativeInt = 0
    """Episodes imported at a time; 0: one a core."""
    strict: bool = False
    """Exit with 1 if any episode had to be left out."""


@settings()
class ImportP2PConfig:
    """Bring recordings of open-p2p (Pixels2Play, Recap) of any game into our format.

    Reads folders with an `annotation.proto` and a `video.mp4` (else `192x192.mp4`) beside it. Line
    i holds the keys, buttons and motion of annotation i; where no action is known there is no
    label. Quirks are mended and counted in OUT/import_report.json, with each recording that could
    not be read. What was imported before is not done again. Not tried on published data.

    Example:
      vidact import p2p dataset --out recordings
    """

    files: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        several("FILES"),
        must_be("at least one proto file or folder", bool),
    ]
    """Annotations, or folders of them, at any depth."""
    out: LocalPath
    """The folder to write recordings to."""
    spec: str = ""
    """An action spec that recordings name, where it is a built-in one."""
    height: Annotated[int, Field(ge=0, le=8192)] = 0
    """Largest height of the frames in pixels, to which larger video is scaled down; 0 keeps its
    height, and copies the video.
    """
    max_mismatch: NonNegativeInt = 20
    """How many frames and annotations of a recording may differ in number (1 s); with more it is
    left out.
    """
    license: str = ""
    """License of the recordings; by default the one that a README.md beside or above them tells."""
    threads: NonNegativeInt = 0
    """Recordings imported at a time; 0: one a core."""
    strict: bool = False
    """Exit with 1 if any recording had to be left out."""


@settings()
class ExportLerobotConfig:
    """Write a dataset in LeRobot's format, version 3.0.

    Actions become a float32 vector with names: buttons as 0 or 1, then axes, each in its unit.
    Frames are copied, not encoded again. The same command resumes a run that was stopped.

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
    camera: Annotated[
        str, named_like("[A-Za-z][A-Za-z0-9_]*", "letters, digits and underscores")
    ] = "screen"
    """The frames' name: the feature is `observation.images.screen`."""


@settings()
class ExportOwamcapConfig:
    """Write a dataset as OWAMcap recordings, which Open World Agents' tools read.

    An episode becomes an mcap of messages (screen, keyboard, raw mouse, window) and the mp4 beside
    it. Frames are copied, not encoded again. Motion is in whole pixels; a tick without a label is
    one in which another window has the focus. The same command resumes a run that was stopped.

    Example:
      vidact export owamcap runs/dataset --out runs/owamcap
    """

    dataset: DatasetPlace
    """The dataset: a folder or an fsspec URL."""
    out: str
    """The folder to write: a local one."""
    split: Literal["", "train", "val", "test"] = ""
    """Only this split; all of them if empty, each in a folder of its own."""
