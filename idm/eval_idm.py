"""`vidact eval-idm`: how good an IDM's labels are on play it has not seen, beside baselines, with
intervals.

Writes `metrics.json` and plots. Recordings are streamed: nothing but labels is held.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product, repeat
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .. import storage
from ..datasets.actions.spec import ActionSpec
from ..datasets.recordings.recording import Recording, find_recordings, spec_doubts, unique
from ..errors import RecordingError
from ..machine import cores
from ..networks.checkpoints import Checkpoint
from ..progress import Progress, log
from ..training.intervals import bootstrap_weights, interval
from .config import EvalIDMConfig
from .labels.calibration import Calibration
from .labels.checkpoint import digests_by_name, load_baselines, load_idm, play_seen, spec_of
from .labels.predict import Predictor
from .labels.windows import WindowLogits
from .scores.baselines import (
    DifferenceStream,
    LinearModel,
    RatesSampler,
    always_released,
    copy_last,
)
from .scores.figures import BUTTON_FIGURES, Figures, confidence_curves, plain
from .scores.metrics import Labelling, Sums, Truth
from .scores.rare import never_found, rare_table, warning

BASELINES = ("always_released", "rates", "frame_difference")
ORACLE = "copy_last"
UNCALIBRATED = "uncalibrated"  # the same network, its probabilities as they come
MOUSE_FIGURES = ("mouse_r2", "mouse_correlation", "mouse_scale")  # those that are printed
METRICS_FILE = "metrics.json"
SLICE = 10  # resamplings whose figures are computed at once


def eval_idm(config: EvalIDMConfig) -> int:
    """Measure and draw; returns the exit code. Raises what the user can fix as VidactError."""
    out = Path(config.out)
    recordings = unique(find_recordings(config.recordings))
    checkpoint = load_idm(config.checkpoint)
    spec = spec_of(checkpoint)
    if not any(truth_of(recording, spec).valid.any() for recording in recordings):
        raise RecordingError("no tick of these recordings has a valid label: nothing to measure by")
    for line in doubts(checkpoint, recordings, spec):
        log(line)
    # A folder that cannot be made shows before the labelling.
    out.mkdir(parents=True, exist_ok=True)
    judged = judge(checkpoint, recordings, config)
    play = [(one.recording, *one.play) for one in judged]
    result = report(judged, spec, config)
    result |= {
        "checkpoint": {"uri": config.checkpoint, "sha256": checkpoint.sha256},
        "spec": {"name": spec.name, "version": spec.version, "sha256": spec.sha256},
        "recordings": digests_by_name((one.name, one.sha256) for one in recordings),
        "settings": asdict(config),
    }
    storage.write_atomic(out / METRICS_FILE, (json.dumps(result, indent=1) + "\n").encode())
    if config.plots:
        from .scores.plots import draw_all

        draw_all(out, result, play, spec)
    log(summary(result))
    return 0


def doubts(checkpoint: Checkpoint, recordings: Sequence[Recording], spec: ActionSpec) -> list[str]:
    """What the user should know before they believe the figures."""
    seen = {sha256 for _, sha256 in play_seen(checkpoint)}
    known = [recording.name for recording in recordings if recording.sha256 in seen]
    lines = spec_doubts(recordings, spec)
    if known:
        lines.append(
            f"{len(known)} of {len(recordings)} recordings ({', '.join(known[:3])} …) are what "
            "this IDM was trained or tuned on: these figures say nothing of other play"
        )
    return lines


def truth_of(recording: Recording, spec: ActionSpec) -> Truth:
    """The true labels of a recording's first phase."""
    return Truth.of(recording.actions(spec))


def windows_of(
    predictor: Predictor, frames: Iterator[NDArray[np.uint8]], ticks: int
) -> Iterator[WindowLogits]:
    """What the network says of a whole recording."""
    whole = (0, ticks)
    return predictor.windows(frames, start=0, stretch=whole, keep=whole)


def label(predictor: Predictor, frames: Iterator[NDArray[np.uint8]], ticks: int) -> Labelling:
    """Labels of a whole recording."""
    windows = windows_of(predictor, frames, ticks)
    return Labelling.joined(
        predictor.calibration.labels(window, predictor.spec) for window in windows
    )


def judge(
    checkpoint: Checkpoint, recordings: Sequence[Recording], config: EvalIDMConfig
) -> list[Judged]:
    """Label recordings in every way and sum up how good that is."""
    # One thread a recording: small networks gain nothing from several threads a product, and lose
    # on a busy machine.
    predictor = Predictor.load(checkpoint, device=config.device, threads=1)
    spec = predictor.spec
    one = _Judge(predictor, *load_baselines(checkpoint, spec), seed=config.seed)
    total = sum(recording.num_ticks(spec) for recording in recordings)
    workers = 1 if predictor.device.type != "cpu" else config.threads or cores()
    with (
        Progress("Labelling held-out play", total=total, unit="ticks") as progress,
        ThreadPoolExecutor(workers) as pool,
    ):
        return list(pool.map(one, range(len(recordings)), recordings, repeat(progress)))


def report(judged: Sequence[Judged], spec: ActionSpec, config: EvalIDMConfig) -> dict[str, Any]:
    """`metrics.json`: figures, and their intervals over resamplings of the recordings or of groups
    of them.

    `gain` is over the baselines, and over any other labelling that each of `judged` has sums of.
    """
    groups: defaultdict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        recording = one.recording
        groups[recording.group if config.resample == "group" else recording.sha256].append(one)
    stacked = {
        name: Sums.stack([Sums.added([one.sums[name] for one in some]) for some in groups.values()])
        for name in judged[0].sums
    }
    # Of one group there is nothing to draw: its intervals would have no width and claim to be sure.
    resamplings = config.bootstrap if len(groups) > 1 else 0
    weights = bootstrap_weights(len(groups), resamplings, config.seed)
    total = stacked["idm"].weighted(np.ones((1, len(groups))))
    rates = total.press_rates()[0]
    figures = {name: _figures(sums, weights, spec, rates) for name, sums in stacked.items()}
    idm = figures["idm"]
    others = [name for name in figures if name not in ("idm", UNCALIBRATED, *BASELINES, ORACLE)]
    return {
        **_figures_dict(idm, spec),
        "mouse_within_one_bin": _by_axis(idm.motion_near[0], spec),
        "never_found": never_found(idm.by_button(spec)),
        "baselines": {name: _figures_dict(figures[name], spec) for name in BASELINES},
        "oracle": {ORACLE: _figures_dict(figures[ORACLE], spec)},
        "ci95": {name: interval(values) for name, values in idm.headline.items()},
        "gain": {
            base: {
                name: {"value": plain(values[0]), "ci95": interval(values)}
                for name, values in _differences(idm, figures[base]).items()
            }
            for base in (*BASELINES, *others)
        },
        "before_calibration": {
            "ece": plain(figures[UNCALIBRATED].headline["ece"][0]),
            "confidence": {
                name: plain(figures[UNCALIBRATED].confidence[name][0]) for name in ("ece", "auroc")
            },
        },
        "confidence": {
            **{name: plain(values[0]) for name, values in idm.confidence.items()},
            **confidence_curves(total),
        },
        "button_reliability": {
            name: [[float(x) for x in row] for row in total.reliability[0, k]]
            for k, name in enumerate(spec.button_names)
            if rates[k] > 0
        },
        "ticks": int(total.ticks[0]),
        "minutes": float(total.ticks[0] / float(spec.tick_hz) / 60),
    }


def summary(result: dict[str, Any]) -> str:
    """The result in a few lines."""
    lines = [f"{result['minutes']:.1f} minutes of {len(result['recordings'])} recordings"]
    columns = {"IDM": result, **result["baselines"], "oracle: copy last": result["oracle"][ORACLE]}
    lines.append(f"{'':22}" + "".join(f"{title:>19}" for title in columns))
    for name in BUTTON_FIGURES:
        lines.append(f"{name:22}" + "".join(f"{_shown(one[name]):>19}" for one in columns.values()))
    for name, axis in product(MOUSE_FIGURES, result["mouse_r2"]):
        cells = "".join(f"{_shown(one[name][axis]):>19}" for one in columns.values())
        lines.append(f"{f'{name} {axis}':22}{cells}")
    before, after = result["before_calibration"], result["confidence"]
    at = {name: _shown(value) for name, value in after.items() if not isinstance(value, dict)}
    lines.append(
        f"wholly right (all buttons, every axis within a bin) {at['right']}, confidence says "
        f"{at['mean_confidence']}; wrong {at['error']}, of the surest 80 % (confidence from "
        f"{at['confidence_at_80']} on) {at['error_at_80']}; AUROC {at['auroc']}"
    )
    lines.append(
        f"calibration error of confidence {_shown(before['confidence']['ece'])} before, "
        f"{at['ece']} after; "
        f"of buttons (ece) {_shown(before['ece'])} before, {_shown(result['ece'])} after"
    )
    lines += rare_table(result["per_button"])
    if missed := warning(result["per_button"], "this play"):
        lines.append(missed)
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Judged:
    """One recording under all labellings."""

    recording: Recording
    sums: dict[str, Sums]
    play: tuple[Truth, Labelling]


class _Judge:
    """Labels a recording in every way and sums up how good that is; safe to call from several
    threads.
    """

    def __init__(
        self, predictor: Predictor, rates: RatesSampler, linear: LinearModel, *, seed: int
    ):
        self._predictor, self._rates, self._linear, self._seed = predictor, rates, linear, seed
        self._lock = Lock()

    def __call__(self, number: int, recording: Recording, progress: Progress) -> Judged:
        torch.set_num_threads(1)  # a thread's own setting
        spec = self._predictor.spec
        truth = truth_of(recording, spec)
        ticks = len(truth.valid)
        differences = DifferenceStream()
        windows = list(
            windows_of(self._predictor, self._frames(recording, differences, progress), ticks)
        )
        idm, raw = (
            Labelling.joined(calibration.labels(window, spec) for window in windows)
            for calibration in (self._predictor.calibration, Calibration.neutral(spec))
        )
        labels = {
            "idm": idm,
            UNCALIBRATED: raw,
            "always_released": always_released(ticks, spec),
            "rates": self._rates(ticks, np.random.default_rng([self._seed, number])),
            "frame_difference": self._linear(differences.result()),
            ORACLE: copy_last(truth),
        }
        return Judged(
            recording,
            {name: Sums.of(one, truth, spec) for name, one in labels.items()},
            (truth, idm),
        )

    def _frames(
        self, recording: Recording, differences: DifferenceStream, progress: Progress
    ) -> Iterator[NDArray[np.uint8]]:
        """Frames, each decoded once: on their way the linear baseline takes what it needs."""
        for batch in recording.frames(self._predictor.spec):
            differences.add(batch.frames)
            with self._lock:
                progress.advance(len(batch.frames))
            yield batch.frames


def _figures(
    sums: Sums, weights: NDArray[np.float64], spec: ActionSpec, press_rates: NDArray[np.float64]
) -> Figures:
    """Figures of every resampling, [1 + resamplings, …]."""
    # Few recordings can be drawn in few ways (4 in 35), each of which is computed once.
    drawn, rows = np.unique(weights, axis=0, return_inverse=True)
    # In slices of the resamplings: histograms of all of them at once would be gigabytes, and of
    # more than these no longer lie in the processor's cache.
    parts = [
        Figures.of(sums.weighted(drawn[i : i + SLICE]), spec, press_rates)
        for i in range(0, len(drawn), SLICE)
    ]
    return Figures.concatenate(parts).take(rows)


def _figures_dict(figures: Figures, spec: ActionSpec) -> dict[str, Any]:
    return {
        **{name: plain(figures.headline[name][0]) for name in BUTTON_FIGURES},
        "mouse_r2": _by_axis(figures.motion_r2[0], spec),
        "mouse_error_deg": _by_axis(figures.motion_error_deg[0], spec),
        "mouse_correlation": _by_axis(figures.motion_correlation[0], spec),
        "mouse_scale": _by_axis(figures.motion_scale[0], spec),
        "per_button": figures.by_button(spec),
    }


def _differences(one: Figures, other: Figures) -> dict[str, NDArray[np.float64]]:
    """By how much each headline figure is better, in the same resamplings (less is better for
    `ece`).
    """
    return {
        name: (other.headline[name] - values if name == "ece" else values - other.headline[name])
        for name, values in one.headline.items()
    }


def _by_axis(values: NDArray[np.float64], spec: ActionSpec) -> dict[str, float | None]:
    return {name: plain(value) for name, value in zip(spec.axis_names, values, strict=True)}


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
