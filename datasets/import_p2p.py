"""The verb `import p2p`: recordings of open-p2p (Pixels2Play, Recap) in our format.

In come folders with an `annotation.proto` and a video beside it; out come recordings, and a report
of what was mended, what was left out and why. What was imported before is not done again. An mp4
that is whole is copied as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from .. import storage
from ..errors import VideoError
from .actions.devices import NO_LABEL, DeviceState
from .actions.spec import ActionSpec, FrameSpec
from .formats.config import ImportP2PConfig
from .formats.imported import Imported, import_folder
from .formats.outcomes import Outcome, import_each, write_report
from .formats.owamcap_sources import Source, find_license, find_sources
from .formats.p2p_lines import Lines
from .formats.p2p_messages import Annotation, read_annotation, require_protobuf
from .formats.pictures import (
    ENCODER,
    MIN_S,
    frame_size,
    pictures,
    require_long_enough,
    until_damage,
)
from .recordings.chosen_spec import named_spec
from .recordings.writer import RecordingWriter, copy_recording
from .video.probe import VideoProbe, probe

IMPORTER_VERSION = 2
ANNOTATION = "annotation.proto"
# The whole picture before the one that the project's own models see.
VIDEOS = ("video.mp4", "192x192.mp4")
RATE_TOLERANCE = 0.02
MAX_GROUP = 200  # letters; what a stranger's file calls itself may be of any length


def import_p2p(config: ImportP2PConfig) -> int:
    """Import all recordings, print what happened and write OUT/import_report.json."""
    require_protobuf()
    if config.spec:
        ActionSpec.load(config.spec)  # a misspelled name is told before the work
    sources = find_sources(config.files, ".proto")
    with import_folder(config.out) as out:
        imported = Imported.in_folder(out)
        outcomes = import_each(
            sources,
            lambda one: import_source(one, config, imported),
            threads=config.threads,
            total=len(sources),
        )
        return write_report(out, outcomes, strict=config.strict)


def import_source(source: Source, config: ImportP2PConfig, imported: Imported) -> Outcome:
    """Import one recording; what cannot be is told in the outcome, never raised."""
    outcome = Outcome(_name(source))
    with outcome.telling("bad_recording"):
        _import(source, config, imported, outcome)
    return outcome


def _name(source: Source) -> str:
    """All annotations are called the same: what tells recordings apart is their folder."""
    if source.path.name != ANNOTATION:
        return source.name
    return source.name.rpartition("/")[0] or source.path.absolute().parent.name


def _import(source: Source, config: ImportP2PConfig, imported: Imported, outcome: Outcome) -> None:
    path, mended = source.path, outcome.mended
    settings = {"importer": IMPORTER_VERSION, "height": config.height}
    digest = storage.sha256_file(path)
    name = imported.claim(outcome.name, digest, settings)
    if name is None:
        outcome.status = "present"
        return
    try:
        annotation = read_annotation(path)
        video = probe(_video(path), sha256=False)
        told = annotation.metadata.frames_per_second
        # A rate that is no number fits no video.
        if told and not abs(float(video.fps) / told - 1) <= RATE_TOLERANCE:
            raise VideoError(
                "wrong_rate",
                video.path,
                f"{float(video.fps):.2f} frames/s; its annotation tells {told:.2f}",
            )
        lines, number = Lines(mended), annotation.num_frames
        if abs(number - video.frames) > config.max_mismatch:
            raise VideoError(
                "length_mismatch",
                video.path,
                f"{video.frames} frames but {number} annotations: they cannot be matched",
            )
        mended["lines_without_frame"] += max(number - video.frames, 0)
        mended["frames_without_line"] += max(video.frames - number, 0)
        require_long_enough(video.path, video.frames, video.fps)
        states = [lines.state(one) for one in islice(annotation.frames(), video.frames)]
        states += [NO_LABEL] * (video.frames - len(states))
        states[0] = replace(states[0], first=True)
        meta = _meta(source, config, annotation, digest, states)
        meta |= {"import_settings": settings, "mended": dict(+mended)}
        stem = Path(config.out, name)
        _write(video, stem, states, meta=meta, outcome=outcome, height=config.height)
    except BaseException:
        imported.forget(name, digest)
        raise


def _video(annotation: Path) -> Path:
    """Return the video beside an annotation. Raises VideoError where there is none, or several."""
    beside = [annotation.parent / name for name in VIDEOS]
    own = annotation.with_suffix(".mp4")
    for path in (own, *beside):
        if path.is_file():
            return path
    others = sorted(p for p in annotation.parent.glob("*.mp4") if not p.name.startswith("."))
    if len(others) != 1:
        raise VideoError(
            "missing_video",
            annotation.parent,
            f"expected {VIDEOS[0]} beside {annotation}, found {len(others)} other mp4 files",
        )
    return others[0]


def _meta(
    source: Source,
    config: ImportP2PConfig,
    annotation: Annotation,
    digest: str,
    states: list[DeviceState],
) -> dict[str, Any]:
    told = annotation.metadata
    sources = {state.label_source for state in states if state.valid}
    meta: dict[str, Any] = {
        "source": str(source.path),
        "source_sha256": digest,
        "source_format": "p2p",
        "recorder_version": str(annotation.version),
        "group": (told.id or _name(source))[:MAX_GROUP],
        "label_source": "scripted" if sources == {"scripted"} else "human",
    }
    game = "/".join(filter(None, (told.env.env, told.env.env_subtype)))
    further = {"game": game, "task": "; ".join(told.tasks)}
    further["license"] = config.license or find_license(source, {})
    return meta | {k: v[:500] for k, v in further.items() if v} | named_spec(config.spec)


def _write(
    video: VideoProbe,
    stem: Path,
    states: list[DeviceState],
    *,
    meta: Mapping[str, Any],
    outcome: Outcome,
    height: int,
) -> None:
    """Copy the video where it can be, else encode it again."""
    outcome.frames = video.frames
    whole = video.container.startswith("mov") and not video.truncated and not video.rotation
    if whole and (not height or video.height <= height):
        copy_recording(Path(video.path), stem, states, [{}] * len(states), meta)
        return
    size = frame_size(video, height)
    with RecordingWriter(stem, fps=video.fps, size=size, meta=meta, encoder=ENCODER) as writer:
        frames, least = video.frames, MIN_S * video.fps
        with until_damage(writer, video, outcome, frames=frames, least=least):
            shown = pictures(video, FrameSpec(*size), np.arange(video.frames))
            for picture, state in zip(shown, states, strict=True):
                writer.write(picture, state)
        writer.meta["mended"] = dict(+outcome.mended)
        outcome.frames = writer.num_frames
