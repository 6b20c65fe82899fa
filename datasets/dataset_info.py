"""What a dataset says about itself as a whole: the content of `dataset.json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .actions import ActionSpec
from .clips import ARRAY_DTYPES, SCHEMA_VERSION
from .commits import CommitRecord, DeadLetter
from .label_checks import array_shapes
from .shard_statistics import ShardStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """What the commit records do not know of a dataset."""

    name: str
    """Its title, for people."""
    spec: ActionSpec
    labels: str = "inferred"
    """`inferred` by an IDM, or `true` actions."""
    description: str = ""
    """A sentence or two for the data card."""
    license: str = "other"
    """An SPDX name, or `other`: it depends on the sources, which only the user knows."""
    idm: dict[str, Any] | None = None
    """Of the checkpoint that labelled: `uri`, `sha256` and its measured `metrics`."""
    options: dict[str, Any] = field(default_factory=dict)
    """The resolved settings that made the dataset."""
    environment: dict[str, Any] = field(default_factory=dict)
    """Versions, kind of processor, threads a worker: what decides the bytes beside input and options."""
    dead_letters: tuple[DeadLetter, ...] = ()
    """Of sources that never came as far as a shard."""


def describe(info: DatasetInfo, records: Sequence[CommitRecord], letters: Sequence[DeadLetter]) -> dict[str, Any]:
    """The content of `dataset.json`."""
    spec = info.spec
    hours_a_tick = float(1 / spec.tick_hz) / 3600
    total = ShardStatistics(spec)
    splits: dict[str, ShardStatistics] = {}
    drops: Counter[str] = Counter()
    for record in records:
        total.merge(record.statistics)
        splits.setdefault(record.split, ShardStatistics(spec)).merge(record.statistics)
        drops.update(record.drops)
    rows = [row for record in records for row in record.rows]
    return {
        "schema_version": SCHEMA_VERSION,
        "name": info.name,
        "description": info.description,
        "license": info.license,
        "labels": info.labels,
        "idm": info.idm,
        "spec": spec.to_dict(),
        "spec_sha256": spec.sha256,
        "features": _features(spec),
        "counts": {
            "shards": len(records),
            "clips": total.counts["clips"],
            "ticks": total.counts["ticks"],
            "valid_ticks": total.counts["valid_ticks"],
            "sources": len({row["source_sha256"] for row in rows}),
            "episodes": len({row["episode_id"] for row in rows}),
            "dead_letters": len(letters),
            "size_bytes": sum(record.tar["size_bytes"] for record in records if record.tar),
        },
        "hours": total.counts["ticks"] * hours_a_tick,
        "splits": {
            split: {
                "clips": statistics.counts["clips"],
                "hours": statistics.counts["ticks"] * hours_a_tick,
                "sources": len({row["source_sha256"] for row in rows if row["split"] == split}),
            }
            for split, statistics in sorted(splits.items())
        },
        "statistics": total.to_dict(),
        "drops": dict(sorted(drops.items())),
        "dead_letter_reasons": dict(sorted(Counter(letter.reason for letter in letters).items())),
        "shards": [
            {
                "name": record.shard,
                "path": f"shards/{record.shard}.tar" if record.tar else None,
                "split": record.split,
                "samples": len(record.rows),
                "size_bytes": record.tar["size_bytes"] if record.tar else 0,
                "sha256": record.tar["sha256"] if record.tar else None,
            }
            for record in records
        ],
        "options": info.options,
        "environment": info.environment,
    }


def _features(spec: ActionSpec) -> dict[str, Any]:
    """Name, member, dtype and shape of everything in a sample; T is the clip's number of ticks."""
    names: dict[str, Any] = {"buttons": list(spec.button_names), "camera": list(spec.axis_names)}
    features: dict[str, Any] = {
        "frames": {"member": "mp4", "dtype": "uint8", "shape": ["T", spec.frame.height, spec.frame.width, 3]}
    }
    for name, shape in array_shapes(spec, 0).items():
        features[name] = {"member": "npz", "dtype": ARRAY_DTYPES[name].name, "shape": ["T", *shape[1:]]}
        if named := names.get(name.removesuffix("_prob")):
            features[name]["names"] = named
    features["camera"]["unit"] = "degrees"
    return features
