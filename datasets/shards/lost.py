"""Shards whose tars are gone, though their records tell of them: they are made again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ... import storage
from ...errors import DatasetError
from ...progress import log, shortened
from .dataset import COMMITS, READERS, SHARDS, SHOWN_SHARDS, shards_of
from .inventory import Inventory


def lost_shards(found: Inventory) -> list[str]:
    """Those whose records tell of a tar that is gone.

    Args:
        found: is taken before the tars are listed here, so of a shard that is committed meanwhile
            the tar is there already.
    """
    lost, _ = _divided(found)
    return lost


def forget_lost(found: Inventory) -> None:
    """Take back the records of shards whose tars are gone, so that they are made again.

    Raises DatasetError where all of several are gone, or their folder: a disk that is not mounted
    comes back.
    """
    dataset = found.dataset
    lost, whole = _divided(found)
    if not lost:
        return
    folder = storage.local_path(storage.join(dataset, SHARDS))
    if (folder is not None and not folder.is_dir()) or (len(lost) > 1 and not whole):
        raise DatasetError(
            f"{dataset}: none of its {len(lost)} tars is in {SHARDS}/: is that folder where it "
            f"was, and its disk there? To have them all made again, delete {COMMITS}/ too"
        )
    found.forget(lost)
    log(f"{dataset}: the tars of {shortened(lost, SHOWN_SHARDS)} are gone: made again")


def _divided(found: Inventory) -> tuple[list[str], set[str]]:
    """The shards whose tars are gone, and those whose tars are there."""
    tars = shards_of(found.dataset.tars())

    def is_lost(shard: str) -> bool:
        try:
            return bool(found.dataset.read_commit(shard).tar)
        except FileNotFoundError:  # another job has taken it back meanwhile
            return False

    without = [shard for shard in found.committed if shard not in tars]
    with ThreadPoolExecutor(READERS) as pool:
        gone = list(pool.map(is_lost, without))
    lost = [shard for shard, is_gone in zip(without, gone, strict=True) if is_gone]
    return lost, tars.intersection(found.committed)
