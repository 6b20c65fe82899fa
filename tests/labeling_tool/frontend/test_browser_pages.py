"""Every other page in a real Chromium: clean-or-not, the tour, the admin's pages; axe in both
themes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.labeling_tool.browsing import code, covering, looked_at, saved, sign_in, start_work
from tests.labeling_tool.conftest import Review
from tests.labeling_tool.running import PASSWORD, LocalServer, Script, Server

AXE = (
    Path(__file__).resolve().parents[3]
    / "labeling_tool"
    / "frontend"
    / "node_modules"
    / "axe-core"
    / "axe.min.js"
)
CHECK = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  const places = (v) => v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(" | ");
  return found.violations.map((v) => `${v.id}: ${places(v)}`);
}"""

# Parts of the page of sixteen that do not fit on the screen.
TOO_LARGE = """() => [...document.querySelectorAll(".grid, .cell, .tag, .choice")]
  .filter((part) => part.getBoundingClientRect().bottom > innerHeight)
  .map((part) => part.className)"""


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def axe(page: Any, where: str) -> None:
    """No violation on this page, in the light and in the dark."""
    if not AXE.is_file():
        pytest.skip("the front end's packages are not installed; make setup installs them")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.wait_for_timeout(60)
        if not page.evaluate("() => 'axe' in window"):  # of half a megabyte: once a document
            page.evaluate(AXE.read_text(encoding="utf-8"))
        assert page.evaluate(CHECK) == [], f"{where}, {scheme}"


def test_clean_or_not_by_keyboard_alone(chromium: Any, review: Review) -> None:
    """The grid and the single frame show the right frames; labels, reasons, ranges, undo, the rest
    of the page.
    """
    page = sign_in(chromium, review.url, "eve")
    start_work(page, review.url, "Clean or not: film", ".clean-page")
    codes = [code(page, f".cell:nth-child({i + 1}) canvas") for i in range(16)]
    assert codes == review.clean_numbers[:16]
    press(page, "1", "1", "q", "3", "4")
    assert page.get_attribute(".clean-page", "data-frame") == "5"
    press(page, "i", "ArrowDown", "o", "3")  # frames 5 to 9 in one
    saved(page, 6)
    assert page.evaluate(TOO_LARGE) == []
    assert covering(page, ".cell:nth-child(3) canvas") == []
    press(page, "z")
    saved(page, 7)
    press(page, "g")
    page.wait_for_selector(".single")
    assert covering(page, ".big canvas") == []
    for key, at in (("Home", 0), ("ArrowRight", 1), ("End", 21), ("ArrowLeft", 20)):
        press(page, key)
        assert page.get_attribute(".big", "data-frame") == str(at)
        assert code(page, ".big canvas") == review.clean_numbers[at]
    press(page, "Home", "Enter", "Enter")  # what is left of both pages is clean
    page.wait_for_selector(".clean-page [aria-valuenow='100']")
    axe(page, "clean or not, single")
    press(page, "g")
    axe(page, "clean or not, grid")
    assignment = page.get_attribute(".clean-page", "data-assignment")
    looked_at(page)
    press(page, "f")
    page.wait_for_selector("article")
    history = (
        Script(review.url)
        .login("ada")
        .get(f"/api/assignments/{assignment}/operations")["operations"]
    )
    assert history[2]["payload"] == {
        "start": 2,
        "end": 3,
        "label": "artifacts",
        "reasons": ["webcam"],
    }
    assert [
        (op["payload"]["start"], op["payload"]["end"]) for op in history if op["kind"] == "label"
    ][-2:] == [
        (5, 16),
        (16, 22),
    ]
    assert page.problems == []
    page.context.close()


def test_axe_on_every_page(chromium: Any, review: Review) -> None:
    """No violation on any page, as the people see it who have it, in both themes."""
    nobody = chromium.new_context().new_page()
    nobody.goto(f"{review.url}/login")
    nobody.wait_for_selector("form")
    axe(nobody, "login")
    nobody.context.close()
    ada = sign_in(chromium, review.url, "ada")
    script = Script(review.url).login("ada")
    project = next(row["id"] for row in script.get("/api/projects") if row["kind"] == "actions")
    for path, ready in (
        ("/", "article"),
        ("/people", "table"),
        ("/audit", "table"),
        ("/settings", ".keytable"),
        ("/help", ".keys"),
        ("/tour", "#start-tour"),
        ("/projects/new", "form"),
        (f"/projects/{project}", "#review"),
        (f"/projects/{project}/tasks", "tbody tr"),
        (f"/projects/{project}/quality", "section"),
        (f"/projects/{project}/files", "#to-export"),
        (f"/projects/{project}/rules", "form"),
        ("/no/such/page", "h1"),
    ):
        ada.goto(f"{review.url}{path}")
        ada.wait_for_selector(ready)
        axe(ada, path)
    start_work(ada, review.url, "Review of vfr")
    axe(ada, "action review")
    press(ada, "6", "m", "?")
    ada.wait_for_selector("dialog[open]")
    axe(ada, "keys")
    press(ada, "Escape", "Escape", "F3")
    ada.keyboard.type("zoom")
    ada.wait_for_selector("[role=option]:only-child")
    axe(ada, "palette")
    press(ada, "Enter", "Home", "6", "End", "z")
    ada.wait_for_selector("text=Undid: held attack in frame 1.")
    assert ada.get_attribute(".timeline", "data-frame") == "0"
    assert "held attack in frame 1 (undone)" in ada.inner_text(".rail")
    press(ada, "w")
    axe(ada, "a press in hand")
    assignment = ada.get_attribute(".review", "data-assignment")
    ada.goto(f"{review.url}/work/{assignment}/history")
    ada.wait_for_selector("table")
    axe(ada, "history")
    carl = sign_in(chromium, review.url, "carl")
    carl.goto(f"{review.url}/projects/{project}/upload")
    carl.wait_for_selector(".drop")
    axe(carl, "upload")
    carl.goto(review.url)
    carl.wait_for_selector("article")
    axe(carl, "a contractor's projects")
    carl.goto(f"{review.url}/people")
    assert "This page is not for you" in carl.inner_text("main")
    carl.goto(f"{review.url}/projects/{project}/tasks")
    carl.wait_for_selector("h1:text-is('This page is not for you')")
    axe(carl, "forbidden")
    assert ada.problems == []
    assert carl.problems == []
    ada.context.close()
    carl.context.close()


def test_the_first_run_page_makes_the_admin(chromium: Any, tmp_path: Path) -> None:
    server = LocalServer(tmp_path / "data", "--no-practice").start()
    try:
        page = chromium.new_context().new_page()
        page.goto(server.url)
        page.wait_for_selector("input[name=again]")
        axe(page, "setup")
        page.wait_for_selector("input[name=name]:focus")
        page.keyboard.type("ada")
        for _ in range(2):
            press(page, "Tab")
            page.keyboard.type(PASSWORD)
        press(page, "Enter")
        page.wait_for_selector("#start-tour")
        assert Script(server.url).login("ada").person["role"] == "admin"
        page.context.close()
    finally:
        server.stop()


def test_the_tour_is_made_of_real_tasks(chromium: Any, practice_server: Server) -> None:
    """Somebody new does all three lessons by keyboard, following what the tour says."""
    script = Script(practice_server.url).login("ada")
    script.add_user("newbie")
    page = sign_in(chromium, practice_server.url, "newbie", tour_done=False)
    page.goto(f"{practice_server.url}/tour")
    page.click("#start-tour")
    page.wait_for_selector(".review")

    def step(number: int) -> None:
        page.wait_for_selector(f".coach[data-step='{number}']")

    assert covering(page, "#picture") == []
    press(page, "Home", "ArrowRight")
    step(1)
    press(page, " ")
    page.wait_for_timeout(500)
    press(page, " ")
    step(2)
    press(page, "Home", "n")
    step(3)
    press(page, "Home", "PageDown", "PageDown", "PageDown", "ArrowRight", "ArrowRight", "6")
    step(4)
    press(page, "ArrowRight", "6")
    step(5)
    press(page, "z")
    step(6)
    press(page, "y")
    step(7)
    press(page, "Enter")
    step(8)
    press(page, "s", "5", "Escape")
    step(9)
    press(page, "Enter")
    press(page, "Enter", "Enter", "Enter", "Enter")
    step(10)
    looked_at(page)
    press(page, "f")
    page.wait_for_selector("#next-lesson")
    assert "of 96 frames right" in page.inner_text("h1")
    axe(page, "result of a lesson")
    press(page, "Tab")
    page.click("#next-lesson")
    page.wait_for_selector(".review")
    press(page, "Home", *["ArrowRight"] * 12, "i", *["ArrowRight"] * 7, "o")
    step(1)
    press(page, "m")
    step(2)
    press(page, "ArrowRight", "ArrowRight", "ArrowRight")
    step(3)
    press(page, "Escape")
    step(4)
    press(page, "Home", *["ArrowRight"] * 24, "ArrowUp", "ArrowUp", "ArrowUp")
    lanes = page.locator(".lane.cursor .name")
    for _ in range(14):
        if lanes.inner_text() == "right":
            break
        press(page, "ArrowDown")
    press(page, "-", "-", "-", "-")
    step(5)
    press(page, "d")
    step(6)
    looked_at(page)
    press(page, "f", "f")
    page.wait_for_selector("#next-lesson")
    page.click("#next-lesson")
    page.wait_for_selector(".clean-page")
    assert covering(page, ".grid") == []
    for answer in ["1", "1", "q", "1", "w", "1", "3", "1", "q", "e", "1", "3"]:
        press(page, answer)
    step(3)
    press(page, "g")
    step(4)
    looked_at(page)
    press(page, "1", "w", "3", "1", "f")
    page.wait_for_selector("#next-lesson")
    assert page.inner_text("h1") == "16 of 16 frames right"
    page.click("#next-lesson")
    page.wait_for_selector("article")
    assert Script(practice_server.url).login("newbie").person["settings"]["tour"] == 1000
    assert page.problems == []
    page.context.close()
