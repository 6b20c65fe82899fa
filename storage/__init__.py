"""Where bytes lie: local paths and fsspec URLs (`s3://`, `hdfs://`) behind a few plain functions.

A local path is used as it is, with no fsspec in between: file names with `::`, `#`, `*` or newlines
are legal there, and fsspec would take them for its own syntax. Everything that is written appears
whole or not at all.
"""

from __future__ import annotations

from .leftovers import remove, remove_abandoned, remove_if_empty
from .listings import glob_uris, list_files, modified_times
from .places import Uri, filesystem, join, local_path, remote_suffix, storable
from .reads import (
    HASH_BLOCK_BYTES,
    download,
    exists,
    fetched,
    open_uri,
    read_bytes,
    read_range,
    sha256_file,
    size_bytes,
)
from .writes import put_atomic, replacing, replacing_all, write_atomic

__all__ = [
    "HASH_BLOCK_BYTES",
    "Uri",
    "download",
    "exists",
    "fetched",
    "filesystem",
    "glob_uris",
    "join",
    "list_files",
    "local_path",
    "modified_times",
    "open_uri",
    "put_atomic",
    "read_bytes",
    "read_range",
    "remote_suffix",
    "remove",
    "remove_abandoned",
    "remove_if_empty",
    "replacing",
    "replacing_all",
    "sha256_file",
    "size_bytes",
    "storable",
    "write_atomic",
]
