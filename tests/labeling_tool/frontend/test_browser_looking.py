"""How the screen is divided, in a real Chromium: the picture comes first on every screen, and
nothing depends on what a browser keeps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.labeling_tool import barcodes
from tests.labeling_tool.browsing import (
    code,
    covering,
    frame,
    saved,
    sign_in,
    start_work,
    until,
)
from tests.labeling_tool.conftest import Review
from tests.labeling_tool.running import LocalServer, Script

SCREENS = ((1440, 900), (1366, 768), (3840, 2160), (720, 450))
"""The last one is 1440 by 900 at twice the browser's zoom."""

REFUSE_STORAGE = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("denied", "SecurityError"); },
});"""

TRANSLATE = """() => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walk.nextNode()) texts.push(walk.currentNode);
  for (const text of texts) {
    if (text.parentElement.closest("[translate]")?.translate === false) continue;
    const font = document.createElement("font");
    font.textContent = text.textContent + "!";
    text.replaceWith(font);
  }
}"""
"""What translators of browsers do to a page: each text becomes an element."""


def box(page: Any, selector: str) -> dict[str, float]:
    found: dict[str, float] = page.locator(selector).bounding_box()
    return found


def test_the_picture_comes_first_on_every_screen(chromium: Any, review: Review) -> None:
    """It is whole, in sight and the largest thing; the frames beside it are its neighbors; the
    magnifier follows the pointer; full screen and the splitter give it room.
    """
    page = sign_in(chromium, review.url)
    start_work(page, review.url, "Review of plain")
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        until(lambda at=height: box(page, "#picture")["height"] > 0.33 * at)
        page.keyboard.press("ArrowDown")  # whatever follows the lane, the picture stays
        picture = box(page, "#picture")
        assert picture["y"] >= 0, (width, height)
        assert picture["y"] + picture["height"] <= height, (width, height)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, height)
        page.keyboard.press("F4")  # the instructions lie elsewhere, too
        page.wait_for_selector(".drawer")
        assert covering(page, "#picture") == [], (width, height)
        page.keyboard.press("F4")
    page.set_viewport_size({"width": 1440, "height": 900})
    until(lambda: box(page, ".timeline")["width"] < 1440)
    page.keyboard.press("Home")
    codes = [code(page)]
    for _ in range(2):
        page.keyboard.press("ArrowRight")
        codes.append(code(page))
    for key in ("ArrowLeft", ";", "'"):
        page.keyboard.press(key)
    until(lambda: page.get_attribute("#after", "data-shows") == "frame")
    assert [code(page, part) for part in ("#before", "#picture", "#after")] == codes
    picture = box(page, "#picture")
    page.mouse.click(picture["x"] + 3, picture["y"] + 3)
    until(lambda: page.get_attribute("#lens", "data-part").startswith("0 0 "))
    page.focus("#lens")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert frame(page) == 1
    for key in (";", "'"):
        page.keyboard.press(key)
    before = box(page, "#picture")["height"]
    page.keyboard.press("F9")
    page.wait_for_selector(".side", state="hidden")
    until(lambda: box(page, "#lanes")["width"] > 1400)
    until(lambda: box(page, "#picture")["height"] > before)
    page.keyboard.press("F9")
    page.wait_for_selector(".side")
    page.focus(".splitter")
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    until(lambda: box(page, "#picture")["height"] > before)
    page.reload()
    page.wait_for_selector(".review")
    until(lambda: box(page, "#picture")["height"] > before)  # it is kept
    page.dblclick(".splitter")
    until(lambda: box(page, "#picture")["height"] == before)
    assert page.problems == []
    page.context.close()


def test_a_browser_that_keeps_nothing_and_one_that_translates(
    chromium: Any, review: Review
) -> None:
    """Where storage is refused all work is still saved; a translated page goes on to work, and the
    work itself, where words are the names of keys, is not translated.
    """
    page = sign_in(chromium, review.url, "bob")
    page.context.add_init_script(REFUSE_STORAGE)
    page.goto(review.url)
    page.wait_for_selector("article")
    page.evaluate(TRANSLATE)
    page.locator("article", has_text="Review of 29.97").get_by_role("button").click()
    page.wait_for_selector(".review")
    page.evaluate(TRANSLATE)
    assert page.inner_text("[data-lane='attack'] .name") == "attack"
    for key in ("Home", "6", "ArrowRight", "7", "w", "Escape", "z"):
        page.keyboard.press(key)
    saved(page, 3)
    assert frame(page) == 1
    assert page.get_attribute("[data-lane='attack']", "aria-pressed") == "false"
    page.context.set_offline(True)
    page.keyboard.press("6")
    page.wait_for_selector(".save[data-save='offline']:has-text('this browser keeps nothing')")
    page.context.set_offline(False)
    saved(page, 4)
    assignment = page.get_attribute(".review", "data-assignment")
    kinds = Script(review.url).login("ada").get(f"/api/assignments/{assignment}/operations")
    assert [op["kind"] for op in kinds["operations"]] == ["paint", "paint", "undo", "paint"]
    assert page.problems == []
    page.context.close()


def test_a_frame_that_is_stood_on_is_shown_at_full_size(
    chromium: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task's pictures are small enough to be held all at once: too small for small print."""
    monkeypatch.setattr(barcodes, "WIDTH", 1280)
    monkeypatch.setattr(barcodes, "HEIGHT", 720)
    monkeypatch.setattr(barcodes, "COLUMN", 1280 // barcodes.BITS)
    film = barcodes.write(tmp_path / "film.mp4", 60)
    server = LocalServer(
        tmp_path / "data", "--clean", str(film), "--frame-step-s", "0.5", "--no-practice"
    ).start()
    try:
        server.wait_for_import("film.mp4: 1 new tasks")
        Script(server.url).setup()
        page = sign_in(chromium, server.url)
        start_work(page, server.url, "Clean or not: film", ".clean-page")
        page.keyboard.press("g")
        page.keyboard.press("ArrowRight")
        whole = "document.querySelector('.big canvas').width"
        until(lambda: page.evaluate(whole) == 1280)
        assert code(page, ".big canvas") == 15
        assert page.evaluate("document.querySelector('.tiny canvas').width") == 640
        page.keyboard.press("ArrowRight")
        assert code(page, ".big canvas") == 30
        until(lambda: page.evaluate(whole) == 1280)
        assert code(page, ".big canvas") == 30
        assert page.problems == []
        page.context.close()
    finally:
        server.stop()
