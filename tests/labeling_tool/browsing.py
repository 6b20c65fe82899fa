"""Driving the real pages: who is logged in, which frame is on screen by its pixels, what has been
saved.
"""

from __future__ import annotations

import re
import time
from typing import Any

from tests.labeling_tool.running import Script

# Reads the bar code of `barcodes.py` from a canvas, without scaling it.
READ_CODE = """(selector) => {
  const canvas = document.querySelector(selector);
  const offscreen = new OffscreenCanvas(canvas.width, canvas.height);
  const copy = offscreen.getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const y = Math.round(canvas.height / 6);
  let number = 0;
  for (let bit = 0; bit < 16; bit++) {
    const x = Math.floor(((bit + 0.5) * canvas.width) / 16);
    const [r, g, b] = copy.getImageData(x, y, 1, 1).data;
    if (r + g + b > 384) number += 2 ** bit;
  }
  return number;
}"""

# What the page says for some seconds only.
KEEP_WHAT_IS_SAID = """() => {
  window.said = new Set();
  new MutationObserver(() => {
    const text = document.querySelector(".toast")?.textContent;
    if (text) window.said.add(text);
  }).observe(document.body, { childList: true, characterData: true, subtree: true });
}"""


def sign_in(
    browser: Any, url: str, name: str = "ada", *, tour_done: bool = True, **options: Any
) -> Any:
    """A page of a new browser context in which somebody is logged in; errors on the page fail the
    test at the end. They want no motion unless told otherwise: uncertain runs then stand still.
    """
    size = {"width": 1440, "height": 900}
    options = {"reduced_motion": "reduce", "viewport": size} | options
    script = Script(url).login(name)
    if tour_done:
        script.patch("/api/me/settings", {"tour": 1000})
    context = browser.new_context(**options)
    context.set_default_timeout(60_000)
    context.add_cookies([script.cookie | {"url": url}])
    page = context.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    return page


def start_work(page: Any, url: str, project: str, kind: str = ".review") -> None:
    """Press the project's button and wait for its screen. Raises AssertionError where it does not
    come; the message is what the page shows then, or has said in the meantime.
    """
    from playwright.sync_api import TimeoutError as PageTimeoutError

    page.goto(url)
    page.evaluate(KEEP_WHAT_IS_SAID)
    begin = re.compile("Start|Go on")  # beside it may be another, to review what others submitted
    page.locator("article", has_text=project).get_by_role("button", name=begin).click()
    try:
        page.wait_for_selector(kind)
    except PageTimeoutError as error:
        said, shown = page.evaluate("[...(window.said ?? [])]"), page.inner_text("body")
        raise AssertionError(
            f"{project}: no {kind} at {page.url}; said {said}, problems {page.problems}:\n{shown}"
        ) from error


def saved(page: Any, count: int, timeout_s: float = 60.0) -> None:
    """Wait until the page says that everything is saved, `count` operations in all."""
    page.wait_for_selector(
        f".save[data-save='saved'][data-saved='{count}']", timeout=timeout_s * 1000
    )


def looked_at(page: Any) -> None:
    """Let the time pass within which a submission is taken for the last one's second key press."""
    page.wait_for_timeout(600)


def frame(page: Any) -> int:
    """The frame that the page says it shows."""
    return int(page.get_attribute(".timeline", "data-frame"))


def code(page: Any, selector: str = "#picture") -> int:
    """The frame number that is really in the pixels."""
    return int(page.evaluate(READ_CODE, selector))


def frame_and_code(page: Any) -> tuple[int, int]:
    """Both at the same moment: the frame that the page says it shows, and the one in the pixels."""
    said = "Number(document.querySelector('.timeline').dataset.frame)"
    script = f"() => [{said}, ({READ_CODE})('#picture')]"
    said, shown = page.evaluate(script)
    return int(said), int(shown)


COVERING = """(selector) => {
  const seen = document.querySelector(selector);
  const box = seen.getBoundingClientRect();
  const over = (part) => {
    const { left, right, top, bottom } = part.getBoundingClientRect();
    const [wide, high] = [
      Math.min(right, box.right) - Math.max(left, box.left),
      Math.min(bottom, box.bottom) - Math.max(top, box.top),
    ];
    return wide > 1 && high > 1 && !part.contains(seen) && !seen.contains(part);
  };
  return [...document.querySelectorAll("body *")].filter(over).map((part) => part.className);
}"""


def covering(page: Any, selector: str) -> list[str]:
    """The classes of whatever lies over a part of the page, or shines through it."""
    found: list[str] = page.evaluate(COVERING, selector)
    return found


def until(condition: Any, timeout_s: float = 30.0) -> None:
    """Wait for something that is not on the page."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it never came true")
        time.sleep(0.05)
