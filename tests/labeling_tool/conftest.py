"""Databases, contexts, servers and browsers for the labelling tool's tests."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from vidact.labeling_tool.config import ServeConfig
from vidact.labeling_tool.context import Context

from tests.labeling_tool import barcodes
from tests.labeling_tool.running import LocalServer, Script, Server, free_port
from tests.requirements import require
from tests.shared import made_once

FILM_FRAMES = 330
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cheap argon2 within the test's own process: its real cost is tested once, and paid by real
    servers.
    """
    from argon2 import PasswordHasher
    from vidact.labeling_tool.people import passwords

    monkeypatch.setattr(
        passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    )
    passwords._nobody.cache_clear()


class Postgres:
    """A cluster of its own on the loopback address, thrown away at the end."""

    def __init__(self, folder: Path, programs: str):
        self.folder, self.programs, self.port = folder, programs, free_port()
        self.owner = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

    def run(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL's as the cluster's owner: the server refuses to be root."""
        command = [f"{self.programs}/{program}", *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", self.owner, "--", *command]
        subprocess.run(
            command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def start(self) -> None:
        self.run(
            "initdb", "-D", str(self.folder / "data"), "-A", "trust", "-U", "postgres", "--no-sync"
        )
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        )
        self.run(
            "pg_ctl",
            "-D",
            str(self.folder / "data"),
            "-o",
            options,
            "-l",
            str(self.folder / "log"),
            "-w",
            "start",
        )

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")

    def new_database(self) -> str:
        """The URL of an empty database."""
        import psycopg

        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(
            f"postgresql://postgres@127.0.0.1:{self.port}/postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    """A running cluster."""
    programs = require("postgres")
    folder = Path(tempfile.mkdtemp(prefix="vidact-pg-"))
    cluster = Postgres(folder, programs)
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, cluster.owner)
        cluster.start()
        yield cluster
        cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with own_postgres() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """None for SQLite in the data folder, else an empty PostgreSQL database."""
    if request.param == "sqlite":
        return None
    cluster: Postgres = request.getfixturevalue("postgres")
    return cluster.new_database()


def open_context(folder: Path, database: str | None = None, **settings: Any) -> Context:
    """A server's context without its server; sources lie beside its folder."""
    settings.setdefault("source_root", (str(folder.parent),))
    return Context.open(
        ServeConfig(data=str(folder), database=database, practice=False, **settings)
    )


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """A context on SQLite."""
    opened = open_context(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def any_context(tmp_path: Path, database_url: str | None) -> Iterator[Context]:
    """A context on each of the two databases."""
    opened = open_context(tmp_path / "data", database_url)
    yield opened
    opened.close()


@pytest.fixture
def client(context: Context) -> Iterator[Any]:
    """The application of `context`, in this process; its admin, ada, is made and logged in."""
    from fastapi.testclient import TestClient
    from vidact.labeling_tool.app import create_app

    from tests.labeling_tool.running import PASSWORD

    with TestClient(create_app(context), base_url="http://127.0.0.1") as http:
        http.headers["x-csrf-token"] = http.post(
            "/api/setup", json={"name": "ada", "password": PASSWORD}
        ).json()["csrf"]
        yield http


@pytest.fixture(scope="session")
def practice_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the practice tasks and the admin ada, for tests that disturb nobody."""
    server = LocalServer(tmp_path_factory.mktemp("practice") / "data")
    server.start()
    server.wait_for_import("practice: 3 new tasks")
    Script(server.url).setup()
    yield server
    server.stop()


@dataclass(frozen=True)
class Review:
    """A server over bar-coded videos: a project of action review a kind of file, and one of
    clean-or-not.
    """

    server: Server
    numbers: dict[str, list[int]]
    """For each kind the frame numbers of the task's 64 ticks."""
    clean_numbers: list[int]

    @property
    def url(self) -> str:
        return self.server.url


def write_films(folder: Path) -> None:
    """Fill a folder: of each kind of file a bar-coded video in `videos/<kind>`, a dataset of two
    clips of it in `datasets/<kind>`, and in `numbers.json` the frame numbers of their ticks; a
    `film.mp4` to judge frames of.
    """
    from vidact.datasets.actions.spec import ActionSpec
    from vidact.datasets.video.probe import probe
    from vidact.datasets.video.timing import frame_slots, tick_times_ns

    from tests.labeling_tool.datasets import TICKS, make_dataset
    from tests.labeling_tool.pictures.test_pictures import KINDS, awkward, truth

    spec, numbers = ActionSpec.load("doom"), {}
    for kind in KINDS:
        (folder / "videos" / kind).mkdir(parents=True)
        path = awkward(folder / "videos" / kind, kind)
        make_dataset(folder / "datasets" / kind, [path], clips=2)
        video, shown = probe(path), truth(path)
        slots = frame_slots(
            video.pts_ns - video.pts_ns[0],
            tick_times_ns(0, 2 * TICKS, spec.tick_hz),
            video.tolerance_ns,
        )
        numbers[kind] = [shown[slot] for slot in slots]
    (folder / "numbers.json").write_text(json.dumps(numbers))
    barcodes.write(folder / "film.mp4", FILM_FRAMES)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `write_films` writes, made once: to be read."""
    return made_once(tmp_path_factory, "films", write_films)


@contextmanager
def review_server(folder: Path, films: Path) -> Iterator[Review]:
    """Projects `Review of <kind>` and `Clean or not: film`; ada is admin, rita reviewer, bob and
    eve annotators.

    Args:
        folder: the server's own.
        films: what `write_films` has filled.
    """
    numbers = json.loads((films / "numbers.json").read_text())
    arguments = []
    for kind in numbers:
        arguments += ["--review", str(films / "datasets" / kind)]
    arguments += [
        "--clean",
        str(films / "film.mp4"),
        "--frame-step-s",
        "0.5",
        "--no-practice",
        "--random-fraction",
        "0",
        "--source-root",
        str(films),
    ]
    server = LocalServer(folder / "data", *arguments)
    server.start()
    try:
        server.wait_for_import("film.mp4: 1 new tasks")
        ada = Script(server.url).setup()
        for name, role in (
            ("rita", "reviewer"),
            ("bob", "annotator"),
            ("eve", "annotator"),
            ("carl", "contractor"),
        ):
            ada.add_user(name, role)
        yield Review(server, numbers, list(range(0, FILM_FRAMES, 15)))
    finally:
        server.stop()


@pytest.fixture(scope="module")
def review(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Review]:
    """One for each file: who has had a task does not get it again, and which files run in a process
    is chance.
    """
    with review_server(tmp_path_factory.mktemp("review"), films) as opened:
        yield opened


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A real Chromium, headless."""
    path = require("chromium")
    pytest.importorskip("playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()
