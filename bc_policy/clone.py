"""Behavioural cloning: a policy learns to do what the labels say that the player did.

    shards ► batches of clips ► policy ► likelihood of the player's actions ► AdamW

A run is a function of its settings and its data; it can be stopped and started again at any step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..datasets.shards.dataset import Dataset
from ..errors import CheckpointError, DatasetError
from ..networks.checkpoints import load_checkpoint, require_place, save_checkpoint
from ..progress import Progress, log
from ..settings import to_plain
from ..storage import sha256_file
from ..training.interrupts import StopRequest
from ..training.log import MetricsLog
from ..training.resume import Snapshots
from ..training.schedule import Budget
from .cloning.cloner import Cloner
from .config import CloneConfig
from .policy.policy import policy_checkpoint_config

SNAPSHOTS = "snapshots"  # a folder beside the checkpoint, while the run goes
HELD_OUT_SPLITS = ("val", "test")  # the first that the data have is measured
# What may change between two sessions of one run, because it does not decide what is learnt.
NOT_THE_RUN = ("out", "save_every", "eval_every", "eval_batches", "device", "threads")


def clone(config: CloneConfig) -> int:
    """Train a policy as `config` says and write its checkpoint. Returns the exit code.

    Raises Interrupted after Ctrl-C or SIGTERM (everything is saved), DivergedError where the loss stays no number,
    SpecMismatchError where the datasets are of different specs.
    """
    require_place(config.out, "policy")
    split = held_out_split(config.data)
    run = run_identity(config)
    if is_finished(config.out, run):
        log(f"{config.out} is the policy of these settings and data already: nothing to do")
        return 0
    cloner = Cloner(config)
    budget = Budget(steps=0 if config.minutes else config.steps, minutes=config.minutes)
    snapshots = Snapshots(Path(config.out) / SNAPSHOTS, run)
    step, frames = 0, 0.0
    if (last := snapshots.load_last()) is not None:
        step, state = last
        cloner.load_state_dict(state["cloner"])
        frames = state["frames"]
        budget.start(state["elapsed_s"])
        log(f"Going on from step {step}")
    else:
        budget.start()
    metrics = MetricsLog(config.out, resume_step=step or None)
    log(
        f"{cloner.policy.num_parameters:,} parameters, {cloner.loader.steps_per_epoch} steps an epoch, {cloner.dtype}"
    )

    with StopRequest() as stop, Progress("Cloning", unit="frames") as progress:
        progress.resume_at(frames)
        while (fraction := budget.fraction(step)) < 1:
            measured = cloner.step(step, fraction)
            step, frames = step + 1, frames + measured["frames"]
            progress.total = frames / step * budget.expected_steps(step)
            progress.advance(
                measured["frames"], loss=measured["loss"], accuracy=measured["accuracy"]
            )
            metrics.write(step, **measured, frames_per_s=progress.rate, elapsed_s=budget.elapsed_s)
            if config.eval_every and split and step % config.eval_every == 0:
                metrics.write(step, **cloner.held_out(split))
            if stop.requested or step % config.save_every == 0:
                snapshots.save(
                    step,
                    {
                        "cloner": cloner.state_dict(),
                        "frames": frames,
                        "elapsed_s": budget.elapsed_s,
                    },
                )
            if stop.requested:
                stop.leave(f"step {step}")

    results = {
        "steps": step,
        "frames": frames,
        "seconds": budget.elapsed_s,
        **(cloner.held_out(split) if split else {}),
    }
    metrics.write(step, **results)
    metrics.close()
    save_checkpoint(
        config.out,
        cloner.averaged_state(),
        policy_checkpoint_config(
            cloner.policy,
            preset="custom" if config.network else config.preset,
            training=run["settings"],
            data=run["data"],
            metrics=results,
        ),
    )
    snapshots.clear()
    log(
        f"Wrote {config.out}: "
        + ", ".join(f"{name} {value:.4g}" for name, value in results.items())
    )
    return 0


def run_identity(config: CloneConfig) -> dict[str, Any]:
    """What makes two runs the same: the settings that decide what is learnt, the digest of the policy that they start
    from, and the data's own digests."""
    settings = {name: value for name, value in to_plain(config).items() if name not in NOT_THE_RUN}
    if config.init:
        settings["init_sha256"] = load_checkpoint(config.init).require_kind("policy").sha256
    data = [
        {"uri": uri, "manifest_sha256": sha256_file(Dataset(uri).manifest_uri)}
        for uri in config.data
    ]
    return {"settings": settings, "data": data}


def is_finished(out: str, run: dict[str, Any]) -> bool:
    """Whether `out` is the checkpoint of this very run."""
    try:
        config = load_checkpoint(out).config
    except CheckpointError:
        return False
    return config.get("training") == run["settings"] and config.get("data") == run["data"]


def held_out_split(data: tuple[str, ...]) -> str | None:
    """The split that losses are measured on, or None where the data have but one."""
    splits = {
        split for uri in data for split in Dataset(uri).manifest().column("split").to_pylist()
    }
    if "train" not in splits:
        raise DatasetError(
            f"{', '.join(data)}: no clips of split 'train' (found: {sorted(splits) or 'no clips'})"
        )
    return next((split for split in HELD_OUT_SPLITS if split in splits), None)
