"""The verb `import owamcap`: recordings of Open World Agents (ocap, D2E) in our format.

In come mcap files with the messages of screen, keyboard, mouse and window, and the video beside
each; out come recordings, and a report of what was mended, what was left out and why. What was
imported before, under whatever name, is not done again.

The video is encoded again, not copied: line i has to belong to frame i, and the recorder's video
has an unequal rate, pictures that no message speaks of, sound, and formats that are slow to decode.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from .. import storage
from ..errors import RecordingError
from ..progress import Progress
from .actions.spec import FrameSpec
from .formats.config import ImportOwamcapConfig
from .formats.import_threads import import_threads
from .formats.imported import Imported, import_folder
from .formats.outcomes import Outcome, write_report
from .formats.owamcap_lines import Devices, lines
from .formats.owamcap_messages import KINDS, METADATA, McapFile, require_mcap
from .formats.owamcap_origin import Origin
from .formats.owamcap_sources import Source, find_license, find_sources, find_video
from .formats.owamcap_survey import FramePlan, Survey, lay_out, survey
from .formats.pictures import (
    ENCODER,
    MIN_S,
    frame_size,
    pictures,
    require_long_enough,
    until_damage,
)
from .recordings.chosen_spec import chosen_fps, named_spec
from .recordings.writer import RecordingWriter
from .video.probe import VideoProbe, probe

IMPORTER_VERSION = 1
DEFAULT_FPS = Fraction(20)  # without a spec: what `spec infer` takes of faster play


def import_owamcap(config: ImportOwamcapConfig) -> int:
    """Import all files, print what happened and write OUT/import_report.json."""
    require_mcap()
    sources = find_sources(config.files)
    fps = chosen_fps(config.fps, config.spec) or DEFAULT_FPS
    with import_folder(config.out) as out:
        imported = Imported.in_folder(out)
        with (
            import_threads(config.threads) as pool,
            Progress("Importing", total=len(sources), unit="recordings") as progress,
        ):
            outcomes = list(
                pool.map(
                    lambda source: _Import(source, config, fps, imported, progress).run(), sources
                )
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
        with self.outcome.telling("bad_recording", missing="missing_video"):
            self._run()
        self._advance(1.0)
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
        require_long_enough(path, len(plan.picture), self.fps)
        name = self.imported.claim(self.source.name, digest, self.settings)
        if name is None:
            self.outcome.status = "present"
            return
        try:
            self._write(file, found, video, plan, window=window, name=name, digest=digest)
        except BaseException:
            self.imported.forget(name, digest)  # the same file of another name may be whole
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
        size = frame_size(video, self.config.height)
        meta = self._meta(file, found, window, digest)
        writer = RecordingWriter(
            Path(self.config.out, name), fps=self.fps, size=size, meta=meta, encoder=ENCODER
        )
        with writer:
            frames, least = len(plan.picture), MIN_S * self.fps
            with until_damage(writer, video, self.outcome, frames=frames, least=least):
                for picture in pictures(video, FrameSpec(*size), plan.picture):
                    number = writer.num_frames
                    state = replace(next(states), label_source=self.origin.label_source)
                    writer.write(picture, state, {"time_ns": int(plan.start_ns[number])})
                    if number % 64 == 0:
                        self._advance(number / frames)
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
