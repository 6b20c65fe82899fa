"""Several processes that train together, as torchrun starts them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LEARNING = """
import os
import torch
from vidact.training.parallel import Group

def threads():
    tasks = "/proc/self/task"
    names = {thread: open(f"{tasks}/{thread}/comm").read() for thread in os.listdir(tasks)}
    return {thread for thread, name in names.items() if "gloo" in name}

group = Group("cpu")
group.broadcast(1.0)
own = threads()
assert own
model = torch.nn.Linear(2, 1)
learner = group.learner(model)
learner(torch.full((1, 2), group.rank + 1.0)).sum().backward()
assert model.weight.grad.tolist() == [[1.5, 1.5]]
assert group.broadcast(group.rank) == 0
assert group.all_reduce_mean([group.rank, 4]) == (0.5, 4)
del learner
group.close()
# They may still hold Python's tensors when the interpreter ends, and abort it.
assert not own & threads()
"""


def test_learning_together_and_leaving(tmp_path: Path) -> None:
    script = tmp_path / "learning.py"
    script.write_text(LEARNING)
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(script),
    ]
    done = subprocess.run(launch, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
