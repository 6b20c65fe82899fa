"""`vidact train-idm`: recordings ► checkpoint.

Decode ► random augmented clips ► steps ► averaged weights ► calibration on held-out recordings ► checkpoint folder:
`model.safetensors`, `config.json`, `metrics.jsonl`, and while it runs `snapshots/` and the frame cache. A run that was
stopped or killed goes on from its last snapshot; with `steps` on the CPU, bit for bit as if nothing had happened.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn
from torch.optim import AdamW

from ..datasets.actions.mirror import Mirror
from ..datasets.actions.spec import ActionSpec
from ..datasets.recordings.recording import Recording, find_recordings, spec_doubts, spec_of, unique
from ..errors import CheckpointError, ConfigError, RecordingError
from ..machine import cores
from ..networks.checkpoints import (
    CONFIG_FILE,
    MODEL_FILE,
    Checkpoint,
    require_place,
    save_checkpoint,
)
from ..progress import Progress, log
from ..settings import to_plain
from ..training.ema import EMA
from ..training.guards import FiniteGuard, clip_gradients
from ..training.interrupts import StopRequest
from ..training.log import MetricsLog
from ..training.optim import parameter_groups
from ..training.parallel import Group
from ..training.precision import autocast, resolve_precision
from ..training.resume import LOCK_FILE, Snapshots, claim, differing, plain_run
from ..training.schedule import Budget, Schedule, set_learning_rate
from .config import PRESETS, TrainIDMConfig
from .fitting.finish import calibrate, digests_by_name, fit_baselines, load_network, play_seen
from .fitting.loss import FactoredLoss, LossParts, positive_weights
from .labels.predict import mirror_of
from .labels.shipped import load_idm
from .labels.windows import WindowRunner
from .network.augment import mirror_of_clips
from .network.model import InverseDynamicsModel
from .play.clips import ClipBatch, ClipSampler
from .play.frame_cache import Track, open_tracks, remove_cache

SETTINGS_FILE = "settings.yaml"  # `vidact train-idm --config OUT/settings.yaml` is the same run


def train_idm(config: TrainIDMConfig) -> int:
    """Train and write the checkpoint; returns the exit code. Raises what the user can mend as VidactError."""
    out = Path(config.out)
    require_place(out, "idm")
    group = Group(config.device)
    train_recordings, val_recordings = choose_recordings(config)
    spec = spec_of([*train_recordings, *val_recordings], config.spec)
    first = first_checkpoint(config, spec)
    for line in spec_doubts([*train_recordings, *val_recordings], spec):
        log(line)
    mirror = averaging_mirror(config, spec, first)
    before = play_seen(first) if first else []
    known = {sha256 for _, sha256 in before} & {recording.sha256 for recording in val_recordings}
    if known:
        log(
            f"{len(known)} of {len(val_recordings)} recordings of val are known to {config.init}: figures will flatter"
        )
    # What is wrong shows before an hour of decoding.
    if not spec.num_buttons:
        raise ConfigError(f"spec: {spec.name!r} has no buttons; an IDM needs one at least")
    if config.augment.mirror and not mirror_of_clips(config.augment, spec).swaps:
        log(
            f"Clips are mirrored, and no buttons of spec {spec.name!r} change places then: name those that mean left "
            "and right (--augment.mirror-buttons A B), or say --augment.mirror 0"
        )
    if not any(recording.actions(spec).valid.any() for recording in val_recordings):
        raise RecordingError(
            "val: the validation recordings have no tick with a valid label: nothing to calibrate on"
        )
    limit = max(1, round(60 * config.data_minutes * spec.tick_hz)) if config.data_minutes else None
    train_recordings = enough(train_recordings, spec, limit)
    if group.device.type == "cpu":
        own_cores = cores() // group.size
        torch.set_num_threads(config.threads or max(1, own_cores - min(config.workers, 1)))
    run = identity(
        config, spec, train_recordings, val_recordings, first=first, processes=group.size
    )
    if is_trained(out, run):
        log(f"{out} is trained already: the same settings and play")
        if group.is_leader:
            clear_away(config, run)
        group.close()
        return 0
    log(
        f"{len(train_recordings)} recordings to train on ({_minutes(train_recordings, spec, limit)}), "
        f"{len(val_recordings)} to tune and calibrate on ({_minutes(val_recordings, spec)})"
    )
    if group.is_leader:
        claimed = claim(out)
    cache = Path(config.cache) if config.cache else out / "cache"
    with group.leader_first():
        tracks = cut(open_tracks(train_recordings, spec, cache), limit)
        val_tracks = open_tracks(val_recordings, spec, cache, phases=False)
    trainer = Trainer(
        config, spec, tracks, val_tracks, group=group, first=first, mirror=mirror, run=run
    )
    trainer.run()
    group.close()
    if not group.is_leader:
        return 0
    model = trainer.averaged_model()
    runner = trainer.runner(model)
    calibration, figures = calibrate(runner, spec, val_tracks, trainer.positive_weights)
    tensors, settings = fit_baselines([track for track in tracks if track.phase == 0], spec)
    save_checkpoint(
        out,
        {**model.state_dict(), **tensors},
        {
            "kind": "idm",
            "preset": next(
                (name for name, preset in PRESETS.items() if preset == trainer.model.config), ""
            ),
            "network": trainer.model.config.to_dict(),
            "spec": spec.to_dict(),
            "spec_sha256": spec.sha256,
            "training": {
                **asdict(config),
                "steps_done": trainer.step,
                "seconds": round(trainer.budget.elapsed_s, 1),
            },
            "data": {
                "train": digests_by_name((one.name, one.sha256) for one in train_recordings),
                "val": digests_by_name((one.name, one.sha256) for one in val_recordings),
                "before": digests_by_name(before),
                "ticks": sum(track.num_ticks for track in tracks),
            },
            "metrics": {"validation": figures},
            "calibration": calibration.to_dict(),
            "mirror": trainer.mirror and asdict(trainer.mirror),
            "baselines": settings,
            "run": run,
        },
    )
    with closing(MetricsLog(out, resume_step=trainer.step)) as metrics:
        metrics.write(trainer.step, **of_validation(figures))
    clear_away(config, run)
    (out / LOCK_FILE).unlink()
    claimed.close()
    shown = ", ".join(f"{name} {value:.3f}" for name, value in figures.items() if value is not None)
    log(f"{out}: {shown} (validation)")
    return 0


def first_checkpoint(config: TrainIDMConfig, spec: ActionSpec) -> Checkpoint | None:
    """What training goes on from, if anything. Raises CheckpointError, ConfigError."""
    if not config.init:
        return None
    first = load_idm(config.init)
    if first.config.get("spec_sha256") != spec.sha256:
        raise ConfigError(
            f"init: {config.init} was trained under another action spec than {spec.name!r} as it is here; buttons, axes"
            f" and tick rate must be the same, by name too (try --spec {first.config.get('spec', {}).get('name')})"
        )
    return first


def averaging_mirror(
    config: TrainIDMConfig, spec: ActionSpec, first: Checkpoint | None
) -> Mirror | None:
    """The mirror image that labels are averaged with: as set, or as what training goes on from has it; else None.

    Raises ConfigError where clips are mirrored in another way than that.
    """
    own = mirror_of_clips(config.augment, spec)
    inherited = mirror_of(first, spec) if first else None
    if inherited is None:
        return own if config.mirror_average else None
    if config.augment.mirror and own != inherited:
        raise ConfigError(
            f"augment: {config.init} labels by the mean with its mirror image, in which other buttons or axes change; "
            "give its --augment.mirror-buttons and --augment.mirror-axes, or --augment.mirror 0"
        )
    return inherited


def clear_away(config: TrainIDMConfig, run: dict[str, Any]) -> None:
    """Remove what only a run that goes on needs."""
    Snapshots(Path(config.out) / "snapshots", run=run).clear()
    if not config.cache:
        remove_cache(Path(config.out) / "cache")


def of_validation(figures: dict[str, float | None]) -> dict[str, float | None]:
    """Figures by the names that they have beside those of training."""
    return {f"validation {name}": value for name, value in figures.items()}


def choose_recordings(config: TrainIDMConfig) -> tuple[list[Recording], list[Recording]]:
    """Training and validation recordings: those named, or a share held out by content hash. Raises ConfigError."""
    found = {recording.sha256: recording for recording in unique(find_recordings(config.data))}
    if config.val:
        val = {recording.sha256: recording for recording in unique(find_recordings(config.val))}
        if both := sorted(found[sha].name for sha in found.keys() & val.keys()):
            raise ConfigError(
                f"val: {', '.join(both[:3])} is also in data; validation must not be trained on"
            )
        groups = {recording.group for recording in found.values()} & {
            recording.group for recording in val.values()
        }
        if groups:
            log(
                f"val shares {', '.join(sorted(groups)[:3])} with data (one map, one game): its figures will flatter"
            )
        return list(found.values()), list(val.values())
    digests: dict[str, str] = {}  # of each group, the lowest of its recordings
    for recording in found.values():
        digests[recording.group] = min(
            recording.sha256, digests.get(recording.group, recording.sha256)
        )
    if len(digests) < 2:
        raise ConfigError(
            "data: a single recording cannot be divided; give more of them, or others with --val"
        )
    count = min(max(1, round(config.val_share * len(digests))), len(digests) - 1)
    # Digests are as good as drawn by lot, and stay what they are.
    held_out = set(sorted(digests, key=digests.__getitem__)[:count])
    val_list = [recording for recording in found.values() if recording.group in held_out]
    return [recording for recording in found.values() if recording.group not in held_out], val_list


def enough(recordings: list[Recording], spec: ActionSpec, ticks: int | None) -> list[Recording]:
    """The recordings, by rising digest, that hold so many ticks; all of them without a limit."""
    if ticks is None:
        return recordings
    chosen = []
    for recording in sorted(recordings, key=lambda one: one.sha256):
        if ticks <= 0:
            break
        chosen.append(recording)
        ticks -= recording.num_ticks(spec)
    return chosen


def _minutes(recordings: Sequence[Recording], spec: ActionSpec, limit: int | None = None) -> str:
    ticks = sum(recording.num_ticks(spec) for recording in recordings)
    return f"{min(ticks, limit or ticks) / float(spec.tick_hz) / 60:.1f} minutes"


def cut(tracks: list[Track], ticks: int | None) -> list[Track]:
    """The first so many ticks of them, in each phase; all without a limit."""
    if ticks is None:
        return tracks
    so_far: Counter[int] = Counter()
    kept = []
    for track in tracks:
        count = max(ticks - so_far[track.phase], 0)
        so_far[track.phase] += track.num_ticks
        kept.append(track.first(count))
    return [track for track in kept if track.num_ticks]


class Trainer:
    """One run: state, and the loop.

    Args:
        config: of the run.
        spec: of the labels.
        tracks: training play.
        val_tracks: play that is only measured on.
        group: the processes that train together.
        first: a trained IDM to go on from, in place of a new network.
        mirror: the mirror image that labels are averaged with, if any.
        run: what makes the run the same run, see `identity`.
    """

    def __init__(
        self,
        config: TrainIDMConfig,
        spec: ActionSpec,
        tracks: Sequence[Track],
        val_tracks: Sequence[Track],
        *,
        group: Group,
        first: Checkpoint | None = None,
        mirror: Mirror | None = None,
        run: dict[str, Any],
    ):
        torch.manual_seed(config.seed)
        self.config, self.spec, self.val_tracks = config, spec, val_tracks
        self.group, self.device = group, group.device
        self.dtype = resolve_precision(config.precision, self.device)
        self.mirror = mirror
        if first is None:
            self.model = InverseDynamicsModel(config.network_config, spec)
        else:
            self.model = load_network(first, spec)
        self.model.to(self.device)
        self.positive_weights = positive_weights(
            press_rates(tracks), config.rare_balance, config.rare_limit
        )
        loss = FactoredLoss(spec, self.positive_weights, camera_scale(tracks, spec)).to(self.device)
        self.losses = Losses(self.model, loss, self.dtype)
        self.sampler = ClipSampler(
            tracks,
            spec,
            self.model.inputs,
            batch_clips=config.batch_clips,
            clip_ticks=config.clip_ticks,
            augment=config.augment,
            seed=config.seed,
            dtype=self.dtype,
        )
        peak = config.learning_rate or (LEARNING_RATE if first is None else LEARNING_RATE_GOING_ON)
        self.optimizer = AdamW(
            parameter_groups(self.model, config.weight_decay), lr=peak, betas=BETAS
        )
        self.ema = EMA(self.model, config.ema_decay)
        self.guard = FiniteGuard()
        self.schedule = Schedule(
            peak=peak, warmup_steps=config.warmup_steps, decay_from=config.decay_from
        )
        self.budget = Budget(steps=config.steps) if config.steps else Budget(minutes=config.minutes)
        self.step = 0
        self.snapshots = Snapshots(Path(config.out) / "snapshots", run=run)

    def run(self) -> None:
        """Train to the end of the budget, from the last snapshot if there is one."""
        elapsed_s = self._resume()
        learner = self.group.learner(self.losses)
        if self.group.is_leader:
            settings = yaml.safe_dump(to_plain(self.config), sort_keys=False)
            (Path(self.config.out) / SETTINGS_FILE).write_text(settings, encoding="utf-8")
            if self.config.init and not self.step:
                shown = ", ".join(
                    f"{name} {x:.3f}" for name, x in self.validate().items() if x is not None
                )
                log(f"Going on from {self.config.init}: {shown}")
        metrics = (
            MetricsLog(self.config.out, resume_step=self.step) if self.group.is_leader else None
        )
        batches = self.sampler.batches(
            self.step * self.config.accumulate * self.group.size + self.group.rank,
            self.config.workers,
            stride=self.group.size,
        )
        frames = (
            self.config.batch_clips
            * self.config.clip_ticks
            * self.config.accumulate
            * self.group.size
        )
        next_snapshot_s = elapsed_s + 60 * self.config.snapshot_minutes
        next_look_s = elapsed_s + 60 * self.config.eval_minutes
        self.model.train()
        self.budget.start(elapsed_s)
        try:
            with Progress("Training IDM", unit="frames") as progress, StopRequest() as stop:
                progress.resume_at(self.step * frames)
                # A skipped step neither ends a run nor is saved: one that diverges must not push good snapshots out.
                while (
                    fraction := self.group.broadcast(self.budget.fraction(self.step))
                ) < 1 or self.guard.in_a_row:
                    parts, learning_rate, norm = self.train_step(learner, batches, fraction)
                    progress.total = self.budget.expected_steps(self.step) * frames
                    progress.advance(frames, step=self.step, loss=parts[0])
                    if metrics is not None and self.step % self.config.log_every == 0:
                        metrics.write(
                            self.step,
                            loss=parts[0],
                            loss_buttons=parts[1],
                            loss_camera=parts[2],
                            learning_rate=learning_rate,
                            gradient_norm=norm,
                            elapsed_s=self.budget.elapsed_s,
                        )
                    stopped = self.group.broadcast(stop.requested) and not self.guard.in_a_row
                    if stopped or (
                        self.budget.elapsed_s >= next_snapshot_s and not self.guard.in_a_row
                    ):
                        self._save()
                        next_snapshot_s = self.budget.elapsed_s + 60 * self.config.snapshot_minutes
                    if stopped:
                        stop.leave(f"step {self.step}")
                    if (
                        metrics is not None
                        and self.config.eval_minutes
                        and self.budget.elapsed_s >= next_look_s
                    ):
                        metrics.write(self.step, **self.validate())
                        next_look_s = self.budget.elapsed_s + 60 * self.config.eval_minutes
            self._save()
        finally:
            if metrics is not None:
                metrics.close()
            batches.close()  # ends its threads

    def train_step(
        self, learner: nn.Module, batches: Iterator[ClipBatch], fraction: float
    ) -> tuple[tuple[float, float, float], float, float]:
        """One step; returns the losses (all, buttons, camera), the learning rate, and the gradients' norm."""
        learning_rate = self.schedule.at(self.step, fraction)
        set_learning_rate(self.optimizer, learning_rate)
        self.optimizer.zero_grad(set_to_none=True)
        count = self.config.accumulate
        sums = torch.zeros(3)
        for part in range(self.step * count, (self.step + 1) * count):
            number = part * self.group.size + self.group.rank
            torch.manual_seed(
                hash((self.config.seed, number)) & 0x7FFFFFFF
            )  # dropout, the same after a resume
            with self.group.no_sync(learner) if (part + 1) % count else nullcontext():
                losses = learner(next(batches).to(self.device))
                (losses.total / count).backward()
            sums += torch.stack([loss.detach().float().cpu() for loss in losses])
        total, buttons, camera = self.group.all_reduce_mean((sums / count).tolist())
        norm = clip_gradients(self.model.parameters(), self.config.gradient_clip)
        if self.guard.accepts(total, norm, self.step):
            self.optimizer.step()
            self.ema.update(self.model)
        self.step += 1
        return (total, buttons, camera), learning_rate, norm

    def validate(self) -> dict[str, float | None]:
        """Figures of the averaged weights on validation play."""
        with self.ema.applied(self.model):
            self.model.eval()
            _, figures = calibrate(
                self.runner(self.model), self.spec, self.val_tracks, self.positive_weights
            )
        self.model.train()
        return of_validation(figures)

    def runner(self, model: InverseDynamicsModel) -> WindowRunner:
        """Labels as this run's checkpoint will."""
        return WindowRunner(model, self.dtype, mirror=self.mirror)

    def averaged_model(self) -> InverseDynamicsModel:
        """The network with the averaged weights, for measuring; training ends here."""
        self.model.load_state_dict(self.ema.average)
        return self.model.eval()

    def _save(self) -> None:
        if not self.group.is_leader:
            return
        self.snapshots.save(
            self.step,
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "ema": self.ema.state_dict(),
                "guard": self.guard.state_dict(),
                "elapsed_s": self.budget.elapsed_s,
            },
        )

    def _resume(self) -> float:
        """Load the last snapshot, if there is one; returns the seconds trained so far."""
        found = self.snapshots.load_last()
        step = found[0] if found else 0
        if (leads_from := self.group.broadcast(step)) != step:
            raise CheckpointError(
                f"{self.snapshots.folder}: this process finds step {step:,}, the first one {leads_from:,.0f}: all "
                "processes must see the same folder"
            )
        if found is None:
            return 0.0
        self.step, state = found
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.ema.load_state_dict(state["ema"])
        self.guard.load_state_dict(state["guard"])
        log(f"Going on from step {self.step:,}")
        return float(state["elapsed_s"])


class Losses(nn.Module):
    """A batch ► its losses: network and loss as one module, which is what processes train together."""

    def __init__(self, model: InverseDynamicsModel, loss: FactoredLoss, dtype: torch.dtype):
        super().__init__()
        self.model, self.loss, self.dtype = model, loss, dtype

    def forward(self, batch: ClipBatch) -> LossParts:
        with autocast(batch.buttons.device, self.dtype):
            logits = self.model.forward_windows(self.model.features_of(batch.inputs), batch.present)
        return self.loss(logits, batch.buttons, batch.camera, batch.valid)


LEARNING_RATE, LEARNING_RATE_GOING_ON = (
    2e-3,
    3e-4,
)  # highest, of a new network and of one that knows its trade
BETAS = (0.9, 0.98)  # a short second moment: a run of minutes has a few thousand steps


def press_rates(tracks: Sequence[Track]) -> np.ndarray:
    """Share of valid ticks in which each button is held, [K]."""
    return np.concatenate([track.buttons[track.valid] for track in tracks]).mean(
        0, dtype=np.float64
    )


def camera_scale(tracks: Sequence[Track], spec: ActionSpec) -> np.ndarray:
    """Deviation of each axis over valid ticks in degrees, [A]; at least half the finest bin."""
    deviation = np.concatenate([track.camera[track.valid] for track in tracks]).std(
        0, dtype=np.float64
    )
    finest = [np.diff(spec.bin_centres(axis)).min() / 2 for axis in range(spec.num_axes)]
    return np.maximum(deviation, finest).astype(np.float32) if finest else np.zeros(0, np.float32)


def identity(
    config: TrainIDMConfig,
    spec: ActionSpec,
    data: Sequence[Recording],
    val: Sequence[Recording],
    *,
    first: Checkpoint | None,
    processes: int,
) -> dict[str, Any]:
    """What makes a run the same run: everything but where it writes and how often it saves."""
    settings = asdict(config)
    for name in (
        "out",
        "cache",
        "data",
        "val",
        "snapshot_minutes",
        "eval_minutes",
        "log_every",
        "workers",
    ):
        settings.pop(name)
    settings["batches_a_step"] = settings.pop("accumulate") * processes
    settings |= {"spec": spec.sha256, "init": first.sha256 if first else ""}
    return plain_run({**settings, "recordings": _digest_of(data), "validation": _digest_of(val)})


def _digest_of(recordings: Sequence[Recording]) -> str:
    """Of videos and labels, whatever their order."""
    each = sorted(f"{recording.sha256} {recording.labels_sha256}" for recording in recordings)
    return hashlib.sha256("\n".join(each).encode()).hexdigest()


def is_trained(out: Path, run: dict[str, Any]) -> bool:
    """Whether this very run has ended here. Raises ConfigError where another one has."""
    if not ((out / CONFIG_FILE).exists() and (out / MODEL_FILE).exists()):
        return False
    try:
        other = json.loads((out / CONFIG_FILE).read_text(encoding="utf-8"))["run"] or {}
    except (ValueError, KeyError, TypeError):
        other = {}
    if other != run:
        raise ConfigError(
            f"out: {out} holds an IDM of other settings or play ({', '.join(differing(other, run)[:3])}); "
            "give another --out, or remove it first"
        )
    return True
