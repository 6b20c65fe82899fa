"""Behavioral cloning: a policy learns to do what the labels say that the player did.

    shards ► batches of clips ► policy ► likelihood of the player's actions ► AdamW

A run is a function of its settings and its data; it can be stopped and resumed at any step.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

from ..datasets.shards.dataset import Dataset
from ..errors import CheckpointError, DatasetError
from ..networks.checkpoints import Checkpoint, load_checkpoint, require_place, save_checkpoint
from ..progress import Progress, log
from ..settings import to_plain
from ..storage import sha256_file
from ..training.log import MetricsLog
from ..training.run import TrainingRun
from ..training.schedule import Budget
from .cloning.cloner import Cloner
from .cloning.config import CloneConfig
from .policy.config import PRESETS, preset_config
from .policy.policy import policy_checkpoint_config

HELD_OUT_SPLITS = ("val", "test")  # the first that the data have is measured
# What may change between two sessions of one run, because it does not decide what is learned.
NOT_THE_RUN = ("out", "save_every", "eval_every", "eval_batches", "device", "threads")


def clone(config: CloneConfig) -> int:
    """Train a policy as `config` says and write its checkpoint. Returns the exit code.

    Raises:
        Interrupted: Ctrl-C or SIGTERM (everything is saved).
        DivergedError: the loss stays no number.
        SpecMismatchError: the datasets are of different specs.
        ConfigError: another process trains into this folder, or torchrun started several.
    """
    require_place(config.out, "policy")
    split = held_out_split(config.data)
    init = initial_checkpoint(config)
    run = TrainingRun(
        config.out,
        run_identity(config, init),
        budget=Budget(steps=0 if config.minutes else config.steps, minutes=config.minutes),
        save_every=config.save_every,
    )
    if run.is_finished(trained_identity(config.out)):
        log(f"{config.out} is the policy of these settings and data already: nothing to do")
        return 0
    with run:
        cloner = Cloner(config, init)
        frames = float(run.resume_into({"cloner": cloner}).get("frames", 0.0))
        log(
            f"{cloner.policy.num_parameters:,} parameters, "
            f"{cloner.loader.steps_per_epoch} steps an epoch, {cloner.dtype}"
        )
        # Lines of steps after the last snapshot are dropped: they are about to be measured again.
        with closing(MetricsLog(config.out, resume_step=run.step)) as metrics:
            frames = train(cloner, run, metrics, split, frames)
            results = {
                "steps": run.step,
                "frames": frames,
                "seconds": run.budget.elapsed_s,
                **(cloner.held_out(split) if split else {}),
            }
            metrics.write(run.step, **results)
        save_checkpoint(
            config.out,
            cloner.averaged_state(),
            policy_checkpoint_config(
                cloner.policy,
                preset="custom" if config.network else config.preset,
                training=run.identity["settings"],
                data=run.identity["data"],
                metrics=results,
            ),
        )
        run.clear()
    figures = ", ".join(f"{name} {value:.4g}" for name, value in results.items())
    log(f"Wrote {config.out}: {figures}")
    return 0


def train(
    cloner: Cloner, run: TrainingRun, metrics: MetricsLog, split: str | None, frames: float
) -> float:
    """Train until the budget is spent. Returns how many frames were learned from.

    Args:
        split: that losses are measured on every `eval_every` steps; None where the data have none.
        frames: learned from in earlier sessions.
    """
    eval_every = cloner.config.eval_every
    with run.session(), Progress("Cloning", unit="frames") as progress:
        progress.resume_at(frames)  # a rate is of this session's frames alone
        while (fraction := run.fraction()) < 1:
            measured = cloner.step(run.step, fraction)
            run.step, frames = run.step + 1, frames + measured["frames"]
            # Batches differ in their valid frames: the total is an estimate.
            progress.total = frames / run.step * run.budget.expected_steps(run.step)
            shown = {name: measured[name] for name in ("loss", "accuracy")}
            progress.advance(measured["frames"], **shown)
            speed = {"frames_per_s": progress.rate, "elapsed_s": run.budget.elapsed_s}
            metrics.write(run.step, **measured, **speed)
            if eval_every and split and run.step % eval_every == 0:
                metrics.write(run.step, **cloner.held_out(split))
            run.save_if_due(frames=frames)
    return frames


def initial_checkpoint(config: CloneConfig) -> Checkpoint | None:
    """The policy that cloning starts from; None for a fresh network."""
    return load_checkpoint(config.init).require_kind("policy") if config.init else None


def run_identity(config: CloneConfig, init: Checkpoint | None) -> dict[str, Any]:
    """What makes two runs the same.

    These are the settings that decide what is learned, the digest of the policy that the run starts
    from (another one may lie in its place by now), and the digests of the data.
    """
    settings = {name: value for name, value in to_plain(config).items() if name not in NOT_THE_RUN}
    if config.network is None and config.preset not in PRESETS:
        # What the preset stands for differs from game to game, and may be measured anew.
        network = preset_config(config.preset, Dataset(config.data[0]).spec())
        settings["network"] = to_plain(network)
    if init is not None:
        settings["init_sha256"] = init.sha256
    data = [
        {"uri": uri, "manifest_sha256": sha256_file(Dataset(uri).manifest_uri)}
        for uri in config.data
    ]
    return {"settings": settings, "data": data}


def trained_identity(out: str) -> dict[str, Any] | None:
    """The identity of the run whose checkpoint lies in `out`; None where there is none."""
    try:
        config = load_checkpoint(out).config
    except CheckpointError:
        return None
    return {"settings": config.get("training"), "data": config.get("data")}


def held_out_split(data: tuple[str, ...]) -> str | None:
    """The split that losses are measured on, or None where the data have but one."""
    splits = {
        split for uri in data for split in Dataset(uri).manifest().column("split").to_pylist()
    }
    if "train" not in splits:
        found = sorted(splits) or "no clips"
        raise DatasetError(f"{', '.join(data)}: no clips of split 'train' (found: {found})")
    return next((split for split in HELD_OUT_SPLITS if split in splits), None)
