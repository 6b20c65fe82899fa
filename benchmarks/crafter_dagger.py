"""Play of a clone in Crafter with what the script would have done, as recordings (DAgger, Ross et
al. 2011): `hard_tasks.py` asks with it what a network can do whose data cover its own mistakes.

A frame's line holds the script's key; what is pressed is the policy's. The script sees what it saw
in play of its own.
"""

from __future__ import annotations

import json
import time
import zlib
from fractions import Fraction
from pathlib import Path

import torch
from vidact.bc_policy.policy.agent import Agent
from vidact.bc_policy.policy.policy import Policy, load_policy
from vidact.datasets.actions.devices import DeviceState, device_state_of
from vidact.datasets.recordings.writer import RecordingWriter
from vidact.datasets.video.resize import FrameResizer
from vidact.errors import Interrupted
from vidact.games.crafter.frame_sizes import SIZE
from vidact.games.crafter.game import TICKS_PER_SECOND, CrafterGame
from vidact.games.crafter.player import PLAYER_VERSION, CrafterPlayer
from vidact.progress import Progress

LONGEST = 2000  # ticks of a life: hardly one is longer


def record_corrected(
    policy: Path, out: Path, *, minutes: float, seed: int, until: float = float("inf")
) -> None:
    """Record lives of a policy with the script's keys, until there are so many minutes.

    What is there already is kept. Raises SystemExit (75) where it is later than `until`, by
    `time.monotonic`.
    """
    torch.set_num_threads(1)  # of a single picture a second thread has nothing to do
    out.mkdir(parents=True, exist_ok=True)
    network, _ = load_policy(str(policy))
    total = round(60 * minutes * TICKS_PER_SECOND)
    done, number = 0, 0
    with Progress("Correcting a clone's play", total=total, unit="frames") as progress:
        while done < total:
            stem = out / f"dagger-s{seed}-{number:04d}"
            # A writer puts the lines in place last.
            if not stem.with_name(f"{stem.name}.jsonl").exists():
                if time.monotonic() > until:
                    raise SystemExit(Interrupted.exit_code)
                record_life(network, stem, zlib.crc32(f"dagger/{seed}/{number}".encode()))
            meta = stem.with_name(f"{stem.name}.meta.json").read_text(encoding="utf-8")
            frames = json.loads(meta)["frames"]
            progress.advance(frames)
            done, number = done + frames, number + 1


def record_life(network: Policy, stem: Path, world: int) -> None:
    """One life of the policy in a world."""
    game, script = CrafterGame(world), CrafterPlayer(world)
    agent, resize = Agent(network, 1), FrameResizer(network.spec.frame)
    agent.start(0, world)
    meta = {"game": "crafter", "group": stem.name, "spec": "crafter"}
    meta["player"] = f"scripted-{PLAYER_VERSION}, of a policy's play"
    previous: tuple[str, ...] = ()
    with RecordingWriter(stem, fps=Fraction(TICKS_PER_SECOND), size=SIZE, meta=meta) as writer:
        while not game.finished and game.steps < LONGEST:
            keys = script.act(game.view())
            buttons, camera_deg = agent.act(resize.from_rgb(game.frame)[None])
            pressed = device_state_of(network.spec, buttons[0], camera_deg[0]).keys
            new = tuple(key for key in keys if key not in previous)
            label = DeviceState(keys=keys, new_keys=new, label_source="scripted")
            writer.write(game.frame, label)
            game.step(pressed)
            script.overruled(pressed)
            previous = keys
        writer.write(game.frame, DeviceState(valid=False, label_source="scripted"))
