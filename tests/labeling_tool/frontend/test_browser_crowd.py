"""What large teams and their contractors do in a real Chromium: a hundred of everything, found by
typing on pages that stay short; several files at once, dropped, with a lost connection.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select
from vidact.labeling_tool.store.models import Assignment, AuditEntry, Project, Source, Task, now_ms

from tests.labeling_tool.browsing import sign_in, until
from tests.labeling_tool.conftest import open_context
from tests.labeling_tool.running import LocalServer, Script
from tests.labeling_tool.seeding import add_people, add_tasks

MANY = 100
TALLEST = 1800  # px: little more than two screens of a laptop
HEIGHT = "document.documentElement.scrollHeight"
WIDTH = "document.documentElement.scrollWidth"


def crowd(folder: Path) -> int:
    """A hundred annotators, projects, submissions and entries; the id of the project in use."""
    context = open_context(folder)
    people = add_people(context, MANY)
    used = add_tasks(context, 1, name="Doom, first pile")
    with context.database.write() as session:
        source = session.scalars(select(Source)).one()
        for i, user in enumerate(people):
            session.add(Project(name=f"Pile {i:03d}", kind="clean", spec=None))
            session.add(AuditEntry(action="login", target=f"thing {i}", user_id=user))
            task = Task(
                project_id=used,
                source_id=source.id,
                identity=f"pile {i}",
                random_rank=0.5,
                frames=32,
                lineage={"pts_ns": list(range(32))},
                state="done",
            )
            session.add(task)
            session.flush()
            session.add(
                Assignment(
                    task_id=task.id,
                    user_id=user,
                    state="submitted",
                    lease_ms=0,
                    active_at_ms=now_ms(),
                    submitted_ms=now_ms(),
                )
            )
    context.close()
    return used


def test_a_hundred_of_everything(chromium: Any, tmp_path: Path) -> None:
    server = LocalServer(tmp_path / "data", "--no-practice").start()
    try:
        Script(server.url).setup()
        used = crowd(tmp_path / "data")
        page = sign_in(chromium, server.url)
        page.set_viewport_size({"width": 1366, "height": 768})

        def rows(selector: str) -> int:
            return int(page.locator(selector).count())

        for path, row, typed in (
            ("/", "article", "pile 07"),
            ("/people", "main section:first-of-type tbody tr", "annotator7"),
            ("/audit", "tbody tr", "thing 7"),
            (f"/projects/{used}", ".page > .panel:last-of-type tbody tr", "annotator7"),
            (f"/projects/{used}/rules", "tbody tr", "annotator7"),
        ):
            page.goto(f"{server.url}{path}")
            page.locator(row).nth(MANY - 1).wait_for(state="attached")
            assert page.evaluate(HEIGHT) <= TALLEST, path
            assert page.evaluate(WIDTH) <= 1366, path
            page.get_by_label("Search").fill(typed)
            until(lambda row=row: 0 < rows(row) <= 11)
        page.goto(f"{server.url}/projects/{used}/tasks")
        page.wait_for_selector("tbody tr")
        assert page.evaluate(HEIGHT) <= TALLEST
        # By keys too; of more tasks than a page has, the server finds the last one.
        head = page.get_by_role("columnheader", name="Task", exact=True)
        for direction, first in (("ascending", "#1"), ("descending", f"#{MANY + 1}")):
            head.get_by_role("button").press("Enter")
            page.locator(f"tbody tr:first-child th >> text='{first}'").wait_for()
            assert head.get_attribute("aria-sort") == direction
        page.goto(f"{server.url}/people")
        page.get_by_label("Search").fill("annotator")
        names = page.locator("tbody th")
        until(lambda: names.count() == MANY)
        for last in ("annotator99", "annotator0"):
            page.get_by_role("button", name="Name", exact=True).click()
            assert names.nth(MANY - 1).inner_text().startswith(last)
        # A role that a wheel turned to is asked about, and stays what it was.
        page.goto(f"{server.url}/people")
        role = page.get_by_label("Role of annotator5", exact=True)
        role.select_option("reviewer")
        page.wait_for_selector("dialog[open]")
        assert role.input_value() == "annotator"
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
        roles = {
            row["name"]: row["role"] for row in Script(server.url).login("ada").get("/api/users")
        }
        assert roles["annotator5"] == "annotator"
        assert page.problems == []
        page.context.close()
    finally:
        server.stop()


def test_an_export_of_nothing_is_not_offered(chromium: Any, tmp_path: Path) -> None:
    server = LocalServer(tmp_path / "data", "--no-practice").start()
    try:
        script = Script(server.url).setup()
        made = script.post("/api/projects", {"name": "ours", "kind": "clean"})
        page = sign_in(chromium, server.url)
        page.goto(f"{server.url}/projects/{made['id']}/files")
        page.wait_for_selector("text=there is nothing to export")
        assert page.is_disabled("#export")
        script.post(f"/api/projects/{made['id']}/exports", {"format": "json"})
        page.reload()
        page.wait_for_selector("[data-export][data-state=done]")
        assert "nothing: it is empty" in page.inner_text("[data-export]")
        assert page.input_value("#export-format") == "json"  # as it was exported last
        assert page.get_by_role("link", name="Download").count() == 0
        page.context.close()
    finally:
        server.stop()


DROP = """([names, texts]) => {
  const files = new DataTransfer();
  names.forEach((name, i) => files.items.add(new File([texts[i]], name, { lastModified: 1 })));
  const drop = new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true });
  document.querySelector(".drop").dispatchEvent(drop);
}"""


def test_several_files_are_dropped_and_one_is_cut_short(chromium: Any, tmp_path: Path) -> None:
    server = LocalServer(tmp_path / "data", "--no-practice").start()
    try:
        ada = Script(server.url).setup()
        made = ada.post("/api/projects", {"name": "films", "kind": "clean"})
        ada.add_user("carl", "contractor")
        page = sign_in(chromium, server.url, "carl")
        cut: list[str] = []

        def cut_first(route: Any) -> None:
            """Of the first file's bytes only some come in, and then the connection breaks."""
            if not cut:
                upload = route.request.url.split("/")[-1].split("?")[0]
                cut.append(upload)
                carl = Script(server.url).login("carl")
                carl.http.put(f"/api/uploads/{upload}", params={"start": 0}, content=b"no")
                route.abort()
            else:
                cut.append(route.request.url.split("start=")[1])
                route.continue_()

        page.route("**/api/uploads/*start=*", cut_first)
        page.goto(f"{server.url}/projects/{made['id']}/upload")
        page.wait_for_selector(".drop")
        page.evaluate(DROP, [["one.mp4", "two.mkv", "three.jsonl"], ["no video"] * 3])
        assert "three.jsonl is for action review" in page.inner_text("[role=alert]")
        page.get_by_role("button", name="Upload 2 files").click()
        page.locator("[data-import=failed]").nth(1).wait_for()
        assert cut[1:] == ["2", "0"]
        table = page.inner_text("table")
        assert "one.mp4 cannot be used" in table
        assert "two.mkv cannot be used" in table
        page.reload()
        page.wait_for_selector("[data-import=failed]")
        assert page.problems == []
        page.context.close()
    finally:
        server.stop()
