"""A full day in a real Chromium: three annotators, a reviewer and a lead in two projects, from the
import to the export; in the middle the server is killed and the network is lost.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.labeling_tool import barcodes
from tests.labeling_tool.browsing import looked_at, sign_in, start_work, until
from tests.labeling_tool.datasets import make_dataset
from tests.labeling_tool.frontend.test_browser_pages import axe
from tests.labeling_tool.running import Script, Server

ACTIONS, CLEAN = "Review of dataset", "Clean or not: film"
FRAMES = 112
"""Of the film for a task of 64 ticks: 17.5 ticks a second of 30 frames."""
RUN = {"start": 20, "end": 30, "value": True}
"""The one run of each task that its model is unsure about."""


@contextmanager
def office(folder: Path, tasks: int) -> Iterator[Server]:
    """A server with so many tasks of action review and one of clean or not; ada leads, rita
    reviews, bob, eve and kim label.
    """
    film = barcodes.write(folder / "film.mp4", tasks * FRAMES + 30)
    # The last clip's model is still sure of all but the one run.
    less_sure = 0.24 / tasks
    dataset = make_dataset(folder / "dataset", [film], clips=tasks, less_sure=less_sure)
    options = ["--no-practice", "--random-fraction", "0", "--source-root", str(folder)]
    step_s = str(tasks / 6)  # however long the film is, its frames are one task
    films = ["--review", dataset, "--clean", str(film), "--frame-step-s", step_s]
    server = Server(folder / "data", *films, *options)
    server.start()
    try:
        server.wait_for_import("film.mp4: 1 new tasks")
        ada = Script(server.url).setup()
        ada.add_user("rita", "reviewer")
        for name in ("bob", "eve", "kim"):
            ada.add_user(name)
        yield server
    finally:
        server.stop()


class Annotator:
    """Somebody at work, and all that they have done: what must be there in the evening."""

    def __init__(self, browser: Any, server: Server, name: str, lane: int):
        self.page = sign_in(browser, server.url, name)
        self.name, self.lane = name, lane
        self.done: dict[int, list[tuple[str, dict[str, Any]]]] = {}
        self.opened = 0  # tasks whose pictures have come
        self.page.on("response", self.see)
        start_work(self.page, server.url, ACTIONS)

    def see(self, response: Any) -> None:
        self.opened += "/pictures" in response.url and response.status == 200

    @property
    def assignment(self) -> int:
        return int(self.page.get_attribute(".review", "data-assignment"))

    def label(self) -> int:
        """Hold a key at a frame of one's own choice, and accept the run."""
        page, assignment = self.page, self.assignment
        frame = len(self.done)
        page.keyboard.press("Home")
        for _ in range(frame):
            page.keyboard.press("ArrowRight")
        page.keyboard.press(str(self.lane + 1))
        page.keyboard.press("n")
        page.keyboard.press("Enter")
        until(lambda: page.get_attribute(".timeline", "data-run") == "")
        painted = {"lane": self.lane, "start": frame, "end": frame + 1, "value": 1}
        self.done[assignment] = [("paint", painted), ("accept", RUN)]
        return assignment

    def submit(self) -> None:
        """Submit, and wait for the next task, or for the projects where there is none."""
        looked_at(self.page)
        before = self.assignment
        self.page.keyboard.press("f")
        self.page.wait_for_selector(f".review:not([data-assignment='{before}']), article")


def work_a_day(browser: Any, server: Server, each: int) -> None:
    def look_at(page: Any, where: str) -> None:
        if each > 1:  # the suite has axe on every page; a day of many tasks has it, too
            axe(page, where)

    people = [
        Annotator(browser, server, name, 4 + i) for i, name in enumerate(["bob", "eve", "kim"])
    ]
    bob, eve, kim = people
    for _ in range(each - 1):
        for person in people:
            person.label()
            person.submit()
    look_at(bob.page, "action review")
    # The network goes while eve works: she submits, and goes on with the task that is ready.
    while eve.opened <= each:  # until the next task's pictures are there
        eve.page.wait_for_timeout(50)
    looked_at(eve.page)
    eve.page.context.set_offline(True)
    eve.label()
    eve.submit()
    eve.label()
    eve.page.wait_for_selector(".save[data-save='offline']")
    # The power goes while bob and kim work.
    bob.label()
    server.kill()
    kim.label()
    bob.page.keyboard.press("z")
    server.start()
    bob.page.keyboard.press("y")
    for person in (bob, kim):
        person.page.wait_for_selector(".save[data-save='saved']", timeout=60_000)
        person.submit()
    bob.done[max(bob.done)] += [("undo", {}), ("redo", {})]
    eve.page.context.set_offline(False)
    eve.page.wait_for_selector(".save[data-save='saved']", timeout=60_000)
    eve.submit()
    script = Script(server.url).login("ada")
    project = {row["name"]: row["id"] for row in script.get("/api/projects")}
    submissions = f"/api/projects/{project[ACTIONS]}/submissions"
    wanted = sum(len(person.done) for person in people)
    until(lambda: len(script.get(f"{submissions}?state=submitted")["submissions"]) == wanted)
    # kim judges frames, too.
    kim.page.goto(server.url)
    kim.page.locator("article", has_text=CLEAN).get_by_role("button").click()
    kim.page.wait_for_selector(".clean-page")
    until(lambda: kim.page.keyboard.press("Enter") or is_labeled(kim.page))
    looked_at(kim.page)
    kim.page.keyboard.press("f")
    kim.page.wait_for_selector("article")
    look_at(kim.page, "projects")
    review(browser, server, wanted)
    until(lambda: len(script.get(f"{submissions}?state=approved")["submissions"]) == wanted)
    lead = sign_in(browser, server.url, "ada")
    for where, ready in (("", "#review"), ("/tasks", "tbody tr"), ("/quality", "section")):
        lead.goto(f"{server.url}/projects/{project[ACTIONS]}{where}")
        lead.wait_for_selector(ready)
        look_at(lead, f"project{where}")
    exported = {row["assignment"]: row for row in export(lead, server, project[ACTIONS])}
    [frames] = export(lead, server, project[CLEAN])
    look_at(lead, "files")
    for page in (lead, *(person.page for person in people)):
        assert page.problems == []
        page.context.close()
    for person in people:
        for assignment, deeds in person.done.items():
            row = exported[assignment]
            assert (row["annotator"], row["approved"]) == (person.name, True)
            history = [(op["kind"], op["payload"]) for op in row["history"]]
            for (kind, payload), (made, of) in zip(deeds, history, strict=True):
                assert made == kind, (person.name, history)
                assert not payload or of == payload
            [(_, painted), *_] = deeds
            assert row["labels"]["buttons"][painted["start"]][person.lane] == 1
    assert set(frames["labels"]["labels"]) == {"clean"}


def is_labeled(page: Any) -> bool:
    return page.locator(".clean-page [aria-valuenow='100']").count() > 0


def review(browser: Any, server: Server, count: int) -> None:
    """rita approves everything, one key each."""
    page = sign_in(browser, server.url, "rita")
    page.goto(server.url)
    page.locator("article", has_text=ACTIONS).get_by_role("button", name="Review").click()
    for _ in range(count):
        page.wait_for_selector(".review")
        seen = page.get_attribute(".review", "data-assignment")
        looked_at(page)
        page.keyboard.press("Enter")
        page.wait_for_selector(f".review:not([data-assignment='{seen}']), article, #review")
    assert page.problems == []
    page.context.close()


def export(page: Any, server: Server, project: int) -> list[dict[str, Any]]:
    """The submissions of a project, as somebody exports them as JSON and downloads them."""
    page.goto(f"{server.url}/projects/{project}/files")
    page.wait_for_selector("#to-export")
    page.locator("#export-format").select_option("json")
    page.click("#export")
    page.wait_for_selector("[data-export][data-state=done]")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    with tarfile.open(download.value.path()) as files:
        [name] = [name for name in files.getnames() if name.endswith("submissions.jsonl")]
        text = files.extractfile(name).read()  # type: ignore[union-attr]
    return [json.loads(line) for line in text.splitlines()]


def test_a_short_day(chromium: Any, tmp_path: Path) -> None:
    """One task each before the network and the power go."""
    with office(tmp_path, tasks=12) as server:
        work_a_day(chromium, server, each=1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_full_day(chromium: Any, tmp_path: Path) -> None:
    """Eight tasks each (the first ten of each are reviewed); axe finds nothing, nothing is lost."""
    with office(tmp_path, tasks=36) as server:
        work_a_day(chromium, server, each=8)
