"""The verb `import owamcap`: recordings of Open World Agents (ocap, D2E) in our format.

In come mcap files with the messages of screen, keyboard, mouse and window, and the video beside
each; out come recordings, and a report of what was mended, what was left out and why. What was
imported before, under whatever name, is not done again.

The video is encoded again, not copied: line i has to belong to frame i, and the recorder's video
has an unequal rate, pictures that no message speaks of, sound, and formats that are slow to decode.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import storage
from ..errors import RecordingError, VidactError, VideoError
from ..machine import cores
from ..progress import Progress
from .actions.spec import FrameSpec
from .formats.config import ImportOwamcapConfig
from .formats.outcomes import Outcome, write_report
from .formats.owamcap_lines import Devices, lines
from .formats.owamcap_messages import KINDS, METADATA, McapFile, require_mcap
from .formats.owamcap_origin import Origin
from .formats.owamcap_sources import Source, find_license, find_sources, find_video
from .formats.owamcap_survey import FramePlan, Survey, lay_out, survey
from .recordings.chosen_spec import chosen_fps, named_spec
from .recordings.writer import RecordingWriter
from .video.frames import DamageError, decode_frames
from .video.probe import VideoProbe, probe

IMPORTER_VERSION = 1
DEFAULT_FPS = Fraction(20)  # without a spec: what `spec infer` takes of faster play
MIN_S = 1.0  # less teaches nothing
# Close to the eye's limit; imported once and decoded often, so small files are worth their time.
ENCODER = {"preset": "veryfast", "crf": "18", "g": "120"}


@dataclass(slots=True)
class Imported:
    """What lies in the folder that is written to, by the hash of the mcap file it is of."""

    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """The hash of what each name is of."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def in_folder(cls, out: Path) -> Imported:
        """Look at the meta files of the recordings in a folder."""
        found = cls()
        for path in out.rglob("*.meta.json"):
            stem = path.name.removesuffix(".meta.json")
            if path.name.startswith(".") or not (path.parent / f"{stem}.jsonl").is_file():
                continue
            try:
                meta = json.loads(path.read_bytes())
                digest = str(meta["source_sha256"])
            except (OSError, ValueError, KeyError, TypeError):
                continue  # of another verb, or damaged: then it is no import of ours
            found.settings[digest] = meta.get("import_settings", {})
            found.names[(path.parent / stem).relative_to(out).as_posix()] = digest
        return found

    def claim(self, name: str, digest: str, settings: dict[str, Any]) -> str | None:
        """Return a free name for a file; None where it is there already.

        Raises RecordingError where it is there as other settings made it.
        """
        with self.lock:
            if digest in self.settings:
                if self.settings[digest] != settings:
                    raise RecordingError(
                        "it was imported with other settings before: choose another --out"
                    )
                return None
            if name in self.names:
                name = f"{name}-{digest[:8]}"
            self.settings[digest], self.names[name] = settings, digest
            return name


def import_owamcap(config: ImportOwamcapConfig) -> int:
    """Import all files, print what happened and write OUT/import_report.json."""
    require_mcap()
    sources = find_sources(config.files)
    fps = chosen_fps(config.fps, config.spec) or DEFAULT_FPS
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    imported = Imported.in_folder(out)
    with (
        ThreadPoolExecutor(config.threads or cores()) as pool,
        Progress("Importing", total=len(sources), unit="recordings") as progress,
    ):
        outcomes = list(
            pool.map(lambda source: _Import(source, config, fps, imported, progress).run(), sources)
        )
    return write_report(out, outcomes, strict=config.strict)


class _Import:
    """The import of one file."""

    def __init__(
        self,
        source: Source,
        config: ImportOwamcapConfig,
        fps: Fraction,
        imported: Imported,
        progress: Progress,
    ):
        self.source, self.config, self.fps = source, config, fps
        self.imported, self.progress = imported, progress
        self.outcome = Outcome(source.name)
        self.settings = {
            "importer": IMPORTER_VERSION,
            "fps": str(fps),
            "height": config.height,
            "window": config.window,
            "any_window": config.any_window,
        }
        self.origin = Origin()
        self._told = 0.0

    def run(self) -> Outcome:
        """Import the file; what cannot be is told in the outcome, never raised."""
        try:
            self._run()
        except VideoError as error:
            self.outcome.leave_out(error.reason, error.detail)
        except FileNotFoundError as error:
            self.outcome.leave_out("missing_video", str(error))
        except VidactError as error:
            self.outcome.leave_out("bad_recording", str(error))
        except OSError as error:
            self.outcome.leave_out("cannot_open", str(error))
        self._advance(1.0)
        self.outcome.mended = +self.outcome.mended  # without the quirks that it does not have
        return self.outcome

    def _run(self) -> None:
        path, mended = self.source.path, self.outcome.mended
        digest = storage.sha256_file(path)
        if self.imported.settings.get(digest) == self.settings:
            self.outcome.status = "present"
            return
        file = McapFile(path)
        found = survey(file, mended)
        mended["cut_short"] += bool(file.cut_short)
        if not found.times_ns:
            why = f": it is cut short ({file.cut_short})" if file.cut_short else ""
            raise RecordingError(f"{path}: no picture in it{why}")
        self.origin = Origin.read((file.metadata or {}).get(METADATA, {}))
        if self.origin.fps and not (self.config.fps or self.config.spec):
            self.fps = self.origin.fps
        video = probe(find_video(path, found.videos, mended), sha256=False)
        plan = lay_out(found, video, self.fps, mended)
        title = self.config.window or self.origin.window
        window = None if self.config.any_window else found.window(title)
        if len(plan.picture) < MIN_S * self.fps:
            raise VideoError("too_short", path, f"{len(plan.picture)} frames, not a second")
        name = self.imported.claim(self.source.name, digest, self.settings)
        if name is None:
            self.outcome.status = "present"
            return
        try:
            self._write(file, found, video, plan, window=window, name=name, digest=digest)
        except BaseException:
            with self.imported.lock:  # the same file under another name may be whole
                del self.imported.settings[digest], self.imported.names[name]
            raise

    def _write(
        self,
        file: McapFile,
        found: Survey,
        video: VideoProbe,
        plan: FramePlan,
        *,
        window: int | None,
        name: str,
        digest: str,
    ) -> None:
        mended = self.outcome.mended
        devices = Devices(found, window, mended)
        states = lines(file.messages(Counter(), KINDS - {"ScreenCaptured"}), plan, devices)
        size = _size(video, self.config.height)
        meta = self._meta(file, found, window, digest)
        writer = RecordingWriter(
            Path(self.config.out, name), fps=self.fps, size=size, meta=meta, encoder=ENCODER
        )
        with writer:
            frames = len(plan.picture)
            try:
                for picture in _pictures(video, FrameSpec(*size), plan):
                    number = writer.num_frames
                    state = replace(next(states), label_source=self.origin.label_source)
                    writer.write(picture, state, {"time_ns": int(plan.start_ns[number])})
                    if number % 64 == 0:
                        self._advance(number / frames)
            except DamageError as error:
                if writer.num_frames < MIN_S * self.fps:
                    raise VideoError("damaged", video.path, str(error)) from error
                mended["frames_lost_to_damage"] = frames - writer.num_frames
            for _ in states:  # what comes after is counted, too
                pass
            writer.meta["mended"] = dict(+mended)
            self.outcome.frames = writer.num_frames

    def _meta(
        self, file: McapFile, found: Survey, window: int | None, digest: str
    ) -> dict[str, Any]:
        config = self.config
        meta: dict[str, Any] = {
            "source": str(self.source.path),
            "source_sha256": digest,
            "source_format": "owamcap",
            "import_settings": self.settings,
            "recorder_version": file.library,
            "group": self.origin.group or self.source.name,
            "label_source": self.origin.label_source,
            "motion": found.motion,
        }
        if window is not None:
            meta["window"] = found.titles.get(window, "")
        license_name = config.license or find_license(self.source, file.metadata or {})
        if license_name:
            meta["license"] = license_name
        return meta | named_spec(config.spec or self.origin.spec)

    def _advance(self, share: float) -> None:
        """Tell that this share of the file is done."""
        with self.imported.lock:
            self.progress.advance(share - self._told)
        self._told = share


def _pictures(video: VideoProbe, size: FrameSpec, plan: FramePlan) -> Iterator[NDArray[np.uint8]]:
    """Yield the picture of each frame of the plan, uint8 [h, w, 3]. Raises DamageError."""
    number, frames = 0, len(plan.picture)
    for index, picture in decode_frames(video, size, np.unique(plan.picture)):
        while number < frames and plan.picture[number] == index:
            yield picture
            number += 1


def _size(video: VideoProbe, height: int) -> tuple[int, int]:
    """Return width and height of the frames: the video's, or made smaller to a height; even."""
    wide, high = video.width, video.height
    if video.rotation in (90, 270):
        wide, high = high, wide
    shrink = min(1.0, height / high) if height else 1.0
    return max(16, round(wide * shrink / 2) * 2), max(16, int(high * shrink) // 2 * 2)
