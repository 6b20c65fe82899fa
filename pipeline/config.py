"""Settings of the labelling job. Loads neither torch nor Beam, so that `--help` is instant."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

import tyro
from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from ..datasets.config import Chroma, DatasetPlace
from ..datasets.shards.lengths import CLIP_TICKS
from ..datasets.video.config import DecoderConfig
from ..datasets.video.view import MEASURED, View
from ..errors import ConfigError
from ..options import NONE_BY_DEFAULT, several, top_level
from ..settings import Formerly, Later, Port, Replaces, Share, must_be, require, settings
from .filtering.config import CleanConfig

GRID = 64  # ticks: segments start at multiples of the stride of the IDM's windows


def _refuse_dask(runner: str) -> str:
    if runner.lower() == "daskrunner":
        raise ConfigError(
            "runner is DaskRunner, which loses data: in Beam 2.77 it drops what finish_bundle "
            "emits, mixes tagged outputs, computes only the last branch, and reports DONE; "
            "use `local` or a portable runner "
            "(docs/guides/many_machines.md)"
        )
    return runner


def share_of(text: str) -> float:
    """`5%` or `0.05` as a number in [0, 1]. Raises ConfigError."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    require(0 <= share <= 1, "previews", text, "a share such as 5% or 0.05")
    return share


def _require_part(text: str) -> str:
    number, _, count = text.partition("/")
    ok = not text or (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count))
    require(ok, "part", text, "I/N with I from 1 to N, such as 3/64")
    return text


def _require_view(text: str) -> str:
    if text and text != MEASURED:
        try:
            View.parse(text)
        except ValueError:
            say = "auto, or left,top,right,bottom: shares of the sides such as 0.125,0,0.875,1"
            require(False, "view", text, say)
    return text


def _require_share(text: str) -> str:
    share_of(text)
    return text


Sources = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    several("SOURCES"),
    must_be("at least one file, folder, glob, URL or table", bool),
]
Runner = Annotated[str, AfterValidator(_refuse_dask)]
RetriedReasons = Annotated[
    tuple[
        Literal[
            "damaged",
            "decoder_crashed",
            "decoder_hung",
            "ended_early",
            "error",
            "killed_worker",
            "memory_limit",
            "source_changed",
            "source_missing",
            "truncated",
            "unreachable",
        ],
        ...,
    ],
    Replaces("retry_quarantined", "killed_worker"),
    NONE_BY_DEFAULT,
]
"""Reasons of the dead letters that labeling writes."""
Rules = Annotated[str, NONE_BY_DEFAULT, Later("")]
BeamOptions = Annotated[tuple[str, ...], tyro.conf.UseAppendAction]
Level = Annotated[float, Field(ge=0, le=255)]
"""Of a color channel."""


@settings(place="layout")
class LayoutConfig:
    """How sources are cut into segments and segments are packed into shards. Decided once, kept in
    `plan.parquet`.
    """

    segment_ticks: Annotated[int, Field(ge=256, multiple_of=CLIP_TICKS)] = 1024
    """Longest segment, in ticks: what a crash of the decoder costs, and (at 49 kB a tick) what a
    worker holds.
    """
    shard_ticks: int = 44_000
    """Longest shard, in ticks: about 90 MB at 2 kB a tick."""
    min_shards: PositiveInt = 32
    """Least number of shards of a new plan, however little video there is: 4 for each of 8 workers.
    More workers than that get 4 each. Segments are shortened (not below 256 ticks) to reach it.
    """
    val_fraction: Share = 0.05
    """Share of the sources (by hash of their group, or of their content) that goes to the split
    `val`.
    """
    test_fraction: Share = 0.0
    """Share of the sources that goes to the split `test`."""
    split_seed: Annotated[int, Formerly("seed"), top_level("split-seed")] = 0
    """Seed of the hash that deals out splits."""
    near_duplicates: bool = True
    """Look at pictures of videos that are equally long, and plan re-encodes of one only once."""

    def __post_init__(self) -> None:
        ticks, enough = self.shard_ticks, f"at least layout.segment_ticks ({self.segment_ticks})"
        require(ticks >= self.segment_ticks, "layout.shard_ticks", ticks, enough)
        both = self.val_fraction + self.test_fraction
        require(both <= 1, "layout.val_fraction + layout.test_fraction", both, "at most 1")


@settings(place="filter")
class FilterConfig:
    """Which ticks carry no play: a new scene starts a new stretch; frozen and black ticks are
    dropped.
    """

    cut_difference: Level = 30.0
    """Least mean absolute difference (levels of 255) between neighbouring ticks at a scene cut."""
    cut_histogram: Share = 0.6
    """Least distance of the two colour histograms (0 the same, 1 nothing in common) at a scene cut:
    a fast turn changes every pixel but keeps most of the colours.
    """
    cut_likeness: Annotated[float, Field(ge=0, le=100)] = 5.5
    """Largest likeness of the two pictures at a scene cut: how far the correlation of their local
    contrast stands out at the shift that fits best, in standard deviations over all shifts. A flash
    of colour over the whole screen keeps what is to be seen there. All three must hold.
    """
    frozen_difference: Level = 4.0
    """Two neighbouring ticks show the same picture when no block (8 x 8 of them) differs by this
    mean (levels of 255). It forgives what a codec's key frames change, but not a moving number in a
    status bar.
    """
    frozen_ticks: Annotated[int, Field(ge=2, le=1024)] = 64
    """Ticks without change from which a stretch counts as frozen (a paused game, a stalled stream).
    """
    black_level: Annotated[int, Field(ge=0, le=255)] = 16
    """A tick is black when 99 % of its values are below this level of 255."""


@settings()
class PlanConfig:
    """Probe videos and lay out which part goes into which shard.

    Writes `plan.parquet`; `label` makes the plan itself where it is missing.

    Example:
      vidact plan videos/ 's3://bucket/more/*.mp4' --spec doom --out runs/dataset
    """

    sources: Sources
    """Files, folders, globs, fsspec URLs, or tables (csv, parquet) with a `uri` column."""
    out: str
    """The dataset: a folder or a bucket prefix. An existing plan is extended; no shard is renamed.
    """
    spec: str = "doom"
    """Action spec (name or YAML file), for its tick rate."""
    rules: Rules = ""
    """A YAML file of rules on what source tables say (title, description, tags, duration, licence):
    which sources to leave out. Every decision is kept in `source_rules.parquet`.
    """
    workers: NonNegativeInt = 0
    """How many probe at a time, and that the plan will be balanced for; 0 for one a core."""
    runner: Runner = "local"
    """Beam runner that probes: `local`, or the name of a portable one, used for more than 64 new
    sources.
    """
    beam_options: BeamOptions = ()
    """Options for that runner, one `--beam-options=--name=value` each."""
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)


@settings()
class EngineConfig:
    """How a job over shards is run: workers, engine, restarts, displays."""

    workers: NonNegativeInt = 0
    """Worker processes on this machine; 0 for one a core (or one a GPU)."""
    device: str = "auto"
    """Where the model runs: `auto`, `cpu`, `cuda`, `cuda:1` …"""
    allow_other_environment: bool = False
    """Resume a dataset that was begun under other library versions, CPU or GPU (the bytes of
    the rest may differ; recorded in dataset.json).
    """
    stall_s: PositiveFloat = 900.0
    """Seconds without any sign of life from any worker after which they are killed and started
    again.
    """
    drain_s: NonNegativeFloat = 25.0
    """Seconds that workers get after SIGTERM to finish the shards that they are at."""
    max_restarts: NonNegativeInt = 5
    """Restarts in a row without a new shard after which the job gives up (exit 75)."""
    max_failed_share: Share = 0.01
    """Largest share of the video that may fail with an error of the program (dead letters `error`):
    above it the job exits with 1.
    """
    retry_dead_letters: RetriedReasons = ()
    """Try again what went to the dead letters for these reasons, such as `killed_worker` (a segment
    that killed its worker twice) or `decoder_hung`. `unreachable` sources are tried by every run.
    """
    scratch: Annotated[str, NONE_BY_DEFAULT] = ""
    """Local folder, on each worker's machine, for sources that are fetched from elsewhere and for
    unfinished shards of a dataset elsewhere; a folder of temporary files unless given. A source is
    fetched only where there is room for it.
    """
    runner: Runner = "local"
    """Beam runner: `local` (worker processes on this machine, supervised), or the name of a
    portable one, such as `FlinkRunner`, `SparkRunner`, `DataflowRunner`.
    """
    beam_options: BeamOptions = ()
    """Options for that runner, one `--beam-options=--name=value` each."""
    progress_json: bool = False
    """Print progress as JSON lines on stdout."""
    metrics_port: Port = 0
    """Serve progress and workers as Prometheus metrics on this port; 0 for not."""
    metrics_host: str = "127.0.0.1"
    """The address on which the metrics are served: the loopback interface unless given; `0.0.0.0`
    for all of this machine. They tell no names of sources, but anybody who reaches it can read.
    """
    verify: bool = True
    """Verify what is new at the end."""


@settings()
class LabelConfig(EngineConfig):
    """Label videos with an IDM: a Beam job that writes WebDataset shards.

    Plans, labels and verifies what is new; a second run does only what is missing. What cannot be
    decoded is listed in `dead_letters.parquet` with its reason, never labeled.

    Example:
      vidact label 'videos/*.mp4' --idm runs/idm --out runs/dataset
    """

    sources: Sources
    """Files, folders, globs, fsspec URLs, or tables (csv, parquet) with a `uri` column."""
    idm: str
    """The inverse dynamics model: a checkpoint folder, or `doom`, which ships. Its action spec is
    the dataset's.
    """
    out: str
    """The dataset: a folder or a bucket prefix."""
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    filter: FilterConfig = field(default_factory=FilterConfig)
    clean: CleanConfig = field(default_factory=CleanConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    chroma: Chroma = "420"
    """Chroma of the clips' video: `420` (plays everywhere) or `444` (2-4 dB nearer to the source).
    """
    previews: Annotated[str, AfterValidator(_require_share)] = "0%"
    """Share of the clips, the least certain ones, of which larger pictures (360 lines) are kept in
    `previews/`, so that people can correct their labels when the sources are gone. Which these are
    is known at the end: remote sources that have some are fetched once more then.
    """
    part: Annotated[str, AfterValidator(_require_part), NONE_BY_DEFAULT] = ""
    """Only part `I/N` of a plan that is there already (`vidact plan`): for array jobs. The tables
    are written by a run without it, after all parts.
    """
    rules: Rules = ""
    """A YAML file of rules on what source tables say (title, description, tags, duration, licence):
    which sources to leave out. Every decision is kept in `source_rules.parquet`.
    """
    strict: bool = False
    """Exit 1 when anything went to the dead letters."""
    any_game: bool = False
    """Label whatever the videos show. Otherwise stretches that do not look like the game that the
    IDM was trained on are dropped (`not_the_game`); an IDM of before cannot tell, and drops
    nothing.
    """
    view: Annotated[str, AfterValidator(_require_view), NONE_BY_DEFAULT, Later("")] = ""
    """Part of the sources' pictures to look at: `left,top,right,bottom` in shares of their sides,
    such as `0.125,0,0.875,1` for the 4:3 middle of play on a screen of 16:9, whatever size it was
    squeezed into. `auto` asks the IDM of each source whether all of it, the middle of 16:10 or that
    of 16:9 looks most like its game. All of it unless given.
    """
    drop_missing: bool = False
    """Send what is missing or changed since it was planned to the dead letters, instead of waiting
    for its return.
    """


@settings()
class VerifyConfig:
    """Re-hash shards and check every clip against manifest and spec.

    Names what is wrong (hashes, labels, frames, splits) and exits 1 if anything is.

    Example:
      vidact verify runs/dataset
    """

    dataset: DatasetPlace
    """The dataset: a folder or an fsspec URL."""
    decode: bool = True
    """Decode every frame; without it, videos are only checked by their checksum."""
    threads: PositiveInt = 2
    """Shards checked at a time on this machine."""
    shards: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Read only this shard, such as train-00007; several by repeating it. Tables and splits are
    checked as a whole.
    """
    sample: Share = 1.0
    """Read only this share of the shards, at least one: a large dataset is looked at in parts."""
    sample_seed: NonNegativeInt = 0
    """Another seed draws other shards."""
    log: str = ""
    """Keep what is found in a local file, a line of JSON per shard; the same command goes on from
    it after a stop, and reads only shards that are new or have changed.
    """
    runner: Runner = "local"
    """Beam runner whose workers read the shards: `local` (threads of this process), or the name of
    a portable one, such as `FlinkRunner`. What they find lies in `_checks/` of the dataset until
    the command has ended; after a stop the same command goes on from there, within a day.
    """
    beam_options: BeamOptions = ()
    """Options for that runner, one `--beam-options=--name=value` each."""


@settings()
class RelabelConfig(EngineConfig):
    """Label the pixels of a dataset anew with another IDM, into a new dataset.

    Only the labels differ: clips, frames and splits stay as they are. Where a filter of clean
    frames was asked, tighter thresholds leave out clips, from the scores that were stored.

    Example:
      vidact relabel runs/dataset --idm runs/better-idm --out runs/dataset2
    """

    dataset: DatasetPlace
    """A dataset; one that is still being labeled, as far as its tables go."""
    idm: str
    """The model that labels; its action spec must be the dataset's."""
    out: str
    """The dataset to write: a folder or a bucket prefix."""
    clean_threshold: Annotated[Share, Later(0.0)] = 0.0
    """Leave out clips by a higher `--clean.threshold`; 0 for the dataset's."""
    clean_min_share: Annotated[Share, Later(0.0)] = 0.0
    """Leave out clips by a higher `--clean.min-share`; 0 for the dataset's."""
    clean_min_seconds: Annotated[float, Field(ge=0, le=60), Later(0.0)] = 0.0
    """Leave out clips by a higher `--clean.min-seconds`; 0 for the dataset's."""


@settings()
class RemoveConfig:
    """Take a source out of a dataset for good (a takedown).

    Pixels, labels and names go: shards are rewritten without them. A tombstone with the hash of the
    content stays, so that labeling again does not bring the source back.

    Example:
      vidact remove runs/dataset --source 3f786850e387
    """

    dataset: DatasetPlace
    """The dataset: a folder or a bucket prefix."""
    source: Annotated[
        tuple[str, ...],
        tyro.conf.UseAppendAction,
        must_be("at least one URI or content hash", bool),
    ]
    """URI of a source, its content hash, or the beginning of one (8 digits at least); several by
    repeating it.
    """


@settings()
class RelocateConfig:
    """Tell a dataset that its videos lie elsewhere now: a renamed bucket, another mount point.

    What is not labeled yet is labeled from the new place. Clips that are there keep the address
    that they were made from in their lineage; the hash of the content says which video it is.

    Example:
      vidact relocate runs/dataset s3://old-bucket/videos s3://new-bucket/videos
    """

    dataset: DatasetPlace
    """The dataset: a folder or a bucket prefix."""
    old: Annotated[str, tyro.conf.Positional]
    """Where the videos lay: a file, a folder or a prefix, as the plan has it."""
    new: Annotated[str, tyro.conf.Positional]
    """Where they lie now."""


@settings()
class CompactConfig:
    """Write the tables of a dataset from the shards that are there, at any time.

    Makes a new version of the manifest, also while a job labels, and upgrades datasets of before.
    Old versions are collected: what trains on one goes on until then.

    Example:
      vidact compact runs/dataset
    """

    dataset: DatasetPlace
    """The dataset: a folder or a bucket prefix."""
    keep_versions: NonNegativeFloat = 7.0
    """Days for which a version of the manifest stays after a newer one has replaced it."""
    pin: str = ""
    """Keep this version for good: the beginning of its name, or `newest`."""
    unpin: str = ""
    """Keep this version no longer than others."""


@settings()
class CancelConfig:
    """End what runs on a cluster for a dataset: the job that labels it, and the one that verifies.

    What is done stays; `vidact label` or `vidact verify`, run again, resumes.

    Example:
      vidact cancel s3://bucket/dataset
    """

    dataset: DatasetPlace
    """The dataset whose jobs are to end."""
