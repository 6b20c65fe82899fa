"""What video costs a clone: `python benchmarks/codec_gap.py [CLONE] [--lives 12]`.

A clone learns from frames that went through H.264 twice, as a recording and as a clip; when it
plays it sees what the game draws. New lives of the scripted Crafter player are recorded and packed,
and played again for the frames as they were drawn: how likely the clone finds the same keys on
both, in nats a tick, and how far the frames lie apart. The interval is over lives. CLONE is a
policy of spec `crafter`, by default the one that clone_targets.py made of true labels; the result
goes to benchmarks/results/codec_gap.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from agent_study import RESULTS, ROOT
from vidact.bc_policy.policy.policy import Policy, load_policy, previous_actions
from vidact.datasets.actions.joint import JointActions
from vidact.datasets.config import PackConfig
from vidact.datasets.loading.clips import ClipLoader
from vidact.datasets.pack import pack
from vidact.datasets.recordings.recording import Recording, find_recordings
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.video.resize import FrameResizer
from vidact.games.crafter.game import CrafterGame
from vidact.games.record_crafter import Life, record_life
from vidact.training.intervals import mean_interval

CLONE = ROOT / "runs" / "clone_targets" / "policies" / "crafter-true-0"
SEED, TICKS = 900, 128  # of the lives; ticks of each that are looked at, a clip


def drawn(recording: Recording, resize: FrameResizer) -> np.ndarray:
    """The frames of a life as the game draws them, uint8 [T, H, W, 3]."""
    meta = recording.meta
    game = CrafterGame(zlib.crc32(f"crafter/{meta['seed']}/{meta['number']}".encode()))
    frames = []
    for state in recording.states[:TICKS]:
        frames.append(resize.from_rgb(game.frame))
        game.step(state.keys)
    return np.stack(frames)


@torch.no_grad()
def cost(policy: Policy, frames: np.ndarray, joint: np.ndarray) -> float:
    """Negative log-likelihood of the actions int64 [T] on these frames, nats a tick."""
    chosen = torch.from_numpy(joint)[None]  # (1, T)
    first = torch.zeros(chosen.shape, dtype=torch.bool)
    first[0, 0] = True
    camera = torch.zeros_like(chosen)
    previous = previous_actions(chosen, camera, first)
    out = policy(torch.from_numpy(np.ascontiguousarray(frames))[None], first, None, previous)
    return -float(policy.head.log_prob(out.logits, chosen, camera).mean())


def lives(policy: Policy, folder: Path, number: int) -> Iterator[tuple[float, float, float]]:
    """Of each life: the cost on decoded frames, on drawn ones, and their mean difference."""
    spec, actions = policy.spec, JointActions(policy.spec)
    resize = FrameResizer(spec.frame)
    for index in range(number):
        sum(record_life(Life(number=index, seed=SEED, longest=TICKS + 2), folder / "play"))
    options = PackConfig(
        recordings=(str(folder / "play"),),
        out=str(folder / "data"),
        val_fraction=0,
        test_fraction=0,
    )
    pack(options)
    sources = {row["source_sha256"] for row in Dataset(options.out).manifest().to_pylist()}
    assert len(sources) == number
    decoded = {}
    loader = ClipLoader([options.out], batch_size=1, ticks=TICKS, drop_last=False)
    for batch in loader:
        source, start = batch.keys[0].rsplit("-", 1)
        if int(start) == 0:
            decoded[source] = batch
    for recording in find_recordings([folder / "play"]):
        batch = next(one for key, one in decoded.items() if recording.sha256.startswith(key[:12]))
        ticks = int(batch.ticks[0]) - 1  # the last one may be of no label
        joint, _ = actions.encode(batch.buttons[0, :ticks], np.zeros((ticks, 0), np.int64))
        seen, true = batch.frames[0, :ticks], drawn(recording, resize)[:ticks]
        apart = float(np.abs(seen.astype(int) - true).mean())
        yield cost(policy, seen, joint), cost(policy, true, joint), apart


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clone", nargs="?", type=Path, default=CLONE)
    parser.add_argument("--lives", type=int, default=12)
    parser.add_argument("--out", type=Path, default=RESULTS / "codec_gap.json")
    options = parser.parse_args()
    policy, _ = load_policy(str(options.clone))
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "play").mkdir()
        found = np.array(list(lives(policy, Path(place), options.lives)))  # (lives, 3)
    gap = found[:, 0] - found[:, 1]
    result = {
        "nats_a_tick_on_decoded_frames": float(found[:, 0].mean()),
        "nats_a_tick_on_drawn_frames": float(found[:, 1].mean()),
        "gap": float(gap.mean()),
        "gap_low": mean_interval(gap.tolist())[0],
        "gap_high": mean_interval(gap.tolist())[1],
        "levels_apart": float(found[:, 2].mean()),
        "lives": options.lives,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
