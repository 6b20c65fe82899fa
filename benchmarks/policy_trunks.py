"""How many frames a second a policy can learn from on one core, by its trunk.

    python benchmarks/policy_trunks.py [--rounds 5]

In one process with one thread, at the batch that `clone` learns from, [16, 64] frames, in the
machine's own precision:

    residual         the preset `tiny` of before: a residual CNN on 128x128, pooled to 64x64 in it
    strided          `tiny` in Doom: a strided CNN on frames that were kept at 64x64
    strided, whole   the same, given whole frames of 128x128, which it shrinks itself
    patches          `tiny` in Crafter: 8x8 patches on 72x72, with the branch near the player

`trunk` is forward and backward of the trunk alone, `policy` of the whole network with the
likelihood of an action as its loss. Each figure is of CPU-seconds, the median over interleaved
rounds; `ratio` compares with the residual trunk. Figures go to results/policy_trunks.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from vidact.bc_policy.policy.config import PolicyConfig, preset_config
from vidact.bc_policy.policy.policy import Policy
from vidact.datasets.actions.spec import ActionSpec
from vidact.training.precision import autocast, resolve_precision

ROWS, TICKS = 16, 64
PARTS = ("trunk", "policy")
CPU = torch.device("cpu")
RESIDUAL = PolicyConfig(
    width=192,
    heads=4,
    blocks=2,
    memory=64,
    channels=(16, 32, 48),
    residual_blocks=1,
    pool=2,
    stride=2,
    dense=256,
    previous_action=True,
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "policy_trunks.json"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    dtype = resolve_precision("auto", CPU)
    doom, crafter = ActionSpec.load("doom"), ActionSpec.load("crafter")
    before, strided = Policy(doom, RESIDUAL), Policy(doom, preset_config("tiny", doom))
    patches = Policy(crafter, preset_config("tiny", crafter))
    whole, small, cells = frames_of(128), frames_of(64), frames_of(72)
    networks = {
        "residual": (before, whole),
        "strided": (strided, small),
        "strided, whole": (strided, whole),
        "patches": (patches, cells),
    }
    steps: dict[tuple[str, str], Callable[[], Tensor]] = {}
    for name, (policy, frames) in networks.items():
        steps[name, "trunk"] = trunk_step(policy, frames)
        steps[name, "policy"] = policy_step(policy, frames)
    times: dict[tuple[str, str], list[float]] = {key: [] for key in steps}
    for round_number in range(options.rounds + 1):
        for key, step in steps.items():
            start = time.process_time()
            with autocast(CPU, dtype):
                loss = step()
            loss.backward()
            if round_number:  # the first one chooses kernels and fills caches
                times[key].append(time.process_time() - start)
    rates = {key: ROWS * TICKS / statistics.median(found) for key, found in times.items()}
    table = {
        name: {
            "parameters": policy.num_parameters,
            **{f"{part}_frames_per_core_s": round(rates[name, part]) for part in PARTS},
            **{
                f"{part}_ratio": round(rates[name, part] / rates["residual", part], 2)
                for part in PARTS
            },
        }
        for name, (policy, _) in networks.items()
    }
    settings = {
        "rows": ROWS,
        "ticks": TICKS,
        "rounds": options.rounds,
        "threads": 1,
        "dtype": str(dtype),
        "torch": torch.__version__,
        "cpu": torch.cpu.get_capabilities()["cpu_name"],
        "load_average": round(os.getloadavg()[0], 1),  # others at work slow everything alike
    }
    report = {"trunk": table, "settings": settings}
    print(json.dumps(report, indent=1))
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def frames_of(side: int) -> Tensor:
    """uint8 [ROWS, TICKS, side, side, 3]."""
    return torch.randint(0, 256, (ROWS, TICKS, side, side, 3), dtype=torch.uint8)


def trunk_step(policy: Policy, frames: Tensor) -> Callable[[], Tensor]:
    """The trunk's forward pass, shrinking included where frames are whole."""
    return lambda: policy.trunk(policy.shrink(frames).flatten(0, 1)).float().square().mean()


def policy_step(policy: Policy, frames: Tensor) -> Callable[[], Tensor]:
    """The whole network's forward pass, and the likelihood of doing nothing."""
    nothing = torch.zeros(ROWS, TICKS, dtype=torch.long)
    previous = torch.zeros(ROWS, TICKS, 2, dtype=torch.long)

    def step() -> Tensor:
        out = policy(frames, previous=previous)
        likelihood: Tensor = policy.head.log_prob(out.logits, nothing, nothing)
        return -likelihood.mean()

    return step


if __name__ == "__main__":
    main()
