"""The play of `adr_study.py`, and its tests, which were frozen before any of its trainings:
`python benchmarks/adr_tests.py [WORK] [--freeze]`.

All of it is recorded from fixed seeds, so that it need not be kept: `adr_tests.json` says the
digest of each recording, and of what an IDM is shown of the first recording of each test. Where
one differs nothing is trained or measured. `--freeze` writes that file anew, after which figures of
before count no more.

Tests: T0 is play as recorded on maps for tests; T1 sixty settings that are extreme in one to six
parameters; the others are what no training models: people's demos in another engine, VP9 at 150
kbit/s, a letter-box, a face cam, a night filter. The demos' maps are played by script in training.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from vidact.datasets.actions.spec import ActionSpec, FrameSpec
from vidact.datasets.recordings.recording import Recording, find_recordings
from vidact.datasets.video.probe import probe
from vidact.datasets.video.resize import FrameResizer
from vidact.datasets.video.ticks import decode_ticks
from vidact.games.config import RecordDoomConfig, RecordFreedoomDemosConfig
from vidact.games.doom.maps import TEST_MAPS
from vidact.games.doom.tracks import SUFFIX
from vidact.games.record_doom import Chunk, chunk_meta, record_chunk, record_doom
from vidact.games.record_freedoom_demos import record_freedoom_demos
from vidact.games.recorder import Wanted, record_missing
from vidact.idm.play.frame_cache import open_tracks
from vidact.idm.play.look import ClipLook
from vidact.randomize.parameters import Suite, load_suite

ROOT = Path(__file__).parents[1]
SUITE = Path(__file__).with_name("adr_suite.yaml")
FROZEN = Path(__file__).with_name("adr_tests.json")
FACE = ROOT / "idm" / "in_game" / "pictures" / "astronaut.jpg"
PLAY = {"train": (40.0, 0), "validation": (8.0, 1), "test": (8.0, 2)}  # minutes, seed
CHUNK_MINUTES = 0.7
SETTINGS, FAR, NEAR = 60, (0.7, 1.0), 0.3  # lambda of what is extreme, and of the rest
SETTING_TICS = 20 * 35
SETTINGS_SEED = 20_191  # of no training
SMALL_DEMO = "freedoom2-DEMO1"  # where everything is tiny
UNMODELLED = ("people", "vp9", "letter-box", "face cam", "night filter")
TESTS = ("T0", "T1", *UNMODELLED)
Frames = NDArray[np.uint8]  # [T, H, W, 3]
Seen = Iterator[tuple[Recording, Frames]]


@dataclass(frozen=True)
class Setting:
    """One frozen setting of T1."""

    number: int
    map: str
    places: dict[str, float]

    @property
    def name(self) -> str:
        return f"setting-{self.number:02d}"

    @property
    def extreme(self) -> int:
        """In how many parameters it is extreme."""
        return sum(abs(place) >= FAR[0] for place in self.places.values())


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


@dataclass(frozen=True)
class StudyPlay:
    """All play of the study, in WORK.

    `scale` below 1 makes everything tiny, to see that it runs; it is frozen in WORK then, when it
    is recorded first.
    """

    work: Path
    scale: float = 1.0

    @cached_property
    def suite(self) -> Suite:
        return load_suite(SUITE)

    @cached_property
    def spec(self) -> ActionSpec:
        return ActionSpec.load("doom")

    @cached_property
    def settings(self) -> list[Setting]:
        return frozen_settings()[: max(4, round(SETTINGS * self.scale))]

    @property
    def cache(self) -> Path:
        return self.work / "cache"

    @property
    def frozen(self) -> Path:
        return FROZEN if self.scale == 1 else self.work / FROZEN.name

    def folder(self, name: str) -> Path:
        return self.work / "play" / name

    def record(self) -> None:
        """Make what is missing of all play."""
        for name, (minutes, seed) in PLAY.items():
            longest = max(0.1, CHUNK_MINUTES * min(1, 10 * self.scale))
            record_doom(
                RecordDoomConfig(
                    out=str(self.folder(name)),
                    maps=name,
                    minutes=max(4 * longest, minutes * self.scale),
                    chunk_minutes=longest,
                    seed=seed,
                )
            )
        record_missing(
            "Recording settings",
            record_setting,
            [self._wanted(one) for one in self.settings],
            out=self.folder("settings"),
            jobs=0,
            more_suffixes=(SUFFIX,),
        )
        demos = "all" if self.scale == 1 else SMALL_DEMO
        record_freedoom_demos(
            RecordFreedoomDemosConfig(out=str(self.folder("people")), demos=demos)
        )

    def _wanted(self, setting: Setting) -> Wanted:
        out, values = self.folder("settings"), self.suite.values(setting.places)
        config = RecordDoomConfig(
            out=str(out),
            maps=setting.map,
            seed=1000 + setting.number,
            field_of_view=values["field_of_view"],
            light=values["light"],
            fog=values["fog"],
            mouse_speed=values["turn_speed"],
        )
        # Not the first recording of its map: that would begin where all others do.
        tics = max(140, round(SETTING_TICS * min(1, 10 * self.scale)))
        chunk = Chunk(setting.map, 1, config.seed, tics)
        item = (chunk, out, config, setting.name)
        return Wanted(out / setting.name, chunk.tics, chunk_meta(chunk, config), item)

    def of(self, name: str) -> list[Recording]:
        """The recordings of a folder, by name."""
        found = find_recordings([str(self.folder(name))])
        return sorted(found, key=lambda recording: recording.name)

    # ---- tests

    def seen(self, test: str) -> Seen:
        """The recordings of a test, with the frames that the IDM is to see."""
        if test == "T1":
            yield from self._settings_seen()
        elif test == "people":
            yield from ((one, self._plain(one)) for one in self.of("people"))
        elif test == "vp9":
            yield from ((one, self._as_vp9(one)) for one in self.of("test"))
        else:
            change = CHANGES.get(test, lambda frames: frames)
            yield from ((one, change(self._plain(one))) for one in self.of("test"))

    def _settings_seen(self) -> Seen:
        recordings = {one.name: one for one in self.of("settings")}
        for setting in self.settings:
            recording, values = recordings[setting.name], self.suite.values(setting.places)
            captured = {name: values[name] for name in self.suite.acting("capture")}
            look = ClipLook(captured, (SETTINGS_SEED, setting.number))
            track = open_tracks([recording], self.spec, self.cache, quiet=True)[0]
            yield recording, track.frames(0, track.num_ticks, look=look)

    def _plain(self, recording: Recording) -> Frames:
        return np.concatenate([batch.frames for batch in recording.frames(self.spec)])

    def _as_vp9(self, recording: Recording) -> Frames:
        """The same video at 150 kbit/s, at the size it was recorded in."""
        path = self.work / "vp9" / f"{recording.sha256[:16]}.webm"
        if not path.exists():
            encode_vp9(recording, path)
        ticks = recording.num_ticks(self.spec)
        batches = decode_ticks(path, self.spec.frame, self.spec.tick_hz, probe=probe(path))
        frames = np.concatenate([one.frames for one in batches])
        return np.concatenate([frames, frames[-1:].repeat(max(0, ticks - len(frames)), 0)])[:ticks]

    # ---- what is frozen

    def described(self) -> dict[str, Any]:
        """What is drawn and what it means."""
        return {
            "suite": self.suite.sha256,
            "spec": self.spec.sha256,
            "settings": [{"map": one.map, **one.places} for one in self.settings],
        }

    def digests(self) -> dict[str, Any]:
        """What decides all figures: settings, recordings, and what is shown of them."""
        return {
            **self.described(),
            "recordings": {
                f"{folder}/{one.name}": f"{one.sha256[:16]}-{one.labels_sha256[:16]}"
                for folder in (*PLAY, "settings", "people")
                for one in self.of(folder)
            },
            "shown": {test: digest_of(next(self.seen(test))[1]) for test in TESTS},
        }

    def require_frozen(self) -> str:
        """Record what is missing and return the digest of what is frozen.

        Raises SystemExit where anything is not what was frozen.
        """
        self.record()
        found = self.digests()
        if self.scale != 1 and not self.frozen.exists():
            self.freeze(found)
        if not self.frozen.exists():
            raise SystemExit(f"{self.frozen} is missing: `python {__file__} --freeze` writes it")
        text = self.frozen.read_text(encoding="utf-8")
        if not json.loads(text).get("recordings"):
            raise SystemExit(f"{self.frozen} has no recordings yet: `--freeze` and commit it first")
        if others := differences(json.loads(text), found):
            raise SystemExit(
                f"{len(others)} parts of the play are not what was frozen in {self.frozen} "
                f"({', '.join(others[:4])}): another engine, encoder or code? Nothing is measured"
            )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def freeze(self, found: dict[str, Any]) -> None:
        """Write what is frozen."""
        text = json.dumps(found, indent=1, sort_keys=True) + "\n"
        self.frozen.write_text(text, encoding="utf-8")


def differences(frozen: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What of two descriptions of all play is not the same, by name."""
    others = []
    for key in sorted(frozen.keys() | found.keys()):
        one, other = frozen.get(key), found.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            names = sorted(one.keys() | other.keys())
            others += [f"{key} {name}" for name in names if one.get(name) != other.get(name)]
        elif one != other:
            others.append(key)
    return others


def record_setting(item: tuple[Chunk, Path, RecordDoomConfig, str]) -> Iterator[int]:
    """Make the recording of a setting, in a process."""
    chunk, out, config, name = item
    return record_chunk(chunk, out, config, name=name)


def digest_of(frames: Frames) -> str:
    """Of what an IDM is shown."""
    return hashlib.sha256(np.ascontiguousarray(frames).data).hexdigest()[:16]


# ---- pictures


def encode_vp9(recording: Recording, path: Path) -> None:
    """Write the video of a recording at 150 kbit/s."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half.webm")
    with av.open(str(recording.path)) as source, av.open(str(half), "w") as target:
        stream = target.add_stream(
            "libvpx-vp9",
            rate=Fraction(recording.fps),
            # One thread and a fixed speed: the same video gives the same bytes.
            options={"b": "150k", "deadline": "good", "cpu-used": "5", "threads": "1"},
        )
        stream.width, stream.height = recording.video.width, recording.video.height
        stream.pix_fmt = "yuv420p"
        for frame in source.decode(video=0):
            frame.pict_type = av.video.frame.PictureType.NONE
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    half.rename(path)


def letter_boxed(frames: Frames) -> Frames:
    """A 4:3 picture between black bars at both sides of a 21:9 one that was made 4:3 again."""
    height, width = frames.shape[1:3]
    inner = round(width * (4 / 3) / (21 / 9) / 2) * 2
    resizer, out = FrameResizer(FrameSpec(inner, height)), np.zeros_like(frames)
    left = (width - inner) // 2
    for i, frame in enumerate(frames):
        out[i, :, left : left + inner] = resizer.from_rgb(frame)
    return out


def face_cam(frames: Frames) -> Frames:
    """A photograph of a face in a corner, a quarter of each side, that nods a little."""
    with av.open(str(FACE)) as file:
        photo = next(file.decode(video=0)).to_ndarray(format="rgb24")
    height, width = frames.shape[1] // 4, frames.shape[2] // 4
    face, out = FrameResizer(FrameSpec(width, height)).from_rgb(photo), frames.copy()
    for i in range(len(out)):
        out[i, :height, -width:] = np.roll(face, round(2 * np.sin(i / 5)), axis=0)
    return out


def night_filter(frames: Frames) -> Frames:
    """The warm light that screens have in the evening."""
    return (frames * np.array([1.0, 0.72, 0.42])).astype(np.uint8)


CHANGES: dict[str, Callable[[Frames], Frames]] = {
    "letter-box": letter_boxed,
    "face cam": face_cam,
    "night filter": night_filter,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", nargs="?", type=Path, default=ROOT / "runs" / "adr_study")
    parser.add_argument("--freeze", action="store_true", help="write adr_tests.json anew")
    options = parser.parse_args()
    play = StudyPlay(options.work)
    if options.freeze:
        play.record()
        play.freeze(play.digests())
    print(f"All play is as it was frozen: {play.require_frozen()}")


if __name__ == "__main__":
    main()
