"""The verb `export lerobot`: a dataset of clips in the format of LeRobot's trainers.

Files are written one after the other, each whole or not at all; where there is a table of episodes
the file is whole, so that a run that was stopped goes on behind it. `meta/info.json` comes last:
what has none is no dataset to LeRobot.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from .. import storage
from ..errors import DatasetError
from ..progress import Progress, hours_of, log
from .actions.spec import ActionSpec
from .formats import lerobot_layout as layout
from .formats.config import ExportLerobotConfig
from .formats.export_folder import claim, local_folder, to_json
from .formats.export_plan import Plan
from .formats.joined_video import OtherParametersError, pixel_format, written_one_way
from .formats.lerobot_card import lerobot_card
from .formats.lerobot_files import FileWriter, Totals, read_episodes
from .shards.dataset import Dataset

# LeRobot asks for a frame by its time in the file, in single precision, and by default refuses one
# that is more than 0.1 ms off. Beyond 1,024 s neighboring numbers are 0.12 ms apart, so files end
# before, unless one episode is longer: it has a file of its own, in which both times are the same
# number.
FULL_S, LIMIT_S = 300, 900
FORMAT = 1  # of meta/vidact.json


def export_lerobot(config: ExportLerobotConfig) -> int:
    """Write the dataset, or what a run that was stopped left out; returns 0.

    Raises:
        ConfigError: `out` is no local folder, or holds other things.
        DatasetError: there is no clip, or `out` holds an export of other clips or options.
        ShardError: a clip is damaged.
    """
    out = local_folder(config.out, "LeRobot")
    dataset = Dataset(config.dataset)
    export = _Export(out, config, Plan.of(dataset, config.split), dataset.spec(), dataset.content())
    export.claim()
    done = export.finished()
    with Progress("Exporting", total=export.plan.ticks, unit="frames") as progress:
        progress.resume_at(done.ticks)
        while done.ticks < export.plan.ticks:
            export.write_file(done, progress)
    export.finish()
    return 0


@dataclass(slots=True)
class _Done:
    """What the files hold that are whole."""

    files: int = 0
    episodes: int = 0
    ticks: int = 0


@dataclass(frozen=True, slots=True)
class _Export:
    """One export: what of which dataset goes where."""

    out: Path
    config: ExportLerobotConfig
    plan: Plan
    spec: ActionSpec
    content: dict[str, Any]
    """Of the dataset's `dataset.json`."""

    @property
    def task(self) -> str:
        return self.config.task or f"Play {self.spec.name}."

    def features(self) -> dict[str, dict[str, Any]]:
        """Those of `info.json`."""
        in_game = "in_game" in self.content.get("features", {})
        return layout.features(self.spec, self.config.camera, in_game=in_game)

    def paths(self, number: int) -> list[Path]:
        """Video, data and episodes of a file."""
        return layout.paths(self.out, number, self.config.camera)

    def claim(self) -> None:
        """Say what the folder is made of, or see that it is made of the same."""
        made_of = {
            "format": FORMAT,
            "split": self.config.split,
            "camera": self.config.camera,
            "task": self.task,
        }
        origin = self.out / layout.ORIGIN
        claim(origin, self.out, self.plan, made_of=made_of, content=self.content, spec=self.spec)

    def finished(self) -> _Done:
        """What an earlier run finished; what it left of a file is removed."""
        done = _Done()
        while True:
            places = self.paths(done.files)
            if not places[-1].is_file():
                for path in places:
                    storage.remove_abandoned(path.parent)
                return done
            table = read_episodes(places[-1], ["length"])
            done.files += 1
            done.episodes += len(table)
            done.ticks += sum(table["length"].to_pylist())
            row = self.plan.row_after(done.ticks)
            if row == 0 or self.plan.ends[row - 1] != done.ticks:
                raise DatasetError(
                    f"{places[-1]}: holds other episodes than the dataset; choose another --out, "
                    f"or delete {self.out}"
                )

    def write_file(self, done: _Done, progress: Progress) -> None:
        """Write the next file, and count it as done."""
        episodes, ticks = written_one_way(
            self.paths(done.files)[0], lambda anew: self._try_file(done, progress, anew=anew)
        )
        done.files += 1
        done.episodes += episodes
        done.ticks += ticks

    def _try_file(self, done: _Done, progress: Progress, *, anew: bool) -> tuple[int, int]:
        """Write the next file; returns its episodes and ticks."""
        ticks = 0
        try:
            with (
                storage.replacing_all(self.paths(done.files)) as files,
                FileWriter(
                    files,
                    done.files,
                    self.spec,
                    self.features(),
                    camera=self.config.camera,
                    task=self.task,
                    first_episode=done.episodes,
                    first_index=done.ticks,
                    anew=anew,
                ) as writer,
            ):
                for row, sample in self.plan.samples(self.plan.row_after(done.ticks)):
                    if ticks and sample.begins and self._is_full(row, ticks):
                        break
                    writer.add(sample)
                    ticks += sample.clip.ticks
                    progress.advance(sample.clip.ticks)
        except OtherParametersError:
            progress.advance(-ticks)
            raise
        return writer.episodes, ticks

    def _is_full(self, row: int, ticks: int) -> bool:
        """Whether the episode that begins with a row goes into a file of its own."""
        hz = self.spec.tick_hz
        own = int(self.plan.left[row]) if self.plan.begins[row] else 0
        return ticks >= FULL_S * hz or ticks + own > LIMIT_S * hz

    def finish(self) -> None:
        """Write what is known of all files together."""
        features = self.features()
        totals = Totals(features)
        number = 0
        while (episodes := self.paths(number)[-1]).is_file():
            totals.add(read_episodes(episodes))
            number += 1
        described = features[layout.image_key(self.config.camera)]["info"]
        described["video.pix_fmt"] = pixel_format(self.paths(0)[0])
        info = layout.info(
            self.spec,
            features,
            episodes=totals.episodes,
            frames=self.plan.ticks,
            splits=totals.splits,
        )
        storage.write_atomic(self.out / layout.STATS, to_json(totals.stats()))
        with storage.replacing(self.out / layout.TASKS) as temporary:
            pq.write_table(layout.tasks_table(self.task), temporary)
        dataset = storage.storable(self.config.dataset)
        card = lerobot_card(info, self.content, self.spec, dataset=dataset, task=self.task)
        storage.write_atomic(self.out / "README.md", card.encode())
        storage.write_atomic(self.out / layout.INFO, to_json(info))
        hours = float(self.plan.ticks / self.spec.tick_hz) / 3600
        log(
            f"{self.out}: {self.plan.ticks:,} frames of {totals.episodes:,} episodes, "
            f"{hours_of(hours)}"
        )
