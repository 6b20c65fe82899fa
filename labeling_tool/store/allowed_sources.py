"""Which files and addresses a dataset may lead the server to.

A dataset may be a stranger's, and what its clips name as their sources is the stranger's word: any
file that the server's user may read would be shown to annotators, and any address asked from within
the network. So only what lies below folders and on hosts that the operator named is opened; a
preview or the clip itself is shown instead of the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from ... import storage
from ...errors import VideoError

# Keys of clips and names of shards become parts of paths.
SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}")


class AllowedSources:
    """The folders and hosts that sources may lie in.

    Args:
        roots: folders; without any, the folder that the server was started in, unless that is the
            root of the file system, as it is for services.
        hosts: `https://host`, `s3://bucket` and the like.
    """

    def __init__(self, roots: Iterable[str], hosts: Iterable[str]):
        given = [Path(root).resolve() for root in roots]
        here = Path.cwd()
        self.roots = tuple(given or ([here] if here != here.parent else []))
        self.hosts = frozenset(host.rstrip("/").lower() for host in hosts)

    def require(self, uri: str, *, inside: Path | None = None) -> None:
        """Raise VideoError `not_allowed` for a file or address that is none of these.

        Args:
            uri: what is to be opened; links are followed first.
            inside: a folder that is allowed beside the roots: the dataset's own.
        """
        path = storage.local_path(uri)
        if path is None:
            parts = urlsplit(uri)
            host = parts.netloc.rpartition("@")[2].lower()
            if f"{parts.scheme.lower()}://{host}" in self.hosts:
                return
            option = "--source-host"
        else:
            resolved = path.resolve()
            roots = (*self.roots, *([inside.resolve()] if inside is not None else []))
            if any(resolved.is_relative_to(root) for root in roots):
                return
            option = "--source-root"
        # The same words whether or not there is such a file: which ones there are is no secret's
        # business.
        raise VideoError("not_allowed", uri, f"it lies outside what {option} names")


def require_safe_name(name: str, what: str) -> str:
    """Return a name that becomes part of a path. Raises VideoError where it leads elsewhere."""
    if not SAFE_NAME.fullmatch(name):
        raise VideoError("not_allowed", name[:200], f"no name of a {what}")
    return name
