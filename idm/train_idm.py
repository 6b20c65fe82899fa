"""`vidact train-idm`: recordings ► checkpoint.

Decode ► random augmented clips ► steps ► averaged weights ► calibration on held-out recordings ►
checkpoint folder: `model.safetensors`, `config.json`, `metrics.jsonl`, and while it runs
`snapshots/` and the frame cache. A run that was stopped or killed resumes from its last snapshot;
with `steps` on the CPU, bit for bit as if nothing had happened.
"""

from __future__ import annotations

import json
import shutil
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..datasets.actions.mirror import Mirror
from ..datasets.actions.spec import ActionSpec
from ..datasets.recordings.recording import spec_doubts
from ..errors import ConfigError, RecordingError
from ..networks.checkpoints import (
    CONFIG_FILE,
    MODEL_FILE,
    Checkpoint,
    require_place,
    save_checkpoint,
)
from ..progress import log, shortened
from ..settings import plain_but, to_plain
from ..training.log import MetricsLog
from ..training.parallel import Group
from ..training.resume import differing
from ..training.run import TrainingRun
from ..training.schedule import Budget
from .config import TrainIDMConfig
from .fitting.add_game_density import add_game_density
from .fitting.fit_baselines import fit_baselines
from .fitting.trainer import Trainer, validation_metrics
from .fitting.validation import calibrate
from .in_game.fit_density import GAME, fit_game
from .labels.checkpoint import (
    digests_by_name,
    idm_checkpoint_config,
    load_idm,
    mirror_of,
    play_seen,
)
from .network.augment import mirror_of_clips
from .network.config import PRESETS, preset_config
from .play.frame_cache import Track, remove_cache
from .play.training_play import TrainingPlay, digest_of
from .randomizing.fresh import FOLDER
from .randomizing.randomization import Randomization, randomization_of, stopped
from .scores.figures import Figures
from .scores.rare import rare_table, warning

SETTINGS_FILE = "settings.yaml"  # `vidact train-idm --config OUT/settings.yaml` is the same run
SHOWN_NAMES = 6  # buttons and axes in a message
# What may change between two sessions of one run, because it does not decide what is learned;
# `data` and `val` are told by their content.
NOT_THE_RUN = (
    "out",
    "cache",
    "data",
    "val",
    "snapshot_minutes",
    "eval_minutes",
    "log_every",
    "workers",
    "recorders",
)


def train_idm(config: TrainIDMConfig) -> int:
    """Train and write the checkpoint; returns the exit code.

    Raises what the user can fix as VidactError.
    """
    if config.add_game_density:
        add_game_density(config)
        return 0
    out = Path(config.out)
    require_place(out, "idm")
    group = Group(config.device)
    play = TrainingPlay.choose(config)
    first = first_checkpoint(config, play.spec)
    mirror = averaging_mirror(config, play.spec, first)
    check_play(config, play, first)
    randomization = randomization_of(config, play, first)
    if randomization is not None and group.size > 1:
        raise ConfigError("randomize: only a training of one process can vary its play")
    run = TrainingRun(
        out,
        identity(config, play, first=first, processes=group.size, randomization=randomization),
        budget=budget_of(config, randomization),
        group=group,
        save_minutes=config.save_every,
    )
    if is_trained(run):
        log(f"{out} is trained already: the same settings and play")
        clear_away(config, run)
        group.close()
        return 0
    log(play.summary())
    with run:
        with group.leader_first():
            tracks, val_tracks = play.open(
                Path(config.cache) if config.cache else out / "cache",
                val_phases=randomization is not None,
            )
        trainer = Trainer(
            config,
            play.spec,
            tracks,
            val_tracks,
            run=run,
            group=group,
            first=first,
            mirror=mirror,
            randomization=randomization,
        )
        trainer.resume()
        if run.is_leader:  # not before: the settings of another run, which cannot be resumed, stay
            settings = yaml.safe_dump(to_plain(config), sort_keys=False)
            (out / SETTINGS_FILE).write_text(settings, encoding="utf-8")
        with stopped(randomization):
            trainer.train()
        group.close()
        if not run.is_leader:
            return 0
        figures = write_checkpoint(config, play, trainer, tracks, first)
        headline = figures.plain_headline()
        with closing(MetricsLog(out, resume_step=run.step)) as metrics:
            metrics.write(run.step, **validation_metrics(headline))
        clear_away(config, run)
        if randomization is not None:
            log(f"Ranges ({randomization.adr.nats:.3f} nats): {randomization.adr.ranges.said()}")
    shown = (f"{name} {value:.3f}" for name, value in headline.items() if value is not None)
    log(f"{out}: {', '.join(shown)} (validation)")
    per_button = figures.by_button(play.spec)
    for line in rare_table(per_button):
        log(line)
    if missed := warning(per_button, "validation play"):
        log(missed)
    return 0


def first_checkpoint(config: TrainIDMConfig, spec: ActionSpec) -> Checkpoint | None:
    """The trained IDM that training starts from, if any. Raises CheckpointError, ConfigError."""
    if not config.init:
        return None
    first = load_idm(config.init)
    if first.config.get("spec_sha256") != spec.sha256:
        theirs = first.spec()
        raise ConfigError(
            f"init: {config.init} was trained under another action spec than {spec.name!r} "
            f"v{spec.version}; buttons, axes, tick rate and frame must be the same, by name too "
            f"(try --spec {theirs.name}@{theirs.version})"
        )
    return first


def averaging_mirror(
    config: TrainIDMConfig, spec: ActionSpec, first: Checkpoint | None
) -> Mirror | None:
    """The mirror image that labels are averaged with: as set, or as the IDM that training starts
    from has it.

    Raises ConfigError where clips are mirrored in another way than that.
    """
    own = mirror_of_clips(config.augment, spec)
    inherited = mirror_of(first, spec) if first else None
    if inherited is None:
        return own if config.mirror_average else None
    if config.augment.mirror and own != inherited:
        raise ConfigError(
            f"augment: {config.init} labels by the mean with its mirror image, in which other "
            "buttons or axes change; give its --mirror and --augment.mirror-axes, "
            "or --augment.mirror 0"
        )
    return inherited


def check_play(config: TrainIDMConfig, play: TrainingPlay, first: Checkpoint | None) -> None:
    """Say what the user should know of the play. What is wrong shows here, before an hour of
    decoding.

    Raises ConfigError, RecordingError where nothing can be learned or calibrated.
    """
    spec = play.spec
    for line in spec_doubts([*play.train, *play.val], spec):
        log(line)
    seen = {sha256 for _, sha256 in play_seen(first)} if first else set()
    if known := seen & {recording.sha256 for recording in play.val}:
        log(
            f"{len(known)} of {len(play.val)} recordings of val are known to {config.init}: "
            "figures will flatter"
        )
    if not spec.num_buttons:
        raise ConfigError(f"spec: {spec.name!r} has no buttons; an IDM needs one at least")
    if config.augment.mirror and not mirror_of_clips(config.augment, spec).swaps:
        log(
            f"Clips are mirrored, and no buttons of spec {spec.name!r} change places then: name "
            "those that mean left and right (--mirror A:B), or say "
            "--augment.mirror 0"
        )
    require_known(play, first)
    if not any(recording.actions(spec).valid.any() for recording in play.val):
        raise RecordingError(
            "val: the validation recordings have no tick with a valid label: "
            "nothing to calibrate on"
        )


def require_known(play: TrainingPlay, first: Checkpoint | None) -> None:
    """Refuse play of which some buttons or axes are nowhere known: a head that has learned nothing
    says something all the same. An IDM to start from has learned them before.

    Raises ConfigError, which names them.
    """
    names = (*play.spec.button_names, *play.spec.axis_names)
    known = np.zeros(len(names), bool)
    for recording in play.train:
        actions = recording.actions(play.spec)
        known |= (actions.known & actions.valid[:, None]).any(0)
        if known.all():
            return
    missing = [name for name, there in zip(names, known, strict=True) if not there]
    if first is None and known.any():
        raise ConfigError(
            f"data: no recording knows {shortened(missing, SHOWN_NAMES)} of spec "
            f"{play.spec.name!r} (`known` of its lines or .meta.json): take a spec without them "
            "(--spec FILE), add play that knows them, or start from an IDM that has learned them "
            "(--init)"
        )
    if known.any():
        log(f"Only the IDM before knows {shortened(missing, SHOWN_NAMES)}: they learn nothing new")


def budget_of(config: TrainIDMConfig, randomization: Randomization | None) -> Budget:
    """How long the run goes, by the clock that the settings ask for."""
    if config.steps:
        return Budget(steps=config.steps)
    if not config.core_minutes:
        return Budget(minutes=config.minutes)

    def core_s() -> float:
        return time.process_time() + (randomization.core_s if randomization else 0.0)

    return Budget(minutes=config.core_minutes, clock=core_s)


def identity(
    config: TrainIDMConfig,
    play: TrainingPlay,
    *,
    first: Checkpoint | None,
    processes: int,
    randomization: Randomization | None = None,
) -> dict[str, Any]:
    """What makes a run the same run: everything but where it writes and how often it saves."""
    settings = plain_but(config, NOT_THE_RUN)
    # Four batches in one process and two in each of two are the same step.
    settings["batches_a_step"] = settings.pop("accumulate") * processes
    if randomization is not None:
        settings["suite"] = randomization.adr.suite.sha256
    settings |= {"spec": play.spec.sha256, "init": first.sha256 if first else ""}
    return {**settings, "recordings": digest_of(play.train), "validation": digest_of(play.val)}


def is_trained(run: TrainingRun) -> bool:
    """Whether this very run has ended here. Raises ConfigError where another one has."""
    if not ((run.out / CONFIG_FILE).exists() and (run.out / MODEL_FILE).exists()):
        return False
    try:
        trained = json.loads((run.out / CONFIG_FILE).read_text(encoding="utf-8"))["run"] or {}
    except (ValueError, KeyError, TypeError):
        trained = {}
    if not run.is_finished(trained):
        names = ", ".join(differing(trained, run.identity)[:3])
        raise ConfigError(
            f"out: {run.out} holds an IDM of other settings or play ({names}); "
            "give another --out, or remove it first"
        )
    return True


def write_checkpoint(
    config: TrainIDMConfig,
    play: TrainingPlay,
    trainer: Trainer,
    tracks: list[Track],
    first: Checkpoint | None,
) -> Figures:
    """Calibrate the averaged weights, fit the baselines and what the game looks like, and save;
    returns the figures on validation
    play.
    """
    run, network = trainer.run, trainer.model.config
    model = trainer.averaged_model()
    calibration, figures = calibrate(
        trainer.runner(model), play.spec, trainer.val_tracks, trainer.positive_weights
    )
    # One phase is enough: the others show the same play, shifted by a part of a tick.
    tensors, baselines = fit_baselines([track for track in tracks if track.phase == 0], play.spec)
    seconds = round(run.budget.elapsed_s, 1)
    game = fit_game(model, play.spec, tracks, trainer.val_tracks)
    checkpoint = idm_checkpoint_config(
        network,
        play.spec,
        calibration,
        preset=next((name for name in PRESETS if preset_config(name, play.spec) == network), ""),
        training={**to_plain(config), "steps_done": run.step, "seconds": seconds},
        data={
            "train": digests_by_name((one.name, one.sha256) for one in play.train),
            "val": digests_by_name((one.name, one.sha256) for one in play.val),
            "before": digests_by_name(play_seen(first) if first else []),
            "ticks": sum(track.num_ticks for track in tracks),
        },
        metrics={"validation": figures.plain_headline()},
        mirror=trainer.mirror and trainer.mirror.to_dict(),
        baselines=baselines,
        run=run.identity,
        **({GAME: game.entry} if game else {}),
        **({"randomize": trainer.randomization.entry()} if trainer.randomization else {}),
    )
    save_checkpoint(
        run.out,
        {**model.state_dict(), **tensors},
        checkpoint,
        beside={GAME: game.tensors} if game else None,
    )
    return figures


def clear_away(config: TrainIDMConfig, run: TrainingRun) -> None:
    """Remove what only a run that resumes needs."""
    run.clear()
    if run.is_leader:
        shutil.rmtree(run.out / FOLDER, ignore_errors=True)
    if run.is_leader and not config.cache:
        remove_cache(run.out / "cache")
