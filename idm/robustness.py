"""`vidact robustness`: how an IDM's score falls as play moves away from what it was trained on.

A curve for each parameter by itself, and the ranges that automatic domain randomization reaches
with the model as it is: so the authors of ADR measured models that were trained without it. Each
point and each test is saved as it is done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import storage
from ..datasets.recordings.recording import Recording, find_recordings, unique
from ..errors import ConfigError
from ..networks.checkpoints import CONFIG_FILE, Checkpoint
from ..progress import Progress, log
from ..randomize.adr import ADR, mean_and_spread
from ..randomize.adr_show import described, table
from ..randomize.log import DecisionLog, read_log
from ..randomize.pages import INK, draw_ranges, fill_in, png, small_pictures
from ..randomize.parameters import Boundary, Suite, load_suite
from ..randomize.ranges import Ranges
from ..settings import to_plain
from ..training.resume import LOCK_FILE, claim
from ..training.run import SNAPSHOTS_FOLDER
from .config import RobustnessConfig
from .eval_idm import doubts
from .labels.checkpoint import load_idm
from .labels.predict import Predictor
from .play.frame_cache import open_tracks, remove_cache
from .randomizing.exam import Answer, Exam
from .randomizing.randomization import Randomization, stopped, usable
from .scores.figures import Figures, plain
from .scores.metrics import Sums
from .train_idm import SETTINGS_FILE

STATE_FILE = "state.json"  # in the folder until all is measured
RESULT_FILE, PAGE = "robustness.json", "robustness.html"
OF_TRAINING = (CONFIG_FILE, SETTINGS_FILE, SNAPSHOTS_FOLDER)
MINUTES = 6.0  # of play that is recorded where none is given: eight recordings of the test maps
CHUNK_MINUTES = 0.75


def robustness(config: RobustnessConfig) -> int:
    """Measure and write; returns the exit code. Raises what the user can fix as VidactError."""
    checkpoint, out = load_idm(config.checkpoint), Path(config.out)
    if held := [name for name in OF_TRAINING if (out / name).exists()]:
        raise ConfigError(
            f"out: {out} is the folder of a training ({held[0]}), whose log of ranges would be "
            f"lost; give one for the measurement, such as {out / 'robustness'}"
        )
    with claim(out):
        measure(config, checkpoint, out)
    (out / LOCK_FILE).unlink(missing_ok=True)
    return 0


def measure(config: RobustnessConfig, checkpoint: Checkpoint, out: Path) -> None:
    """Draw the curves, grow the ranges and write the result."""
    predictor = Predictor.load(checkpoint, device=config.device, threads=config.threads or None)
    suite, spec = load_suite(config.suite or predictor.spec.name), predictor.spec
    recordings = unique(find_recordings(config.data or [played(suite, out)]))
    for line in doubts(checkpoint, recordings, spec):
        log(line)
    suite, left_out = usable(suite, [recordings], spec)
    for line in left_out:
        log(f"Not varied: {line}")
    randomization = Randomization(
        ADR(suite, config.adr, seed=config.seed),
        moves=True,
        spec=spec,
        train=[],
        val=recordings,
        folder=out,
        seed=config.seed,
        processes=config.recorders,
    )
    meter = Meter(config, checkpoint, recordings, randomization)
    cache = out / "cache"
    tracks = [one for one in open_tracks(recordings, spec, cache) if one.phase == 0]
    exam = Exam(
        predictor.model,
        spec,
        predictor.calibration,
        tracks,
        seed=config.seed,
        ticks=config.ticks,
        dtype=predictor.dtype,
    )
    with stopped(randomization):
        meter.draw_curves(exam)
        settled = meter.grow(exam)
    result = meter.write(left_out, settled, spec.axis_names)
    if randomization.fresh is not None:
        randomization.fresh.remove()
    remove_cache(cache)
    for line in table(suite, meter.ranges, meter.decisions):
        log(line)
    log(f"{result['nats']:.3f} nats a dimension: {out / PAGE}")


def played(suite: Suite, out: Path) -> str:
    """Play of the suite's game on maps for tests, recorded where it is not there yet."""
    folder = out / "play"
    if suite.game == "doom":
        from ..games.config import RecordDoomConfig
        from ..games.record_doom import record_doom

        record_doom(
            RecordDoomConfig(
                out=str(folder), maps="test", minutes=MINUTES, chunk_minutes=CHUNK_MINUTES
            )
        )
    elif suite.game == "crafter":
        from ..games.config import RecordCrafterConfig
        from ..games.record_crafter import record_crafter

        record_crafter(RecordCrafterConfig(out=str(folder), minutes=MINUTES, seed=1))
    else:
        raise ConfigError(f"data: suite {suite.name!r} names no game to play: give recordings")
    return str(folder)


class Meter:
    """One measurement, saved as it goes on.

    Args:
        config, checkpoint: what is asked of what.
        recordings: play.
        randomization: the suite, and the game that draws it.
    """

    def __init__(
        self,
        config: RobustnessConfig,
        checkpoint: Checkpoint,
        recordings: Sequence[Recording],
        randomization: Randomization,
    ):
        self.config, self.randomization = config, randomization
        self.out = Path(config.out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.identity = {
            "checkpoint": checkpoint.sha256,
            "suite": randomization.adr.suite.sha256,
            "recordings": sorted(one.sha256 for one in recordings),
            "adr": to_plain(config.adr),
            **{name: getattr(config, name) for name in ("clips", "points", "ticks", "seed")},
        }
        self.points: list[dict[str, Any]] = []
        self._resume()
        adr = randomization.adr
        self._log = DecisionLog(
            self.out,
            Ranges.of_share(adr.suite, 0.0),
            config.adr.delta,
            resume_step=adr.tests,
        )
        self.decisions = read_log(self.out)[2]

    @property
    def ranges(self) -> Ranges:
        return self.randomization.adr.ranges

    @property
    def moving(self) -> list[Boundary]:
        """The boundaries of which the newest decision, if there is one, moved them out."""
        newest = {Boundary(row["parameter"], row["side"]): row["outcome"] for row in self.decisions}
        boundaries = self.ranges.boundaries()
        return [one for one in boundaries if newest.get(one, "widened") == "widened"]

    def draw_curves(self, exam: Exam) -> None:
        """Measure every point of every parameter's curve that is not measured yet."""
        suite, config = self.randomization.adr.suite, self.config
        wanted = [
            (name, place)
            for name, parameter in suite.parameters.items()
            for place in places_of(parameter.ends, config.points)
        ]
        done = {(point["parameter"], point["lambda"]) for point in self.points}
        with Progress("Drawing curves", total=len(wanted), unit="points") as progress:
            progress.resume_at(len(done))
            nominal = next((p for p in self.points if not p["lambda"]), None)
            for name, place in wanted:
                if (name, place) in done:
                    continue
                if place == 0 and nominal is not None:
                    point = dict(nominal)  # play as recorded is the same for all
                else:
                    places = [{name: place}] * config.clips
                    point = measured(self.randomization.ask(exam, 0, places), exam)
                    nominal = nominal or (point if place == 0 else None)
                value = suite.parameters[name].value(place)
                self.points.append(
                    point | {"parameter": name, "lambda": place, "value": round(value, 6)}
                )
                self._save()
                progress.advance(1, parameter=name)

    def grow(self, exam: Exam) -> bool:
        """Test boundaries until each has stopped; whether they have."""
        adr, most = self.randomization.adr, self.config.max_tests
        with Progress("Growing ranges", total=most, unit="tests") as progress:
            progress.resume_at(adr.tests)
            while adr.tests < most:
                moving = self.moving
                if not moving:
                    return True
                decision = self.randomization.test(exam)
                if decision is not None:
                    self._log.write(adr.tests, 0.0, decision)
                    self.decisions.append({"step": adr.tests, **decision.to_dict()})
                self._save()
                progress.advance(1, nats=round(adr.nats, 3), moving=len(moving))
        return False

    def write(self, left_out: Sequence[str], settled: bool, axes: Sequence[str]) -> dict[str, Any]:
        """Write the result and its page; the state is not needed any more."""
        adr, config = self.randomization.adr, self.config
        ranges = described(adr.suite, self.ranges, self.decisions)
        points = sorted(
            self.points,
            key=lambda one: (list(adr.suite.parameters).index(one["parameter"]), one["lambda"]),
        )
        nominal = next((p["score"] for p in points if not p["lambda"]), None)
        result = {
            "checkpoint": config.checkpoint,
            **self.identity,
            "suite": to_plain(adr.suite),
            "left_out": list(left_out),
            "nominal": nominal,
            "nats": round(adr.nats, 6),
            "settled": settled,
            "ranges": ranges,
            "curves": points,
            "tests": adr.tests,
        }
        text = json.dumps(result, indent=1) + "\n"
        storage.write_atomic(self.out / RESULT_FILE, text.encode())
        first = Ranges.of_share(adr.suite, 0.0)
        page = fill_in(
            PAGE,
            name=config.checkpoint,
            suite=adr.suite,
            nats=adr.nats,
            widen=config.adr.widen,
            nominal=nominal,
            left_out=left_out,
            clips=config.clips,
            curves=draw_curves(adr.suite, points),
            points=points,
            axes=axes,
            decisions=len(self.decisions),
            settled=settled,
            ranges=ranges,
            picture=draw_ranges(first, self.decisions),
        )
        storage.write_atomic(self.out / PAGE, page.encode())
        (self.out / STATE_FILE).unlink(missing_ok=True)
        return result

    def _save(self) -> None:
        state = {
            "identity": self.identity,
            "points": self.points,
            "randomization": self.randomization.state_dict(),
        }
        storage.write_atomic(self.out / STATE_FILE, json.dumps(state).encode())

    def _resume(self) -> None:
        path = self.out / STATE_FILE
        if not path.is_file():
            return
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            same = state["identity"] == self.identity
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{path} is damaged: remove it to measure anew") from None
        if not same:
            raise ConfigError(
                f"out: {self.out} holds a measurement of another model, play or settings; "
                "give another --out, or remove it first"
            )
        self.points = state["points"]
        self.randomization.load_state_dict(state["randomization"])
        log(f"Resuming: {len(self.points)} points, {self.randomization.adr.tests} tests are done")


def places_of(ends: tuple[float, float], points: int) -> list[float]:
    """Lambda of a curve's points: 0, and so many evenly up to each limit that there is."""
    low = [round(ends[0] * i / points, 9) for i in range(points, 0, -1) if ends[0]]
    high = [round(ends[1] * i / points, 9) for i in range(1, points + 1) if ends[1]]
    return [*low, 0.0, *high]


def measured(answers: Sequence[Answer], exam: Exam) -> dict[str, Any]:
    """The figures of some clips."""
    mean, spread = mean_and_spread([answer.score for answer in answers])
    sums = [Sums.of(answer.labelling, answer.truth, exam.spec) for answer in answers]
    figures = Figures.over(sums, exam.spec)
    r2 = zip(exam.spec.axis_names, figures.motion_r2[0], strict=True)
    return {
        "score": round(mean, 6),
        "interval": [round(mean - spread, 6), round(mean + spread, 6)],
        "keypress_accuracy": plain(figures.headline["keypress_accuracy"][0]),
        "mouse_r2": {axis: plain(value) for axis, value in r2},
    }


def draw_curves(suite: Suite, points: Sequence[Mapping[str, Any]]) -> str:
    """Score over value, a small picture for each parameter, as a PNG in a data URI."""
    figure, places = small_pictures(len(suite.parameters))
    for place, (name, parameter) in zip(places, suite.parameters.items(), strict=False):
        own = [point for point in points if point["parameter"] == name]
        values, scores = [p["value"] for p in own], [p["score"] for p in own]
        low, high = ([p["interval"][side] for p in own] for side in (0, 1))
        place.fill_between(values, low, high, color=INK, alpha=0.2, linewidth=0)
        place.plot(values, scores, "o-", color=INK, markersize=3)
        place.axvline(parameter.nominal, color="0.5", linestyle=":", linewidth=1)
        if parameter.scale == "log":
            place.set_xscale("log")
        place.set_ylim(0, 1)
        place.set_title(f"{name} ({parameter.unit})" if parameter.unit else name, fontsize=9)
    return png(figure)
