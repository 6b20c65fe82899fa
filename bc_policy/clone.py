"""Behavioral cloning: a policy learns to do what the labels say that the player did.

    shards ► batches of clips ► policy ► likelihood of the player's actions ► AdamW

A run is a function of its settings and its data; it can be stopped and resumed at any step.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from .. import storage
from ..datasets.shards.dataset import Dataset
from ..errors import DatasetError
from ..games.tasks import find_task
from ..networks.checkpoints import (
    CONFIG_FILE,
    MODEL_FILE,
    Checkpoint,
    config_in,
    load_checkpoint,
    require_place,
    save_checkpoint,
)
from ..progress import Progress, log
from ..settings import plain_but, to_plain
from ..training.curves import CURVES_FILE, draw_curves
from ..training.log import METRICS_FILE, MetricsLog, read_metrics
from ..training.parallel import Group
from ..training.run import TrainingRun
from ..training.schedule import Budget
from .cloning.cloner import FAULTS, Cloner
from .cloning.config import CloneConfig
from .cloning.data import data_identity
from .cloning.held_out import HeldOut
from .play import SCORE_FILE, play
from .policy.config import PRESETS, preset_config
from .policy.policy import policy_checkpoint_config
from .scoring.config import PlayConfig

HELD_OUT_SPLITS = ("val", "test")  # the first that the data have is measured
EVALUATIONS = 5  # held-out losses of a run, the last one included, unless it is said how many
LAST = "last"  # what a checkpoint says of itself, and a folder beside `best` where that is chosen
BEST = "best"  # folder of the policy with the lowest held-out loss, below the run's
REDRAWN_S = 60.0  # between pictures of the curves: one takes a second of a core
ROLLOUTS = "rollouts"  # folder of the scores during training
# What may change between two sessions of one run, because it does not decide what is learned.
NOT_THE_RUN = (
    *("out", "save_every", "eval_every", "eval_batches", "play_task", "play_every"),
    *("play_episodes", "device", "threads", "loader_threads", "cache_gb", "accumulate"),
    *("shard_cache", "shard_cache_gb", "retries", "timeout_s", "max_bad_clips"),
)


def clone(config: CloneConfig) -> int:
    """Train a policy as `config` says and write its checkpoint. Returns the exit code.

    Raises:
        Interrupted: Ctrl-C or SIGTERM (everything is saved).
        DivergedError: the loss stays no number.
        SpecMismatchError: the datasets are of different specs.
        ConfigError: another process trains into this folder.
    """
    require_place(config.out, "policy")
    if config.play_task:
        find_task(config.play_task)  # a name that is none is told now
    split = held_out_split(config.data)
    init = initial_checkpoint(config)
    group = Group(config.device)
    run = TrainingRun(
        config.out,
        run_identity(config, init),
        budget=Budget(steps=0 if config.minutes else config.steps, minutes=config.minutes),
        group=group,
        save_every=config.save_every,
    )
    made = config_in(config.out)
    if run.is_finished({"settings": made.get("training"), "data": made.get("data")}):
        log(f"{config.out} is the policy of these settings and data already: nothing to do")
        group.close()
        return 0
    with run:
        cloner = Cloner(config, init, group)
        session = Session(config, cloner, run, split)
        log(
            f"{cloner.policy.num_parameters:,} parameters, "
            f"{cloner.loader.steps_per_epoch} steps an epoch, {cloner.dtype}"
        )
        session.train()
        if run.is_leader:
            session.finish()
        group.close()
    return 0


class Session:
    """One session of a run, from its last snapshot on: the loop and what is measured beside it.

    Args:
        split: that losses are measured on; None where the data have none.
    """

    def __init__(self, config: CloneConfig, cloner: Cloner, run: TrainingRun, split: str | None):
        self.config, self.cloner, self.run = config, cloner, run
        self.held_out: HeldOut | None = None
        if split and run.is_leader:
            self.held_out = cloner.held_out(split)
        counters = run.resume_into({"cloner": cloner})
        self.frames = float(counters.get("frames", 0.0))
        self.best: dict[str, float] | None = counters.get("best")
        """Step and held-out loss of the policy in `best/`; None before there is one."""
        self.faults: dict[str, float] = {}
        """What this session's loaders met, where it is not 0; see FAULTS."""
        self._drawn = time.monotonic()
        # Lines of steps after the last snapshot are dropped: they are about to be measured again.
        self.metrics = MetricsLog(config.out, resume_step=run.step) if run.is_leader else None

    def train(self) -> None:
        """Train until the budget is spent."""
        run, cloner = self.run, self.cloner
        with run.session(), Progress("Cloning", unit="frames") as progress:
            progress.resume_at(self.frames)  # a rate is of this session's frames alone
            fraction = run.fraction()
            while fraction < 1:
                measured = cloner.step(run.step, fraction)
                run.step, self.frames = run.step + 1, self.frames + measured["frames"]
                self.faults = {name: measured[name] for name in FAULTS if name in measured}
                # Batches differ in their valid frames: the total is an estimate.
                progress.total = self.frames / run.step * run.budget.expected_steps(run.step)
                shown = {name: measured[name] for name in ("loss", "accuracy")}
                progress.advance(measured["frames"], **shown)
                before, fraction = fraction, run.fraction()
                if self.metrics is not None:
                    speed = {"frames_per_s": progress.rate, "elapsed_s": run.budget.elapsed_s}
                    self.metrics.write(run.step, **measured, **speed)
                    with run.budget.paused():
                        self._look(before, fraction)
                run.save_if_due(frames=self.frames, best=self.best)

    def finish(self) -> None:
        """Measure the policy, and write it and its curves."""
        config, run = self.config, self.run
        results = {"steps": run.step, "frames": self.frames, "seconds": run.budget.elapsed_s}
        assert self.metrics is not None
        results |= self._evaluate() | self.faults
        self.metrics.write(run.step, **results)
        self.metrics.close()
        self._draw()
        out = Path(config.out)
        better = self.best is not None and self.best["step"] < run.step
        chosen = better and config.choose == BEST
        # What OUT holds says that the run is finished, so it is written once, and last.
        self.save(out / LAST if chosen else out, which=LAST, metrics=results)
        if chosen:
            copy_checkpoint(out / BEST, out)
        if better and self.best is not None:
            where = out if chosen else out / BEST
            log(
                f"The held-out loss was lowest at step {self.best['step']:.0f}, "
                f"{self.best['loss']:.4g}: that policy lies in {where}"
            )
        run.clear()
        figures = ", ".join(f"{name} {value:.4g}" for name, value in results.items())
        log(f"Wrote {config.out}: {figures}")

    def save(self, folder: Path, *, which: str, metrics: dict[str, Any]) -> None:
        """Write the averaged weights as a checkpoint.

        Args:
            which: `last`, or `best` by held-out loss: what the checkpoint says of itself.
        """
        config, run = self.config, self.run
        save_checkpoint(
            folder,
            self.cloner.averaged_state(),
            policy_checkpoint_config(
                self.cloner.policy,
                preset="custom" if config.network else config.preset,
                training=run.identity["settings"],
                data=run.identity["data"],
                metrics=metrics,
                saved={"which": which, "step": run.step},
                action_delay=config.action_delay,
            ),
        )

    def _look(self, before: float, now: float) -> None:
        """Measure and play where it is time to; the end is measured by `finish`.

        Args:
            before, now: how much of the run was and is done.
        """
        config, step = self.config, self.run.step
        if now >= 1:
            return
        evaluation = is_due(step, before, now, config.eval_every)
        if evaluation and self.held_out is not None:
            assert self.metrics is not None
            self.metrics.write(step, **self._evaluate())
        if config.play_task and is_due(step, before, now, config.play_every or config.eval_every):
            self._play()
            evaluation = True
        if evaluation and time.monotonic() > self._drawn + REDRAWN_S:
            self._draw()

    def _evaluate(self) -> dict[str, float]:
        """The held-out figures of the averaged weights; the best policy so far is saved."""
        if self.held_out is None:
            return {}
        figures = self.cloner.measure(self.held_out)
        loss = figures[f"{self.held_out.split}_loss"]
        if self.best is None or loss < self.best["loss"]:
            self.best = {"step": self.run.step, "loss": loss}
            self.save(Path(self.config.out) / BEST, which=BEST, metrics=figures)
        return figures

    def _play(self) -> None:
        """Let the averaged weights play, and note their score."""
        config, step = self.config, self.run.step
        folder = Path(config.out) / ROLLOUTS
        playing, score = folder / "policy", folder / f"step-{step:07d}"
        self.save(playing, which=LAST, metrics={})
        play(
            PlayConfig(
                checkpoint=str(playing),
                task=config.play_task,
                out=str(score),
                episodes=config.play_episodes,
                video=False,
            )
        )
        shutil.rmtree(playing)
        found = json.loads((score / SCORE_FILE).read_bytes())
        low, high = found["ci95"] or (None, None)
        assert self.metrics is not None
        self.metrics.write(step, score=found["mean"], score_low=low, score_high=high)

    def _draw(self) -> None:
        """Draw the curves so far."""
        self._drawn = time.monotonic()
        split = self.held_out.split if self.held_out else ""
        names = ("loss", *(f"{split}_loss{end}" for end in ("", "_marginal", "_copy_last")))
        panels = {
            "Loss, nats a tick": names,
            "Accuracy": ("accuracy", f"{split}_accuracy", f"{split}_accuracy_changes"),
            f"Score on {self.config.play_task}": ("score",),
        }
        rows = read_metrics(Path(self.config.out) / METRICS_FILE)
        draw_curves(rows, panels, Path(self.config.out) / CURVES_FILE)


def is_due(step: int, before: float, now: float, every: int) -> bool:
    """Whether something happens after a step: every so many, or `EVALUATIONS` times in a run.

    Args:
        before, now: how much of the run was done before the step, and is.
    """
    if every:
        return step % every == 0
    return int(now * EVALUATIONS) > int(before * EVALUATIONS)


def copy_checkpoint(source: Path, target: Path) -> None:
    """Put the checkpoint of one folder into another, in the place of what is there."""
    names = (MODEL_FILE, CONFIG_FILE)
    with storage.replacing_all([target / name for name in names]) as temporary:
        for name, path in zip(names, temporary, strict=True):
            shutil.copyfile(source / name, path)


def initial_checkpoint(config: CloneConfig) -> Checkpoint | None:
    """The policy that cloning starts from; None for a fresh network."""
    return load_checkpoint(config.init).require_kind("policy") if config.init else None


def run_identity(config: CloneConfig, init: Checkpoint | None) -> dict[str, Any]:
    """What makes two runs the same.

    These are the settings that decide what is learned, the digest of the policy that the run starts
    from (another one may lie in its place by now), and the digests of the data.
    """
    settings = plain_but(config, NOT_THE_RUN)
    if config.network is None and config.preset not in PRESETS:
        # What the preset stands for differs from game to game, and may be measured anew.
        network = preset_config(config.preset, Dataset(config.data[0]).spec())
        settings["network"] = to_plain(network)
    if init is not None:
        settings["init_sha256"] = init.sha256
    return {"settings": settings, "data": data_identity(config.out, config.data)}


def held_out_split(data: tuple[str, ...]) -> str | None:
    """The split that losses are measured on, or None where the data have but one."""
    splits = {
        split
        for uri in data
        for batch in Dataset(uri).open_manifest().batches(["split"])
        for split in batch["split"].unique().to_pylist()
    }
    if "train" not in splits:
        found = sorted(splits) or "no clips"
        raise DatasetError(f"{', '.join(data)}: no clips of split 'train' (found: {found})")
    return next((split for split in HELD_OUT_SPLITS if split in splits), None)
