"""What the public VPT data loader does, written afresh, as the yardstick of `loader.py`.

Its behaviour, not its code: worker processes each take whole recordings from a shared list; a
worker decodes every frame with OpenCV, converts BGR to RGB, clips, resizes to 128x128 without
anti-aliasing, parses the frame's JSON line, and puts one item a frame (frame, action, episode) on
its own bounded queue of 16; the parent takes items round robin and collects 8 of them to a batch of
single frames. Ticks without an action are decoded, and then skipped.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

QUEUE_SIZE = 16
DEGREES_PER_PIXEL = 360 / 2400
KEYS = {
    "key.keyboard.w": "forward",
    "key.keyboard.s": "back",
    "key.keyboard.a": "left",
    "key.keyboard.d": "right",
    "key.keyboard.space": "jump",
    "key.keyboard.left.shift": "sneak",
    "key.keyboard.left.control": "sprint",
    "key.keyboard.e": "inventory",
    "key.keyboard.q": "drop",
    "key.keyboard.f": "swapHands",
    **{f"key.keyboard.{n}": f"hotbar.{n}" for n in range(1, 10)},
}


def vpt_style_batches(
    stems: Sequence[Path], workers: int, batch_size: int
) -> Iterator[tuple[list, list, list]]:
    """Batches of (frames, actions, episodes) of `batch_size` single frames, until the first worker
    runs dry.
    """
    context = multiprocessing.get_context("fork")
    tasks = context.Queue()
    for number, stem in enumerate(stems):
        tasks.put((number, str(stem)))
    queues = [context.Queue(QUEUE_SIZE) for _ in range(workers)]
    for _ in queues:
        tasks.put(None)
    processes = [
        context.Process(target=_work, args=(tasks, queue), daemon=True) for queue in queues
    ]
    for process in processes:
        process.start()
    turn, live = 0, list(queues)
    batch: list[Any] = []
    while live:  # the public loader stops at the first dry worker; going on is kinder to it
        queue = live[turn % len(live)]
        item = queue.get()
        if item is None:
            live.remove(queue)
            continue
        batch.append(item)
        turn += 1
        if len(batch) == batch_size:
            yield tuple(map(list, zip(*batch, strict=True)))  # type: ignore[misc]
            batch = []
    for process in processes:
        process.join()


def _work(tasks: Any, out: Any) -> None:
    import cv2

    while (task := tasks.get()) is not None:
        number, stem = task
        video = cv2.VideoCapture(f"{stem}.mp4")
        lines = Path(f"{stem}.jsonl").read_text().splitlines()
        for text in lines:
            step = json.loads(text)
            action, nothing = _action(step)
            ok, frame = video.read()
            if not ok or nothing:
                continue
            cv2.cvtColor(frame, code=cv2.COLOR_BGR2RGB, dst=frame)
            frame = np.asarray(np.clip(frame, 0, 255), dtype=np.uint8)
            out.put((cv2.resize(frame, (128, 128), interpolation=cv2.INTER_LINEAR), action, number))
        video.release()
    out.put(None)


def _action(step: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    action: dict[str, Any] = dict.fromkeys((*KEYS.values(), "ESC", "attack", "use", "pickItem"), 0)
    for key in step["keyboard"]["keys"]:
        if key in KEYS:
            action[KEYS[key]] = 1
    for button, name in enumerate(("attack", "use", "pickItem")):
        action[name] = int(button in step["mouse"]["buttons"])
    mouse = step["mouse"]
    action["camera"] = np.array([mouse["dy"] * DEGREES_PER_PIXEL, mouse["dx"] * DEGREES_PER_PIXEL])
    nothing = not action["camera"].any() and not any(v for k, v in action.items() if k != "camera")
    return action, nothing
