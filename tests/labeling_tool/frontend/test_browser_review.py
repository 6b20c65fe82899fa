"""Action review in a real Chromium: by keyboard alone, frame by frame, through every accident."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.labeling_tool import barcodes
from tests.labeling_tool.browsing import (
    code,
    covering,
    frame,
    frame_and_code,
    looked_at,
    saved,
    sign_in,
    start_work,
    until,
)
from tests.labeling_tool.conftest import Review
from tests.labeling_tool.datasets import make_dataset
from tests.labeling_tool.pictures.test_pictures import KINDS
from tests.labeling_tool.running import PASSWORD, LocalServer, Script, Server


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def walk(page: Any, numbers: list[int], steps: int, seed: int) -> int:
    """Step, jump and seek at random; the number of frames whose pixels or number were wrong."""
    rng, at, wrong = random.Random(seed), frame(page), 0
    last = 63
    box = page.locator("#lanes").bounding_box()
    for _ in range(steps):
        move = rng.choice(
            ["ArrowRight", "ArrowLeft", ".", ",", "PageDown", "PageUp", "Home", "End", "click"]
        )
        if move == "click":
            at = rng.randrange(64)
            x = 136 + (at + 0.5) / 64 * (box["width"] - 144)
            page.mouse.click(box["x"] + x, box["y"] + 52)  # the ruler: clicking there only seeks
        else:
            page.keyboard.press(move)
            step = {
                "ArrowRight": 1,
                ".": 1,
                "ArrowLeft": -1,
                ",": -1,
                "PageDown": 10,
                "PageUp": -10,
                "Home": -99,
                "End": 99,
            }
            at = min(last, max(0, at + step[move]))
        wrong += frame_and_code(page) != (at, numbers[at])
    return wrong


def first_tick(page: Any, url: str) -> int:
    assignment = page.get_attribute(".review", "data-assignment")
    return int(page.request.get(f"{url}/api/assignments/{assignment}").json()["task"]["first_tick"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_and_seek_shows_its_frame(chromium: Any, review: Review, kind: str) -> None:
    assert walk_through(chromium, review, kind, steps=15) == 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_and_fifty_steps_and_seeks(chromium: Any, review: Review, kind: str) -> None:
    """Seven kinds of files make 1,050 steps and seeks."""
    assert walk_through(chromium, review, kind, steps=150) == 0


def walk_through(chromium: Any, review: Review, kind: str, steps: int) -> int:
    """Steps and seeks over a task of that kind of file, then played and stopped; the number of
    wrong frames.
    """
    page = sign_in(chromium, review.url)
    start_work(page, review.url, f"Review of {kind}")
    begin = first_tick(page, review.url)
    numbers = review.numbers[kind][begin : begin + 64]
    wrong = walk(page, numbers, steps, seed=steps)
    press(page, "Home", "l", "l")
    page.wait_for_timeout(300)
    press(page, "k")
    wrong += code(page) != numbers[frame(page)]
    assert page.problems == []
    page.context.close()
    return wrong


@pytest.fixture(scope="module")
def two_tasks(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a server is started with: a project of two tasks."""
    folder = tmp_path_factory.mktemp("two")
    dataset = make_dataset(folder / "dataset", [barcodes.write(folder / "film.mp4", 260)], clips=2)
    own = ["--no-practice", "--random-fraction", "0", "--source-root", str(folder)]
    return ["--review", dataset, *own]


def serving(server: Server) -> Iterator[Server]:
    server.start()
    server.wait_for_import("2 new tasks")
    Script(server.url).setup()
    yield server
    server.stop()


@pytest.fixture
def own_server(two_tasks: list[str], tmp_path: Path) -> Iterator[Server]:
    """A server that a test has for itself."""
    yield from serving(LocalServer(tmp_path / "data", *two_tasks))


@pytest.fixture
def mortal_server(two_tasks: list[str], tmp_path: Path) -> Iterator[Server]:
    """One that a test may kill."""
    yield from serving(Server(tmp_path / "data", *two_tasks))


PRESS_AT_ONCE = """new MutationObserver((_, observer) => {
  if (!document.querySelector(".review")) return;
  observer.disconnect();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "End", bubbles: true }));
}).observe(document, { childList: true, subtree: true });"""


def test_a_key_counts_from_the_moment_the_screen_is_there(
    chromium: Any, own_server: Server
) -> None:
    page = sign_in(chromium, own_server.url)
    page.add_init_script(PRESS_AT_ONCE)
    start_work(page, own_server.url, "Review of dataset")
    page.wait_for_selector(".timeline[data-frame='63']")
    assert page.problems == []
    page.context.close()


def test_a_day_by_keyboard_alone(chromium: Any, own_server: Server) -> None:
    """From the login to the next task without the mouse: edits, ranges, undo, redo, reload,
    comment, submission.
    """
    page = sign_in(chromium, own_server.url)
    page.context.clear_cookies()
    page.goto(own_server.url)
    page.wait_for_selector("input[name=name]:focus")
    page.keyboard.type("ada")
    press(page, "Tab")
    page.keyboard.type(PASSWORD)
    press(page, "Enter")
    page.wait_for_selector("article")
    for _ in range(20):  # to the project's button
        press(page, "Tab")
        if page.evaluate("document.activeElement.textContent") == "Start":
            break
    press(page, "Enter")
    page.wait_for_selector(".review")
    first_task = page.get_attribute(".review", "data-task")
    press(page, "Home", "6", "ArrowRight", "6")  # attack in frames 0 and 1
    press(page, "i", "PageDown", "o", "3")  # left in frames 1 to 11
    press(
        page, "Escape", "m", "ArrowRight", "ArrowRight", "Escape"
    )  # four degrees to the right at frame 11
    saved(page, 5)
    press(page, "z")
    saved(page, 6)
    press(page, "y", "c")
    page.keyboard.type("is this a tap?")
    press(page, "Enter")
    saved(page, 8)
    page.reload()
    page.wait_for_selector(".review")
    press(page, "Home")
    assert page.get_attribute("[data-lane='attack']", "aria-pressed") == "true"
    press(page, "End", "Home", "PageDown", ".")
    assert "4.0°" in page.inner_text(".camera")
    looked_at(page)
    press(page, "f", "f")
    page.wait_for_selector(f".review:not([data-task='{first_task}'])")
    assert page.locator("text=Loading frames").count() == 0  # it was ready
    second_task = page.get_attribute(".review", "data-task")
    press(page, "Backspace")  # submitted too soon? It is one key away
    page.wait_for_selector(f".review[data-task='{first_task}']")
    assert "Submitted." in page.inner_text(".notices")
    press(page, "f")
    page.wait_for_selector(f".review[data-task='{second_task}']")
    ada = Script(own_server.url).login("ada")
    done = [row for row in ada.get("/api/assignments") if row["state"] == "submitted"]
    assert len(done) == 1
    history = ada.get(f"/api/assignments/{done[0]['id']}/operations")["operations"]
    assert [op["kind"] for op in history] == [
        "paint",
        "paint",
        "paint",
        "camera",
        "camera",
        "undo",
        "redo",
        "note",
    ]
    assert page.problems == []
    page.context.close()


def test_the_server_dies_and_comes_back(chromium: Any, mortal_server: Server) -> None:
    page = sign_in(chromium, mortal_server.url)
    start_work(page, mortal_server.url, "Review of dataset")
    press(page, "Home", "6")
    saved(page, 1)
    mortal_server.kill()
    press(page, "ArrowRight", "6", "ArrowRight", "6")
    page.wait_for_selector(".save[data-save='offline']")
    assert "kept on this device" in page.inner_text(".save")
    press(page, "ArrowRight", "6")  # work goes on
    mortal_server.start()
    saved(page, 4)
    assignment = page.get_attribute(".review", "data-assignment")
    history = (
        Script(mortal_server.url)
        .login("ada")
        .get(f"/api/assignments/{assignment}/operations")["operations"]
    )
    assert [op["payload"]["start"] for op in history] == [0, 1, 2, 3]
    page.context.close()


def test_no_label_is_wrong_by_a_slip_of_the_hand(chromium: Any, own_server: Server) -> None:
    """Playing on changes nothing about what Enter accepts; at each zoom a trembling click paints
    nothing and goes there; keys that exclude each other are marked; nothing covers the picture.
    """
    page = sign_in(chromium, own_server.url)
    start_work(page, own_server.url, "Review of dataset")
    timeline = page.locator(".timeline")
    assert covering(page, "#picture") == []  # a counter in its corner is evidence, too
    first, last = map(int, timeline.get_attribute("data-run").split("–"))
    press(page, "l", "l", "l", "l")
    until(lambda: frame(page) > last)
    press(page, "k", "Enter")
    saved(page, 1)
    assignment = page.get_attribute(".review", "data-assignment")
    box = page.locator("#lanes").bounding_box()
    x, y = box["x"] + 136 + 0.8 * (box["width"] - 144), box["y"] + 79  # in the first lane
    for _ in range(3):  # 64, 32 and 16 frames in view
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 1, y)
        page.mouse.move(x - 2, y)
        page.mouse.up()
        press(page, "v")
    press(page, "3", "4")
    assert page.inner_text("[data-lane='left'] .clash") == "not with right"
    saved(page, 3)
    ada = Script(own_server.url).login("ada")
    exclusive = ada.get(f"/api/assignments/{assignment}")["project"]["exclusive"]
    assert exclusive == [[7, 8, 9, 10, 11, 12, 13], [0, 1], [2, 3]]
    history = ada.get(f"/api/assignments/{assignment}/operations")["operations"]
    assert history[0]["payload"] == {"start": first - 1, "end": last, "value": True}
    assert [op["payload"]["lane"] for op in history[1:]] == [2, 3]
    assert page.problems == []
    page.context.close()


def renderers(browser: Any) -> set[int]:
    """The processes in which the browser's pages live."""
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return {process["id"] for process in found if process["type"] == "renderer"}


def test_a_crashed_tab_loses_nothing(chromium: Any, mortal_server: Server) -> None:
    """Edits that never reached the server, in a tab that is gone: the next tab has them."""
    before = renderers(chromium)
    page = sign_in(chromium, mortal_server.url)
    start_work(page, mortal_server.url, "Review of dataset")
    press(page, "Home", "6")
    saved(page, 1)
    assignment = page.get_attribute(".review", "data-assignment")
    mortal_server.kill()
    press(page, "ArrowRight", "6", "ArrowRight", "6")
    page.wait_for_selector(".save[data-save='offline']")
    with page.expect_event("crash"):
        for process in renderers(chromium) - before:
            os.kill(process, signal.SIGKILL)
    mortal_server.start()
    again = page.context.new_page()
    again.goto(f"{mortal_server.url}/work/{assignment}")
    again.wait_for_selector(".review")
    saved(again, 3)
    page.context.close()


def test_two_windows_conflict_and_nothing_is_overwritten(chromium: Any, own_server: Server) -> None:
    page = sign_in(chromium, own_server.url)
    start_work(page, own_server.url, "Review of dataset")
    second = page.context.new_page()
    second.goto(page.url)
    second.wait_for_selector(".review")
    press(page, "Home", "6")
    saved(page, 1)
    press(second, "End", "3")
    second.wait_for_selector("dialog[open]")
    assert "Nothing was overwritten" in second.inner_text("dialog")
    press(second, "Enter")  # the key that fingers press by themselves
    saved(second, 2)  # the other window's edit, and this one's on top
    press(second, "Home")
    assert second.get_attribute("[data-lane='attack']", "aria-pressed") == "true"
    page.context.close()


def test_keys_can_be_changed_and_switched_off(chromium: Any, own_server: Server) -> None:
    page = sign_in(chromium, own_server.url)
    page.goto(f"{own_server.url}/settings")

    def change(command: str, key: str) -> None:
        page.locator(f"[data-command={command}]").focus()
        press(page, "Enter")
        page.wait_for_selector(f"[data-command={command}]:text-is('Press a key')")
        press(page, key)

    change("next", "h")
    page.wait_for_selector("[data-command=next] kbd:text-is('H')")
    assert "means two things" in page.inner_text("main")  # h pauses, too
    change("pause", "F10")
    page.wait_for_selector("[data-command=pause] kbd:text-is('F10')")
    assert "means two things" not in page.inner_text("main")
    start_work(page, own_server.url, "Review of dataset")
    press(page, "Home", "h", "h")
    assert frame(page) == 2
    Script(own_server.url).login("ada").patch("/api/me/settings", {"single_keys": False})
    page.reload()
    page.wait_for_selector(".review")
    press(page, "Home", "h", "6", "PageDown")
    assert frame(page) == 10
    assert page.get_attribute(".save", "data-saved") == "0"
    page.context.close()


def test_the_mouse_paints_bends_and_selects(chromium: Any, own_server: Server) -> None:
    page = sign_in(chromium, own_server.url)
    start_work(page, own_server.url, "Review of dataset")
    box = page.locator("#lanes").bounding_box()

    def at(tick: float, y: float) -> tuple[float, float]:
        return box["x"] + 136 + (tick + 0.5) / 64 * (box["width"] - 144), box["y"] + y

    def drag(start: tuple[float, float], end: tuple[float, float]) -> None:
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move((start[0] + end[0]) / 2, end[1])
        page.mouse.move(*end)
        page.mouse.up()

    press(page, "F7")  # all lanes
    until(lambda: page.locator("#lanes").bounding_box()["height"] != box["height"])
    box = page.locator("#lanes").bounding_box()
    lane = (box["height"] - 76 - 18 - 2 * 36 - 18) / 14
    drag(at(4, 76 + 5.5 * lane), at(9, 76 + 5.5 * lane))  # attack
    saved(page, 1)
    yaw = 76 + 14 * lane + 18 + 36 + 30
    drag(at(20, yaw), at(24, yaw))  # to the left
    saved(page, 2)
    assignment = page.get_attribute(".review", "data-assignment")
    history = (
        Script(own_server.url)
        .login("ada")
        .get(f"/api/assignments/{assignment}/operations")["operations"]
    )
    assert history[0]["payload"] == {"lane": 5, "start": 4, "end": 10, "value": 1}
    assert (history[1]["payload"]["start"], history[1]["payload"]["end"]) == (20, 25)
    assert max(history[1]["payload"]["values"]) < 0
    drag(at(30, 20), at(39, 20))  # the film strip selects
    press(page, "q")
    saved(page, 3)
    history = (
        Script(own_server.url)
        .login("ada")
        .get(f"/api/assignments/{assignment}/operations")["operations"]
    )
    assert history[2]["kind"] == "release"
    assert history[2]["payload"] == {"start": 30, "end": 40}
    page.context.close()


def test_a_reviewer_returns_and_the_annotator_mends(chromium: Any, review: Review) -> None:
    ada = Script(review.url).login("ada")
    for row in ada.get(
        "/api/assignments?state=leased"
    ):  # other tests' pages had their next tasks fetched ahead
        ada.post(f"/api/assignments/{row['id']}/release")
    bob = Script(review.url).login("bob")
    project = next(
        row["id"] for row in bob.get("/api/projects") if row["name"] == "Review of plain"
    )
    assignment = bob.post(f"/api/projects/{project}/claim")["assignment"]
    bob.post(f"/api/assignments/{assignment}/submit", {"seq": 0})
    rita = sign_in(chromium, review.url, "rita")
    rita.goto(f"{review.url}/work/{assignment}")
    rita.get_by_role("button", name="Return…").click()
    rita.fill("dialog textarea", "attack is missing at frame 12")
    rita.locator("dialog .primary").click()
    until(lambda: bob.get("/api/assignments?state=returned"))
    page = sign_in(chromium, review.url, "bob")
    page.goto(review.url)
    assert "attack is missing at frame 12" in page.inner_text("section.warn")
    page.get_by_role("link", name="Fix").click()
    page.wait_for_selector(".review")
    assert "attack is missing at frame 12" in page.inner_text(".notice")
    press(page, "6")
    saved(page, 1)
    looked_at(page)
    press(page, "f", "f")
    until(lambda: not bob.get("/api/assignments?state=returned"))
    rita.goto(f"{review.url}/work/{assignment}/history")
    assert "held attack in frame" in rita.inner_text("table")
    page.context.close()
    rita.context.close()
