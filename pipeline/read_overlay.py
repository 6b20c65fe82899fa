"""`vidact read-overlay`: video with keys drawn on it ► recordings of what was pressed.

Find the layouts ► read each frame, film it without them ► ask an IDM for the delay, and where the
overlay stood still ► recordings (`label_source: overlay`), and a report of what was left out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.actions.devices import MOUSE, DeviceState, by_device
from ..datasets.actions.spec import ActionSpec
from ..datasets.formats.imported import Imported
from ..datasets.formats.outcomes import Outcome, write_report
from ..datasets.recordings.chosen_spec import named_spec
from ..datasets.recordings.writer import SUFFIXES, put_in_place
from ..datasets.video.probe import probe
from ..datasets.video.ticks import decode_ticks, num_ticks
from ..datasets.video.timing import frame_slots, tick_times_ns
from ..idm.labels.checkpoint import load_idm
from ..idm.labels.predict import Predictor
from ..progress import Progress, log
from .labelling.source_files import SourceFiles
from .overlays.config import ReadOverlayConfig
from .overlays.files import load_layouts
from .overlays.layout import Layout
from .overlays.timing import Delay, buttons_of, find_delay, frozen, moved
from .overlays.video import OverlayVideo, Read
from .planning.sources import Source, find_sources

READER_VERSION = 1


def read_overlay(config: ReadOverlayConfig) -> int:
    """Read all videos, print what happened and write OUT/import_report.json; the exit code."""
    if config.spec:
        ActionSpec.load(config.spec)
    layouts = load_layouts(config.layout)
    sources = find_sources(config.videos)
    checkpoint = load_idm(config.idm) if config.idm else None
    predictor = Predictor.load(checkpoint) if checkpoint else None
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    imported = Imported.in_folder(out)
    files = SourceFiles()
    outcomes = []
    try:
        with Progress("Reading overlays", unit="frames") as progress:
            for source in sources:
                one = _Reading(
                    source,
                    config,
                    layouts=layouts,
                    predictor=predictor,
                    imported=imported,
                    progress=progress,
                )
                outcomes.append(one.run(files))
    finally:
        files.close()
    return write_report(out, outcomes, strict=config.strict)


class _Reading:
    """The reading of one video."""

    def __init__(
        self,
        source: Source,
        config: ReadOverlayConfig,
        *,
        layouts: Sequence[Layout],
        predictor: Predictor | None,
        imported: Imported,
        progress: Progress,
    ):
        self.source, self.config, self.layouts = source, config, layouts
        self.predictor, self.imported, self.progress = predictor, imported, progress
        self.outcome = Outcome(source.name)
        self.settings = {
            "reader": READER_VERSION,
            "layouts": [layout.sha256 for layout in layouts],
            "idm": predictor.sha256 if predictor else "",
            "delay_frames": config.delay_frames,
            "height": config.height,
            "frozen_seconds": config.frozen_seconds,
            "sure": config.sure,
            "min_score": config.min_score,
        }

    def run(self, files: SourceFiles) -> Outcome:
        """Read the video; what cannot be is told in the outcome, never raised."""
        with self.outcome.telling("bad_video"), files.open(self.source.uri) as file:
            self._run(file.path)
        return self.outcome

    def _run(self, path: Path) -> None:
        video = OverlayVideo(path, self.config.decoder, self.config.height)
        try:
            digest = video.facts.sha256
            if self.imported.settings.get(digest) == self.settings:
                self.outcome.status = "present"
                return
            found = video.find(self.layouts, self.config.min_score)
            name = self.imported.claim(self.source.name, digest, self.settings)
            if name is None:
                self.outcome.status = "present"
                return
            stem = Path(self.config.out, name)
            try:
                with tempfile.TemporaryDirectory(
                    prefix=".read-overlay-", dir=self.config.out
                ) as room:
                    parts = {suffix: Path(room, f"new{suffix}") for suffix in SUFFIXES}
                    read = video.read(found, parts[".mp4"], stem, self.progress.advance)
                    self._write(read, digest, stem, parts)
            except BaseException:  # the same video under another name may be whole
                self.imported.forget(name, digest)
                raise
        finally:
            video.close()

    def _write(self, read: Read, digest: str, stem: Path, parts: dict[str, Path]) -> None:
        """Turn what was read into labels, and put the recording in place."""
        held = read.probability > 0.5
        seen = None
        if self.predictor:
            seen = _Seen(self.predictor, parts[".mp4"], read.names)
        delay = Delay(self.config.delay_frames, None, False)
        if seen and (told := find_delay(seen.columns(held), seen.said, seen.starts)).sure:
            delay = told
        stopped = self._stopped(read, moved(held, delay.frames), seen)
        sure = np.maximum(read.probability, 1 - read.probability) >= self.config.sure
        states = lines(
            read.names,
            moved(held, delay.frames),
            moved(sure, delay.frames),
            ~(stopped | _not_shown(len(held), delay.frames)),
        )
        with open(parts[".jsonl"], "w", encoding="utf-8") as file:
            for number, state in enumerate(states):
                file.write(state.to_json(number) + "\n")
        self.outcome.frames = len(held)
        self.outcome.mended["frozen_frames"] = int(stopped.sum())
        self.outcome.mended["unsure_readings"] = int((~sure).sum())
        self.outcome.mended["cut_short_by_damage"] = int(bool(read.damage))
        put_in_place(stem, parts, self._meta(read, digest, delay))
        places = ", ".join(
            f"{f.layout.name} at {f.place.x},{f.place.y}, {f.place.scale:.2f} times, "
            f"opacity {f.place.opacity:.2f} (fit {f.place.score:.2f})"
            for f in read.found
        )
        told_by = "by the IDM" if delay.sure else "as set"
        log(f"{stem}: {places}; {delay.frames:+d} frames late {told_by}")

    def _stopped(
        self, read: Read, held: NDArray[np.bool_], seen: _Seen | None
    ) -> NDArray[np.bool_]:
        """The frames in which the overlay stood still though the game went on, [N].

        Keys and the mouse are drawn by different parts of a program, of which one may hang alone;
        that nobody clicks for a while says nothing without an IDM.
        """
        least = round(self.config.frozen_seconds * read.fps)
        stopped = np.zeros(len(held), bool)
        for mouse in (False, True):
            own = np.array([name.startswith(MOUSE) == mouse for name in read.names])
            if seen and seen.of_mouse(mouse).any():
                columns = seen.of_mouse(mouse)
                stopped |= frozen(
                    seen.columns(held)[:, columns],
                    read.motion,
                    least,
                    seen.said[:, columns],
                    seen.starts,
                )
            elif own.any() and not mouse:
                stopped |= frozen(held[:, own], read.motion, least)
        return stopped

    def _meta(self, read: Read, digest: str, delay: Delay) -> dict[str, Any]:
        meta: dict[str, Any] = {
            "fps": str(read.fps),
            "width": read.size[0],
            "height": read.size[1],
            "frames": len(read.probability),
            "player": "human",
            "label_source": "overlay",
            "known": list(read.names),
            "group": self.source.group or digest,
            "source": self.source.uri,
            "source_sha256": digest,
            "source_format": "overlay",
            "import_settings": self.settings,
            "overlay": {
                "layouts": [
                    {
                        "name": f.layout.name,
                        "sha256": f.layout.sha256,
                        "x": f.place.x,
                        "y": f.place.y,
                        "scale": round(f.place.scale, 4),
                        "opacity": round(f.place.opacity, 2),
                        "score": round(f.place.score, 3),
                    }
                    for f in read.found
                ],
                "delay_frames": delay.frames,
                "delay_by_idm": delay.sure,
                "delay_jitter_frames": delay.jitter,
            },
        }
        if self.source.licence:
            meta["license"] = self.source.licence
        spec = self.config.spec or (self.predictor.spec.name if self.predictor else "")
        return meta | named_spec(spec)


class _Seen:
    """What an IDM sees in the pictures without the overlay."""

    def __init__(self, predictor: Predictor, film: Path, names: Sequence[str]):
        self.spec = predictor.spec
        self.buttons = buttons_of(self.spec, names)
        video = probe(film, sha256=False)
        ticks = num_ticks(video, self.spec.tick_hz)
        frames = decode_ticks(film, self.spec.frame, self.spec.tick_hz, probe=video)
        whole = (0, ticks)
        labels = predictor.predict(
            (batch.frames for batch in frames), start=0, stretch=whole, keep=whole
        )
        self.said = np.concatenate([part.buttons_prob for part in labels])[:, list(self.buttons)]
        self.starts = frame_slots(
            video.pts_ns - video.pts_ns[0],
            tick_times_ns(0, ticks, self.spec.tick_hz),
            video.tolerance_ns,
        )

    def columns(self, held: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether each button that both know is held, [N, those]."""
        columns = [held[:, places].any(1) for places in self.buttons.values()]
        return np.stack(columns, axis=1) if columns else np.zeros((len(held), 0), bool)

    def of_mouse(self, mouse: bool) -> NDArray[np.bool_]:
        """Which of these buttons are the mouse's, or are not."""
        inputs = (self.spec.buttons[k].inputs for k in self.buttons)
        return np.array([each[0].startswith(MOUSE) == mouse for each in inputs], bool)


def lines(
    names: Sequence[str],
    held: NDArray[np.bool_],
    sure: NDArray[np.bool_],
    valid: NDArray[np.bool_],
) -> list[DeviceState]:
    """Return the device state of each frame.

    Args:
        names: inputs. held, sure: [N, inputs]. valid: [N].
    """
    states = []
    for frame, down in enumerate(held):
        new = down & ~held[max(frame - 1, 0)]
        keys, buttons = by_device(_those(names, down))
        new_keys, new_buttons = by_device(_those(names, new))
        states.append(
            DeviceState(
                keys=keys,
                new_keys=new_keys,
                buttons=buttons,
                new_buttons=new_buttons,
                valid=bool(valid[frame]),
                known=None if sure[frame].all() else _those(names, sure[frame]),
                label_source="overlay",
            )
        )
    return states


def _those(names: Sequence[str], chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(name for name, one in zip(names, chosen, strict=True) if one)


def _not_shown(frames: int, delay: int) -> NDArray[np.bool_]:
    """The frames at an end of the video whose keys are shown outside it, [N]."""
    at = np.arange(frames) + delay
    return (at < 0) | (at >= frames)
