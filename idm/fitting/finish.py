"""The end of a training: calibration on validation play, figures on it, and the baselines of the training play.

All of it goes into the checkpoint, so that an evaluation needs nothing but the checkpoint and recordings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...datasets.actions.spec import ActionSpec
from ...errors import CheckpointError
from ...networks.checkpoints import Checkpoint, load_into, require_fit
from ...progress import Progress
from ..config import IDMConfig
from ..labels.calibration import Calibration
from ..labels.windows import STRIDE, WindowRunner
from ..network.model import InverseDynamicsModel
from ..play.frame_cache import Track
from ..scores.baselines import LinearModel, RatesSampler
from ..scores.metrics import Figures, Labelling, Sums, Truth, plain
from .fit_calibration import LabelledWindow, fit

BASELINE_PREFIX = "baselines."  # of the tensors in a checkpoint that are not the network's


def calibrate(
    runner: WindowRunner,
    spec: ActionSpec,
    tracks: Sequence[Track],
    positive_weights: NDArray[np.floating],
) -> tuple[Calibration, dict[str, float | None]]:
    """Fit on validation play; returns the calibration and the headline figures there (slightly flattered by it)."""
    windows = label_windows(runner, tracks)
    calibration = fit(
        windows, spec, positive_weights, runner.mirror.button_order if runner.mirror else None
    )
    sums = []
    for track in tracks:
        labelling = Labelling.joined(
            calibration.labels(w.logits, spec) for w in windows if w.recording == track.recording
        )
        sums.append(
            Sums.of(
                labelling,
                Truth(buttons=track.buttons, camera=track.camera, valid=track.valid),
                spec,
            )
        )
    figures = Figures.over(sums, spec)
    return calibration, {name: plain(values[0]) for name, values in figures.headline.items()}


def label_windows(runner: WindowRunner, tracks: Sequence[Track]) -> list[LabelledWindow]:
    """Run the network over whole recordings."""
    windows = []
    with Progress(
        "Looking at validation play", total=sum(track.num_ticks for track in tracks), unit="ticks"
    ) as progress:
        for track in tracks:
            whole = (0, track.num_ticks)
            for logits in runner.run(frame_batches(track), start=0, stretch=whole, keep=whole):
                ticks = slice(
                    logits.first_tick + logits.keep[0], logits.first_tick + logits.keep[1]
                )
                windows.append(
                    LabelledWindow(
                        logits=logits,
                        buttons=track.buttons[ticks],
                        camera=track.camera[ticks],
                        valid=track.valid[ticks],
                        recording=track.recording,
                    )
                )
                progress.advance(ticks.stop - ticks.start)
    return windows


def fit_baselines(
    tracks: Sequence[Track], spec: ActionSpec
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The baselines of training play, as tensors and plain values for a checkpoint."""
    truths = [
        Truth(buttons=track.buttons, camera=track.camera, valid=track.valid) for track in tracks
    ]
    with Progress(
        "Fitting baselines", total=sum(track.num_ticks for track in tracks), unit="ticks"
    ) as progress:

        def frames(track: Track) -> Iterator[NDArray[np.uint8]]:
            for batch in frame_batches(track):
                progress.advance(len(batch))
                yield batch

        linear = LinearModel.fit(
            (frames(track), truth) for track, truth in zip(tracks, truths, strict=True)
        )
    tensors = {
        f"{BASELINE_PREFIX}weights": torch.from_numpy(linear.weights),
        f"{BASELINE_PREFIX}thresholds": torch.from_numpy(linear.thresholds),
    }
    return tensors, {"rates": RatesSampler.fit(truths, spec).to_dict()}


def load_baselines(checkpoint: Checkpoint, spec: ActionSpec) -> tuple[RatesSampler, LinearModel]:
    """The inverse of `fit_baselines`. Raises CheckpointError where the checkpoint has none."""
    if "baselines" not in checkpoint.config:
        raise CheckpointError(
            f"{checkpoint.uri} holds no baselines to compare with: import it again with --play"
        )
    with checkpoint.config_read():
        weights, thresholds = (
            checkpoint.state[f"{BASELINE_PREFIX}{name}"] for name in ("weights", "thresholds")
        )
        linear = LinearModel.of(weights.double().numpy(), thresholds.double().numpy(), spec)
        return RatesSampler.from_dict(checkpoint.config["baselines"]["rates"], spec), linear


def load_network(checkpoint: Checkpoint, spec: ActionSpec) -> InverseDynamicsModel:
    """The network of a checkpoint, on the CPU. Raises CheckpointError where its config and its tensors do not fit."""
    own = {
        name: tensor
        for name, tensor in checkpoint.state.items()
        if not name.startswith(BASELINE_PREFIX)
    }
    with checkpoint.config_read():
        model = InverseDynamicsModel.without_memory(
            IDMConfig.from_dict(checkpoint.config["network"]), spec
        )
    # What a config asks for costs no memory until it is what the weights are.
    require_fit(model, replace(checkpoint, state=own))
    model.allocate()
    load_into(model, replace(checkpoint, state=own))
    return model


def play_seen(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """Names and digests of the recordings that an IDM, or one that it went on from, was trained or tuned on."""
    with checkpoint.config_read():
        data = checkpoint.config.get("data", {})
        return [seen for part in ("before", "train", "val") for seen in data.get(part, {}).items()]


def digests_by_name(recordings: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Names and digests for a record of what was used; namesakes are told apart by the beginning of their digest."""
    names = {sha256: name for name, sha256 in recordings}
    counts = Counter(names.values())
    return {
        name if counts[name] == 1 else f"{name} ({sha256[:12]})": sha256
        for sha256, name in names.items()
    }


def frame_batches(track: Track) -> Iterator[NDArray[np.uint8]]:
    """All frames of a track, 64 at a time."""
    for start in range(0, track.num_ticks, STRIDE):
        yield track.frames(start, min(start + STRIDE, track.num_ticks))
