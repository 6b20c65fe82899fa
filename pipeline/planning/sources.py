"""What the user calls a SOURCE, turned into a list of video URIs.

A source is a file, a folder, a glob, an fsspec URL, or a table (csv or parquet) with a `uri` column
and, where wanted, `group` (sources of one group share a split), `licence` (travels to the manifest
and the data card), and what rules go by (`source_rules.py`).
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ... import storage
from ...datasets.video.file import VIDEO_SUFFIXES
from ...errors import ConfigError
from ...progress import log
from ...storage_failures import is_missing, storage_failure
from .folders import Datasets, videos_below
from .marks import mark_in

HTTP = ("http://", "https://")
ABOUT = ("title", "description", "tags", "duration")
TABLE_SUFFIXES = frozenset({".csv", ".parquet"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One video file as the user named it; nothing is known of its content yet."""

    uri: str
    group: str = ""
    licence: str = ""
    about: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What a table says for rules to go by: `title`, `description`, `tags`, `duration`."""
    mark: str = field(default="", compare=False)
    """The sign of `marks.mark_of` where a listing told it; else empty."""

    @property
    def name(self) -> str:
        """The file's name, without its suffix."""
        return PurePosixPath(self.uri.split("?", 1)[0]).stem


def find_sources(names: Sequence[str], out: storage.Uri | None = None) -> list[Source]:
    """All sources behind `names`, each URI once, in the order of URIs.

    What lies in a dataset is no source: previews and exports are videos too.

    Args:
        names: as the user gave them.
        out: the dataset that is written, though it may have no `dataset.json` yet.

    Raises:
        ConfigError: a name leads to nothing, a table has no `uri` column, or two tables give one
            URI different groups or licences.
    """
    found: dict[str, Source] = {}
    datasets = Datasets(out)
    for name in names:
        everything = list(_expand(name, datasets))
        if not everything and datasets.passed_over:
            raise ConfigError(f"source {name}: only what lies in a dataset is there")
        if not everything:
            raise ConfigError(f"source {name}: {_why_nothing(name)}")
        sources = [source for source in everything if not datasets.hold(source.uri)]
        if not sources:
            raise ConfigError(f"source {name}: only what lies in a dataset is there")
        for source in sources:
            known = found.setdefault(source.uri, source)
            if known != source:
                raise ConfigError(
                    f"source {source.uri}: named twice with different details: {known} and {source}"
                )
    for dataset in sorted(datasets.passed_over):
        log(f"{dataset}: is a dataset; what lies in it is no source and was passed over")
    return [found[uri] for uri in sorted(found)]


def _why_nothing(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return "the table has no rows"
    if storage.local_path(name) is None and suffix in VIDEO_SUFFIXES:
        try:
            storage.size_bytes(name)
        except (OSError, KeyError, TypeError) as error:
            return f"cannot be opened: {error}"
    return f"no video files there (looked for {' '.join(sorted(VIDEO_SUFFIXES))})"


def _expand(name: str, datasets: Datasets) -> Iterable[Source]:
    path = storage.local_path(name)
    if path is not None and path.is_dir():
        return [Source(uri=_absolute(file)) for file in videos_below(path, datasets)]
    # A question mark in an address begins its query; a pattern's stands before the suffix.
    is_query = name.startswith(HTTP) and "?" in name
    suffix = PurePosixPath(name.split("?", 1)[0] if is_query else name).suffix.lower()
    there = (
        path.is_file()
        if path is not None
        else is_query or (suffix in VIDEO_SUFFIXES | TABLE_SUFFIXES and _answers(name))
    )
    if there:
        return _table(name, suffix) if suffix in TABLE_SUFFIXES else [Source(uri=_absolute(name))]
    if any(character in name for character in "*?["):
        if path is not None:
            return [Source(uri=_absolute(uri)) for uri in storage.glob_uris(name)]
        fs, inner = storage.filesystem(name)
        listed = fs.glob(inner, detail=True)
        return [
            Source(uri=fs.unstrip_protocol(key), mark=mark_in(listed[key]))
            for key in sorted(listed)
        ]
    if path is None:
        return _remote_videos(name, datasets)
    raise ConfigError(f"source {name}: there is no such file or folder")


def _answers(name: str) -> bool:
    """Whether a store knows a file, or refuses it for now: then the probe says why, and the others
    are planned.
    """
    try:
        storage.size_bytes(name)
    except TypeError:  # a server that does not say how long its file is
        return True
    except Exception as error:
        if not storage_failure(error):
            raise
        return not is_missing(error) and isinstance(error, FileNotFoundError)
    return True


def _remote_videos(name: str, datasets: Datasets) -> list[Source]:
    """The videos below a prefix, with their signs: one listing tells both."""
    fs, inner = storage.filesystem(name)
    try:
        listed = fs.find(inner, detail=True)
    except FileNotFoundError:
        return []
    uris = {storage.join(name, key[len(inner.rstrip("/")) :]): key for key in listed}
    datasets.notice(uris)
    return [
        Source(uri=uri, mark=mark_in(listed[key]))
        for uri, key in sorted(uris.items())
        if PurePosixPath(uri).suffix.lower() in VIDEO_SUFFIXES
        and not PurePosixPath(uri).name.startswith(".")
    ]


def _absolute(uri: str) -> str:
    """Local paths are made absolute, so that lineage can be followed from anywhere; links keep
    their own name.
    """
    path = storage.local_path(uri)
    return uri if path is None else storage.storable(os.path.abspath(path))


def _table(uri: str, suffix: str) -> list[Source]:
    data = storage.read_bytes(uri)
    rows: list[Mapping[str, object]]
    try:
        if suffix == ".csv":
            reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
            rows, columns = list(reader), list(reader.fieldnames or ())
        else:
            from ...datasets.shards.parquet import parse_parquet

            table = parse_parquet(data)
            rows, columns = table.to_pylist(), table.column_names
    except (ValueError, csv.Error) as error:  # Arrow's errors and wrong UTF-8 are ValueErrors
        raise ConfigError(f"source table {uri}: cannot be read as {suffix[1:]}: {error}") from error
    if "uri" not in columns:
        raise ConfigError(
            f"source table {uri}: needs a column `uri`; it has {', '.join(columns) or 'none'}"
        )
    sources = []
    for number, row in enumerate(rows, start=1):
        text = str(row["uri"] or "").strip()
        if not text or "\0" in text:
            problem = "a NUL byte in" if text else "an empty"
            raise ConfigError(f"source table {uri}: row {number} has {problem} `uri`")
        path = storage.local_path(text)
        if path is None:
            try:
                storage.filesystem(text)
            except ConfigError as error:
                raise ConfigError(f"source table {uri}: row {number}: {error}") from error
        if (
            path is not None and not path.is_absolute()
        ):  # beside the table, wherever the command is run
            base = storage.local_path(uri)
            text = (
                str(base.parent / path)
                if base is not None
                else storage.join(uri.rpartition("/")[0], text)
            )
        sources.append(
            Source(
                uri=_absolute(text),
                group=str(row.get("group") or ""),
                licence=str(row.get("licence") or row.get("license") or ""),
                about={name: _text(row[name]) for name in ABOUT if row.get(name)},
            )
        )
    return sources


def _text(value: object) -> str:
    """A cell as text; of a list, what is in it."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
