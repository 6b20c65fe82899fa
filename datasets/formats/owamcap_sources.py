"""Where files of other recorders, their videos and their licenses lie."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from ... import storage
from ...errors import ConfigError, RecordingError
from ...plain_yaml import load_plain

MAX_CARD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A file that is to be imported."""

    path: Path
    name: str
    """Of the recording, below the folder that is written to."""
    root: Path
    """The folder that was named, up to which a card with the licence is looked for."""


def find_sources(files: Sequence[str], suffix: str = ".mcap") -> list[Source]:
    """Return the files among files, and of a suffix in folders, at any depth, sorted; each once.

    Raises:
        ConfigError: there is nothing of a name, or nothing of the suffix in a folder.
    """
    found: dict[Path, Source] = {}
    for name in files:
        path = on_this_machine(name)
        if path.is_dir():
            inside = sorted(p for p in path.rglob(f"*{suffix}") if not p.name.startswith("."))
            if not inside:
                raise ConfigError(f"{path}: no {suffix[1:]} files in this folder")
            for one in inside:
                stem = one.relative_to(path).with_suffix("").as_posix()
                found.setdefault(one.absolute(), Source(one, stem, path))
        elif path.is_file():
            found.setdefault(path.absolute(), Source(path, path.stem, path.parent))
        else:
            raise ConfigError(f"{path}: there is no such file or folder (seen from {Path.cwd()})")
    return [found[path] for path in sorted(found)]


def on_this_machine(name: str) -> Path:
    """Return the path of a file or folder. Raises ConfigError where it is not on this machine."""
    if (path := storage.local_path(name)) is not None:
        return path
    if found := re.match(r"hf://datasets/([\w.-]+/([\w.-]+))", name):
        how = f" (hf download {found[1]} --repo-type dataset --local-dir {found[2]})"
    else:
        how = ""
    raise ConfigError(f"{name}: is read from this machine: download it first{how}")


def find_video(mcap: Path, uris: Counter[str], counts: Counter[str]) -> Path:
    """Return the video that the pictures of a file lie in, which is never one outside its folder.

    What was recorded elsewhere and then moved is found beside the file, by its name or by the
    file's own; that is counted.

    Raises:
        FileNotFoundError: it is not there.
        RecordingError: the pictures are in the file itself, on a server, or in several videos.
    """
    if len(uris) > 1:
        raise RecordingError(f"its pictures lie in {len(uris)} files; one video is read")
    (uri,) = uris
    if uri == "data:":
        raise RecordingError("its pictures are in the file itself; only those of a video are read")
    if "://" in uri and not uri.startswith("file://"):
        raise RecordingError(f"its video is at {uri:.200}: download it beside the file")
    told = PurePosixPath(uri.removeprefix("file://").replace("\\", "/"))
    plain = not told.is_absolute() and ".." not in told.parts and not re.match(r"[A-Za-z]:", uri)
    if plain and (mcap.parent / told).is_file():
        return mcap.parent / told
    beside = [mcap.parent / told.name, mcap.with_suffix(".mkv"), mcap.with_suffix(".mp4")]
    for path in beside:
        if told.name and path.is_file():
            counts["video_found_beside"] += 1
            return path
    raise FileNotFoundError(f"{mcap.parent / told.name}: the video is missing")


def find_license(source: Source, metadata: Mapping[str, Mapping[str, str]]) -> str:
    """Return the licence that the file names, or the nearest card (README.md) above it; else ""."""
    for record in metadata.values():
        for field, value in record.items():
            if field.lower() in ("license", "licence") and value:
                return str(value)[:200]
    folder, root = source.path.absolute().parent, source.root.absolute()
    while True:
        if license_name := license_of_card(folder / "README.md"):
            return license_name
        if folder in (root, folder.parent):
            return ""
        folder = folder.parent


def license_of_card(card: Path) -> str:
    """Return the `license` of a card's front matter, as Hugging Face's have it; else ""."""
    try:
        with open(card, encoding="utf-8-sig", errors="replace") as file:
            text = file.read(MAX_CARD_BYTES)
        matter = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
        values = load_plain(matter[1]) if matter else None
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return ""
    if not isinstance(values, dict):
        return ""
    told = values.get("license")
    if told == "other":  # then its name stands beside it
        told = values.get("license_name") or told
    names = told if isinstance(told, list) else [told]
    return ", ".join(str(name) for name in names if name)[:200]
