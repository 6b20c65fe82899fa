"""Files, folders, globs and tables become sources."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from vidact import storage
from vidact.errors import ConfigError
from vidact.pipeline.planning.sources import Source, find_sources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a.mkv", "deep/c.WEBM", "notes.txt", "a.jsonl", "odd #name [1].mp4"):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "videos"


def _names(sources: list[Source], folder: Path) -> list[str]:
    return [str(Path(source.uri).relative_to(folder)) for source in sources]


def test_folder_glob_and_file(folder: Path) -> None:
    assert _names(find_sources([str(folder)]), folder) == [
        "a.mkv",
        "b.mp4",
        "deep/c.WEBM",
        "odd #name [1].mp4",
    ]
    assert _names(find_sources([f"{folder}/*.mkv", f"{folder}/b.mp4"]), folder) == [
        "a.mkv",
        "b.mp4",
    ]
    assert _names(find_sources([f"{folder}/odd #name [1].mp4"]), folder) == ["odd #name [1].mp4"]
    assert _names(find_sources([f"{folder}/notes.txt"]), folder) == [
        "notes.txt"
    ]  # named, so taken; the probe decides


def test_tables(folder: Path) -> None:
    (folder / "list.csv").write_text("uri,group,license\nb.mp4,player 1,CC-BY-4.0\ndeep/c.WEBM,,\n")
    assert find_sources([f"{folder}/list.csv"]) == [
        Source(uri=f"{folder}/b.mp4", group="player 1", licence="CC-BY-4.0"),
        Source(uri=f"{folder}/deep/c.WEBM"),
    ]
    pq.write_table(pa.table({"uri": [f"{folder}/b.mp4"], "other": [1]}), folder / "list.parquet")
    assert find_sources([f"{folder}/list.parquet"]) == [Source(uri=f"{folder}/b.mp4")]


def test_mistakes_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        find_sources([str(tmp_path / "nothing")])
    (folder / "list.csv").write_text("url\nb.mp4\n")
    with pytest.raises(ConfigError, match="needs a column `uri`; it has url"):
        find_sources([f"{folder}/list.csv"])
    (folder / "list.csv").write_text("uri,group\nb.mp4,x\n")
    with pytest.raises(ConfigError, match="named twice"):
        find_sources([f"{folder}/list.csv", f"{folder}/b.mp4"])
    for name, content in (
        ("list.parquet", b"no parquet"),
        ("latin.csv", "uri\nf\u00e4.mp4".encode("latin-1")),
    ):
        (folder / name).write_bytes(content)
        with pytest.raises(ConfigError, match="cannot be read as"):
            find_sources([f"{folder}/{name}"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no video files there"):
        find_sources([str(tmp_path / "empty")])


def test_names_that_are_no_utf8_are_followed_as_urls(folder: Path) -> None:
    name = os.fsdecode(b"bad\xff #1.mp4")
    (folder / name).write_bytes(b"x")
    for sources in (find_sources([str(folder)]), find_sources([str(folder / name)])):
        (uri,) = [source.uri for source in sources if "bad" in source.uri]
        assert uri == f"file://{folder}/bad%FF%20%231.mp4"
        assert storage.read_bytes(uri) == b"x"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("nope://bucket/a.mp4", "row 1: nope://bucket/a.mp4: Protocol not known: nope"),
        ("a\0b.mp4", "row 1 has a NUL byte"),
        ("", "the table has no rows"),
    ],
)
def test_rows_that_lead_nowhere(folder: Path, row: str, said: str) -> None:
    pq.write_table(
        pa.table({"uri": pa.array([row] if row else [], pa.string())}), folder / "list.parquet"
    )
    with pytest.raises(ConfigError, match=re.escape(said)):
        find_sources([f"{folder}/list.parquet"])


def test_a_url_that_cannot_be_reached_says_why() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(ConfigError, match=r"a\.mp4: cannot be opened: "):
            find_sources([f"http://127.0.0.1:{closed.getsockname()[1]}/a.mp4"])


def test_memory_filesystem() -> None:
    import fsspec

    fs = fsspec.filesystem("memory")
    fs.pipe_file("/bucket/deep/a.mp4", b"x")
    fs.pipe_file("/bucket/b.txt", b"x")
    for name in (
        "memory://bucket",
        "memory://bucket/",
        "memory://bucket/deep/*.mp4",
        "memory://bucket/deep/a.mp4",
    ):
        (source,) = find_sources([name])
        assert source.uri.startswith("memory://")
        assert source.uri.endswith("bucket/deep/a.mp4")


def test_folders_that_are_links_are_followed_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("disk2/far.mp4", "disk2/deep/farther.mp4", "pile/own.mp4", "pile/deep/b.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    pile = tmp_path / "pile"
    (pile / "disk2").symlink_to(tmp_path / "disk2")
    (pile / "again").symlink_to(tmp_path / "disk2")  # twice the same folder
    (pile / "deep" / "loop").symlink_to(pile)
    (pile / "dangling").symlink_to(tmp_path / "nothing")
    assert _names(find_sources([str(pile)]), pile) == [
        "again/deep/farther.mp4",
        "again/far.mp4",
        "deep/b.mp4",
        "own.mp4",
    ]
    said = capsys.readouterr().err
    assert f"{pile}/disk2: leads to a folder that was read already" in said
    assert f"{pile}/deep/loop: leads to a folder that was read already" in said


def test_what_lies_in_a_dataset_is_no_source(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("out/previews/k.mp4", "old/previews/k.mp4", "old/dataset.json"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")
    names = ["a.mkv", "b.mp4", "deep/c.WEBM", "odd #name [1].mp4"]
    assert _names(find_sources([str(folder)], folder / "out"), folder) == names
    said = capsys.readouterr().err
    assert f"{folder}/out: is a dataset" in said
    assert f"{folder}/old: is a dataset" in said
    assert _names(find_sources([f"{folder}/**/*.mp4"], folder / "out"), folder) == [
        "b.mp4",
        "odd #name [1].mp4",
    ]
    for name in ("old", "old/previews", "old/previews/k.mp4", "out"):
        with pytest.raises(ConfigError, match="only what lies in a dataset"):
            find_sources([str(folder / name)], folder / "out")


def test_what_lies_in_a_dataset_in_a_bucket_is_no_source() -> None:
    import fsspec

    fs = fsspec.filesystem("memory")
    for name in ("a.mp4", "set/dataset.json", "set/previews/k.mp4", "out/previews/k.mp4"):
        fs.pipe_file(f"/pile/{name}", b"x")
    (source,) = find_sources(["memory://pile"], "memory://pile/out/")
    assert source.uri == "memory://pile/a.mp4"
    fs.rm("/pile", recursive=True)
