"""Folders of videos: links are followed, loops noticed, and datasets left alone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path, PurePosixPath

from ... import storage
from ...datasets.shards.dataset import CONTENT
from ...datasets.video.file import VIDEO_SUFFIXES
from ...progress import log


class Datasets:
    """Which files lie in a dataset: they are products, never sources.

    Args:
        out: a dataset that may have no `dataset.json` yet.
    """

    def __init__(self, out: storage.Uri | None = None):
        self._folders: set[str] = set()
        self._remote: set[str] = set()
        self.passed_over: set[str] = set()
        """The datasets in which videos were found."""
        if out is not None:
            path = storage.local_path(out)
            if path is not None:
                self._folders.add(os.path.realpath(path))
            else:
                self._remote.add(os.fspath(out).rstrip("/"))
        self._dataset_of = cache(self._find)

    def notice(self, uris: Iterable[str]) -> None:
        """Take note of the datasets in a listing of a bucket."""
        end = f"/{CONTENT}"
        self._remote |= {uri.removesuffix(end) for uri in uris if uri.endswith(end)}

    def hold(self, uri: str) -> bool:
        """Whether a file lies in a dataset."""
        path = storage.local_path(uri)
        dataset = ""
        if path is not None:
            dataset = self._dataset_of(os.path.realpath(path.parent))
        else:
            dataset = next((one for one in self._remote if uri.startswith(f"{one}/")), "")
        self.passed_over |= {dataset} - {""}
        return bool(dataset)

    def is_one(self, folder: str) -> bool:
        """Whether a local folder is a dataset, or lies in one."""
        dataset = self._dataset_of(os.path.realpath(folder))
        self.passed_over |= {dataset} - {""}
        return bool(dataset)

    def _find(self, folder: str) -> str:
        """The dataset that a real folder is, or lies in; empty where there is none."""
        if folder in self._folders or os.path.isfile(os.path.join(folder, CONTENT)):
            return folder
        above = os.path.dirname(folder)
        return "" if above == folder else self._dataset_of(above)


def videos_below(folder: Path, datasets: Datasets) -> list[str]:
    """The video files in a folder and all below it, sorted; hidden names are left out.

    Folders that are links are followed, each folder once: what links lead to comes after what lies
    in the folder itself, so files are known by their own names where they have one here.
    """
    found: list[str] = []
    seen: set[tuple[int, int]] = set()
    waiting = [os.fspath(folder)]
    links: list[str] = []
    while waiting or links:
        at_link = not waiting
        here = waiting.pop() if waiting else links.pop(0)
        stat = os.stat(here)
        if (stat.st_dev, stat.st_ino) in seen:
            if at_link:
                log(f"{here}: leads to a folder that was read already, and was passed over")
            continue
        seen.add((stat.st_dev, stat.st_ino))
        if datasets.is_one(here):
            continue
        with os.scandir(here) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.startswith("."):
                    continue
                if not entry.is_dir():
                    if PurePosixPath(entry.name).suffix.lower() in VIDEO_SUFFIXES:
                        found.append(entry.path)
                elif entry.is_symlink():
                    links.append(entry.path)
                else:
                    waiting.append(entry.path)
    return sorted(found)
