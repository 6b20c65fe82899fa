"""Where bytes lie: a local path, or a URL that fsspec knows."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

from ..errors import ConfigError, MissingDependencyError

BUCKET_PROTOCOLS = frozenset(
    {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "memory"}
)
Uri = str | os.PathLike[str]
"""A local path, or a URL that fsspec knows."""
EXTRAS = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}


def local_path(uri: Uri) -> Path | None:
    """Return the path of a local `uri` (a plain path or `file://`), None where it is remote."""
    text = os.fspath(uri)
    if "://" not in text:
        return Path(text)
    if text.startswith("file://"):
        return Path(os.fsdecode(unquote_to_bytes(urlsplit(text).path)))
    return None


def storable(path: Uri) -> str:
    """Return a local path as text that every table can hold.

    It stays as it is, or becomes a `file://` URL where it is no UTF-8.
    """
    text = os.fspath(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        return "file://" + quote(os.fsencode(text))
    return text


def join(base: Uri, *parts: str) -> str:
    """Join `base` and `parts` by single slashes: `join("s3://b/data", "shards", "x.tar")`."""
    text = os.fspath(base)
    for part in parts:
        text = f"{text.rstrip('/') if text != '/' else ''}/{part.lstrip('/')}" if text else part
    return text


def filesystem(uri: Uri) -> tuple[Any, str]:
    """Return the fsspec filesystem of a remote `uri`, and its path inside it.

    Listings are never cached: other processes and machines write into the same dataset.

    Raises:
        MissingDependencyError: the protocol's package is not installed.
        ConfigError: there is no such protocol.
    """
    import fsspec

    text = os.fspath(uri)
    try:
        own = {"session": _s3_session()} if text.startswith(("s3:", "s3a:")) else {}
        return fsspec.url_to_fs(text, use_listings_cache=False, **own)
    except ValueError as error:  # fsspec knows no such protocol
        raise ConfigError(f"{text}: {error}") from error
    except ImportError as error:
        protocol = text.split("://", 1)[0]
        advice = str(error)
        if package := EXTRAS.get(protocol):
            advice = f"install it with `pip install 'vidact[cloud]'` (or `{package}`)"
        raise MissingDependencyError(
            f"{text}: no filesystem for {protocol}:// is installed; {advice}"
        ) from error


@cache
def _s3_session() -> Any:
    """One session for all buckets, which reads times by the standard library: botocore's own way
    takes half of a long listing.
    """
    from aiobotocore.session import AioSession
    from botocore.parsers import DEFAULT_TIMESTAMP_PARSER

    def parse(value: Any) -> Any:
        with suppress(TypeError, ValueError):
            if (time := datetime.fromisoformat(value)).tzinfo:
                return time
        return DEFAULT_TIMESTAMP_PARSER(value)

    session = AioSession()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parse)
    return session


def remote_suffix(uri: Uri) -> str:
    """Return the suffix of a remote file, such as `.mp4`, for the name of a local copy.

    Tokens and versions behind a question mark are no part of it, and it is at most 8 characters
    long: a URL may end in anything.
    """
    return Path(os.fspath(uri).split("?", maxsplit=1)[0]).suffix[:8]


def is_bucket(uri: Uri) -> bool:
    """Whether a URI names an object of a store that shows whole objects only."""
    return os.fspath(uri).split("://", 1)[0] in BUCKET_PROTOCOLS
