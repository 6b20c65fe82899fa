"""Watch, loop, decide in a real Chromium: how many keys the day's work takes, and what they do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.labeling_tool import barcodes
from tests.labeling_tool.browsing import frame, looked_at, saved, sign_in, start_work, until
from tests.labeling_tool.datasets import make_dataset
from tests.labeling_tool.running import LocalServer, Script, Server

RUNS = tuple((start, start + 3) for start in range(3, 64, 8))
"""Eight stretches of doubt, further apart than what is joined to one run."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with five tasks of eight uncertain runs each; ada, the reviewer rita and bob."""
    folder = tmp_path_factory.mktemp("watched")
    video = barcodes.write(folder / "film.mp4", 650)
    dataset = make_dataset(folder / "dataset", [video], clips=5, doubtful=RUNS, less_sure=0.02)
    options = ["--no-practice", "--random-fraction", "0", "--source-root", str(folder)]
    server = LocalServer(folder / "data", "--review", dataset, *options)
    server.start()
    server.wait_for_import("5 new tasks")
    ada = Script(server.url).setup()
    ada.add_user("rita", "reviewer")
    ada.add_user("bob")
    yield server
    server.stop()


class Hands:
    """Somebody at the keyboard whose key presses are counted."""

    def __init__(self, page: Any):
        self.page, self.count = page, 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.count += 1

    def take_count(self) -> int:
        count, self.count = self.count, 0
        return count


def test_keys_of_a_days_work(chromium: Any, watched: Server) -> None:
    """Eight right runs and the submission take nine keys, an edge three ticks off four, deleting a
    press two; each run is played in a loop, with its margin, until it is decided.
    """
    page = sign_in(chromium, watched.url, reduced_motion="no-preference")
    start_work(page, watched.url, "Review of dataset")
    hands = Hands(page)
    first_task = page.get_attribute(".review", "data-task")
    assert page.get_attribute(".timeline", "data-run") == "4–6"
    seen: set[int] = set()
    until(lambda: seen.add(frame(page)) or len(seen) >= 8)  # it loops by itself
    assert max(seen) <= 9  # its end and four more
    looked_at(page)
    for _ in RUNS:
        hands.press("Enter")
    until(lambda: page.get_attribute(".timeline", "data-run") == "")
    assert hands.count <= 1.2 * len(RUNS)
    hands.press("f")
    page.wait_for_selector(f".review:not([data-task='{first_task}'])")
    assert hands.take_count() <= 10
    page.wait_for_selector(".timeline[data-run='4–6']")
    # `forward` is held in ticks 11 to 40: its end is to be three ticks earlier.
    hands.press("n", "n", "n", "n")  # to the run around it, 36 to 38
    assert page.get_attribute(".timeline", "data-run") == "36–38"
    hands.take_count()
    hands.press("1", ",", ",", ",")
    assert hands.take_count() <= 4
    assert page.get_attribute(".press", "data-press") == "forward 11–37"
    saved(page, 3)
    hands.press("Escape")
    hands.take_count()
    hands.press("1", "Delete")
    assert hands.take_count() <= 2
    saved(page, 4)
    page.wait_for_selector(".press", state="detached")
    assert "forward is held nowhere" not in page.inner_text(".hintbar")
    hands.press("1")
    assert "forward is held nowhere" in page.inner_text(".hintbar")
    at = frame(page)
    page.wait_for_timeout(300)
    assert frame(page) == at  # where there is nothing to take, it stops, to be edited by frames
    page.keyboard.press("F6")
    assert "playing along: hold W, S, A" in page.inner_text(".stage-line")
    until(lambda: "⟳" in page.inner_text(".stage-line"))
    page.keyboard.down("s")  # the game's key for going back
    page.wait_for_timeout(200)
    page.keyboard.up("s")
    page.keyboard.press("Escape")
    until(lambda: int(page.get_attribute(".save", "data-saved") or 0) >= 5)
    assignment = page.get_attribute(".review", "data-assignment")
    done = Script(watched.url).login("ada").get(f"/api/assignments/{assignment}/operations")
    kinds = [op["kind"] for op in done["operations"]]
    assert kinds[:5] == [
        "press",
        "press",
        "press",
        "paint",
        "paint",
    ]  # held over a loop's end: more
    assert done["operations"][4]["payload"]["lane"] == 1
    assert page.problems == []
    page.context.close()


def test_a_review_takes_one_key(chromium: Any, watched: Server) -> None:
    """From one submission to the next: approve with a key; pin a remark to a frame and return."""
    bob = Script(watched.url).login("bob")
    project = next(row["id"] for row in bob.get("/api/projects"))
    rita = Script(watched.url).login("rita")
    others = rita.get(f"/api/projects/{project}/submissions?state=submitted")["submissions"]
    for row in others:  # of another test
        verdict = {"verdict": "approve", "seq": row["operations"]}
        rita.post(f"/api/assignments/{row['id']}/review", verdict)
    change = {"lane": 5, "start": 30, "end": 34, "value": 1}
    operation = {"id": "bobs-first-edit", "kind": "paint", "payload": change, "client_ms": 0}
    submitted = []
    for seq in (1, 0):
        submitted.append(bob.post(f"/api/projects/{project}/claim")["assignment"])
        where = f"/api/assignments/{submitted[-1]}"
        if seq:
            batch = {"client": "script", "base_seq": 0, "operations": [operation]}
            bob.post(f"{where}/operations", batch)
        bob.post(f"{where}/submit", {"seq": seq})
    page = sign_in(chromium, watched.url, "rita", reduced_motion="no-preference")
    page.goto(watched.url)
    page.get_by_role("button", name="Review").click()
    page.wait_for_selector(f".review[data-assignment='{submitted[0]}']")
    assert page.get_attribute(".timeline", "data-run") == "31–34"  # what bob changed, in a loop
    until(lambda: "⟳" in page.inner_text(".stage-line"))
    looked_at(page)
    hands = Hands(page)
    hands.press("Enter")
    page.wait_for_selector(f".review[data-assignment='{submitted[1]}']")
    assert hands.take_count() <= 2
    looked_at(page)
    hands.press("Home", "PageDown", "c")
    page.keyboard.type("attack is missing")
    hands.press("Enter")
    assert page.inner_text(".remarks").split("\n") == ["11", "attack is missing"]
    hands.press("r")
    page.wait_for_selector("dialog[open]")
    hands.press("Enter")
    page.wait_for_selector("#review")
    states = {row["id"]: row for row in bob.get("/api/assignments")}
    assert [states[number]["state"] for number in submitted] == ["approved", "returned"]
    assert states[submitted[1]]["reason"] == "frame 11: attack is missing"
    page.goto(f"{watched.url}/work/{submitted[0]}")
    page.wait_for_selector(".review")
    assert page.problems == []
    page.context.close()
    mending = sign_in(chromium, watched.url, "bob")
    mending.goto(f"{watched.url}/work/{submitted[1]}")
    mending.locator(".remarks button").click()
    until(lambda: frame(mending) == 10)
    mending.context.close()
