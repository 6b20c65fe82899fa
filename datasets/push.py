"""The verb `push`: a dataset into a repository on the Hugging Face hub, with its card.

Shards and records go first, in commits of some files each; the tables and the card that name them
go last, in one commit, so that whoever reads meanwhile sees the version of before, or the new one.
What lies there already is not sent again, so that a run that was stopped goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import storage
from ..errors import ConfigError, DatasetError
from ..progress import Progress, log
from .config import PushConfig
from .hub.repository import Address, RemoteFile, Repository, require_hub
from .shards.dataset import (
    COMMITS,
    CONTENT,
    DEAD_LETTERS,
    MANIFEST,
    PREVIEWS,
    SHARDS,
    SOURCE_STATISTICS,
    SUMMARIES,
    TOMBSTONES,
    Dataset,
)

CARD = "README.md"
MANIFESTS = "manifests"
FOLDERS = (SHARDS, COMMITS, SUMMARIES, PREVIEWS, MANIFESTS)
"""What a push keeps as it is here: other files in them are deleted."""
# In the order in which readers need them, `dataset.json` after what it names.
TABLES = (MANIFEST, DEAD_LETTERS, SOURCE_STATISTICS, CARD, CONTENT)
# A commit is what is lost if the network is: some minutes of a slow line. The hub advises at most
# a hundred files in one.
MAX_FILES, MAX_BYTES = 100, 1 << 30
LARGE_BYTES = 1 << 20  # what is smaller goes with its commit
BESIDE_GIT = (".tar", ".parquet", ".mp4")  # the hub keeps these beside git, whatever their size
MB = 1e6


@dataclass(frozen=True, slots=True)
class File:
    """A file of the dataset."""

    name: str
    uri: str
    size_bytes: int
    sha256: str = ""
    """Where the dataset knows it."""


def push(config: PushConfig) -> int:
    """Send what the repository lacks; returns 0.

    Raises:
        ConfigError: no such repository, no right to write, or another dataset lies there.
        DatasetError: it is no dataset, or not compacted yet.
        Interrupted: the hub or the network failed; run again.
    """
    require_hub()
    address = Address.parse(config.to)
    dataset = Dataset(config.dataset)
    content = dataset.content()
    files = list(_files(dataset))
    repository = Repository(address, config.endpoint)
    repository.create(private=config.private)
    there = repository.files()
    _require_same(dataset, files, there, address)
    names = {file.name for file in files}
    gone = [name for name in there if name not in names and name.split("/")[0] in FOLDERS]
    missing = [file for file in files if not _is_there(file, there.get(file.name))]
    total = sum(file.size_bytes for file in files) / MB
    with Progress("Pushing", total=total, unit="MB") as progress:
        progress.resume_at(total - sum(file.size_bytes for file in missing) / MB)
        commit = _Commit(repository, progress)
        for file in missing:
            if file.name not in TABLES:
                commit.add(file)
                if commit.is_full():
                    commit.make("Shards")
        commit.make("Shards")
        for file in missing:
            if file.name in TABLES:
                commit.add(file)
        commit.make(f"Version {content.get('version', '')}".strip(), gone)
    log(
        f"{address}: {len(missing):,} files sent, {len(files) - len(missing):,} were there, "
        f"{len(gone):,} deleted"
    )
    return 0


def _files(dataset: Dataset) -> Iterable[File]:
    """Yield what a reader of the dataset needs; plans and probes, which name this machine's files,
    stay here.
    """
    hashes: dict[str, str] = {}
    for record in dataset.commits():
        if record.tar is not None:
            hashes[f"{SHARDS}/{record.shard}.tar"] = str(record.tar["sha256"])
    for folder in (*FOLDERS, TOMBSTONES):
        root = storage.join(dataset.uri, folder)
        for uri in storage.list_files(root, recursive=True):
            name = folder + uri[len(root.rstrip("/")) :].replace("\\", "/")
            if folder != SHARDS or name in hashes:  # a tar without its record does not exist
                yield File(name, uri, storage.size_bytes(uri), hashes.get(name, ""))
    for name in TABLES:
        uri = storage.join(dataset.uri, name)
        if storage.exists(uri):
            yield File(name, uri, storage.size_bytes(uri))
        elif name == CARD:
            raise DatasetError(f"{dataset}: has no card; run `vidact compact {dataset}`")


def _require_same(
    dataset: Dataset, files: Iterable[File], there: dict[str, RemoteFile], address: Address
) -> None:
    """Raise ConfigError where the repository's shards are none of the dataset's: they would go."""
    shards = {name for name in there if name.startswith(f"{SHARDS}/")}
    same = (there[f.name].sha256 == f.sha256 for f in files if f.name in shards)
    if shards and not any(same):
        raise ConfigError(
            f"to: {address} holds another dataset ({len(shards)} shards, none of which is in "
            f"{dataset}); choose another repository, or delete it there"
        )


def _is_there(file: File, there: RemoteFile | None) -> bool:
    """Whether the repository has a file with the same content."""
    if there is None or there.size_bytes != file.size_bytes:
        return False
    if file.sha256 and there.sha256:
        return file.sha256 == there.sha256
    with storage.fetched(file.uri) as path:
        return there.holds(path)


@dataclass(slots=True)
class _Commit:
    """The files that go into the repository together next."""

    repository: Repository
    progress: Progress
    large: list[Any] = field(default_factory=list)
    small: dict[str, bytes] = field(default_factory=dict)
    size_bytes: int = 0

    def add(self, file: File) -> None:
        """Add a file; the content of large ones is sent at once."""
        with storage.fetched(file.uri) as path:
            if file.size_bytes >= LARGE_BYTES and file.name.endswith(BESIDE_GIT):
                self.large.append(self.repository.prepare(file.name, path))
            else:
                self.small[file.name] = path.read_bytes()
        self.size_bytes += file.size_bytes
        self.progress.advance(file.size_bytes / MB)

    def is_full(self) -> bool:
        """Whether no more should be lost if the network is."""
        return len(self.large) + len(self.small) >= MAX_FILES or self.size_bytes >= MAX_BYTES

    def make(self, message: str, gone: Sequence[str] = ()) -> None:
        """Make the commit, if there is anything in it, and begin the next one."""
        if self.large or self.small or gone:
            self.repository.commit(self.large, self.small, gone, message)
        self.large, self.small, self.size_bytes = [], {}, 0
