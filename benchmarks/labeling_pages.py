"""How fast the pages are, in a real Chromium: start to first page, a step in a loaded task, opening
the next task.

    python benchmarks/labeling_pages.py --steps 1000

Bars: the first page within 5 s from nothing (from the start of the process to its form, in a
browser that is open); a step shows its frame and timeline within 16 ms (95 %); the next task opens
within 300 ms. A step is counted from the key's own time stamp until the page is laid out and the
pixels of picture and timeline are there; `painted` goes on to the next frame of the display (60 a
second), for which it waits up to 17 ms. On SQLite, then on PostgreSQL (a cluster of its own on
this machine). The figures go to benchmarks/results/labeling_pages.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import lent_tests  # noqa: F401 - makes `tests` the repository's

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "labeling_pages.json"

# `drawn`: the handlers have run, the page is rendered anew and laid out, and both canvases have
# their pixels (reading one back makes the browser paint them). `painted`: a frame of the display
# has been made of it.
WATCH_STEPS = """() => {
  window.drawn = [];
  window.painted = [];
  const last = (event) => queueMicrotask(() => {
    for (const canvas of document.querySelectorAll(".review canvas"))
      canvas.getContext("2d").getImageData(0, 0, 1, 1);
    document.body.offsetHeight;
    window.drawn.push(performance.now() - event.timeStamp);
  });
  window.addEventListener("keydown", (event) => {
    window.removeEventListener("keydown", last);
    // Behind all other listeners, which the page may have renewed.
    window.addEventListener("keydown", last);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => window.painted.push(performance.now() - event.timeStamp);
    requestAnimationFrame(() => port2.postMessage(0));
  }, true);
}"""
KEY_REPEAT_MS = 25  # a held key steps about so often
TIME_TO_OPEN = """async () => {
  const before = document.querySelector(".review").dataset.task;
  const begun = performance.now();
  const key = { key: "f", code: "KeyF", bubbles: true };
  const press = () => document.body.dispatchEvent(new KeyboardEvent("keydown", key));
  press();
  press();
  while (true) {
    const now = document.querySelector(".review");
    const shown = now && now.querySelector("#picture").dataset.frame !== undefined;
    if (shown && now.dataset.task !== before) break;
    await new Promise((done) => requestAnimationFrame(done));
    if (performance.now() - begun > 20000) return null;
  }
  return performance.now() - begun;
}"""


def measure(steps: int, tasks: int, databases: tuple[str | None, str | None]) -> dict[str, object]:
    """The figures, with two databases: of a server that is new, and of one at work."""
    from playwright.sync_api import sync_playwright

    from tests.labeling_tool import barcodes
    from tests.labeling_tool.conftest import CHROMIUM_FLAGS
    from tests.labeling_tool.datasets import make_dataset
    from tests.labeling_tool.running import Command, Script, Server

    chromium = shutil.which("chromium") or "/usr/bin/chromium"
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_page()
        begun = time.monotonic()
        empty = Command(folder / "empty", database=databases[0]).start()
        page.goto(empty.url)
        page.wait_for_selector("form")
        first_page_s = time.monotonic() - begun
        page.close()
        empty.stop()

        video = barcodes.write(folder / "film.mp4", 128 * (tasks + 1), kind="b-frames")
        dataset = make_dataset(folder / "dataset", [video], clips=tasks)
        own = ["--no-practice", "--source-root", str(folder)]
        server = Server(folder / "data", "--review", dataset, *own, database=databases[1]).start()
        server.wait_for_import("new tasks")
        ada = Script(server.url).setup()
        ada.patch("/api/me/settings", {"tour": 1000})
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_cookies([ada.cookie | {"url": server.url}])
        page = context.new_page()
        page.goto(server.url)
        page.locator("article").get_by_role("button").click()
        page.wait_for_selector(".review")
        page.wait_for_timeout(1500)  # the task after it is being prepared
        page.evaluate(WATCH_STEPS)
        for i in range(steps):
            page.keyboard.press("ArrowRight" if i // 50 % 2 == 0 else "ArrowLeft")
            page.wait_for_timeout(KEY_REPEAT_MS)
        page.wait_for_timeout(200)
        drawn, painted = (sorted(page.evaluate(f"window.{name}")) for name in ("drawn", "painted"))
        opened = []
        for _ in range(tasks - 1):
            page.wait_for_timeout(1500)  # a person looks at a task for longer than that
            opened.append(page.evaluate(TIME_TO_OPEN))
        browser.close()
        server.stop()

    def percentile(values: list[float], share: float) -> float:
        return round(values[min(len(values) - 1, int(share * len(values)))], 2)

    opened_ms = sorted(value for value in opened if value is not None)
    return {
        "first_page_s": round(first_page_s, 2),
        "steps": len(drawn),
        "step_p50_ms": percentile(drawn, 0.5),
        "step_p95_ms": percentile(drawn, 0.95),
        "painted_p50_ms": percentile(painted, 0.5),
        "painted_p95_ms": percentile(painted, 0.95),
        "next_task_ms": [round(value) for value in opened_ms],
        "load_average": round(os.getloadavg()[0], 2),
        "bars_met": {
            "first page within 5 s": first_page_s <= 5,
            "step within 16 ms at p95": percentile(drawn, 0.95) <= 16,
            "next task within 300 ms": len(opened_ms) == tasks - 1 and opened_ms[-1] <= 300,
        },
    }


def main() -> None:
    from tests.labeling_tool.conftest import own_postgres

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=6)
    options = parser.parse_args()
    found = {"sqlite": measure(options.steps, options.tasks, (None, None))}
    with own_postgres() as cluster:
        pair = (cluster.new_database(), cluster.new_database())
        found["postgresql"] = measure(options.steps, options.tasks, pair)
    text = json.dumps(found, indent=1)
    print(text)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()
