"""Which clips stay under tighter thresholds, by what a filter of clean frames said when they were
labeled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from ...datasets.actions.spec import ActionSpec
from ...datasets.actions.stretches import stretches
from ...datasets.shards.commits import CLEAN, CommitRecord
from ...datasets.shards.dataset import Dataset
from ...datasets.shards.writer import ShardWriter
from ..filtering.config import CleanConfig
from .clean_stretches import UNNAMED, Thresholds

NOT_ASKED = -1


class StoredScores:
    """Judges clips of a dataset anew, source by source.

    Args:
        dataset: whose records keep the scores.
        thresholds: by which its ticks are judged.
    """

    def __init__(self, dataset: Dataset, thresholds: Thresholds):
        self._dataset, self._thresholds = dataset, thresholds
        self._manifest = dataset.open_manifest()
        self._source = ""
        self._kept = np.zeros(0, bool)  # of that source, by asked frame

    @classmethod
    def of(cls, dataset: Dataset, clean: Mapping[str, Any], spec: ActionSpec) -> StoredScores:
        """With what `CleanConfig.identity` said, tightened."""
        own = {f.name: clean[f.name] for f in fields(CleanConfig) if f.name in clean}
        return cls(dataset, Thresholds(CleanConfig(**own), float(spec.tick_hz)))

    def kept(
        self, rows: Sequence[Mapping[str, Any]], writer: ShardWriter
    ) -> Iterator[Mapping[str, Any]]:
        """The rows of clips all of whose ticks are kept; the others are counted as dropped."""
        for row in rows:
            if row["source_sha256"] != self._source:
                self._source = row["source_sha256"]
                self._kept = self._judge(self._source)
            ticks = np.arange(row["start_tick"], row["start_tick"] + row["frames"])
            if self._kept[self._thresholds.frame_of(ticks, 0, len(self._kept))].all():
                yield row
            else:
                writer.drop(UNNAMED, int(row["frames"]))

    def _judge(self, sha256: str) -> np.ndarray:
        """Whether each asked frame of a source is kept, bool [n]; what no record tells of is not.

        Raises DatasetError where a record is damaged.
        """
        shards = sorted({row["shard"] for row in self._manifest.source_rows(sha256)})
        parts = stored_parts(self._dataset.commits(shards), sha256)
        kept = np.zeros(len(parts), bool)
        for start, end in stretches(parts != NOT_ASKED).tolist():
            kept[start:end] = self._thresholds.keep(parts[start:end])
        return kept


def stored_parts(records: Iterable[CommitRecord], sha256: str) -> np.ndarray:
    """What was said of the asked frames of a source, thousandths, int [n], n at least 1; NOT_ASKED
    where no record tells.
    """
    parts = np.full(1, NOT_ASKED)
    for record in records:
        for first, every, said in record.extra.get(CLEAN, {}).get(sha256, {}).get("scores", ()):
            place = first // every
            missing = place + len(said) - len(parts)
            parts = np.pad(parts, (0, max(missing, 0)), constant_values=NOT_ASKED)
            parts[place : place + len(said)] = said
    return parts
