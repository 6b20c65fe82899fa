"""`vidact relocate`: the videos of a dataset lie elsewhere now."""

from __future__ import annotations

import os

from .. import storage
from ..conditional_writes import ChangedMeanwhile
from ..datasets.shards.dataset import Dataset
from ..errors import ConfigError, DatasetError
from ..progress import log, shortened
from ..storage_failures import interrupted_by_storage
from .config import RelocateConfig
from .planning.addresses import with_addresses
from .planning.marks import marks_of
from .planning.plan import Plan, read_plan, write_plan

SHOWN_SOURCES = 5


@interrupted_by_storage()
def relocate(config: RelocateConfig) -> int:
    """Give sources of a plan their new addresses.

    Raises:
        ConfigError: no source lies at the old place, or none at the new one.
        DatasetError: there is no plan.
    """
    dataset = Dataset(config.dataset)
    old, new = _place(config.old), _place(config.new)
    while True:
        plan = read_plan(dataset)
        if plan is None:
            raise DatasetError(f"{dataset}: there is no plan; only `vidact label` makes one")
        moved = _new_addresses(plan, old, new)
        if not moved:
            raise ConfigError(f"old: no source of {dataset} lies at {old}")
        marks = marks_of(moved.values())
        sizes = {record.uri: record.size_bytes for record in plan.sources}
        there = {
            before: after for before, after in moved.items() if _may_be(marks[after], sizes[before])
        }
        if not there:
            raise ConfigError(
                f"new: nothing that lay at {old} lies at {new} with the same size "
                f"(looked for {shortened(sorted(moved.values()), SHOWN_SOURCES)})"
            )
        try:
            write_plan(with_addresses(plan, there, marks), dataset, plan)
        except ChangedMeanwhile:
            continue
        break
    log(f"{dataset}: {len(there):,} sources lie at {new} now")
    if left := sorted(moved.keys() - there.keys()):
        log(
            f"{len(left):,} were not found there, or have another size, and stay as they were: "
            f"{shortened(left, SHOWN_SOURCES)}"
        )
    return 0


def _place(text: str) -> str:
    """A place as plans have it: local ones are absolute."""
    path = storage.local_path(text)
    return (text if path is None else storage.storable(os.path.abspath(path))).rstrip("/")


def _new_addresses(plan: Plan, old: str, new: str) -> dict[str, str]:
    """The new URIs of all sources at or below a place."""
    return {
        record.uri: new + record.uri[len(old) :]
        for record in plan.sources
        if record.status != "removed" and (record.uri == old or record.uri.startswith(f"{old}/"))
    }


def _may_be(mark: str | None, size_bytes: int) -> bool:
    """Whether what lies somewhere is as long as the source; labeling compares its hash."""
    return mark is not None and (size_bytes <= 0 or mark.startswith(f"{size_bytes}-"))
