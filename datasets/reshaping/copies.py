"""Copies chosen clips into a dataset of their own, whose shards are of one size.

Samples are copied as they are, so labels, pixels and lineage stay bit by bit; what changes is in
which shard of its split a clip lies. Which clips go into which shard follows from the choice
alone, so that a run that was stopped does only what is missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigError, DatasetError, SpecMismatchError
from ...machine import cores
from ...progress import Progress, hours_of, log
from ..actions.spec import ActionSpec
from ..loading.items import Columns, Filter, filtered
from ..shards.codec import decode_clip
from ..shards.commits import DeadLetter, split_of_shard, tombstone
from ..shards.dataset import Dataset
from ..shards.info import DatasetInfo
from ..shards.inventory import Inventory
from ..shards.lost import forget_lost
from ..shards.writer import ShardWriter

COPIED = "copied"  # in a record's `extra`: the hash of the clips that were copied


@dataclass(frozen=True, slots=True)
class Choice:
    """Clips of a dataset."""

    dataset: Dataset
    version: str
    columns: Columns
    rows: NDArray[np.intp]
    """The numbers of the chosen rows, rising."""
    names: NDArray[np.str_] | None = None
    """[N] of all rows: what a column of names says, where it was asked for."""

    @classmethod
    def of(cls, dataset: Dataset, conditions: Sequence[Filter] = (), *, named: str = "") -> Choice:
        """All clips that meet the conditions, of the newest version."""
        manifest = dataset.open_manifest()
        columns, own, names = filtered(dataset, manifest, conditions, named=named)
        found = None if own is None else np.array(names, np.str_)[own]
        return cls(dataset, manifest.version, columns, np.arange(len(columns)), found)

    def where(self, chosen: NDArray[np.bool_]) -> Choice:
        """Those of the clips for which `chosen`, [N] of all rows, holds."""
        rows = self.rows[chosen[self.rows]]
        return Choice(self.dataset, self.version, self.columns, rows, self.names)


Place = tuple[int, int]
"""Of a clip: the number of its choice, and of its row there."""


def copy_clips(
    choices: Sequence[Choice],
    out: Dataset,
    *,
    verb: str,
    details: Mapping[str, Any],
    shard_mb: float,
    name: str = "",
    threads: int = 0,
) -> dict[str, Any]:
    """Write the chosen clips as a dataset, or what a run that was stopped left out.

    Args:
        choices: of datasets with the same action spec; no clip is in two of them.
        out: the dataset to write.
        verb, details: what is kept of how it was made, in its options.
        shard_mb: megabytes after which a shard is full.
        name: its title; its folder's name unless given.
        threads: shards at a time; 0: one a core.

    Returns:
        The content of `dataset.json`.

    Raises:
        ConfigError: `out` is one of the datasets, or holds other things.
        DatasetError: nothing was chosen, or `out` holds shards of another choice.
        SpecMismatchError: the datasets have different specs.
    """
    spec = _one_spec([choice.dataset for choice in choices])
    if any(str(choice.dataset).rstrip("/") == str(out).rstrip("/") for choice in choices):
        raise ConfigError(f"out: {out} is the dataset itself; the copy goes into a new folder")
    out.require_own_folder()
    if not sum(len(choice.rows) for choice in choices):
        raise DatasetError(
            f"{', '.join(str(choice.dataset) for choice in choices)}: no clip is chosen"
        )
    plan = _plan(choices, int(shard_mb * 1e6))
    marks = {shard: _mark(choices, places) for shard, places in plan.items()}
    forget_lost(Inventory(out))
    done = set()
    for record in out.commits():
        if record.extra.get(COPIED) != marks.get(record.shard):
            raise DatasetError(
                f"{out}: shard {record.shard} is there already, of other clips; choose another "
                "--out, or delete it"
            )
        done.add(record.shard)
    missing = [shard for shard in plan if shard not in done]
    out.bury({sha256 for choice in choices for sha256 in choice.dataset.tombstones()})
    total = sum(map(len, plan.values()))
    with Progress(verb.title(), total=total, unit="clips") as progress:
        progress.resume_at(total - sum(len(plan[shard]) for shard in missing))
        with ThreadPoolExecutor(threads or cores()) as pool:
            waiting = [
                pool.submit(_write, choices, plan[shard], shard, out, spec) for shard in missing
            ]
            try:
                for future in as_completed(waiting):
                    progress.advance(future.result())
            finally:  # where one fails or is interrupted, the others are not begun
                pool.shutdown(cancel_futures=True)
    options = {verb: {"from": _origins(choices), **details}}
    content = out.compact(_info(choices, out, spec, options, name))
    counts = content["counts"]
    log(
        f"{out}: {counts['clips']:,} clips in {counts['shards']:,} shards, "
        f"{hours_of(content['hours'])}"
    )
    return content


def _one_spec(datasets: Sequence[Dataset]) -> ActionSpec:
    specs = [dataset.spec() for dataset in datasets]
    for dataset, spec in zip(datasets, specs, strict=True):
        if spec.sha256 != specs[0].sha256:
            raise SpecMismatchError(
                f"{dataset}: has action spec {spec.name!r} v{spec.version}, {datasets[0]} has "
                f"{specs[0].name!r} v{specs[0].version}; one dataset has one spec"
            )
    return specs[0]


def _plan(choices: Sequence[Choice], shard_bytes: int) -> dict[str, list[Place]]:
    """Which clips go into which shard, in their order: a shard begins where one is full."""
    plan: dict[str, list[Place]] = {}
    filled: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for number, choice in enumerate(choices):
        splits = [split_of_shard(name) for name in choice.columns.names]
        sizes = choice.columns.numbers["size_bytes"]
        for row in choice.rows.tolist():
            split = splits[choice.columns.shards[row]]
            size = int(sizes[row])
            if split not in numbers or filled[split] + size > shard_bytes:
                numbers[split] = numbers.get(split, -1) + 1
                filled[split] = 0
            filled[split] += size
            plan.setdefault(f"{split}-{numbers[split]:05d}", []).append((number, row))
    return plan


def _mark(choices: Sequence[Choice], places: Sequence[Place]) -> str:
    """A hash of the clips of a shard and of what lies in them."""
    digest = hashlib.sha256()
    for number, row in places:
        columns = choices[number].columns
        crc32 = columns.numbers["sample_crc32"][row]
        digest.update(f"{columns.key(row)} {crc32}\n".encode())
    return digest.hexdigest()


def _write(
    choices: Sequence[Choice],
    places: Sequence[Place],
    shard: str,
    out: Dataset,
    spec: ActionSpec,
) -> int:
    """Write a shard; returns how many clips it has."""
    with ShardWriter(out, shard, spec) as writer:
        for number, row in places:
            choice = choices[number]
            found = choice.columns.row(row)
            members = choice.dataset.read_sample(found)
            writer.add_encoded(decode_clip(found["key"], members, frames=False), members)
        writer.commit({COPIED: _mark(choices, places)})
    return len(places)


def _origins(choices: Sequence[Choice]) -> list[dict[str, Any]]:
    return [
        {"uri": str(choice.dataset), "version": choice.version, "clips": len(choice.rows)}
        for choice in choices
    ]


def _info(
    choices: Sequence[Choice],
    out: Dataset,
    spec: ActionSpec,
    options: Mapping[str, Any],
    name: str,
) -> DatasetInfo:
    contents = [choice.dataset.content() for choice in choices]
    first = contents[0]

    def common(field: str, otherwise: Any) -> Any:
        return (
            first.get(field)
            if all(c.get(field) == first.get(field) for c in contents)
            else (otherwise)
        )

    removed = sorted({sha for choice in choices for sha in choice.dataset.removed_sources()})
    names = ", ".join(content["name"] for content in contents)
    return DatasetInfo(
        name=name or out.name,
        spec=spec,
        labels=common("labels", "mixed"),
        description=f"Clips of {names}.",
        license=common("license", "other"),
        idm=common("idm", None),
        options={**options, **({"removed": removed} if removed else {})},
        environment=common("environment", {}),
        dead_letters=(*_unread(choices), *map(tombstone, removed)),
    )


def _unread(choices: Sequence[Choice]) -> Iterator[DeadLetter]:
    """The dead letters of sources that never came as far as a shard."""
    for choice in choices:
        for row in choice.dataset.dead_letters().to_pylist():
            if row["stage"] == "probe":
                yield DeadLetter(**row)
