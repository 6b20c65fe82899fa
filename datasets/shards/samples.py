"""Reading samples of a shard: by their place in the tar, or one after the other.

Whoever reads by place compares what lies there with the manifest, so a shard that changed is an
error and never a wrong label.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any

from ... import storage
from ...errors import ShardError

TAR_BLOCK = 512


def members_crc32(members: Mapping[str, bytes]) -> int:
    """CRC-32 over a sample's members in the order in which they lie in the tar (by name)."""
    crc = 0
    for name in sorted(members):
        crc = zlib.crc32(members[name], crc)
    return crc


def split_members(data: bytes | memoryview, where: str) -> tuple[str, dict[str, bytes]]:
    """Key and members of the sample whose tar blocks are `data`.

    Going from header to header ourselves takes less time than `tarfile.open`, and needs no
    seekable file.

    Raises:
        ShardError: these are not the blocks of one sample; the message begins with `where`.
    """
    view = memoryview(data)
    key, members, position = "", {}, 0
    while position < len(view):
        header = bytes(view[position : position + TAR_BLOCK])
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "replace")
        except tarfile.HeaderError as error:
            what = f"no tar header at byte {position} of the sample"
            raise ShardError(f"{where}: {what}") from error
        member_key, _, extension = info.name.partition(".")
        if key and member_key != key:
            raise ShardError(
                f"{where}: holds members of {key} and {member_key}, expected one sample"
            )
        key = member_key
        begin = position + TAR_BLOCK
        if begin + info.size > len(view):
            raise ShardError(
                f"{where}: member {extension} needs {info.size} bytes, "
                f"{len(view) - begin} are there"
            )
        members[extension] = bytes(view[begin : begin + info.size])
        # Members are padded to whole blocks.
        position = begin + -(-info.size // TAR_BLOCK) * TAR_BLOCK
    return key, members


def check_sample(data: bytes | memoryview, row: Mapping[str, Any], uri: str) -> dict[str, bytes]:
    """Members of the sample in `data`, whose size, key and checksum are those of its row."""
    where = f"{uri}, clip {row['key']} at byte {row['offset_bytes']}"
    advice = (
        "the shard is not the one that the manifest describes; run `vidact verify` on the dataset"
    )
    if len(data) != row["size_bytes"]:
        raise ShardError(f"{where}: expected {row['size_bytes']} bytes, got {len(data)}; {advice}")
    try:
        key, members = split_members(data, where)
    except ShardError as error:
        raise ShardError(f"{error}; {advice}") from error
    if key != row["key"]:
        raise ShardError(f"{where}: found clip {key} there; {advice}")
    if (crc := members_crc32(members)) != row["sample_crc32"]:
        raise ShardError(
            f"{where}: expected checksum {row['sample_crc32']:08x}, got {crc:08x}; {advice}"
        )
    return members


def iter_samples(uri: str, file: IO[bytes] | Any = None) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and members of every sample of a tar, in order, with one sample in memory at a time.

    Args:
        uri: the tar; only its name for errors where `file` is given.
        file: an open file with a `read`, which stays open.

    Raises:
        ShardError: the file is no tar of samples, or ends early.
    """
    if file is None:
        try:
            with storage.open_uri(uri, "rb") as opened:
                yield from iter_samples(uri, opened)
        except OSError as error:
            raise ShardError(f"{uri}: cannot be read: {error}") from error
        return
    key = ""
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=file, mode="r|") as tar:
            for info in tar:
                member_key, _, extension = info.name.partition(".")
                if members and member_key != key:
                    yield key, members
                    members = {}
                key = member_key
                reader = tar.extractfile(info)
                members[extension] = reader.read() if reader else b""
    except (tarfile.TarError, EOFError) as error:
        raise ShardError(f"{uri}: cannot be read as a tar: {error}") from error
    if members:
        yield key, members
