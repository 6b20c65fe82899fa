"""The replay: what operations mean, and that the front end means the same."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vidact.labeling_tool.work.documents import effective, replay_actions, replay_clean
from vidact.labeling_tool.work.predictions import Predictions

from tests.requirements import require

FRONTEND = Path(__file__).resolve().parents[3] / "labeling_tool" / "frontend"


def op(id: str, kind: str, **payload: Any) -> Any:
    return SimpleNamespace(id=id, kind=kind, payload=payload)


def predictions(frames: int = 6, lanes: int = 2, axes: int = 1) -> Predictions:
    rng = np.random.default_rng(3)
    buttons = rng.integers(0, 2, (frames, lanes)).astype(np.uint8)
    return Predictions(
        buttons=buttons,
        buttons_prob=buttons.astype(np.float32),
        camera=np.round(rng.normal(0, 3, (frames, axes)), 2).astype(np.float32),
        confidence=np.full(frames, 0.9, np.float32),
        valid=np.ones(frames, bool),
    )


def test_paint_and_undo() -> None:
    start = predictions()
    start.buttons[:] = 0
    painted = replay_actions(start, [op("a", "paint", lane=1, start=2, end=5, value=1)])
    assert painted.buttons[:, 1].tolist() == [0, 0, 1, 1, 1, 0]
    assert painted.edited.tolist() == [False, False, True, True, True, False]
    undone = replay_actions(
        start, [op("a", "paint", lane=1, start=2, end=5, value=1), op("b", "undo", op="a")]
    )
    assert not undone.buttons.any()
    assert not undone.edited.any()


def test_a_press_moves_in_one_operation() -> None:
    start = predictions()
    start.buttons[:] = 0
    ops = [
        op("a", "paint", lane=0, start=1, end=3, value=1),
        op("b", "press", lane=0, start=1, end=3, to_start=2, to_end=5),
    ]
    moved = replay_actions(start, ops)
    assert moved.buttons[:, 0].tolist() == [0, 0, 1, 1, 1, 0]
    assert moved.edited.tolist() == [False, True, True, True, True, False]
    undone = replay_actions(start, [*ops, op("c", "undo", op="b")])
    assert undone.buttons[:, 0].tolist() == [0, 1, 1, 0, 0, 0]


def test_undoing_the_middle_leaves_what_came_after() -> None:
    start = predictions()
    start.buttons[:] = 0
    ops = [
        op("a", "paint", lane=0, start=0, end=3, value=1),
        op("b", "paint", lane=0, start=1, end=2, value=0),
        op("c", "undo", op="a"),
    ]
    assert replay_actions(start, ops).buttons[:, 0].tolist() == [0, 0, 0, 0, 0, 0]
    assert replay_actions(start, [*ops, op("d", "redo", op="a")]).buttons[:, 0].tolist() == [
        1,
        0,
        1,
        0,
        0,
        0,
    ]


def test_camera_takes_one_value_or_one_a_frame() -> None:
    start = predictions()
    ops = [
        op("a", "camera", axis=0, start=0, end=2, values=[1.5]),
        op("b", "camera", axis=0, start=3, end=5, values=[-2.0, 4.0]),
    ]
    camera = replay_actions(start, ops).camera[:, 0]
    assert camera[[0, 1, 3, 4]].tolist() == [1.5, 1.5, -2.0, 4.0]
    assert camera[[2, 5]].tolist() == start.camera[[2, 5], 0].tolist()


def test_accepting_and_doubting_exclude_each_other() -> None:
    ops = [
        op("a", "accept", start=0, end=4, value=True),
        op("b", "unsure", start=2, end=6, value=True),
    ]
    document = replay_actions(predictions(), ops)
    assert document.accepted.tolist() == [True, True, False, False, False, False]
    assert document.unsure.tolist() == [False, False, True, True, True, True]


def test_reset_takes_everything_back() -> None:
    start = predictions()
    ops = [
        op("a", "release", start=0, end=6),
        op("b", "invalid", start=1, end=3, value=True),
        op("c", "accept", start=0, end=6, value=True),
        op("d", "reset", start=0, end=6),
    ]
    document = replay_actions(start, ops)
    assert document.buttons.tolist() == start.buttons.tolist()
    assert document.camera.tolist() == start.camera.tolist()
    assert document.valid.all()
    assert not (document.edited | document.accepted).any()


def test_reasons_belong_to_artifacts_only() -> None:
    ops = [
        op("a", "label", start=0, end=2, label="artifacts", reasons=["webcam"]),
        op("b", "label", start=1, end=3, label="clean", reasons=["webcam"]),
        op("c", "label", start=2, end=3, label=None, reasons=[]),
    ]
    document = replay_clean(4, ops)
    assert document.labels == ["artifacts", "clean", None, None]
    assert document.reasons == [["webcam"], [], [], []]


@given(st.lists(st.integers(0, 3), max_size=40))
def test_undo_and_redo_are_a_stack(presses: list[int]) -> None:
    """Whatever somebody presses, the log means what an editor with two stacks would show."""
    log, done, undone = [], [], []
    for number, press in enumerate(presses):
        name = f"op{number}"
        if press == 0 and done:
            target = done.pop()
            undone.append(target)
            log.append(op(name, "undo", op=target))
        elif press == 1 and undone:
            target = undone.pop()
            done.append(target)
            log.append(op(name, "redo", op=target))
        else:
            done.append(name)
            undone = []
            log.append(op(name, "note", text=name))
    # Redone operations take their old place again: the order of the log, not of the stack.
    assert sorted(o.id for o in effective(log)) == sorted(done)


def random_operations(
    rng: random.Random, frames: int, lanes: int, axes: int, count: int
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number in range(count):
        start = rng.randrange(frames)
        end = rng.randrange(start + 1, frames + 1)
        kind = rng.choice(
            [
                "paint",
                "press",
                "camera",
                "release",
                "reset",
                "accept",
                "unsure",
                "invalid",
                "undo",
                "redo",
            ]
        )
        payload: dict[str, Any] = {"start": start, "end": end}
        if kind == "paint":
            payload |= {"lane": rng.randrange(lanes), "value": rng.randrange(2)}
        elif kind == "press":
            to_start = rng.randrange(frames)
            payload |= {"lane": rng.randrange(lanes), "to_start": to_start, "to_end": frames}
        elif kind == "camera":
            size = rng.choice([1, end - start])
            payload |= {
                "axis": rng.randrange(axes),
                "values": [rng.randrange(-800, 800) / 100 for _ in range(size)],
            }
        elif kind in ("accept", "unsure", "invalid"):
            payload |= {"value": rng.random() < 0.7}
        elif kind in ("undo", "redo"):
            if not found:
                continue
            payload = {"op": rng.choice(found)["id"]}
        found.append({"id": f"op{number:03d}", "kind": kind, "payload": payload})
    return found


def test_front_end_replays_as_the_server_does(tmp_path: Path) -> None:
    """The same random logs through `document.ts` and `documents.py`."""
    node = require("node")
    if not (FRONTEND / "node_modules" / "esbuild").is_dir():
        pytest.skip("the front end's packages are not installed; make setup installs them")
    bundle = tmp_path / "document.mjs"
    subprocess.run(
        [
            node,
            "node_modules/esbuild/bin/esbuild",
            "src/document.ts",
            "--bundle",
            "--format=esm",
            f"--outfile={bundle}",
        ],
        cwd=FRONTEND,
        check=True,
        capture_output=True,
    )
    start = predictions(frames=23, lanes=4, axes=2)
    logs = [random_operations(random.Random(seed), 23, 4, 2, 60) for seed in range(40)]
    cases = tmp_path / "cases.json"
    cases.write_text(json.dumps({"predictions": start.to_json(), "logs": logs}))
    script = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ replayActions }} from {json.dumps(str(bundle))};
        const {{ predictions, logs }} = JSON.parse(readFileSync({json.dumps(str(cases))}));
        console.log(JSON.stringify(logs.map((log) => {{
          const d = replayActions(predictions, log);
          const rows = (m) => m.map((row) => [...row]);
          return {{ buttons: rows(d.buttons), camera: rows(d.camera), edited: [...d.edited],
                    accepted: [...d.accepted], unsure: [...d.unsure], valid: [...d.valid] }};
        }})));
    """
    run = subprocess.run(
        [node, "--input-type=module", "-e", script], check=True, capture_output=True, text=True
    )
    for log, theirs in zip(logs, json.loads(run.stdout), strict=True):
        ours = replay_actions(start, [SimpleNamespace(**entry) for entry in log])
        assert ours.buttons.T.tolist() == theirs["buttons"]
        np.testing.assert_allclose(ours.camera.T, np.array(theirs["camera"]), atol=1e-4)
        for name in ("edited", "accepted", "unsure", "valid"):
            assert getattr(ours, name).astype(int).tolist() == theirs[name]
