"""Makes the kept data: `python tests/kept/make.py OUT`, with the vidact to be kept on the path.

Everything comes out of the command line, run in OUT and given relative paths (videos as `local://`
URLs, since those of plain files become absolute), so that a copy of OUT can be resumed anywhere.
Finished runs lie in `finished/`, the same runs stopped half-way in `interrupted/`; `commands.json`
has the words that finish the latter, `expected.json` what vidact said of everything then.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import yaml
from reading import SPECS, clips_read, policy_says, recordings_read
from running import (
    EVALUATE,
    RELABEL,
    REMOVE,
    Person,
    environment,
    finished_export,
    interrupt,
    serving,
    set_times,
    tree_of,
    vidact,
)

MAX_BUNDLE_BYTES = 100_000
FPS, WIDTH, HEIGHT = 35, 96, 72
ONE_THREAD = "--device cpu --threads 1 --precision float32"
IDM = {
    "network": {
        "width": 16,
        "picture_pool": 4,
        "temporal_channels": 2,
        "trunk_channels": [4, 4, 4],
        "trunk_dense": 16,
        "motion": {"reach_across": 8, "reach_along": 4, "channels": [2, 4, 4]},
        "time_dilations": [1, 2],
        "attention_blocks": 1,
        "attention_heads": 2,
    },
    "batch_clips": 2,
    "clip_ticks": 24,
    "warmup_steps": 4,
    "log_every": 1,
    "ema_decay": 0.9,
}
CLONE = {
    "network": {
        "width": 8,
        "heads": 2,
        "blocks": 1,
        "memory": 8,
        "channels": [4, 4],
        "residual_blocks": 1,
        "pool": 4,
        "stride": 2,
        "dense": 16,
        "previous_action": True,
    },
    "batch_size": 2,
    "ticks": 32,
    "learning_rate": 0.01,
    "ema_decay": 0.5,
    "eval_batches": 1,
}


def words_of(*lines: str) -> tuple[str, ...]:
    """The words of a command line that is written in several."""
    return tuple(" ".join(lines).split())


RECORD = (
    words_of(
        "record doom --out play/doom --maps my_way_home,MAP30 --minutes 0.08 --chunk-minutes 0.04",
        "--width 160 --height 120 --seed 5",
    ),
    words_of("record crafter --out play/crafter --minutes 0.08 --seed 5"),
)
PACK = tuple(
    words_of(
        f"pack play/{game} --out finished/packed-{game} --name packed-{game} --threads 1",
        f"--spec {spec} --val-fraction 0 --test-fraction 0 --shard-clips 1",
    )
    for game, spec in SPECS.items()
)
JOBS: dict[str, tuple[str, ...]] = {
    "idm": words_of("train-idm --config idm.yaml --data play/doom --steps 30", ONE_THREAD),
    "labelled": words_of(
        "label local://videos --idm finished/idm --workers 1 --device cpu --previews 50%",
        "--layout.segment-ticks 256 --layout.shard-ticks 256 --layout.val-fraction 0.3",
    ),
    "clone": words_of("clone --config clone.yaml --data finished/labelled --steps 40", ONE_THREAD),
    "finetune": words_of(
        "finetune finished/clone --task defend_the_center --iterations 12 --actors 1 --lanes 2",
        "--ticks 8 --ppo.minibatches 2",
        ONE_THREAD,
    ),
}
"""The jobs that are kept finished and interrupted, without their --out."""
LEFT_OUT = ("cache", "tensorboard")
"""What lies in a run's folder and is not kept: it is made again, or of another program."""


def write_video(path: Path, seed: int, seconds: float) -> None:
    """A camera turns along a textured wall with a light on it: H.264 in mp4, its index first."""
    rng = np.random.default_rng(seed)
    wall = np.kron(rng.integers(40, 216, (HEIGHT // 8, 64, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "23", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for i in range(round(seconds * FPS)):
            at = 2 * i if (i // 40) % 2 == 0 else 160 - i
            picture = wall[:, np.arange(at, at + WIDTH) % wall.shape[1]].copy()
            if (i // 15) % 2:
                picture[8:24, 40:56] = 250
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def make_videos(out: Path) -> None:
    """Strangers' videos: four good ones, one cut short, one that is none."""
    folder = out / "videos"
    folder.mkdir()
    for number in range(4):
        write_video(folder / f"film-{number}.mp4", number, 4.5 + 0.3 * number)
    write_video(folder / "cut-short.mp4", 9, 6)
    whole = (folder / "cut-short.mp4").read_bytes()
    (folder / "cut-short.mp4").write_bytes(whole[: len(whole) * 3 // 4])
    (folder / "no-video.mp4").write_bytes(b"this is no video" * 64)


def stop_half_way(
    out: Path, name: str, ready: Callable[[Path], bool], whole: Callable[[Path], bool]
) -> None:
    """Start a job into `interrupted/` and stop it when `ready`; again where it was too quick."""
    folder = out / "interrupted" / name
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        words = (*JOBS[name], "--out", f"interrupted/{name}")
        if interrupt(out, *words, when=lambda: ready(folder)) and not whole(folder):
            return
    raise AssertionError(f"{name} is always done before it can be stopped")


def lines_of(path: Path) -> int:
    """How many lines a file has; 0 where it is not there."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def commits_of(dataset: Path) -> int:
    """How many shards are committed."""
    return len(list((dataset / "_commits").glob("*.json")))


def tidy(run: Path) -> None:
    """Leave out what is not kept of a training's folder."""
    for name in LEFT_OUT:
        shutil.rmtree(run / name, ignore_errors=True)


def make_runs(out: Path) -> None:
    """Each job, whole and stopped half-way."""
    for name, words in JOBS.items():
        vidact(out, *words, "--out", f"finished/{name}")
        if name == "labelled":
            stop_half_way(out, name, lambda at: commits_of(at) >= 1, lambda at: commits_of(at) >= 5)
        else:
            rows = 4 if name == "finetune" else 12
            stop_half_way(
                out, name,
                lambda at, rows=rows: lines_of(at / "metrics.jsonl") >= rows,
                lambda at: not list(at.glob("snapshots/state-*")),
            )  # fmt: skip
        tidy(out / "finished" / name)
        tidy(out / "interrupted" / name)


def operation(number: int, kind: str, **payload: object) -> dict[str, object]:
    """An operation as the front end sends it."""
    return {
        "id": f"operation-{number:04d}",
        "kind": kind,
        "payload": payload,
        "client_ms": 1_760_000_000_000 + number,
    }


def work(
    person: Person, project: int, number: int, *operations: tuple[str, dict[str, object]]
) -> tuple[int, int]:
    """Claim a task and do operations, numbered from `number`; the assignment and its last `seq`."""
    claimed = person.post(f"/api/projects/{project}/claim")["assignment"]
    batch = [operation(number + i, kind, **payload) for i, (kind, payload) in enumerate(operations)]
    body = {"client": "window-1", "base_seq": 0, "operations": batch, "active_ms": 1500}
    return claimed, person.post(f"/api/assignments/{claimed}/operations", body)["seq"]


def make_labels(out: Path) -> None:
    """A labelling tool's folder: people, projects, work approved, returned, paused, submitted."""
    words = (
        "labels",
        "--no-practice",
        "--review",
        "finished/labelled",
        "--recordings",
        "play/crafter",
        "--spec",
        "crafter",
    )
    with serving(
        out, *words, "--clean", "videos/film-0.mp4", "--frame-step-s", "0.5", ready=3
    ) as url:
        ada = Person(url, "ada", first=True)
        for name, role in (
            ("rita", "reviewer"),
            ("bob", "annotator"),
            ("eve", "annotator"),
            ("carl", "contractor"),
        ):
            body = {"name": name, "password": "correct horse battery", "role": role}
            ada.post("/api/users", body)
        projects = {project["name"]: project["id"] for project in ada.get("/api/projects")}
        review, clean = projects["Review of labelled"], projects["Clean or not: film-0"]
        rita, bob, eve = (Person(url, name) for name in ("rita", "bob", "eve"))
        ada.post("/api/tokens", {"name": "nightly"})
        eve.patch("/api/me/settings", {"theme": "dark", "keys": {"paint": "q"}})
        first, seq = work(
            bob, review, 0,
            ("paint", {"lane": 5, "start": 4, "end": 9, "value": 1}),
            ("paint", {"lane": 0, "start": 0, "end": 32, "value": 1}),
            ("undo", {"op": "operation-0001"}),
            ("camera", {"axis": 1, "start": 12, "end": 14, "values": [3.0, -6.0]}),
            ("unsure", {"start": 30, "end": 32, "value": True}),
            ("accept", {"start": 0, "end": 9, "value": True}),
            ("note", {"text": "the light is a lamp"}),
        )  # fmt: skip
        bob.post(f"/api/assignments/{first}/submit", {"seq": seq})
        rita.post(f"/api/assignments/{first}/review", {"verdict": "approve", "seq": seq})
        second, seq = work(bob, review, 100, ("release", {"start": 0, "end": 20}))
        bob.post(f"/api/assignments/{second}/submit", {"seq": seq})
        rita.post(
            f"/api/assignments/{second}/review",
            {"verdict": "return", "reason": "look at the lamp", "seq": seq},
        )
        third, _ = work(eve, review, 200, ("paint", {"lane": 2, "start": 1, "end": 3, "value": 1}))
        eve.post(f"/api/assignments/{third}/pause")
        labels = (
            ("label", {"start": 0, "end": 3, "label": "clean", "reasons": []}),
            (
                "label",
                {"start": 3, "end": 4, "label": "artifacts", "reasons": ["webcam", "overlay"]},
            ),
            ("label", {"start": 4, "end": 9, "label": "none", "reasons": []}),
        )
        fourth, seq = work(eve, clean, 300, *labels)
        eve.post(f"/api/assignments/{fourth}/submit", {"seq": seq})
        eve.http.get(eve.get(f"/api/assignments/{fourth}")["task"]["pictures"]).raise_for_status()
        export = ada.post(f"/api/projects/{review}/exports", {"format": "json"})
        finished_export(ada, export["id"])
    forget_pictures(out)


def forget_pictures(out: Path) -> None:
    """Keep the pictures of the video alone: it is named by its place, and that will be gone."""
    shutil.rmtree(out / "labels" / "pictures" / "fetched", ignore_errors=True)
    for bundle in (out / "labels" / "pictures").glob("*/*.vab"):
        if bundle.stat().st_size > MAX_BUNDLE_BYTES:
            shutil.rmtree(bundle.parent)


def expected(out: Path) -> dict[str, object]:
    """What vidact says of what was made."""
    datasets = ("labelled", "packed-doom", "packed-crafter")
    vidact(out, *EVALUATE)
    vidact(out, *RELABEL)
    shutil.copytree(out / "finished" / "labelled", out / "removed")
    vidact(out, *REMOVE)
    with serving(out, "labels", "--no-practice") as url:
        ada = Person(url, "ada")
        labels = {
            "projects": [
                ada.get(f"/api/projects/{project['id']}") for project in ada.get("/api/projects")
            ],
            "users": ada.get("/api/users"),
            "assignments": [ada.get(f"/api/assignments/{number}") for number in range(1, 5)],
            "histories": [
                ada.get(f"/api/assignments/{number}/operations") for number in range(1, 5)
            ],
        }
    found = {
        "environment": environment(),
        "recordings": {
            game: recordings_read(out / "play" / game, spec) for game, spec in SPECS.items()
        },
        "spec check": {
            game: json.loads(vidact(out, "spec", "check", f"play/{game}", "--spec", spec, "--json"))
            for game, spec in SPECS.items()
        },
        "clips": {name: clips_read(out / "finished" / name) for name in datasets},
        "status": {
            name: json.loads(vidact(out, "status", f"finished/{name}", "--json"))
            for name in datasets
        },
        "idm": json.loads((out / "eval" / "metrics.json").read_text()),
        "policies": {
            name: policy_says(out / "finished" / name, out / "play" / "doom")
            for name in ("clone", "finetune")
        },
        "labels": labels,
        "relabelled": tree_of(out / "relabelled"),
        "removed": tree_of(out / "removed"),
    }
    for name in ("eval", "relabelled", "removed"):
        shutil.rmtree(out / name)
    forget_pictures(out)
    return found


def main(out: Path) -> None:
    """Make everything; OUT must be a new folder."""
    out.mkdir(parents=True)
    for words in RECORD:
        vidact(out, *words)
    make_videos(out)
    set_times(out)
    for name, settings in (("idm", IDM), ("clone", CLONE)):
        (out / f"{name}.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    make_runs(out)
    for words in PACK:
        vidact(out, *words)
    make_labels(out)
    commands = {name: [*words, "--out", f"interrupted/{name}"] for name, words in JOBS.items()}
    (out / "commands.json").write_text(json.dumps(commands, indent=1) + "\n")
    (out / "expected.json").write_text(json.dumps(expected(out), indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
