"""What a dataset says about itself as a whole: the content of `dataset.json`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ...errors import DatasetError, SpecError
from ..actions.spec import ActionSpec
from .clip import ARRAY_DTYPES, LATER_DTYPES, SCHEMA_VERSION
from .commits import IN_GAME, NOT_THE_GAME, CommitRecord, DeadLetter
from .label_checks import array_shapes
from .statistics import ShardStatistics

CONTENT_KEYS = {"name", "spec", "spec_sha256", "shards", "counts", "labels", "license", "options"}
SHARD_KEYS = ("name", "size_bytes", "sha256")
MADE_AGAIN = (
    "run the command again that wrote the dataset: it makes its tables from the commit records"
)


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
    """The checkpoint that labeled it: `uri`, `sha256` and measured `metrics`."""
    options: dict[str, Any] = field(default_factory=dict)
    """The resolved settings that made the dataset."""
    environment: dict[str, Any] = field(default_factory=dict)
    """What decides the bytes beside input and options: versions, processor, threads per worker."""
    dead_letters: tuple[DeadLetter, ...] = ()
    """Dead letters of sources that never came as far as a shard."""
    duplicates: dict[str, int] = field(default_factory=dict)
    """Sources left out as `duplicate` (the same bytes) or `near_duplicate` (the same pictures)."""


class Summary:
    """Adds up commit records, or what other summaries added up.

    What it keeps grows with sources and shards, not with clips.

    Args:
        spec: of the dataset.
    """

    def __init__(self, spec: ActionSpec):
        self.spec = spec
        self._total = ShardStatistics(spec)
        self._splits: dict[str, Counter[str]] = {}  # clips and ticks
        self._sources: dict[str, set[str]] = {}  # by split
        self._episodes: set[str] = set()
        self._licenses: dict[str, dict[str, int]] = {}  # ticks by source, by license
        self._drops: Counter[str] = Counter()
        self._letters: set[DeadLetter] = set()
        self._shards: list[dict[str, Any]] = []
        self._asked: dict[str, dict[str, Any]] = {}  # sources of which it was asked: is it the game

    def add(self, record: CommitRecord, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count a shard, of which only these of its rows are still in the dataset."""
        self._total.merge(record.statistics)
        own = self._splits.setdefault(record.split, Counter())
        own.update(clips=len(rows), ticks=sum(row["frames"] for row in rows))
        self._sources.setdefault(record.split, set()).update(row["source_sha256"] for row in rows)
        self._episodes.update(row["episode_id"] for row in rows)
        for row in rows:
            ticks = self._licenses.setdefault(row.get("licence") or "", {})
            ticks[row["source_sha256"]] = ticks.get(row["source_sha256"], 0) + row["frames"]
        self._drops.update(record.drops)
        self._letters.update(record.dead_letters)
        for sha256, said in record.extra.get(IN_GAME, {}).items():
            dropped = [(end - start, score) for start, end, score in said[NOT_THE_GAME]]
            asked = {"uri": said["uri"], "ticks": said["ticks"]}
            asked["dropped"] = sum(ticks for ticks, _ in dropped)
            asked["score"] = sum(ticks * score for ticks, score in dropped)
            self._add_asked(sha256, asked)
        tar = record.tar or {"size_bytes": 0, "sha256": None}
        self._shards.append(
            {
                "name": record.shard,
                "path": f"shards/{record.shard}.tar" if record.tar else None,
                "split": record.split,
                "samples": len(rows),
                "size_bytes": tar["size_bytes"],
                "sha256": tar["sha256"],
            }
        )

    def merge(self, other: Mapping[str, Any]) -> None:
        """Add what another summary's `to_dict` gave."""
        self._total.merge(other["statistics"])
        for split, counts in other["splits"].items():
            self._splits.setdefault(split, Counter()).update(counts)
        for split, sources in other["sources"].items():
            self._sources.setdefault(split, set()).update(sources)
        self._episodes.update(other["episodes"])
        for license, own in other["licences"].items():
            ticks = self._licenses.setdefault(license, {})
            for sha256, count in own.items():
                ticks[sha256] = ticks.get(sha256, 0) + count
        self._drops.update(other["drops"])
        self._letters.update(DeadLetter(**letter) for letter in other["dead_letters"])
        self._shards += other["shards"]
        for sha256, own in other.get("asked", {}).items():
            self._add_asked(sha256, own)

    def _add_asked(self, sha256: str, own: Mapping[str, Any]) -> None:
        so_far = self._asked.setdefault(
            sha256, {"uri": own["uri"], "ticks": 0, "dropped": 0, "score": 0.0}
        )
        for name in ("ticks", "dropped", "score"):
            so_far[name] += own[name]

    def to_dict(self) -> dict[str, Any]:
        """Everything that was added, as plain values; the same for the same shards."""
        return {
            "statistics": self._total.to_dict(),
            "splits": {split: dict(counts) for split, counts in sorted(self._splits.items())},
            "sources": {split: sorted(own) for split, own in sorted(self._sources.items())},
            "episodes": sorted(self._episodes),
            "licences": {
                license: dict(sorted(ticks.items()))
                for license, ticks in sorted(self._licenses.items())
            },
            "drops": dict(sorted(self._drops.items())),
            "dead_letters": [asdict(letter) for letter in sorted(self._letters, key=letter_order)],
            "shards": self._shards,
            **({"asked": dict(sorted(self._asked.items()))} if self._asked else {}),
        }

    def letters(self, more: Iterable[DeadLetter] = ()) -> list[DeadLetter]:
        """The dead letters of the shards and `more` of them, each once, in their one order; and
        one for each source of which nothing looks like the game.
        """
        return sorted(self._letters.union(more, self._not_the_game()), key=letter_order)

    def _not_the_game(self) -> Iterable[DeadLetter]:
        for sha256, own in self._asked.items():
            if own["dropped"] and not own["ticks"]:
                yield DeadLetter(
                    source_uri=own["uri"],
                    source_sha256=sha256,
                    stage="filter",
                    reason=NOT_THE_GAME,
                    detail=f"no stretch of it looks like the game that the IDM knows (in_game "
                    f"{own['score'] / own['dropped']:.2f}, play has 0.5 or more)",
                )

    def content(
        self, info: DatasetInfo, letters: Sequence[DeadLetter], version: str
    ) -> dict[str, Any]:
        """The content of `dataset.json`."""
        hours_per_tick = float(1 / self.spec.tick_hz) / 3600
        total: Counter[str] = sum(self._splits.values(), Counter())
        all_ticks = total["ticks"]
        return {
            "schema_version": SCHEMA_VERSION,
            "name": info.name,
            "description": info.description,
            "license": info.license,
            "labels": info.labels,
            "idm": info.idm,
            "spec": self.spec.to_dict(),
            "spec_sha256": self.spec.sha256,
            "features": _features(self.spec, in_game=bool((info.idm or {}).get("game"))),
            "counts": {
                "shards": len(self._shards),
                "clips": total["clips"],
                "ticks": all_ticks,
                "valid_ticks": self._total.counts["valid_ticks"],
                "sources": len(set().union(*self._sources.values())),
                "episodes": len(self._episodes),
                "dead_letters": len(letters),
                "size_bytes": sum(shard["size_bytes"] for shard in self._shards),
            },
            "hours": all_ticks * hours_per_tick,
            "splits": {
                split: {
                    "clips": counts["clips"],
                    "hours": counts["ticks"] * hours_per_tick,
                    "sources": len(self._sources[split]),
                }
                for split, counts in sorted(self._splits.items())
            },
            "licences": {  # as the table of sources named them; empty where it named none
                license: {"sources": len(ticks), "hours": sum(ticks.values()) * hours_per_tick}
                for license, ticks in sorted(self._licenses.items())
            },
            "statistics": self._total.to_dict(),
            "drops": dict(sorted(self._drops.items())),
            "dead_letter_reasons": dict(
                sorted(Counter(letter.reason for letter in letters).items())
            ),
            "version": version,  # of the manifest, see `versions.py`
            "shards": self._shards,
            "duplicates": info.duplicates,
            "options": info.options,
            "environment": info.environment,
        }


def letter_order(letter: DeadLetter) -> tuple[str | int, ...]:
    """What dead letters are sorted by."""
    start, end = (-1 if tick is None else tick for tick in (letter.start_tick, letter.end_tick))
    return (
        letter.source_uri,
        start,
        letter.stage,
        letter.reason,
        letter.detail,
        letter.source_sha256 or "",
        end,
    )


def _features(spec: ActionSpec, *, in_game: bool) -> dict[str, Any]:
    """Name, member, dtype and shape of everything in a sample; T is the clip's number of ticks."""
    names: dict[str, Any] = {"buttons": list(spec.button_names), "camera": list(spec.axis_names)}
    features: dict[str, Any] = {
        "frames": {
            "member": "mp4",
            "dtype": "uint8",
            "shape": ["T", spec.frame.height, spec.frame.width, 3],
        }
    }
    dtypes = ARRAY_DTYPES | (LATER_DTYPES if in_game else {})
    shapes = array_shapes(spec, 0)
    for name in dtypes:
        shape = shapes[name]
        features[name] = {
            "member": "npz",
            "dtype": dtypes[name].name,
            "shape": ["T", *shape[1:]],
        }
        if named := names.get(name.removesuffix("_prob")):
            features[name]["names"] = named
    # Of motion alone, one unit says it all; sticks and wheels have another each.
    units = [axis.unit for axis in spec.axes]
    features["camera"]["unit"] = "degrees" if set(units) <= {"degrees"} else units
    return features


def content_bytes(content: Mapping[str, Any]) -> bytes:
    """The bytes of `dataset.json`."""
    # not sorted: the order of a spec's buttons counts
    return (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def parse_content(data: bytes, uri: str, dataset: str) -> dict[str, Any]:
    """The content of the `dataset.json` whose bytes are `data`.

    Raises DatasetError, naming the file's `uri`, where it is damaged, and naming the dataset where
    it is of another schema version.
    """
    try:
        content = json.loads(data)
        if not isinstance(content, dict):
            raise ValueError(f"expected an object, got {type(content).__name__}")
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{uri}: is damaged ({error}); {MADE_AGAIN}") from error
    if content.get("schema_version") != SCHEMA_VERSION:
        raise DatasetError(
            f"{dataset}: schema version {content.get('schema_version')}, "
            f"this vidact reads {SCHEMA_VERSION}; read it with the version that wrote it"
        )
    if missing := CONTENT_KEYS - content.keys():
        raise DatasetError(f"{uri}: lacks {', '.join(sorted(missing))}; {MADE_AGAIN}")
    if problem := _content_problem(content):
        raise DatasetError(f"{uri}: {problem}; {MADE_AGAIN}")
    return content


def _content_problem(content: Mapping[str, Any]) -> str | None:
    """The first field of a `dataset.json` that readers could not use."""
    for name in ("spec", "counts", "options"):
        if not isinstance(content[name], Mapping):
            return f"{name} must be an object, got {content[name]!r:.40}"
    try:
        ActionSpec.from_dict(content["spec"])
    except SpecError as error:
        return str(error)
    if not isinstance(content["shards"], list):
        return f"shards must be a list, got {content['shards']!r:.40}"
    for number, shard in enumerate(content["shards"]):
        where = f"shards[{number}]"
        if not isinstance(shard, Mapping):
            return f"{where} must be an object, got {shard!r:.40}"
        if missing := [name for name in SHARD_KEYS if name not in shard]:
            return f"{where} lacks {', '.join(missing)}"
        if not isinstance(shard["name"], str):
            return f"{where}.name must be a string, got {shard['name']!r:.40}"
        if not isinstance(shard["size_bytes"], int):
            return f"{where}.size_bytes must be a whole number, got {shard['size_bytes']!r:.40}"
    return None
