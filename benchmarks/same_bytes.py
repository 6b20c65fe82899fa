"""Does the demo's chain, in fixed steps, make the same bytes again?

    python benchmarks/same_bytes.py                      this checkout, twice
    python benchmarks/same_bytes.py ONE OTHER            two checkouts of vidact
    python benchmarks/same_bytes.py ONE --digests FILE   written where it is missing, else compared

Each run goes through record, train-idm, eval-idm, label, pack, relabel, clone, play and finetune in
one folder, one after the other, and every file that it leaves is compared, but for what tells the
time. Exits 1 where anything differs; this checkout's own result goes to
benchmarks/results/same_bytes.json. About three minutes a run on two quiet cores.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "same_bytes.json"
FOLDER = Path(tempfile.gettempdir()) / "vidact-same-bytes"
"""Always the same one: a dataset remembers where its sources lay."""
RECORD = "--chunk-minutes 0.1 --jobs 2"
ON_CPU = "--device cpu --threads 1"
TRAIN = f"{ON_CPU} --precision float32"
PLAY = "--task defend_the_center --episodes 1 --workers 1"
CHAIN = (
    f"record doom --out labelled --maps E1M2,E1M4,MAP05 --minutes 0.6 --seed 1 {RECORD}",
    f"record doom --out validation --maps validation --minutes 0.2 --seed 2 {RECORD}",
    f"record doom --out heldout --maps test --minutes 0.2 --seed 3 {RECORD}",
    "record doom --out truth --maps my_way_home --minutes 0.8 --seed 4 --strays-per-minute 6 "
    + RECORD,
    "record crafter --out crafter --minutes 0.2 --seed 5",
    "train-idm --data labelled --val validation --out idm --steps 20 --log-every 5 "
    f"--mirror-average {TRAIN}",
    f"eval-idm idm heldout --out idm_heldout {ON_CPU}",
    "label unlabelled --idm idm --out dataset --layout.segment-ticks 2048 --layout.min-shards 8 "
    "--workers 2 --device cpu --previews 20%",
    "verify dataset",
    "pack truth --out dataset_true --spec doom --test-fraction 0 --shard-clips 8",
    "pack crafter --out dataset_crafter --val-fraction 0 --test-fraction 0",
    "relabel dataset --idm doom --out dataset_again --workers 1 --device cpu",
    "clone --data dataset --out clone --steps 20 --batch-size 2 --ticks 64 --mirror left:right "
    + TRAIN,
    f"play --random --out play/random {PLAY}",
    f"play clone --out play/clone {PLAY}",
    "finetune clone --task defend_the_center --out finetune --iterations 2 --actors 2 --lanes 2 "
    f"--ticks 32 {TRAIN}",
    f"play finetune --out play/finetune {PLAY}",
    "status dataset --json",
    "spec check heldout --json",
)
TIMES = {"seconds", "elapsed_s", "frames_per_s", "ticks_per_s"}
NOT_COMPARED = ("tensorboard", ".lock")


def run_chain(checkout: Path, folder: Path) -> dict[str, str]:
    """Run the chain with a checkout's vidact; digests of its files and of the JSON it printed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    printed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as place:
        # The package is imported by the name of the link, whatever the checkout's folder is called.
        (Path(place) / "vidact").symlink_to(checkout.resolve())
        env = os.environ | {"PYTHONPATH": place}
        for line in CHAIN:
            if line.startswith("label "):
                hide_truth(folder)
            begun = time.monotonic()
            command = [sys.executable, "-m", "vidact.cli", *shlex.split(line)]
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, check=False)
            if done.returncode:
                raise SystemExit(f"{checkout}: vidact {line}\n{done.stderr.decode()[-3000:]}")
            if line.endswith("--json"):
                printed[line] = hashlib.sha256(done.stdout).hexdigest()
            stop_clocks(folder)
            print(f"{time.monotonic() - begun:6.0f} s  {line}", file=sys.stderr, flush=True)
    return {**printed, **digests(folder)}


def hide_truth(folder: Path) -> None:
    """The labelling job gets videos alone."""
    (folder / "unlabelled").mkdir()
    for video in sorted((folder / "truth").glob("*.mp4")):
        shutil.copy2(video, folder / "unlabelled")


def stop_clocks(folder: Path) -> None:
    """No checkpoint says how long it took: its digest, which goes into labels, would tell it."""
    for path in folder.glob("*/config.json"):
        config = stopped(json.loads(path.read_text(encoding="utf-8")))
        path.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def stopped(content: Any) -> Any:
    """JSON with zero in the fields of `TIMES`, at any depth."""
    if isinstance(content, dict):
        return {name: 0 if name in TIMES else stopped(value) for name, value in content.items()}
    return [stopped(value) for value in content] if isinstance(content, list) else content


def digests(folder: Path) -> dict[str, str]:
    """The digest of every file below `folder` that is compared, by its path there."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not set(name.parts) & set(NOT_COMPARED):
            found[str(name)] = hashlib.sha256(timeless(path)).hexdigest()
    return found


def timeless(path: Path) -> bytes:
    """The bytes of a file, without what tells the time."""
    data = path.read_bytes()
    if path.suffix in (".json", ".jsonl"):
        documents = data.splitlines() if path.suffix == ".jsonl" else [data]
        return json.dumps([stopped(json.loads(document)) for document in documents]).encode()
    if (
        path.name == "sources.parquet"
    ):  # its fingerprints hold the time at which a source was written
        table = pq.read_table(io.BytesIO(data)).drop_columns(["fingerprint"])
        return json.dumps(table.to_pylist(), default=str).encode()
    return data


def main() -> int:
    parser = argparse.ArgumentParser(description="Does the demo's chain make the same bytes again?")
    parser.add_argument("checkouts", nargs="*", type=Path, help="one or two; this one by default")
    parser.add_argument("--digests", type=Path, help="a file of digests, compared or written")
    parser.add_argument("--keep", action="store_true", help=f"leave the last run in {FOLDER}")
    words = parser.parse_args()
    checkouts = words.checkouts or [HERE.parent]
    found = run_chain(checkouts[0], FOLDER)
    other = None
    if words.digests is None:
        other = run_chain(checkouts[-1], FOLDER)
    elif words.digests.exists():
        other = json.loads(words.digests.read_text(encoding="utf-8"))
    else:
        words.digests.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if not words.keep:
        shutil.rmtree(FOLDER)
    if other is None:
        return 0
    differing = sorted(name for name in found | other if found.get(name) != other.get(name))
    print(f"{len(found)} files and outputs, {len(differing)} differ", *differing, sep="\n  ")
    if not words.checkouts:
        result = {"files": len(found), "differing": differing}
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
