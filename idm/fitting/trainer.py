"""The training of an IDM: its state, one step, and the loop."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import nn
from torch.optim import AdamW

from ...datasets.actions.mirror import Mirror
from ...datasets.actions.spec import ActionSpec
from ...machine import cores
from ...networks.checkpoints import Checkpoint
from ...progress import Progress, log
from ...randomize.log import DecisionLog
from ...training.ema import EMA
from ...training.guards import FiniteGuard, clip_gradients
from ...training.log import MetricsLog
from ...training.optim import parameter_groups
from ...training.parallel import Group
from ...training.precision import autocast, resolve_precision
from ...training.run import TrainingRun
from ...training.schedule import Schedule, set_learning_rate
from ...training.seeds import seed_chance
from ..config import TrainIDMConfig
from ..labels.calibration import Calibration
from ..labels.checkpoint import load_network
from ..labels.windows import WindowRunner
from ..network.model import InverseDynamicsModel
from ..play.clips import ClipBatch, ClipSampler
from ..play.frame_cache import Track
from ..play.training_play import camera_scale, press_rates
from ..randomizing.exam import Exam
from ..randomizing.randomization import Randomization
from .loss import FactoredLoss, LossParts, positive_weights
from .validation import calibrate

LEARNING_RATE = 2e-3  # the highest, of a new network
FINE_TUNING_RATE = 3e-4  # of a trained one that training starts from
SAY_RANGES_EVERY = 20  # tests of boundaries
BETAS = (0.9, 0.98)  # a short second moment: a run of minutes has a few thousand steps


class Trainer:
    """One training: state, and the loop.

    Args:
        config: of the run.
        spec: of the labels.
        tracks: training play.
        val_tracks: play that is only measured on.
        run: counts the steps, saves and resumes.
        group: the processes that train together.
        first: a trained IDM to start from, in place of a new network.
        mirror: the mirror image that labels are averaged with, if any.
        randomization: of the play, if any.
    """

    def __init__(
        self,
        config: TrainIDMConfig,
        spec: ActionSpec,
        tracks: Sequence[Track],
        val_tracks: Sequence[Track],
        *,
        run: TrainingRun,
        group: Group,
        first: Checkpoint | None = None,
        mirror: Mirror | None = None,
        randomization: Randomization | None = None,
    ):
        if group.device.type == "cpu":
            # One core is left to the threads that prepare clips.
            own = cores() // group.size
            torch.set_num_threads(config.threads or max(1, own - min(config.loader_threads, 1)))
        torch.manual_seed(config.seed)
        self.config, self.spec, self.val_tracks = config, spec, val_tracks
        self.run, self.group, self.device = run, group, group.device
        self.dtype = resolve_precision(config.precision, self.device)
        self.mirror, self.randomization = mirror, randomization
        if first is None:
            self.model = InverseDynamicsModel(config.network_for(spec), spec)
        else:
            self.model = load_network(first, spec)
        self.model.to(self.device)
        rates = press_rates(tracks)
        self.positive_weights = positive_weights(rates, config.rare_balance, config.rare_limit)
        loss = FactoredLoss(spec, self.positive_weights, camera_scale(tracks, spec)).to(self.device)
        self.losses = Losses(self.model, loss, self.dtype)
        self.sampler = ClipSampler(
            tracks,
            spec,
            self.model.inputs,
            batch_clips=config.batch_size,
            clip_ticks=config.ticks,
            augment=config.augment.under(spec),
            seed=config.seed,
            dtype=self.dtype,
            rare_clips=config.rare_clips_for(spec),
            variation=randomization,
        )
        peak = config.learning_rate or (LEARNING_RATE if first is None else FINE_TUNING_RATE)
        groups = parameter_groups(self.model, config.weight_decay)
        self.optimizer = AdamW(groups, lr=peak, betas=BETAS)
        self.ema = EMA(self.model, config.ema_decay)
        self.guard = FiniteGuard()
        self.schedule = Schedule(
            peak=peak, warmup_steps=config.warmup_steps, decay_from=config.decay_from
        )

    def resume(self) -> None:
        """Load the last snapshot, if there is one."""
        names = ["model", "optimizer", "ema", "guard"]
        names += ["randomization"] if self.randomization else []
        self.run.resume_into({name: getattr(self, name) for name in names})

    def train(self) -> None:
        """Train to the end of the budget."""
        config, run, size = self.config, self.run, self.group.size
        learner = self.group.learner(self.losses)
        if run.is_leader and config.init and not run.step:
            figures = self.validate().items()
            shown = ", ".join(f"{name} {value:.3f}" for name, value in figures if value is not None)
            log(f"Starting from {config.init}: {shown}")
        metrics = MetricsLog(run.out, resume_step=run.step) if run.is_leader else None
        batches = self.batches()
        decisions = self.decision_log() if run.is_leader else None
        frames = config.batch_size * config.ticks * config.accumulate * size
        self.model.train()
        try:
            with Progress("Training IDM", unit="frames") as progress, run.session():
                progress.resume_at(run.step * frames)
                if self.randomization is not None:
                    self.randomization.begin()
                validated_s = run.budget.elapsed_s
                # A skipped step neither ends a run nor is saved: one that diverges must not push
                # good snapshots out.
                while (fraction := run.fraction()) < 1 or self.guard.in_a_row:
                    losses, learning_rate, norm = self.train_step(learner, batches, fraction)
                    progress.total = run.budget.expected_steps(run.step) * frames
                    progress.advance(frames, step=run.step, loss=losses[0])
                    if metrics is not None and run.step % config.log_every == 0:
                        metrics.write(
                            run.step,
                            loss=losses[0],
                            loss_buttons=losses[1],
                            loss_camera=losses[2],
                            learning_rate=learning_rate,
                            gradient_norm=norm,
                            elapsed_s=run.budget.elapsed_s,
                            **self.of_randomization(),
                        )
                    self.end_round(progress, decisions)
                    run.save_if_due(hold=self.guard.in_a_row > 0)
                    since_s = run.budget.elapsed_s - validated_s
                    due = config.eval_minutes > 0 and since_s >= 60 * config.eval_minutes
                    if metrics is not None and due:
                        metrics.write(run.step, **self.validate())
                        validated_s = run.budget.elapsed_s
            run.save()
        finally:
            if metrics is not None:
                metrics.close()
            batches.close()  # ends its threads

    def batches(self) -> Generator[ClipBatch, None, None]:
        """The batches of the steps from here on, prepared ahead; with a randomization only to the
        end of its round, after which others may be drawn.
        """
        count, size = self.config.accumulate, self.group.size
        every = self.randomization.every if self.randomization else 0
        step = self.run.step
        while True:
            until = step - step % every + every if every else None
            yield from self.sampler.batches(
                step * count * size + self.group.rank,
                self.config.loader_threads,
                stride=size,
                count=None if until is None else (until - step) * count,
            )
            step = until or step

    def of_randomization(self) -> dict[str, float]:
        """What metrics say of ranges that move."""
        randomization = self.randomization
        if randomization is None or not randomization.moves:
            return {}
        return {"nats": randomization.adr.nats}

    def decision_log(self) -> DecisionLog | None:
        """Where decisions about ranges are written."""
        if self.randomization is None or not self.randomization.moves:
            return None
        adr = self.randomization.adr
        return DecisionLog(self.run.out, adr.ranges, adr.config.delta, resume_step=self.run.step)

    def end_round(self, progress: Progress, decisions: DecisionLog | None) -> None:
        """After the last step of a round of the randomization: what moves, moves."""
        randomization, run = self.randomization, self.run
        if not randomization or not randomization.every or run.step % randomization.every:
            return
        decision = randomization.end_round(self.exam)
        if decisions is None:
            return
        adr = randomization.adr
        progress.advance(0, nats=round(adr.nats, 3), **({"waits": adr.waits} if adr.waits else {}))
        if decision is not None:
            decisions.write(run.step, run.budget.elapsed_s, decision)
        if adr.tests % SAY_RANGES_EVERY == 0:
            log(f"step {run.step:,}: {adr.nats:.3f} nats: {adr.ranges.said()}")

    @contextmanager
    def exam(self) -> Iterator[Exam]:
        """What asks the averaged weights about validation play."""
        exclusive = self.model.config.exclusive
        with self.ema.applied(self.model):
            self.model.eval()
            yield Exam(
                self.model,
                self.spec,
                Calibration.neutral(self.spec, self.positive_weights, exclusive=exclusive),
                self.val_tracks,
                seed=self.config.seed,
                ticks=self.config.ticks,
                dtype=self.dtype,
            )
        self.model.train()

    def train_step(
        self, learner: nn.Module, batches: Iterator[ClipBatch], fraction: float
    ) -> tuple[tuple[float, ...], float, float]:
        """One step; returns the losses (all, buttons, camera), the learning rate, and the
        gradients' norm.
        """
        step, count = self.run.step, self.config.accumulate
        learning_rate = self.schedule.at(step, fraction)
        set_learning_rate(self.optimizer, learning_rate)
        self.optimizer.zero_grad(set_to_none=True)
        sums = torch.zeros(3)
        for part in range(step * count, (step + 1) * count):
            number = part * self.group.size + self.group.rank
            # Dropout, the same after a resume.
            seed_chance(self.device, self.config.seed, number)
            more = (part + 1) % count > 0
            with self.group.no_sync(learner) if more else nullcontext():
                losses = learner(next(batches).to(self.device))
                (losses.total / count).backward()
            sums += torch.stack([loss.detach().float().cpu() for loss in losses])
        means = self.group.all_reduce_mean((sums / count).tolist())
        norm = clip_gradients(self.model.parameters(), self.config.clip_norm)
        if self.guard.accepts(means[0], norm, step):
            self.optimizer.step()
            self.ema.update(self.model)
        self.run.step += 1
        return means, learning_rate, norm

    def validate(self) -> dict[str, float | None]:
        """Figures of the averaged weights on validation play."""
        with self.ema.applied(self.model):
            self.model.eval()
            _, figures = calibrate(
                self.runner(self.model), self.spec, self.val_tracks, self.positive_weights
            )
        self.model.train()
        return validation_metrics(figures.plain_headline())

    def runner(self, model: InverseDynamicsModel) -> WindowRunner:
        """What labels as this run's checkpoint will."""
        return WindowRunner(model, self.dtype, mirror=self.mirror)

    def averaged_model(self) -> InverseDynamicsModel:
        """The network with the averaged weights, for measuring; training ends here."""
        self.model.load_state_dict(self.ema.average)
        return self.model.eval()


class Losses(nn.Module):
    """A batch ► its losses: network and loss as one module, which processes train together."""

    def __init__(self, model: InverseDynamicsModel, loss: FactoredLoss, dtype: torch.dtype):
        super().__init__()
        self.model, self.loss, self.dtype = model, loss, dtype

    def forward(self, batch: ClipBatch) -> LossParts:
        with autocast(batch.buttons.device, self.dtype):
            logits = self.model.forward_windows(self.model.features_of(batch.inputs), batch.present)
        return self.loss(logits, batch.buttons, batch.camera, batch.valid, batch.known)


def validation_metrics(figures: dict[str, float | None]) -> dict[str, float | None]:
    """Figures by the names that they have in `metrics.jsonl`, beside those of training."""
    return {f"validation {name}": value for name, value in figures.items()}
