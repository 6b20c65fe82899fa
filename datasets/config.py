"""Settings of the verbs that read and write data at rest. Imports neither torch nor Beam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from ..errors import ConfigError
from ..settings import several
from .video.limits import MAX_PIXELS, MEMORY_GIB


def require(ok: bool, name: str, value: object, allowed: str) -> None:
    if not ok:
        raise ConfigError(
            f"{name} is {value!r}, but must be {allowed}"
            if value != ()
            else f"{name}: give {allowed}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderConfig:
    """Limits of the child process that decodes strangers' bytes."""

    child: bool = True
    """Decode in a child process of the worker, so that a crash, a hang or bloat costs one segment."""
    memory_gib: float = MEMORY_GIB
    """Address space of the child, GiB (the libraries alone map about 1)."""
    max_pixels: int = MAX_PIXELS
    """Largest picture that is decoded, pixels."""
    stall_s: float = 30.0
    """Seconds without a new batch of frames after which the child is killed."""

    def __post_init__(self) -> None:
        require(self.memory_gib >= 1, "decoder.memory_gib", self.memory_gib, "at least 1")
        require(self.max_pixels >= 1, "decoder.max_pixels", self.max_pixels, "at least 1")
        require(self.stall_s > 0, "decoder.stall_s", self.stall_s, "above 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class SpecCheckConfig:
    """What an action spec loses on recorded play."""

    recordings: Annotated[tuple[str, ...], tyro.conf.Positional, several("RECORDINGS")]
    """Recordings: folders, mp4 files or stems."""
    spec: str = ""
    """A built-in spec (doom, crafter, minecraft) or a YAML file; by default the one that recordings name, else doom."""
    json: bool = False
    """Print the report as JSON."""

    def __post_init__(self) -> None:
        if not self.recordings:
            raise ConfigError("recordings must name a folder, mp4 file or stem at least")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportVPTConfig:
    """OpenAI's contractor and BASALT recordings, mended and brought to our format."""

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """An index (`all_7xx_Apr_6.json`: basedir and relpaths), or a folder of mp4 and jsonl files."""
    out: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """The folder to write recordings to."""
    limit: int = 0
    """Import at most this many recordings; 0 for all."""
    draw_cursor: bool = True
    """Draw a cursor into frames with an open GUI; the recorder left it out."""
    most_mismatch: int = 20
    """How many frames and lines of a recording may differ in number (1 s); with more it is left out."""
    basedir: str = ""
    """Where the files are, instead of the index's own basedir."""
    workers: int = 0
    """Recordings imported at a time; 0: one a core."""
    strict: bool = False
    """Exit with 1 if any recording had to be left out."""

    def __post_init__(self) -> None:
        for name in ("limit", "most_mismatch", "workers"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be 0 or more, got {getattr(self, name)}")


# ---- datasets at rest: pack, verify, status, inspect


@dataclass(frozen=True, kw_only=True, slots=True)
class PackConfig:
    """Recordings with their true actions, as a dataset."""

    recordings: Annotated[tuple[str, ...], tyro.conf.Positional, several("RECORDINGS")]
    """Recordings: folders, mp4 files or stems."""
    out: str
    """The dataset to write: a folder or an fsspec URL."""
    spec: str = ""
    """A built-in spec (doom, crafter, minecraft) or a YAML file; by default the one that recordings name, else doom."""
    name: str = ""
    """Title of the data card; the folder's name if empty."""
    license: str = "other"
    """SPDX name of the licence, for the data card."""
    all_phases: bool = False
    """Take every possible first frame: 35 frames/s at 17.5 ticks/s give two clips of each moment."""
    val_fraction: float = 0.05
    """Share of recordings in the split val."""
    test_fraction: float = 0.05
    """Share of recordings in the split test."""
    split_seed: int = 0
    """Another seed divides the recordings otherwise."""
    shard_clips: int = 256
    """Clips in a shard; 256 of 128x128 pixels are about 70 MB."""
    chroma: str = "420"
    """Colour resolution of the video: 420 (decodes fastest) or 444 (keeps coloured edges)."""
    threads: int = 0
    """Shards written side by side; 0 takes one a core."""

    def __post_init__(self) -> None:
        if self.threads < 0:
            raise ConfigError(f"threads must be 0 or more, got {self.threads}")
        if not self.recordings:
            raise ConfigError("recordings must name a folder, mp4 file or stem at least")
        for field in ("val_fraction", "test_fraction"):
            if not 0 <= getattr(self, field) <= 1:
                raise ConfigError(f"{field} must be from 0 to 1, got {getattr(self, field)}")
        if self.val_fraction + self.test_fraction > 1:
            raise ConfigError("val_fraction and test_fraction must not exceed 1 together")
        if self.shard_clips < 1:
            raise ConfigError(f"shard_clips must be 1 or more, got {self.shard_clips}")
        if self.chroma not in ("420", "444"):
            raise ConfigError(f"chroma must be 420 or 444, got {self.chroma!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyConfig:
    """Check a dataset against itself: hashes, labels, frames, splits."""

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """The dataset: a folder or an fsspec URL."""
    decode: bool = True
    """Decode every frame; without it, videos are only checked by their checksum."""
    threads: int = 2
    """Shards checked at a time."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ConfigError(f"threads must be 1 or more, got {self.threads}")


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusConfig:
    """What a dataset holds, and what is still to be done."""

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """The dataset: a folder or an fsspec URL."""
    json: bool = False
    """Print it as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InspectConfig:
    """A clip as a picture: its frames over the lanes of its labels."""

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """The dataset: a folder or an fsspec URL."""
    key: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[KEY]")] = ""
    """Key of a clip, or the beginning of one; if empty, the clip in which most different buttons are pressed."""
    out: str = ""
    """The PNG to write; KEY.png in the working directory if empty."""
    frames: int = 12
    """Frames of the strip."""

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ConfigError(f"frames must be 1 or more, got {self.frames}")
