"""The verb `export owamcap`: a dataset of clips as recordings of Open World Agents.

An episode becomes an mcap of messages and the video beside it. The mcap takes its place last, so
that a run that was stopped goes on behind it; the card comes when all of them are there.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .. import storage
from ..errors import ConfigError, DatasetError
from ..progress import Progress, hours_of, log, shortened
from .actions.devices import NO_LABEL, DeviceState, device_state_of
from .actions.spec import ActionSpec
from .formats.config import ExportOwamcapConfig
from .formats.export_folder import claim, local_folder
from .formats.export_plan import Episodes, Plan
from .formats.joined_video import JoinedVideo, OtherParametersError, written_one_way
from .formats.owamcap_messages import require_mcap
from .formats.owamcap_origin import metadata_of
from .formats.owamcap_writer import OwamcapWriter, not_carried, read_metadata
from .shards.clip import Clip
from .shards.dataset import Dataset
from .texts.filling import fill_in

FORMAT = 1  # of vidact.json
ORIGIN = "vidact.json"


def export_owamcap(config: ExportOwamcapConfig) -> int:
    """Write the dataset, or what a run that was stopped left out; returns 0.

    Raises:
        ConfigError: `out` is no local folder, or holds other things; or OWAMcap has no messages
            for any button or axis.
        DatasetError: there is no clip, or `out` holds an export of other clips or options.
        ShardError: a clip is damaged.
    """
    require_mcap()
    out = local_folder(config.out, "OWAMcap's reader")
    dataset = Dataset(config.dataset)
    spec, content = dataset.spec(), dataset.content()
    if len(lost := not_carried(spec)) == spec.num_buttons + spec.num_axes:
        raise ConfigError(
            f"dataset: OWAMcap has no messages for any button or axis of spec {spec.name!r}, only "
            "for keys, mouse buttons, motion and the wheel; `vidact export lerobot` has all of them"
        )
    plan = Plan.of(dataset, config.split)
    made_of = {"format": FORMAT, "split": config.split}
    claim(out / ORIGIN, out, plan, made_of=made_of, content=content, spec=spec)
    if lost:
        log(f"OWAMcap has no messages for {shortened(lost, 5)}: left out")
    export = _Export(out, plan, spec, content, Episodes(plan))
    with Progress("Exporting", total=plan.ticks, unit="frames") as progress:
        ticks, episodes = export.finished()
        progress.resume_at(ticks)
        while ticks < plan.ticks:
            ticks += export.write_episode(plan.row_after(ticks), progress)
            episodes += 1
    export.write_card(lost, episodes)
    hours = float(plan.ticks / spec.tick_hz) / 3600
    log(f"{out}: {plan.ticks:,} frames of {episodes:,} recordings, {hours_of(hours)}")
    return 0


@dataclass(frozen=True, slots=True)
class _Export:
    """One export: what of which dataset goes where."""

    out: Path
    plan: Plan
    spec: ActionSpec
    content: dict[str, Any]
    """Of the dataset's `dataset.json`."""
    episodes: Episodes

    def files(self, row: int) -> list[Path]:
        """Video and mcap of the episode that begins with a row, in the order in which they take
        their places.
        """
        found = self.plan.columns.row(row)
        folder = self.out / found["shard"].rsplit("-", 1)[0]
        return [folder / f"{found['key']}{suffix}" for suffix in (".mp4", ".mcap")]

    def finished(self) -> tuple[int, int]:
        """How many ticks and episodes an earlier run finished; what it left of one is removed."""
        ticks = episodes = 0
        while ticks < self.plan.ticks:
            path = self.files(self.plan.row_after(ticks))[-1]
            if not path.is_file():
                storage.remove_abandoned(path.parent)
                break
            try:
                ticks += int(read_metadata(path)["ticks"])
            except (ValueError, KeyError, OSError) as error:
                raise DatasetError(f"{path}: is damaged; delete it, and run again") from error
            episodes += 1
        return ticks, episodes

    def write_episode(self, row: int, progress: Progress) -> int:
        """Write the episode that begins with a row; returns its ticks."""
        return written_one_way(
            self.files(row)[0], lambda anew: self._try_episode(row, progress, anew=anew)
        )

    def _try_episode(self, row: int, progress: Progress, *, anew: bool) -> int:
        places, done = self.files(row), 0
        fps, size = self.spec.tick_hz, (self.spec.frame.width, self.spec.frame.height)
        first: Clip | None = None
        previous: DeviceState | None = None
        sources: set[str] = set()
        try:
            with (
                storage.replacing_all(places) as (film, mcap),
                open(mcap, "wb") as file,
                contextlib.closing(JoinedVideo(film, fps, anew=anew)) as video,
            ):
                out = OwamcapWriter(file, video=places[0].name, fps=fps, size=size)
                for sample in self.episodes.clips(row):
                    clip = sample.clip
                    first = first or clip
                    sources.add(str(clip.meta.get("label_source", "idm")))
                    with sample.told_where():
                        video.add(sample.mp4, clip.ticks)
                    for tick in range(clip.ticks):
                        previous = self._state(clip, tick, previous)
                        out.add(previous)
                    done += clip.ticks
                    progress.advance(clip.ticks)
                if first is not None:
                    out.close(metadata_of(first, self.spec, self.content, sources, done))
        except OtherParametersError:
            progress.advance(-done)
            raise
        return done

    def _state(self, clip: Clip, tick: int, previous: DeviceState | None) -> DeviceState:
        if not clip.valid[tick]:
            return NO_LABEL
        return device_state_of(self.spec, clip.buttons[tick], clip.camera[tick], previous=previous)

    def write_card(self, lost: list[str], episodes: int) -> None:
        """Write the card, with the license where importers look for it."""
        front = {"pretty_name": self.content["name"], "license": self.content["license"]}
        card = fill_in(
            "owamcap_card.md",
            front=yaml.safe_dump(front, sort_keys=False, allow_unicode=True),
            content=self.content,
            spec=self.spec,
            dataset=storage.storable(self.plan.dataset.uri),
            lost=lost,
            episodes=episodes,
            ticks=self.plan.ticks,
            hours=self.plan.ticks / float(self.spec.tick_hz) / 3600,
        )
        storage.write_atomic(self.out / "README.md", (card + "\n").encode())
