"""What the user calls a SOURCE, turned into a list of video URIs.

A source is a file, a folder, a glob, an fsspec URL, or a table (csv or parquet) with a `uri` column
and, where wanted, `group` (sources of one group share a split) and `licence` (travels to the
manifest and the data card).
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ... import storage
from ...datasets.video.file import VIDEO_SUFFIXES
from ...errors import ConfigError

TABLE_SUFFIXES = frozenset({".csv", ".parquet"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One video file as the user named it; nothing is known of its content yet."""

    uri: str
    group: str = ""
    licence: str = ""


def find_sources(names: Sequence[str]) -> list[Source]:
    """All sources behind `names`, each URI once, in the order of URIs.

    Raises:
        ConfigError: a name leads to nothing, a table has no `uri` column, or two tables give one
            URI different groups or licences.
    """
    found: dict[str, Source] = {}
    for name in names:
        sources = list(_expand(name))
        if not sources:
            raise ConfigError(f"source {name}: {_why_nothing(name)}")
        for source in sources:
            known = found.setdefault(source.uri, source)
            if known != source:
                raise ConfigError(
                    f"source {source.uri}: named twice with different details: {known} and {source}"
                )
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


def _expand(name: str) -> Iterable[Source]:
    path = storage.local_path(name)
    if path is not None and path.is_dir():
        return _videos(storage.list_files(name, recursive=True))
    suffix = PurePosixPath(name).suffix.lower()
    there = (
        path.is_file()
        if path is not None
        else (suffix in VIDEO_SUFFIXES | TABLE_SUFFIXES and storage.exists(name))
    )
    if there:
        return _table(name, suffix) if suffix in TABLE_SUFFIXES else [Source(uri=_absolute(name))]
    if any(character in name for character in "*?["):
        return [Source(uri=_absolute(uri)) for uri in storage.glob_uris(name)]
    if path is None:
        files = storage.list_files(name, recursive=True)
        return _videos(files) if files else []
    raise ConfigError(f"source {name}: there is no such file or folder")


def _videos(uris: Iterable[str]) -> list[Source]:
    return [
        Source(uri=_absolute(uri))
        for uri in uris
        if PurePosixPath(uri).suffix.lower() in VIDEO_SUFFIXES
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
            )
        )
    return sources
