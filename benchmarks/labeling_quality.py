"""How long the quality page of a large team takes: its request, and until it is drawn.

    python benchmarks/labeling_quality.py --people 100 --items 200

A made-up project of action review in which each task was answered by two people. `first_s` is from
nothing, `shown_ms` the request once the tables are there, `after_a_submission_ms` the request when
something has come in since, `fresh_s` until that is in the tables; `drawn_ms` is from the answer to
the laid-out page, in a real Chromium. The figures go to benchmarks/results/labeling_quality.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import lent_tests  # noqa: F401 - makes `tests` the repository's

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "labeling_quality.json"
FRAMES = 64
DRAWN = """() => {
  const [entry] = performance.getEntriesByType("resource")
    .filter(({ name }) => /quality$/.test(name)).slice(-1);
  return performance.now() - entry.responseEnd;
}"""


def fill(folder: Path, people: int, items: int) -> int:
    """A project with `people` times `items` submissions, two a task; its id."""
    import numpy as np
    from sqlalchemy import insert, select
    from vidact.labeling_tool.store.models import Assignment, Operation, Task, now_ms

    from tests.labeling_tool.conftest import open_context
    from tests.labeling_tool.seeding import add_people, add_tasks

    context = open_context(folder)
    users = add_people(context, people)
    project = add_tasks(context, people * items // 2, frames=FRAMES, overlap=2)
    rng = np.random.default_rng(0)
    with context.database.write() as session:
        tasks = session.scalars(select(Task.id).where(Task.project_id == project)).all()
        works: list[dict[str, Any]] = []
        for i, task in enumerate(tasks):
            for user in (users[i % people], users[(i + 1 + i // people % (people - 1)) % people]):
                works.append(
                    {"task_id": task, "user_id": user, "lease_ms": 0, "state": "submitted"}
                    | {"active_ms": 60_000, "submitted_ms": now_ms() - i * 60_000, "seq": 8}
                )
        session.execute(insert(Assignment), works)
        edits: list[dict[str, Any]] = []
        for work, user in session.execute(select(Assignment.id, Assignment.user_id)):
            for seq in range(1, 9):
                start, lane = int(rng.integers(0, FRAMES - 8)), int(rng.integers(0, 14))
                payload = {"lane": lane, "start": start, "end": start + 6, "value": 1}
                edits.append(
                    {"id": f"{work}-{seq}", "assignment_id": work, "seq": seq, "user_id": user}
                    | {"client": "made up", "kind": "paint", "payload": payload, "client_ms": 0}
                )
        session.execute(insert(Operation), edits)
    context.close()
    return project


def measure(people: int, items: int) -> dict[str, object]:
    """The figures."""
    import shutil

    from playwright.sync_api import sync_playwright
    from sqlalchemy import update
    from vidact.labeling_tool.store.models import Assignment, now_ms

    from tests.labeling_tool.browsing import sign_in
    from tests.labeling_tool.conftest import CHROMIUM_FLAGS, open_context
    from tests.labeling_tool.running import Script, Server

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        server = Server(Path(name) / "data", "--no-practice").start()
        ada = Script(server.url).setup()
        project = fill(Path(name) / "data", people, items)
        path = f"/api/projects/{project}/quality"

        def asked() -> tuple[float, bool]:
            """How long a request took, and whether it had the newest tables."""
            begun = time.monotonic()
            answer = ada.http.get(path, timeout=600)
            answer.raise_for_status()
            is_fresh = answer.status_code == 200 and not answer.json().get("counting")
            return time.monotonic() - begun, is_fresh

        def until_fresh() -> float:
            begun = time.monotonic()
            while not asked()[1]:
                time.sleep(0.1)
            return time.monotonic() - begun

        first_s = until_fresh()
        shown_s = sorted(asked()[0] for _ in range(5))[2]
        context = open_context(Path(name) / "data")
        with context.database.write() as session:
            session.execute(
                update(Assignment).where(Assignment.id == 1).values(submitted_ms=now_ms())
            )
        after_s, _ = asked()
        fresh_s = until_fresh()
        context.close()
        chromium = shutil.which("chromium") or "/usr/bin/chromium"
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = sign_in(browser, server.url)
        page.goto(f"{server.url}/projects/{project}/quality")
        page.wait_for_selector("[data-table=people] tbody tr", timeout=600_000)
        drawn_ms = float(page.evaluate(f"() => (document.body.offsetHeight, ({DRAWN})())"))
        rows = page.locator("tbody tr").count()
        browser.close()
        server.stop()
    return {
        "people": people,
        "items_a_person": items,
        "first_s": round(first_s, 1),
        "shown_ms": round(1000 * shown_s),
        "after_a_submission_ms": round(1000 * after_s),
        "fresh_s": round(fresh_s, 1),
        "drawn_ms": round(drawn_ms),
        "rows_drawn": rows,
        "load_average": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--items", type=int, default=200)
    options = parser.parse_args()
    text = json.dumps(measure(options.people, options.items), indent=1)
    print(text)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()
