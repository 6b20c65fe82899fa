"""Trembling hands in a real Chromium: at every zoom a click goes to the frame under the pointer and
paints nothing, and a drag paints exactly the lane and the frames that it was aimed at.
"""

from __future__ import annotations

import json
import random
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from tests.labeling_tool.browsing import frame, frame_and_code, sign_in, start_work, until
from tests.labeling_tool.datasets import TICKS
from tests.labeling_tool.running import LocalServer, Script

CLICKS = 3  # after each drag: the first of them lets go of the press that was painted
IN_VIEW = (TICKS, 32, 16, 16)  # frames, at each zoom
NARROW = 1100  # px: beside a press in hand there is little room for what the page says
NAMES, MARGIN, RULER, LANES_TOP = 136, 8, 52, 76  # px
BELOW_LANES = 18 + 2 * 36 + 18  # px: the fold's line, two axes, and the overview with its margin
LANES = 14
HELD = 0  # the one lane in which something is held: a drag there would move it
TREMBLING = 2  # px


class Hand:
    """A mouse that trembles, over a task of whose lanes all are shown. It looks once where they
    are: nothing may move.
    """

    def __init__(self, page: Any, seed: int):
        self.page, self.rng = page, random.Random(seed)
        self.zoom, self.first = 0, 0
        box = page.locator("#lanes").bounding_box()
        self.left, self.top = box["x"], box["y"]
        self.span = box["width"] - NAMES - MARGIN
        self.high, rest = divmod(box["height"] - LANES_TOP - BELOW_LANES, LANES)
        assert rest == 0

    @property
    def shown(self) -> int:
        return IN_VIEW[self.zoom % len(IN_VIEW)]

    def look_elsewhere(self) -> None:
        """Zoom and scroll; the ruler's left end tells, by a click, which frames are in view."""
        self.page.keyboard.press("v")
        self.zoom += 1
        self.page.keyboard.press(self.rng.choice(["Home", "End", "PageDown", "PageUp"]))
        self.page.mouse.click(self.left + NAMES + 1, self.top + RULER)
        self.first = frame(self.page)

    def aim(self, at: int, lane: int) -> tuple[int, int]:
        """A pixel well within a frame's cell: mice go from pixel to pixel."""
        x = NAMES + (at - self.first + self.rng.uniform(0.35, 0.65)) / self.shown * self.span
        y = LANES_TOP + (lane + 0.5) * self.high
        return round(self.left + x), round(self.top + y)

    def press(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Press on a pixel and let go on another, with a hand that trembles."""
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*end)
        for _ in range(2):
            self.page.mouse.move(*(at + self.rng.randint(-TREMBLING, TREMBLING) for at in end))
        self.page.mouse.up()

    def click(self) -> int:
        """A frame in view, in any lane."""
        at = self.rng.randrange(self.first, self.first + self.shown)
        pixel = self.aim(at, self.rng.randrange(LANES))
        self.press(pixel, pixel)
        return at

    def drag(self) -> dict[str, int]:
        """What was aimed at: two frames in view, in a lane in which nothing is held."""
        start, last = self.rng.sample(range(self.first, self.first + self.shown), 2)
        lane = self.rng.randrange(HELD + 1, LANES)
        self.press(self.aim(start, lane), self.aim(last, lane))
        return {"lane": lane, "start": min(start, last), "end": max(start, last) + 1, "value": 1}


def work_trembling(browser: Any, folder: Path, films: Path, presses: int) -> dict[str, int]:
    """Press the mouse's button so often, on a server of one's own: every fourth time for a drag,
    which is undone after the next three clicks. How many went where they were aimed.
    """
    own = ["--no-practice", "--random-fraction", "0", "--source-root", str(films)]
    server = LocalServer(folder / "data", "--review", str(films / "datasets" / "plain"), *own)
    server.start()
    try:
        server.wait_for_import("2 new tasks")
        ada = Script(server.url).setup()
        page = sign_in(browser, server.url, viewport={"width": NARROW, "height": 900})
        start_work(page, server.url, "Review of plain")
        where = f"/api/assignments/{page.get_attribute('.review', 'data-assignment')}"
        first = ada.get(where)["task"]["first_tick"]
        numbers = json.loads((films / "numbers.json").read_text())["plain"][first:]
        found = press_trembling(page, numbers, presses)
        operations = ada.get(f"{where}/operations")["operations"]
        assert page.problems == []
        page.context.close()
    finally:
        server.stop()
    painted = [op["payload"] for op in operations if op["kind"] != "undo"]
    pairs = list(zip_longest(found.pop("aimed"), painted))
    return found | {
        "drags": len(pairs),
        "drags_as_aimed": sum(aimed == done for aimed, done in pairs),
    }


def press_trembling(page: Any, numbers: list[int], presses: int) -> dict[str, Any]:
    """The clicks, those that led to their frame, and what the drags were aimed at."""
    low = page.locator("#lanes").bounding_box()["height"]
    page.keyboard.press("F7")  # all lanes
    until(lambda: page.locator("#lanes").bounding_box()["height"] > low)
    hand = Hand(page, seed=presses)
    clicks = there = 0
    aimed = []
    for _ in range(presses // (1 + CLICKS)):
        hand.look_elsewhere()
        aimed.append(hand.drag())
        for _ in range(CLICKS):
            at = hand.click()
            clicks += 1
            there += frame_and_code(page) == (at, numbers[at])
        page.keyboard.press("z")  # nothing is held again
    page.wait_for_selector(".save[data-save='saved']")
    return {"clicks": clicks, "clicks_as_aimed": there, "aimed": aimed}


def require_aimed(found: dict[str, int], presses: int) -> None:
    drags = presses // (1 + CLICKS)
    wanted = {"clicks": presses - drags, "clicks_as_aimed": presses - drags}
    assert found == wanted | {"drags": drags, "drags_as_aimed": drags}


def test_some_trembling_clicks(chromium: Any, films: Path, tmp_path: Path) -> None:
    require_aimed(work_trembling(chromium, tmp_path, films, presses=100), presses=100)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_trembling_clicks(chromium: Any, films: Path, tmp_path: Path) -> None:
    require_aimed(work_trembling(chromium, tmp_path, films, presses=1000), presses=1000)
