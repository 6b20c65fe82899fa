"""What must be zero, counted in full: lost or doubled saves, over-assigned tasks, wrong frames,
server errors.

    python benchmarks/labeling_safety.py                  all of it, about half an hour
    python benchmarks/labeling_safety.py --only kills     50 kill -9 of the server under 8 clients
    python benchmarks/labeling_safety.py --only races     40 people claim at a barrier, 20 rounds
    python benchmarks/labeling_safety.py --only api       generated requests at every operation
    python benchmarks/labeling_safety.py --only numbers   every number in every body at its extremes
    python benchmarks/labeling_safety.py --only frames    1,050 steps and seeks in Chromium over
                                                          seven kinds of files
    python benchmarks/labeling_safety.py --only clicks    1,000 clicks and drags of a trembling hand
                                                          at every zoom, in Chromium

The first four are of SQLite and PostgreSQL. `make test` runs a tenth of each and `make soak` all;
this runs the same code and keeps the counts in benchmarks/results/labeling_safety.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lent_tests  # noqa: F401 - makes `tests` the repository's

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "labeling_safety.json"
DATABASES = ("sqlite", "postgresql")


def on_each(
    databases: tuple[str, ...], count: Callable[[Path, str | None], dict[str, Any]]
) -> dict[str, Any]:
    """Count on SQLite, and on a PostgreSQL cluster of our own."""
    from tests.labeling_tool.conftest import own_postgres

    found = {}
    with tempfile.TemporaryDirectory() as folder, own_postgres() as cluster:
        for name in databases:
            (Path(folder) / name).mkdir()
            found[name] = count(
                Path(folder) / name, cluster.new_database() if name == "postgresql" else None
            )
    return found


def kills(databases: tuple[str, ...]) -> dict[str, Any]:
    """Acknowledged operations that were lost, doubled or left a gap when the server was killed
    fifty times.
    """
    from tests.labeling_tool.test_durability import CLIENTS, kill_again_and_again

    def count(folder: Path, database: str | None) -> dict[str, Any]:
        return {"kills": 50, "clients": CLIENTS, **kill_again_and_again(folder, database, kills=50)}

    return on_each(databases, count)


def races(databases: tuple[str, ...]) -> dict[str, Any]:
    """Tasks with more people than places after forty claimed at a barrier."""
    from tests.labeling_tool.conftest import open_context
    from tests.labeling_tool.work.test_work_queue import CLIENTS, race

    def count(folder: Path, database: str | None) -> dict[str, Any]:
        context = open_context(folder / "data", database)
        try:
            return {"clients": CLIENTS, "rounds": 20, "over_assigned": race(context, rounds=20)}
        finally:
            context.close()

    return on_each(databases, count)


def api(databases: tuple[str, ...]) -> dict[str, Any]:
    """Requests that schemathesis made up, and those that ended in a server error."""
    from tests.labeling_tool.routes.test_api_schema import attack

    def count(folder: Path, database: str | None) -> dict[str, Any]:
        requests, errors = attack(folder, examples=100, database=database)
        return {"requests": requests, "server_errors": len(errors)}

    return on_each(databases, count)


def numbers(databases: tuple[str, ...]) -> dict[str, Any]:
    """Requests with a number at an extreme, server errors, and the server's size at its largest."""
    from tests.labeling_tool.routes.test_numbers import fuzz_a_server

    def count(folder: Path, database: str | None) -> dict[str, Any]:
        found = fuzz_a_server(folder, database)
        return {
            "requests": found["requests"],
            "server_errors": len(found["server_errors"]),
            "peak_mb": round(found["peak_bytes"] / 1e6, 1),
        }

    return on_each(databases, count)


@contextmanager
def chromium_and_films() -> Iterator[tuple[Any, Path, Path]]:
    """A real Chromium, an empty folder, and one of films."""
    from playwright.sync_api import sync_playwright

    from tests.labeling_tool.conftest import CHROMIUM_FLAGS, write_films

    chromium = shutil.which("chromium") or "/usr/bin/chromium"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        films = Path(folder) / "films"
        films.mkdir()
        write_films(films)
        yield browser, Path(folder), films
        browser.close()


def frames(databases: tuple[str, ...]) -> dict[str, Any]:
    """Steps, jumps and seeks in a real Chromium after which the pixels or the number were those of
    another frame.
    """
    from tests.labeling_tool.conftest import review_server
    from tests.labeling_tool.frontend.test_browser_review import walk_through
    from tests.labeling_tool.pictures.test_pictures import KINDS

    found: dict[str, Any] = {"steps_and_seeks": 0, "wrong": 0, "kinds": {}}
    with chromium_and_films() as (browser, folder, films), review_server(folder, films) as review:
        for kind in KINDS:
            wrong = walk_through(browser, review, kind, steps=150)
            found["kinds"][kind] = wrong
            found["steps_and_seeks"] += 150
            found["wrong"] += wrong
    return found


def clicks(databases: tuple[str, ...]) -> dict[str, Any]:
    """Clicks of a trembling hand that led to their frame and painted nothing, and drags that
    painted their lane and frames and nothing else.
    """
    from tests.labeling_tool.frontend.test_browser_clicks import work_trembling

    with chromium_and_films() as (browser, folder, films):
        return work_trembling(browser, folder, films, presses=1000)


PARTS: dict[str, Callable[[tuple[str, ...]], dict[str, Any]]] = {
    "kills": kills,
    "races": races,
    "api": api,
    "numbers": numbers,
    "frames": frames,
    "clicks": clicks,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=tuple(PARTS), help="one of the parts")
    parser.add_argument("--database", choices=DATABASES, help="on one of the two only")
    options = parser.parse_args()
    databases = (options.database,) if options.database else DATABASES
    results = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    for name, part in PARTS.items():
        if options.only in (None, name):
            results[name] = {**results.get(name, {}), **part(databases)}
            print(json.dumps({name: results[name]}, indent=1), flush=True)
            RESULT.parent.mkdir(exist_ok=True)
            RESULT.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
