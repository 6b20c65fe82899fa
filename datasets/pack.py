"""The verb `pack`: recordings with true actions become a dataset, as labeled video does."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from itertools import groupby
from threading import Event
from typing import Any

import numpy as np

from .. import storage
from ..errors import ConfigError, DatasetError, RecordingError
from ..machine import cores
from ..progress import Progress, hours_of, log
from .actions.devices import TickActions
from .actions.spec import ActionSpec
from .config import PackConfig
from .recordings.meta import VARIED
from .recordings.recording import Recording, find_recordings, spec_of
from .recordings.stream import TickStream
from .shards.clip import Clip, clip_key, clip_meta, clip_ranges, video_id
from .shards.commits import PACKED, split_of_shard, tombstone
from .shards.dataset import Dataset
from .shards.info import DatasetInfo
from .shards.inventory import Inventory
from .shards.lengths import MIN_CLIP_TICKS
from .shards.lost import forget_lost
from .shards.splits import SPLITS, fractions_of, split_of
from .shards.writer import ShardWriter
from .spec_check import unmapped_inputs

SHOWN_INPUTS = 8


@dataclass(frozen=True, slots=True)
class Planned:
    """Which ticks of which recording go into which shard, as one clip."""

    shard: str
    recording: Recording
    phase: int
    start_tick: int
    end_tick: int
    episode_tick: int = 0
    """Where the episode begins."""


def pack(config: PackConfig) -> int:
    """Write the dataset, or what an earlier run left out; returns 0.

    Raises:
        ConfigError: the spec has no buttons.
        RecordingError: a recording cannot be read, or is slower than the spec's ticks.
        DatasetError: `out` holds a dataset of other recordings or options.
    """
    recordings = find_recordings(config.recordings)
    spec = spec_of(recordings, config.spec)
    if not spec.buttons:
        raise ConfigError(f"spec: {spec.name!r} has no buttons; a dataset needs one at least")
    dataset = Dataset(config.out)
    dataset.require_own_folder()
    for uri in (dataset.identity_uri, dataset.plan_uri):
        if storage.exists(uri):
            raise DatasetError(f"{uri} says that a labeling job writes here; choose another --out")
    plan, identity = _fitting_plan(dataset, recordings, spec, config)
    found = Inventory(dataset)
    forget_lost(found)
    left = set(found.missing_of(planned.shard for planned in plan))
    removed = dataset.removed_sources()
    missing = [
        planned
        for planned in plan
        if planned.shard in left and planned.recording.sha256 not in removed
    ]
    ticks = sum(planned.end_tick - planned.start_tick for planned in missing)
    with Progress("Packing", total=ticks, unit="ticks") as progress:
        _write(missing, identity, spec, config, progress)
    content = dataset.compact(_info(config, spec, removed))
    counts = content["counts"]
    log(
        f"{dataset}: {counts['clips']:,} clips of {counts['sources']:,} recordings "
        f"in {counts['shards']} shards, {hours_of(content['hours'])}"
    )
    log(_divided(plan, config))
    if short := _short_episodes(recordings, spec, config):
        log(f"{short} episodes are shorter than {MIN_CLIP_TICKS} ticks and give no clip")
    if unmapped := unmapped_inputs(recordings, spec):
        inputs = ", ".join(
            f"{name} ({frames:,} frames)" for name, frames in unmapped.most_common(SHOWN_INPUTS)
        )
        more = " …" if len(unmapped) > SHOWN_INPUTS else ""
        log(f"Held, but no button of spec {spec.name!r}: {inputs}{more}")
    return 0


def _fitting_plan(
    dataset: Dataset, recordings: Sequence[Recording], spec: ActionSpec, config: PackConfig
) -> tuple[list[Planned], dict[str, str]]:
    """The plan, and the hash of what decides each shard.

    A dataset that was begun before lives were derived goes on without that. Raises DatasetError
    where it holds shards of other recordings or options.
    """
    others: list[str] = []
    for derived in (True, False):
        plan = plan_shards(recordings, spec, config, derived=derived)
        identity = _identities(plan, spec, config)
        found = [
            record.shard
            for record in dataset.commits()
            if record.extra.get(PACKED) != identity.get(record.shard)
        ]
        if not found:
            return plan, identity
        others = others or found
    raise DatasetError(
        f"{dataset}: shard {others[0]} is there already, made from other recordings or "
        "options; choose another --out, or delete it"
    )


def plan_shards(
    recordings: Sequence[Recording], spec: ActionSpec, config: PackConfig, *, derived: bool = True
) -> list[Planned]:
    """Cut all recordings into clips, and clips into shards, split by split.

    The plan depends on nothing but the arguments.

    Recordings whose `meta` names the same `group` (two views of one game, say) share their split.

    Args:
        derived: whether lives are told apart in recordings that do not say it.
    """
    fractions = fractions_of(config.val_fraction, config.test_fraction)
    seen: dict[str, Recording] = {}
    splits: dict[str, list[tuple[Recording, int, int, int, int]]] = {}
    for recording in recordings:
        if (twin := seen.setdefault(recording.sha256, recording)) is not recording:
            raise RecordingError(
                f"{recording.stem} and {twin.stem} are the same video; give one of them"
            )
        clips = splits.setdefault(split_of(recording.group, config.split_seed, fractions), [])
        for phase in range(recording.phases(spec) if config.all_phases else 1):
            clips += [
                (recording, phase, a, b, start)
                for start, end in recording.episodes(spec, phase, derived=derived)
                for a, b in clip_ranges(start, end)
            ]
    return [
        Planned(f"{split}-{number // config.shard_clips:05d}", *clip)
        for split, clips in sorted(splits.items())
        for number, clip in enumerate(clips)
    ]


def _short_episodes(recordings: Sequence[Recording], spec: ActionSpec, config: PackConfig) -> int:
    """How many episodes are too short for a clip."""
    return sum(
        not clip_ranges(start, end)
        for recording in recordings
        for phase in range(recording.phases(spec) if config.all_phases else 1)
        for start, end in recording.episodes(spec, phase, derived=True)
    )


def _divided(plan: Sequence[Planned], config: PackConfig) -> str:
    """Say how many recordings each split drew, and which splits drew none.

    Each recording falls by its own hash, so of a few recordings some splits may well get none.
    """
    split_by_recording = {
        planned.recording.sha256: split_of_shard(planned.shard) for planned in plan
    }
    counts = Counter(split_by_recording.values())
    line = f"Recordings: {', '.join(f'{split} {counts[split]}' for split in SPLITS)}"
    fractions = fractions_of(config.val_fraction, config.test_fraction)
    empty = [split for split in SPLITS if fractions[split] > 1e-6 and not counts[split]]
    return line + (
        f" ({' and '.join(empty)} drew none: try another --split-seed, or a larger share)"
        if empty
        else ""
    )


def _write(
    missing: Sequence[Planned],
    identity: dict[str, str],
    spec: ActionSpec,
    config: PackConfig,
    progress: Progress,
) -> None:
    """Write shards in parallel threads.

    What takes time (decoding, resizing, encoding) is done without Python's lock.
    """

    def write_shard(shard: str, clips: Sequence[Planned]) -> None:
        with ShardWriter(config.out, shard, spec, chroma=config.chroma) as writer:
            for clip in _clips(clips, spec):
                if failed.is_set():
                    return
                writer.add(clip)
                progress.advance(clip.ticks, shard=shard)
            writer.commit({PACKED: identity[shard]})

    failed = Event()
    shards = {
        shard: list(clips) for shard, clips in groupby(missing, lambda planned: planned.shard)
    }
    with ThreadPoolExecutor(config.threads or cores()) as pool:
        try:
            for job in as_completed([pool.submit(write_shard, *item) for item in shards.items()]):
                job.result()
        except BaseException:  # Ctrl-C too: the others end at their next clip
            failed.set()
            raise


def _clips(missing: Sequence[Planned], spec: ActionSpec) -> Iterator[Clip]:
    """Decode each planned clip; a recording is read once, from its first missing tick on."""
    for (recording, phase), clips in groupby(missing, lambda one: (one.recording, one.phase)):
        group = list(clips)
        actions = recording.actions(spec, phase)
        stream = TickStream(recording, spec, phase, group[0].start_tick, group[-1].end_tick)
        for planned in group:
            ticks = planned.end_tick - planned.start_tick
            frames = np.empty((ticks, spec.frame.height, spec.frame.width, 3), np.uint8)
            pts_ns = stream.take(planned.start_tick, frames)
            yield true_clip(planned, spec, actions, frames, pts_ns)


def true_clip(
    planned: Planned, spec: ActionSpec, actions: TickActions, frames: np.ndarray, pts_ns: np.ndarray
) -> Clip:
    """A clip of true actions: probabilities 0 and 1, confidence 1, or 0 where there is no label.

    A tick of which a part is not known has none: a clip cannot say which.
    """
    recording, start, end = planned.recording, planned.start_tick, planned.end_tick
    buttons, camera, valid = (
        array[start:end] for array in (actions.buttons, actions.camera, actions.whole)
    )
    bins = spec.quantise(camera)  # (T, A)
    camera_prob = np.arange(max(spec.num_bins, default=0)) == bins[..., None]  # (T, A, Q)
    source = recording.sha256
    more: dict[str, Any] = {VARIED: recording.varied} if recording.varied else {}
    return Clip(
        key=clip_key(source, start, planned.phase),
        frames=frames,
        buttons=buttons,
        buttons_prob=buttons.astype(np.float16),
        camera=camera,
        camera_prob=camera_prob.astype(np.float16),
        confidence=valid.astype(np.float16),
        valid=valid,
        meta=clip_meta(
            source_uri=_storable(recording.path),
            source_sha256=source,
            episode_id=_episode_id(planned),
            start_tick=start,
            pts_ns=pts_ns,
            spec_sha256=spec.sha256,
            split=planned.shard.rpartition("-")[0],
            group=recording.group,
            label_source=recording.states[0].label_source,
            phase=planned.phase,
            begins_scene=start == planned.episode_tick,
            **more,
        ),
    )


def _episode_id(planned: Planned) -> str:
    """The recording's own where it holds one episode; later ones also say where they begin."""
    recorded = video_id(planned.recording.sha256, planned.phase)
    return f"{recorded}-{planned.episode_tick:09d}" if planned.episode_tick else recorded


def _identities(plan: Sequence[Planned], spec: ActionSpec, config: PackConfig) -> dict[str, str]:
    """Hash everything that decides a shard's bytes but where the recordings lie, by shard."""
    content: dict[str, list[object]] = {}
    for planned in plan:
        recording = planned.recording
        source = (recording.sha256, recording.labels_sha256, recording.group)
        entry: tuple[object, ...] = (*source, planned.phase, planned.start_tick, planned.end_tick)
        # Nothing of the first one: identities of before are those of recordings of one episode.
        entry += (planned.episode_tick,) if planned.episode_tick else ()
        entry += (sorted(recording.varied.items()),) if recording.varied else ()
        content.setdefault(planned.shard, [spec.sha256, config.chroma]).append(entry)
    return {
        shard: hashlib.sha256(json.dumps(entries).encode()).hexdigest()
        for shard, entries in content.items()
    }


def _info(config: PackConfig, spec: ActionSpec, removed: Sequence[str]) -> DatasetInfo:
    """`removed`: digests of what `vidact remove` took out earlier."""
    import av

    options = asdict(config) | {
        "recordings": [_storable(path) for path in config.recordings],
        "out": _storable(config.out),
        "spec": _storable(config.spec) if config.spec else spec.name,
    }
    del options["threads"]  # decides nothing about the bytes
    if removed:
        options["removed"] = list(removed)
    folder = storage.local_path(config.out)
    name = (folder.resolve().name if folder else "") or config.out.rstrip("/").rsplit("/", 1)[-1]
    return DatasetInfo(
        name=config.name or os.fsencode(name).decode(errors="replace"),
        spec=spec,
        labels="true",
        description="Recorded play with the actions of the player.",
        license=config.license,
        options=options,
        dead_letters=tuple(map(tombstone, removed)),
        environment={
            "av": av.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
        },
    )


def _storable(path: storage.Uri) -> str:
    """A path as it was given, or as an absolute `file://` URL where it is no UTF-8."""
    text = os.fspath(path)
    return text if storage.storable(text) == text else storage.storable(os.path.abspath(text))
