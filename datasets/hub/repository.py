"""A repository of datasets on the Hugging Face hub, and what lies in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConfigError, MissingDependencyError
from .failures import told_plainly

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

PREFIX = "hf://datasets/"
# Names as the hub allows them; a revision is a branch.
ADDRESS = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")


@dataclass(frozen=True, slots=True)
class Address:
    """`hf://datasets/OWNER/NAME`, or `…@BRANCH`."""

    repository: str
    branch: str = "main"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raise ConfigError where it is no address of a repository of datasets."""
        found = ADDRESS.fullmatch(text.removeprefix(PREFIX).rstrip("/"))
        if not text.startswith(PREFIX) or found is None:
            raise ConfigError(
                f"to: expected {PREFIX}OWNER/NAME (and @BRANCH where it is not main), got {text!r}"
            )
        return cls(found[1], found[2] or "main")

    def __str__(self) -> str:
        return PREFIX + self.repository + ("" if self.branch == "main" else f"@{self.branch}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in a repository."""

    size_bytes: int
    sha256: str
    """Of a large file; empty for those that git keeps itself."""
    blob_id: str
    """What git calls it."""

    def holds(self, path: Path) -> bool:
        """Whether it has the content of a local file of the same size."""
        if self.sha256:
            return self.sha256 == _hash(path, "sha256")
        return self.blob_id == _hash(path, "sha1", b"blob %d\0" % self.size_bytes)


def _hash(path: Path, name: str, head: bytes = b"") -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(name, head)).hexdigest()


@dataclass(frozen=True)
class Repository:
    """Reads and writes a repository. Every method raises ConfigError or Interrupted."""

    address: Address
    endpoint: str = ""
    """The hub's address, where it is not the one that its client knows."""

    @cached_property
    def _api(self) -> HfApi:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()  # ours says more
        return HfApi(endpoint=self.endpoint or None, library_name="vidact")

    def create(self, *, private: bool) -> None:
        """Make the repository, unless it is there."""
        with told_plainly(self.address):
            self._api.create_repo(
                self.address.repository, repo_type="dataset", private=private, exist_ok=True
            )
            if self.address.branch != "main":
                self._api.create_branch(
                    self.address.repository,
                    repo_type="dataset",
                    branch=self.address.branch,
                    exist_ok=True,
                )

    def files(self) -> dict[str, RemoteFile]:
        """Return what lies in it, by path."""
        from huggingface_hub.hf_api import RepoFile

        with told_plainly(self.address):
            tree = self._api.list_repo_tree(
                self.address.repository,
                repo_type="dataset",
                revision=self.address.branch,
                recursive=True,
            )
            return {
                one.path: RemoteFile(one.size, one.lfs.sha256 if one.lfs else "", one.blob_id)
                for one in tree
                if isinstance(one, RepoFile)
            }

    def prepare(self, name: str, path: Path) -> CommitOperationAdd:
        """Send the content of a file that the hub keeps beside git; it is in no commit yet."""
        from huggingface_hub import CommitOperationAdd

        with told_plainly(self.address):
            operation = CommitOperationAdd(path_in_repo=name, path_or_fileobj=path)
            self._api.preupload_lfs_files(
                self.address.repository,
                additions=[operation],
                repo_type="dataset",
                revision=self.address.branch,
            )
        return operation

    def commit(
        self,
        added: Sequence[CommitOperationAdd],
        small: Mapping[str, bytes],
        deleted: Sequence[str],
        message: str,
    ) -> None:
        """Make one commit: all of it is there, or nothing.

        Args:
            added: what `prepare` gave.
            small: content of further files by path.
            deleted: paths.
            message: its first line.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        with told_plainly(self.address):
            self._api.create_commit(
                self.address.repository,
                repo_type="dataset",
                revision=self.address.branch,
                commit_message=message,
                operations=[
                    *added,
                    *(CommitOperationAdd(name, content) for name, content in small.items()),
                    *(CommitOperationDelete(name, is_folder=False) for name in deleted),
                ],
            )


def require_hub() -> None:
    """Raise MissingDependencyError where the hub's client is not installed."""
    if find_spec("huggingface_hub") is None:
        raise MissingDependencyError(
            "pushing needs the package huggingface_hub, which is not installed: "
            "pip install 'vidact[hub]'"
        )
