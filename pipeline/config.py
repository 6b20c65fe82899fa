"""Settings of the labelling job. Loads neither torch nor Beam, so that `--help` is instant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from ..datasets.config import DecoderConfig, require
from ..errors import ConfigError
from ..settings import several

GRID = 64  # ticks: segments start at multiples of the stride of the IDM's windows
CLIP_TICKS = 128  # ticks of a full clip; segments are multiples of it, so that only a stretch's last clip is short
MIN_CLIP_TICKS = (
    32  # ticks: anything shorter is too short to train on and is dropped, counted as `short`
)


def _refuse_dask(runner: str) -> None:
    if runner.lower() == "daskrunner":
        raise ConfigError(
            "runner is DaskRunner, which loses data: in Beam 2.77 it drops what finish_bundle emits, mixes tagged "
            "outputs, computes only the last branch, and reports DONE; use `local` or a portable runner "
            "(docs/guides/many_machines.md)"
        )


def share_of(text: str) -> float:
    """`5%` or `0.05` as a number in [0, 1]. Raises ConfigError."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    require(0 <= share <= 1, "previews", text, "a share such as 5% or 0.05")
    return share


@dataclass(frozen=True, kw_only=True, slots=True)
class LayoutConfig:
    """How sources are cut into segments and segments are packed into shards. Decided once, kept in `plan.parquet`."""

    segment_ticks: int = 1024
    """Longest segment, in ticks: what a crash of the decoder costs, and (at 49 kB a tick) what a worker holds."""
    shard_ticks: int = 44_000
    """Longest shard, in ticks: about 90 MB at 2 kB a tick."""
    min_shards: int = 32
    """Least number of shards of a new plan, however little video there is: 4 for each of 8 workers. More workers than
    that get 4 each. Segments are shortened (not below 256 ticks) to reach it."""
    val_fraction: float = 0.05
    """Share of the sources (by hash of their group, or of their content) that goes to the split `val`."""
    test_fraction: float = 0.0
    """Share of the sources that goes to the split `test`."""
    seed: int = 0
    """Seed of the hash that deals out splits."""
    near_duplicates: bool = True
    """Look at pictures of videos that are equally long, and plan re-encodes of one only once."""

    def __post_init__(self) -> None:
        ok = self.segment_ticks >= 256 and self.segment_ticks % CLIP_TICKS == 0
        require(
            ok,
            "layout.segment_ticks",
            self.segment_ticks,
            f"a multiple of {CLIP_TICKS}, at least 256",
        )
        require(
            self.shard_ticks >= self.segment_ticks,
            "layout.shard_ticks",
            self.shard_ticks,
            ">= segment_ticks",
        )
        require(self.min_shards >= 1, "layout.min_shards", self.min_shards, "at least 1")
        for name in ("val_fraction", "test_fraction"):
            require(
                0 <= getattr(self, name) <= 1, f"layout.{name}", getattr(self, name), "within 0..1"
            )
        both = self.val_fraction + self.test_fraction
        require(both <= 1, "layout.val_fraction + layout.test_fraction", both, "at most 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterConfig:
    """Which ticks carry no play: a new scene starts a new stretch; frozen and black ticks are dropped."""

    cut_difference: float = 30.0
    """Least mean absolute difference (levels of 255) between neighbouring ticks at a scene cut."""
    cut_histogram: float = 0.6
    """Least distance of the two colour histograms (0 the same, 1 nothing in common) at a scene cut: a fast turn changes
    every pixel but keeps most of the colours."""
    cut_likeness: float = 5.5
    """Largest likeness of the two pictures at a scene cut: how far the correlation of their local contrast stands out
    at the shift that fits best, in standard deviations over all shifts. A flash of colour over the whole screen keeps
    what is to be seen there. All three must hold."""
    frozen_difference: float = 4.0
    """Two neighbouring ticks show the same picture when no block (8 x 8 of them) differs by this mean (levels of 255).
    It forgives what a codec's key frames change, but not a moving number in a status bar."""
    frozen_ticks: int = 64
    """Ticks without change from which a stretch counts as frozen (a paused game, a stalled stream)."""
    black_level: int = 16
    """A tick is black when 99 % of its values are below this level of 255."""

    def __post_init__(self) -> None:
        require(
            0 <= self.cut_difference <= 255,
            "filter.cut_difference",
            self.cut_difference,
            "within 0..255",
        )
        require(
            0 <= self.cut_histogram <= 1, "filter.cut_histogram", self.cut_histogram, "within 0..1"
        )
        require(
            0 <= self.cut_likeness <= 100, "filter.cut_likeness", self.cut_likeness, "within 0..100"
        )
        require(
            0 <= self.frozen_difference <= 255,
            "filter.frozen_difference",
            self.frozen_difference,
            "0..255",
        )
        require(
            2 <= self.frozen_ticks <= 1024,
            "filter.frozen_ticks",
            self.frozen_ticks,
            "within 2..1024",
        )
        require(
            0 <= self.black_level <= 255, "filter.black_level", self.black_level, "within 0..255"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanConfig:
    """Probe sources and lay out which stretch of which video goes into which shard.

    Example:
        vidact plan videos/ s3://bucket/more/*.mp4 --spec doom --out dataset
    """

    sources: Annotated[tuple[str, ...], tyro.conf.Positional, several("SOURCES")]
    """Files, folders, globs, fsspec URLs, or tables (csv, parquet) with a `uri` column."""
    out: str
    """The dataset: a folder or a bucket prefix. An existing plan is extended; no shard is renamed."""
    spec: str = "doom"
    """Action spec (name or YAML file), for its tick rate."""
    workers: int = 0
    """How many probe at a time, and that the plan will be balanced for; 0 for one a core."""
    runner: str = "local"
    """Beam runner that probes: `local`, or the name of a portable one, used for more than 64 new sources."""
    beam_options: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Options for that runner, one `--beam-options=--name=value` each."""
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)

    def __post_init__(self) -> None:
        require(
            len(self.sources) > 0,
            "sources",
            self.sources,
            "at least one file, folder, glob, URL or table",
        )
        require(self.workers >= 0, "workers", self.workers, "0 (one a core) or more")
        _refuse_dask(self.runner)


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineConfig:
    """How a job over shards is run: workers, engine, restarts, displays."""

    workers: int = 0
    """Worker processes on this machine; 0 for one a core (or one a GPU)."""
    device: str = "auto"
    """Where the model runs: `auto`, `cpu`, `cuda`, `cuda:1` …"""
    allow_other_environment: bool = False
    """Go on with a dataset that was begun under other library versions, CPU or GPU (the bytes of the rest may differ;
    recorded in dataset.json)."""
    stall_s: float = 900.0
    """Seconds without any sign of life from any worker after which they are killed and started again."""
    max_restarts: int = 5
    """Restarts in a row without a new shard after which the job gives up (exit 75)."""
    runner: str = "local"
    """Beam runner: `local` (worker processes on this machine, supervised), or the name of a portable one, such as
    `FlinkRunner`, `SparkRunner`, `DataflowRunner`."""
    beam_options: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Options for that runner, one `--beam-options=--name=value` each."""
    progress_json: bool = False
    """Print progress as JSON lines on stdout."""
    metrics_port: int = 0
    """Serve the progress as Prometheus metrics on this port of the loopback interface; 0 for not."""
    verify: bool = True
    """Verify what is new at the end."""

    def __post_init__(self) -> None:
        require(self.workers >= 0, "workers", self.workers, "0 (one a core) or more")
        require(self.stall_s > 0, "stall_s", self.stall_s, "above 0")
        require(self.max_restarts >= 0, "max_restarts", self.max_restarts, "0 or more")
        require(0 <= self.metrics_port < 65536, "metrics_port", self.metrics_port, "a port, or 0")
        _refuse_dask(self.runner)


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelConfig(EngineConfig):
    """Label strangers' video: plan what is new, label it through Apache Beam, verify it.

    Running it again does only what is missing.

    Example:
        vidact label videos/ --idm runs/idm --out dataset --workers 2
    """

    sources: Annotated[tuple[str, ...], tyro.conf.Positional, several("SOURCES")]
    """Files, folders, globs, fsspec URLs, or tables (csv, parquet) with a `uri` column."""
    idm: str
    """The inverse dynamics model: a checkpoint folder, or `doom`, which ships. Its action spec is the dataset's."""
    out: str
    """The dataset: a folder or a bucket prefix."""
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    filter: FilterConfig = field(default_factory=FilterConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    chroma: str = "420"
    """Chroma of the clips' video: `420` (plays everywhere) or `444` (2-4 dB nearer to the source)."""
    previews: str = "0%"
    """Share of the clips, the least certain ones, of which larger pictures (360 lines) are kept in `previews/`, so that
    people can correct their labels when the sources are gone."""
    strict: bool = False
    """Exit 1 when anything went to the dead letters."""
    drop_missing: bool = False
    """Send what is missing or changed since it was planned to the dead letters, instead of waiting for its return."""
    retry_quarantined: bool = False
    """Try segments again that killed their worker twice."""

    def __post_init__(self) -> None:
        EngineConfig.__post_init__(self)  # `super()` does not work in dataclasses with slots
        require(
            len(self.sources) > 0,
            "sources",
            self.sources,
            "at least one file, folder, glob, URL or table",
        )
        share_of(self.previews)
        require(self.chroma in ("420", "444"), "chroma", self.chroma, "420 or 444")


@dataclass(frozen=True, kw_only=True, slots=True)
class RelabelConfig(EngineConfig):
    """Labels of another IDM for the same pixels: a new dataset in which only the labels differ.

    Example:
        vidact relabel dataset --idm runs/better-idm --out dataset2
    """

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """A finished dataset."""
    idm: str
    """The model that labels; its action spec must be the dataset's."""
    out: str
    """The dataset to write: a folder or a bucket prefix."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoveConfig:
    """Take sources out of a dataset for good, as their owners may ask: pixels, labels, names.

    Shards are rewritten without them; a tombstone with the hash of the content stays, so that labelling again does not
    bring it back.

    Example:
        vidact remove dataset --source 3f786850e387
    """

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """The dataset: a folder or a bucket prefix."""
    source: Annotated[tuple[str, ...], tyro.conf.UseAppendAction]
    """URI of a source, its content hash, or the beginning of one (8 digits at least); several by repeating it."""

    def __post_init__(self) -> None:
        require(len(self.source) > 0, "source", self.source, "at least one URI or content hash")
