"""A filesystem that has folders and refuses to rename to a name that is taken, as hdfs does:
whenever a writer is killed, the old bytes or the new ones are there.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem
from vidact import storage

PLACE = "folders://set/plan.parquet"


class Killed(BaseException):
    """The process is gone."""


class Folders(MemoryFileSystem):
    """As hdfs renames; the process dies at a call that changes something."""

    protocol = "folders"
    store: dict[str, object] = {}  # noqa: RUF012 - fsspec's own way of a common memory
    pseudo_dirs = [""]  # noqa: RUF012
    left = -1

    @classmethod
    def change(cls) -> None:
        cls.left -= 1
        if cls.left == 0:
            raise Killed

    def mv(self, path1: str, path2: str, **_: object) -> None:
        self.change()
        if self.exists(path2):
            raise FileExistsError(path2)
        if not self.exists(path1):
            raise FileNotFoundError(path1)
        store, old, new = self.store, self._strip_protocol(path1), self._strip_protocol(path2)
        store[new] = store.pop(old)

    def rm_file(self, path: str) -> None:
        self.change()
        super().rm_file(path)

    def pipe_file(self, path: str, value: bytes, **how: object) -> None:
        self.change()
        super().pipe_file(path, value, **how)


@pytest.fixture
def fs() -> Iterator[type[Folders]]:
    register_implementation("folders", Folders, clobber=True)
    Folders.store.clear()
    Folders.left = -1
    yield Folders
    Folders.store.clear()


@pytest.mark.parametrize("reads", ["bytes", "exists", "sweep"])
def test_a_kill_at_any_moment_of_a_write_loses_nothing(fs: type[Folders], reads: str) -> None:
    kills = 0
    while True:
        fs.store.clear()
        storage.write_atomic(PLACE, b"old")
        fs.left = kills + 1
        try:
            storage.write_atomic(PLACE, b"new")
        except Killed:
            kills += 1
        else:
            break
        finally:
            fs.left = -1
        if reads == "exists":
            assert storage.exists(PLACE)
        if reads == "sweep":
            storage.remove_abandoned("folders://set")
            assert storage.list_files("folders://set") == [PLACE]
        assert storage.read_bytes(PLACE) in (b"old", b"new")
        storage.write_atomic(PLACE, b"newer")  # whoever comes next
        assert storage.read_bytes(PLACE) == b"newer"
        storage.remove(PLACE)
        assert not storage.exists(PLACE)
    assert kills == 5  # temporary, refused rename, its own name, the old one goes, the new comes
    assert storage.list_files("folders://set") == [PLACE]
    assert len(fs.store) == 1


def test_of_two_writers_of_one_name_one_wins(
    fs: type[Folders], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write_atomic(PLACE, b"old")
    whole = Folders.rm_file

    def overtaken(self: Folders, path: str) -> None:
        whole(self, path)
        monkeypatch.setattr(Folders, "rm_file", whole)
        storage.write_atomic(PLACE, b"theirs")

    monkeypatch.setattr(Folders, "rm_file", overtaken)
    storage.write_atomic(PLACE, b"ours")
    assert storage.read_bytes(PLACE) == b"ours"
    assert len(fs.store) == 1

    def ended(self: Folders, path: str) -> None:
        whole(self, path)
        assert storage.read_bytes(PLACE) == b"again"  # a reader ends the rename

    monkeypatch.setattr(Folders, "rm_file", ended)
    storage.write_atomic(PLACE, b"again")
    monkeypatch.setattr(Folders, "rm_file", whole)
    assert storage.read_bytes(PLACE) == b"again"
    assert len(fs.store) == 1
