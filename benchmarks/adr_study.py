"""What automatic domain randomization is worth: `python benchmarks/adr_study.py [WORK] [--list]
[--only CELL …]`.

Three ways to train a `tiny` IDM on scripted play of Doom for as many core-minutes each, three seeds
of each: nothing varied, six parameters drawn from all of their limits, and ADR. All are measured on
tests that were frozen before any of them: play as recorded on maps for tests; sixty settings that
are extreme in one to six parameters; and what none of them models (people's demos in another
engine, VP9 at 150 kbit/s, a letter-box, a face cam, a night filter).

A cell is one recording of play, one training, or the tests of one training: none takes longer than
forty minutes on two cores. A cell that is done is not done again, and a training that was stopped
goes on. Figures go to results/adr_study.json as each cell ends; intervals are over (map, setting),
the same resamplings for all arms.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray
from vidact.datasets.actions.spec import FrameSpec
from vidact.datasets.recordings.recording import Recording, find_recordings
from vidact.datasets.video.probe import probe
from vidact.datasets.video.resize import FrameResizer
from vidact.datasets.video.ticks import decode_ticks
from vidact.games.config import RecordDoomConfig, RecordFreedoomDemosConfig
from vidact.games.doom.maps import TEST_MAPS
from vidact.games.record_doom import record_doom
from vidact.games.record_freedoom_demos import record_freedoom_demos
from vidact.idm.config import TrainIDMConfig
from vidact.idm.eval_idm import label, truth_of
from vidact.idm.labels.predict import Predictor
from vidact.idm.play.frame_cache import open_tracks
from vidact.idm.play.look import ClipLook
from vidact.idm.scores.figures import Figures
from vidact.idm.scores.metrics import Sums
from vidact.idm.train_idm import train_idm
from vidact.randomize.log import read_log
from vidact.randomize.parameters import load_suite
from vidact.training.intervals import bootstrap_weights, interval

ROOT = Path(__file__).parents[1]
SUITE = Path(__file__).with_name("adr_suite.yaml")
RESULT = ROOT / "benchmarks" / "results" / "adr_study.json"
ARMS = {"none": "none", "fixed": "fixed:1", "adr": "adr"}
SEEDS = (0, 1, 2)
CORE_MINUTES = 60.0  # of a training: thirty minutes of two cores
SETTINGS, FAR, NEAR = 60, (0.7, 1.0), 0.3  # lambda of what is extreme, and of the rest
SETTING_SECONDS = 20
SETTINGS_SEED = 20_191  # frozen: of no training
RESAMPLINGS = 1000
GAIN, LOSS = 0.15, 0.02  # of yaw R²: what ADR must win on T1, and may lose on play as recorded
Frames = NDArray[np.uint8]  # [T, H, W, 3]


@dataclass(frozen=True)
class Setting:
    """One frozen setting of T1."""

    number: int
    map: str
    places: dict[str, float]

    @property
    def name(self) -> str:
        return f"setting-{self.number:02d}"


def frozen_settings() -> list[Setting]:
    """The sixty: number i is extreme in 1 + i % 6 parameters, drawn once and for all."""
    suite = load_suite(SUITE)
    generator = np.random.default_rng(SETTINGS_SEED)
    found = []
    for number in range(SETTINGS):
        names = list(suite.parameters)
        far = set(generator.permutation(names)[: 1 + number % len(names)])
        places = {}
        for name in names:
            low, high = suite.parameters[name].ends
            end = low if not high or (low and generator.random() < 0.5) else high
            share = generator.uniform(*FAR) if name in far else generator.uniform(0, NEAR)
            places[name] = round(float(end * share), 4)
        found.append(Setting(number, TEST_MAPS[number % len(TEST_MAPS)], places))
    return found


# ---- cells


class Study:
    """The cells in their order, and what they leave in WORK."""

    def __init__(self, work: Path):
        self.work, self.suite = work, load_suite(SUITE)

    def cells(self) -> dict[str, Callable[[], Any]]:
        """By name, in the order in which they can be done."""
        named: dict[str, Callable[[], Any]] = {
            "play train": lambda: self.play("train", minutes=40, seed=0),
            "play validation": lambda: self.play("validation", minutes=8, seed=1),
            "play test": lambda: self.play("test", minutes=8, seed=2),
            "play settings": self.play_settings,
            "play people": self.play_people,
        }
        for seed in SEEDS:
            for arm in ARMS:
                named[f"train {arm} {seed}"] = lambda arm=arm, seed=seed: self.train(arm, seed)
                named[f"test {arm} {seed}"] = lambda arm=arm, seed=seed: self.test(arm, seed)
        named["compare"] = self.compare
        return named

    def play(self, maps: str, *, minutes: float, seed: int) -> None:
        record_doom(
            RecordDoomConfig(
                out=str(self.work / maps), maps=maps, minutes=minutes, chunk_minutes=0.7, seed=seed
            )
        )

    def play_settings(self) -> None:
        for one in frozen_settings():
            values = self.suite.values(one.places)
            record_doom(
                RecordDoomConfig(
                    out=str(self.work / "settings" / one.name),
                    maps=one.map,
                    minutes=SETTING_SECONDS / 60,
                    seed=1000 + one.number,
                    field_of_view=values["field_of_view"],
                    light=values["light"],
                    fog=values["fog"],
                    mouse_speed=values["turn_speed"],
                )
            )

    def play_people(self) -> None:
        record_freedoom_demos(RecordFreedoomDemosConfig(out=str(self.work / "people")))

    def train(self, arm: str, seed: int) -> dict[str, Any]:
        out = self.work / f"idm-{arm}-{seed}"
        train_idm(
            TrainIDMConfig(
                data=(str(self.work / "train"),),
                val=(str(self.work / "validation"),),
                out=str(out),
                randomize=ARMS[arm],
                suite=str(SUITE),
                core_minutes=CORE_MINUTES,
                cache=str(self.work / "cache"),
                seed=seed,
            )
        )
        config = json.loads((out / "config.json").read_text())
        found: dict[str, Any] = {"steps": config["training"]["steps_done"]}
        if arm == "adr":
            found |= {
                "nats": config["randomize"]["nats"],
                "ranges": config["randomize"]["adr"]["ranges"],
                "decisions": len(read_log(out)[2]),
            }
        return found

    def test(self, arm: str, seed: int) -> dict[str, Any]:
        """Sums of every recording of every test, into WORK; headline figures."""
        torch.set_num_threads(2)
        predictor = Predictor.load(str(self.work / f"idm-{arm}-{seed}"))
        found: dict[str, Any] = {}
        for name, play in self.tests(predictor).items():
            units = [self.judged(predictor, *one) for one in play]
            save_sums(self.work / f"sums-{arm}-{seed}-{name}.npz", units)
            found[name] = headline(Figures.over(units, predictor.spec), predictor)
        return found

    def tests(self, predictor: Predictor) -> dict[str, Iterator[tuple[Recording, Frames]]]:
        """By name, recordings with the frames that the IDM is to see."""
        as_recorded = find_recordings([str(self.work / "test")])
        people = find_recordings([str(self.work / "people")])
        tests = {
            "T0": ((one, plain_frames(one, predictor)) for one in as_recorded),
            "T1": self.settings_seen(predictor),
            "people": ((one, plain_frames(one, predictor)) for one in people),
            "vp9": ((one, as_vp9(one, predictor, self.work)) for one in as_recorded),
        }
        for name, change in UNMODELLED.items():
            tests[name] = (
                (one, change(plain_frames(one, predictor), predictor)) for one in as_recorded
            )
        return tests

    def settings_seen(self, predictor: Predictor) -> Iterator[tuple[Recording, Frames]]:
        for one in frozen_settings():
            found = find_recordings([str(self.work / "settings" / one.name)])
            values = self.suite.values(one.places)
            look = ClipLook(
                {name: values[name] for name in self.suite.acting("capture")},
                (SETTINGS_SEED, one.number),
            )
            for recording in found:
                track = open_tracks([recording], predictor.spec, self.work / "cache", quiet=True)[0]
                yield recording, track.frames(0, track.num_ticks, look=look)

    def judged(self, predictor: Predictor, recording: Recording, frames: Frames) -> Sums:
        truth = truth_of(recording, predictor.spec)
        batches = (frames[i : i + 64] for i in range(0, len(frames), 64))
        return Sums.of(label(predictor, batches, len(truth.valid)), truth, predictor.spec)

    def compare(self) -> dict[str, Any]:
        """ADR less each other arm, on each test: means over seeds, with 95 % intervals over (map,
        setting); and whether the bars are met.
        """
        predictor = Predictor.load(str(self.work / "idm-none-0"))
        outside = self.outside()
        found: dict[str, Any] = {"settings_outside": outside}
        for test in ("T0", "T1", "T1 outside", "people", "vp9", *UNMODELLED):
            picked = outside if test == "T1 outside" else None
            file = test.removesuffix(" outside")
            values = {
                arm: np.mean(
                    [self.resampled(arm, seed, file, picked, predictor) for seed in SEEDS], 0
                )
                for arm in ARMS
            }  # [2, 1 + resamplings]: yaw R² and F1 of common keys
            found[test] = {
                f"adr - {arm}": {
                    figure: {
                        "value": float(difference[0]),
                        "ci95": interval(difference),
                    }
                    for figure, difference in zip(
                        ("yaw R²", "macro F1, common"), values["adr"] - values[arm], strict=True
                    )
                }
                for arm in ("none", "fixed")
            }
        gain = found["T1 outside"]["adr - none"]["yaw R²"]["value"]
        loss = -found["T0"]["adr - none"]["yaw R²"]["value"]
        found["bars"] = {
            f"T1 outside: yaw R² at least {GAIN} above none": gain >= GAIN,
            f"T0: yaw R² at most {LOSS} below none": loss <= LOSS,
        }
        return found

    def outside(self) -> list[int]:
        """The settings that lie beyond what ADR reached with every seed, or are extreme in two
        parameters and more.
        """
        reached = [
            json.loads((self.work / f"idm-adr-{seed}" / "config.json").read_text())["randomize"][
                "adr"
            ]["ranges"]
            for seed in SEEDS
        ]
        return [
            one.number
            for one in frozen_settings()
            if sum(abs(place) >= FAR[0] for place in one.places.values()) > 1
            or all(
                any(not low <= one.places[name] <= high for name, (low, high) in ranges.items())
                for ranges in reached
            )
        ]

    def resampled(
        self, arm: str, seed: int, test: str, picked: list[int] | None, predictor: Predictor
    ) -> NDArray[np.float64]:
        units = load_sums(self.work / f"sums-{arm}-{seed}-{test}.npz")
        if picked is not None:
            units = [units[i] for i in picked]
        weights = bootstrap_weights(len(units), RESAMPLINGS, seed=0)
        stacked = Sums.stack(units)
        rates = stacked.weighted(np.ones((1, len(units)))).press_rates()[0]
        rows = [
            Figures.of(stacked.weighted(some), predictor.spec, rates)
            for some in np.array_split(weights, 100)
        ]
        figures = Figures.concatenate(rows)
        yaw = predictor.spec.axis_names.index("yaw")
        return np.stack([figures.motion_r2[:, yaw], figures.headline["macro_f1_common"]])


# ---- pictures


def plain_frames(recording: Recording, predictor: Predictor) -> Frames:
    return np.concatenate([batch.frames for batch in recording.frames(predictor.spec)])


def as_vp9(recording: Recording, predictor: Predictor, work: Path) -> Frames:
    """The same video at 150 kbit/s, at the size it was recorded in."""
    path = work / "vp9" / f"{recording.sha256[:16]}.webm"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".half.webm")
        with av.open(str(recording.path)) as source, av.open(str(half), "w") as target:
            stream = target.add_stream(
                "libvpx-vp9",
                rate=Fraction(recording.fps),
                options={"b": "150k", "deadline": "realtime", "cpu-used": "5"},
            )
            stream.width, stream.height = recording.video.width, recording.video.height
            stream.pix_fmt = "yuv420p"
            for frame in source.decode(video=0):
                frame.pict_type = av.video.frame.PictureType.NONE
                target.mux(stream.encode(frame))
            target.mux(stream.encode(None))
        half.rename(path)
    spec = predictor.spec
    video = probe(path)
    ticks = recording.num_ticks(spec)
    frames = np.concatenate(
        [one.frames for one in decode_ticks(path, spec.frame, spec.tick_hz, probe=video)]
    )
    return np.concatenate([frames, frames[-1:].repeat(max(0, ticks - len(frames)), 0)])[:ticks]


def letter_boxed(frames: Frames, predictor: Predictor) -> Frames:
    """A 4:3 picture between black bars at both sides of a 21:9 one that was made 4:3 again."""
    height, width = frames.shape[1:3]
    inner = round(width * (4 / 3) / (21 / 9) / 2) * 2
    resizer, out = FrameResizer(FrameSpec(inner, height)), np.zeros_like(frames)
    left = (width - inner) // 2
    for i, frame in enumerate(frames):
        out[i, :, left : left + inner] = resizer.from_rgb(frame)
    return out


def face_cam(frames: Frames, predictor: Predictor) -> Frames:
    """A photograph of a face in a corner, a quarter of each side, that nods a little."""
    with av.open(str(ROOT / "idm" / "in_game" / "pictures" / "astronaut.jpg")) as file:
        photo = next(file.decode(video=0)).to_ndarray(format="rgb24")
    height, width = frames.shape[1] // 4, frames.shape[2] // 4
    face, out = FrameResizer(FrameSpec(width, height)).from_rgb(photo), frames.copy()
    for i in range(len(out)):
        out[i, :height, -width:] = np.roll(face, round(2 * np.sin(i / 5)), axis=0)
    return out


def night_filter(frames: Frames, predictor: Predictor) -> Frames:
    """The warm light that screens have in the evening."""
    return (frames * np.array([1.0, 0.72, 0.42])).astype(np.uint8)


UNMODELLED: dict[str, Callable[[Frames, Predictor], Frames]] = {
    "letter-box": letter_boxed,
    "face cam": face_cam,
    "night filter": night_filter,
}


# ---- figures


def headline(figures: Figures, predictor: Predictor) -> dict[str, float]:
    shown = {name: figures.headline[name][0] for name in ("keypress_accuracy", "macro_f1_common")}
    yaw = predictor.spec.axis_names.index("yaw")
    shown["yaw R²"] = figures.motion_r2[0, yaw]
    return {name: round(float(value), 4) for name, value in shown.items()}


def save_sums(path: Path, units: list[Sums]) -> None:
    stacked = Sums.stack(units)
    np.savez_compressed(path, **{f.name: getattr(stacked, f.name) for f in fields(Sums)})


def load_sums(path: Path) -> list[Sums]:
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    count = len(arrays["ticks"])
    return [Sums(**{name: array[i] for name, array in arrays.items()}) for i in range(count)]


def write(result: Mapping[str, Any]) -> None:
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", nargs="?", type=Path, default=ROOT / "runs" / "adr-study")
    parser.add_argument("--only", nargs="+", default=["*"], help="cells, such as 'train adr *'")
    parser.add_argument(
        "--list", action="store_true", help="say what the cells are, and which ended"
    )
    options = parser.parse_args()
    result = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    result.setdefault("settings", [one.places for one in frozen_settings()])
    done = result.setdefault("cells", {})
    for name, cell in Study(options.work).cells().items():
        if options.list:
            print(f"{'done' if name in done else '    '}  {name}")
        elif name not in done and any(fnmatch.fnmatch(name, one) for one in options.only):
            print(f"== {name}", flush=True)
            done[name] = cell() or {}
            write(result)


if __name__ == "__main__":
    main()
