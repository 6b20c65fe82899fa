"""The verb `import lerobot`: a dataset of LeRobot, version 3, as recordings.

An episode becomes a recording: numbers of the action become what the devices of an action spec did.
What was imported before is not done again.

The video is encoded again, not copied: a recording is a file of its own, and key frames of others'
files lie where they like.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, RecordingError, VideoError
from ..progress import log
from .actions.devices import MAX_NUMBER, NO_LABEL, DeviceState, device_state_of
from .actions.spec import ActionSpec, FrameSpec
from .formats.config import ImportLerobotConfig
from .formats.imported import Imported, import_folder
from .formats.lerobot_source import MAX_S, LerobotSource, Rows, episode_number
from .formats.outcomes import Outcome, import_each, write_report
from .formats.owamcap_sources import license_of_card, on_this_machine
from .formats.pictures import (
    ENCODER,
    MIN_S,
    frame_size,
    nearest_pictures,
    pictures,
    require_long_enough,
    until_damage,
)
from .recordings.chosen_spec import built_in_name, named_spec
from .recordings.writer import RecordingWriter
from .video.probe import VideoProbe, probe
from .video.timing import NS

IMPORTER_VERSION = 1
HELD = 0.5  # of a button's number, which is 0 or 1
MAX_TEXT = 1000  # letters of what a stranger's table says of an episode
FILES = 8  # whose index is kept: episodes lie one after the other in them


def import_lerobot(config: ImportLerobotConfig) -> int:
    """Import all episodes, print what happened and write OUT/import_report.json.

    Raises:
        ConfigError: it is no dataset of version 3, or its actions are not those of the spec.
    """
    root = on_this_machine(config.dataset)
    source = LerobotSource.open(root, config.camera)
    reader = _Actions(source, config.spec)
    out = Path(config.out)
    if out.resolve().is_relative_to(root.resolve()):
        raise ConfigError(f"out {out} lies in {root}; choose a folder outside of it")
    with import_folder(out):
        work = _Import(source, reader, config, Imported.in_folder(out))
        outcomes = import_each(
            source.episodes(),
            work.episode,
            threads=config.threads,
            total=source.total_episodes,
            unit="episodes",
        )
        return write_report(out, outcomes, strict=config.strict)


class _Actions:
    """Which component of the action is which button or axis.

    Args:
        source: the dataset.
        spec: a built-in name or a YAML file; empty: the one that an export of ours names.
    """

    def __init__(self, source: LerobotSource, spec: str):
        found = ActionSpec.load(spec) if spec else source.own_spec()
        if found is None:
            raise ConfigError(
                "spec: choose one whose buttons and axes bear the names of the action's "
                f"components, which are {', '.join(source.names)}"
            )
        self.spec = found
        self.name = spec or found.name
        self.named = named_spec(spec or built_in_name(found))
        self._places = self._find_places(source)
        # What moves further in a frame no recording holds: it would not read.
        units = [1.0] * found.num_buttons + [axis.degrees_per_pixel for axis in found.axes]
        self._most = MAX_NUMBER * np.array(units)

    def _find_places(self, source: LerobotSource) -> NDArray[np.int64]:
        """Return the number of the component of each button, then of each axis."""
        wanted = [*self.spec.button_names, *self.spec.axis_names]
        if wanted == source.names:  # as we export: then a button and an axis may share a name
            return np.arange(len(wanted))
        places = {name: number for number, name in enumerate(source.names)}
        if missing := [name for name in wanted if name not in places]:
            raise ConfigError(
                f"spec: {self.name!r} has {', '.join(missing)}, which the actions of {source.root} "
                f"do not have; they are {', '.join(source.names)}"
            )
        if double := [name for name in wanted if source.names.count(name) > 1]:
            raise ConfigError(
                f"spec: several components of the actions of {source.root} are called "
                f"{', '.join(double)}; rename them in meta/info.json"
            )
        if ignored := [name for name in source.names if name not in wanted]:
            log(f"Not in spec {self.name!r}, and left out: {', '.join(ignored)}")
        return np.array([places[name] for name in wanted], np.int64)

    def states(self, rows: Rows, source: str, outcome: Outcome) -> Iterator[DeviceState]:
        """Yield what the devices did at each row."""
        known = np.asarray((np.abs(rows.action[:, self._places]) < self._most).all(1))  # no NaN
        outcome.mended["not_numbers"] += int(np.count_nonzero(rows.valid & ~known))
        values = np.where(known[:, None], rows.action[:, self._places], 0.0)
        buttons, axes = np.split(values, [self.spec.num_buttons], axis=1)
        outcome.mended["rounded_buttons"] += int(np.count_nonzero((buttons != 0) & (buttons != 1)))
        previous: DeviceState | None = None
        for held, moved, valid in zip(buttons > HELD, axes, rows.valid & known, strict=True):
            if valid:
                state = device_state_of(self.spec, held, moved, previous=previous)
                previous = replace(state, label_source=source)
            else:
                previous = NO_LABEL
            yield previous


class _Import:
    """The import of one dataset."""

    def __init__(
        self,
        source: LerobotSource,
        actions: _Actions,
        config: ImportLerobotConfig,
        imported: Imported,
    ):
        self.source, self.actions, self.config = source, actions, config
        self.imported = imported
        self.license = license_of_card(source.root / "README.md")
        own = source.origin.get("labels")
        self.label_source = "human" if own in (None, "true") else "idm"
        self.settings = {
            "importer": IMPORTER_VERSION,
            "spec": actions.spec.sha256,
            "camera": source.camera,
            "height": config.height,
        }
        self.identity = _digest(source.info)
        # Of a dataset to which episodes are added, what stays as it is.
        self.stable = _digest({name: source.info.get(name) for name in ("fps", "features")})
        self.probe = functools.lru_cache(FILES)(functools.partial(probe, sha256=False))

    def episode(self, episode: Mapping[str, Any] | RecordingError) -> Outcome:
        """Import an episode; what cannot be is told in the outcome, never raised."""
        outcome = Outcome("episode_unknown")
        with outcome.telling("bad_episode"):
            if isinstance(episode, RecordingError):
                raise episode
            outcome.name = f"episode_{episode_number(episode):06d}"
            self._episode(episode, outcome)
        return outcome

    def _episode(self, episode: Mapping[str, Any], outcome: Outcome) -> None:
        measured = any(name.startswith("stats/") for name in episode)  # then its row is its own
        digest = _digest([self.stable if measured else self.identity, episode])
        name = self.imported.claim(outcome.name, digest, self.settings)
        if name is None:
            outcome.status = "present"
            return
        try:
            rows = self.source.rows(episode, outcome.mended)
            path = self.source.video_path(episode)
            if not path.is_file():
                raise VideoError("missing_video", path, f"{path} is not there")
            video = self.probe(path)
            shown, kept = self._shown(episode, rows, video)
            outcome.mended["frames_not_in_video"] += int(np.count_nonzero(~kept))
            require_long_enough(path, int(np.count_nonzero(kept)), self.source.fps)
            meta = self._meta(episode, digest, outcome.name)
            self._write(name, meta, rows, video=video, shown=shown, kept=kept, outcome=outcome)
        except BaseException:
            self.imported.forget(name, digest)
            raise

    def _shown(
        self, episode: Mapping[str, Any], rows: Rows, video: VideoProbe
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The picture of each row, int64 [N], and whether the episode's part of the video has it,
        bool [N].
        """
        place = f"videos/{self.source.camera}"
        begin, end = (episode.get(f"{place}/{word}_timestamp") for word in ("from", "to"))
        if not isinstance(begin, int | float) or not 0 <= begin < MAX_S:
            raise RecordingError(f"{place}/from_timestamp: expected seconds, got {begin!r:.40}")
        at_s = rows.timestamp_s + begin
        shown, kept = nearest_pictures(np.rint(at_s * NS).astype(np.int64), video)
        if isinstance(end, int | float) and end > begin:  # the next episode's pictures follow there
            kept &= at_s < end - 0.5 / float(self.source.fps)
        return shown, kept

    def _write(
        self,
        name: str,
        meta: dict[str, Any],
        rows: Rows,
        *,
        video: VideoProbe,
        shown: NDArray[np.int64],
        kept: NDArray[np.bool_],
        outcome: Outcome,
    ) -> None:
        size, fps = frame_size(video, self.config.height), self.source.fps
        states = self.actions.states(rows, self.label_source, outcome)
        writer = RecordingWriter(
            Path(self.config.out, name), fps=fps, size=size, meta=meta, encoder=ENCODER
        )
        with writer:
            images = pictures(video, FrameSpec(*size), shown[kept])
            frames, gap = int(np.count_nonzero(kept)), False
            with until_damage(writer, video, outcome, frames=frames, least=MIN_S * fps):
                for state, there, first in zip(states, kept, rows.first, strict=True):
                    gap |= bool(first)
                    if there:  # what follows on missing frames is a stretch of its own
                        writer.write(next(images), replace(state, first=gap))
                    gap = not there
            writer.meta["mended"] = dict(+outcome.mended)
            outcome.frames = writer.num_frames

    def _meta(self, episode: Mapping[str, Any], digest: str, name: str) -> dict[str, Any]:
        tasks = episode.get("tasks")
        meta: dict[str, Any] = {
            "source": str(self.source.root),
            "source_sha256": digest,
            "source_format": "lerobot",
            "import_settings": self.settings,
            # Parts of one video that was labeled stay together.
            "group": str(episode.get("source_sha256") or f"{self.identity[:12]}/{name}")[:MAX_TEXT],
            "label_source": self.label_source,
        }
        lineage = ("source_uri", "episode_id", "start_tick", "split")
        told = {key: episode[key] for key in lineage if episode.get(key) is not None}
        meta |= {
            f"lerobot_{key}": value if isinstance(value, int) else str(value)[:MAX_TEXT]
            for key, value in told.items()
        }
        if isinstance(tasks, list) and tasks:
            meta["task"] = "; ".join(map(str, tasks))[:MAX_TEXT]
        if license_name := self.config.license or episode.get("licence") or self.license:
            meta["license"] = str(license_name)[:200]
        return meta | self.actions.named


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
