"""The verb `import vpt`: OpenAI's contractor and BASALT recordings, repaired, in our format.

In comes an index (basedir and relpaths) or a folder of mp4 and jsonl files; out come recordings,
and a report of what was repaired, what was left out and why. What was imported before is not done
again.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from .. import storage
from ..errors import ConfigError, RecordingError, VideoError
from .actions.devices import NO_LABEL, DeviceState, parse_line
from .actions.spec import FrameSpec
from .formats.config import ImportVPTConfig
from .formats.imported import import_folder
from .formats.outcomes import Outcome, import_each, write_report
from .formats.pictures import pictures, until_damage
from .recordings.cursor import draw_cursor
from .recordings.vpt_lines import fix_lines, hotbar_slot
from .recordings.writer import RecordingWriter, copy_recording, is_written
from .video.probe import VideoProbe, probe

FPS = Fraction(20)  # Minecraft's tick, and the rate of all its recordings
MIN_FRAMES = 64  # 3 s; less teaches nothing
# Frames with a cursor are encoded again: close to the eye's limit, at about the size of OpenAI's
# own files.
ENCODER = {"preset": "veryfast", "crf": "17", "g": "120"}
VERSION = re.compile(r"\d+\.\d+")
# <contractor-alias>-<session-id>-<YYYYMMDD>-<HHMMSS>
SESSION = re.compile(r"(?P<alias>.+)-(?P<session>[0-9a-f]{12})-(?P<day>\d{8})-(?P<time>\d{6})")


@dataclass(frozen=True, slots=True)
class Segment:
    """One recording of the source: where its files are, and what its name says."""

    base: str
    """URI without suffix."""
    name: str
    """Path below the output folder, without suffix."""
    version: str
    """The recorder's version, or empty."""

    @property
    def player(self) -> str:
        """Contractor and session: the segments of one sitting belong into one split."""
        match = SESSION.fullmatch(Path(self.name).name)
        return f"{match['alias']}-{match['session']}" if match else Path(self.name).name


def list_segments(source: str, basedir: str = "") -> list[Segment]:
    """The segments of an index or a folder, sorted by name. Raises ConfigError.

    Args:
        source: path or URL of an index file, or a local folder.
        basedir: where the files are, instead of the index's own basedir.
    """
    path = storage.local_path(source)
    if path is not None and path.is_dir():
        stems = sorted(
            p.relative_to(path).with_suffix("")
            for p in path.rglob("*.jsonl")
            if not p.name.startswith(".")
        )
        if not stems:
            raise ConfigError(f"{source}: no jsonl files in this folder")
        return [_segment(str(path), str(stem), path.name) for stem in stems]
    try:
        index = json.loads(storage.read_bytes(source))
        relpaths, own = index["relpaths"], index["basedir"]
    except FileNotFoundError as error:
        raise ConfigError(f"{source}: no such index or folder") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"{source}: no index: expected JSON with basedir and relpaths ({error})"
        ) from error
    if (
        not isinstance(relpaths, list)
        or not relpaths
        or not all(isinstance(p, str) for p in relpaths)
    ):
        raise ConfigError(
            f"{source}: relpaths must be a list of one path at least, got {relpaths!r:.80}"
        )
    if not isinstance(own, str):
        raise ConfigError(f"{source}: basedir must be a folder or an address, got {own!r:.80}")
    base = basedir or own
    if path is not None and "://" not in base and not os.path.isabs(base):
        base = str(path.parent / base)
    return [_segment(base, relpath.removesuffix(".mp4"), "") for relpath in sorted(set(relpaths))]


def _require_apart(config: ImportVPTConfig, segments: Sequence[Segment]) -> None:
    """Raise ConfigError where `out` and the source would be taken for each other."""
    source, out = storage.local_path(config.source), Path(config.out).resolve()
    if source is not None and source.is_dir() and out.is_relative_to(source.resolve()):
        raise ConfigError(
            f"out {config.out} lies in the source {config.source}; choose a folder outside of it"
        )
    for segment in segments:
        path = storage.local_path(segment.base)
        if path is not None and path.resolve() == out / segment.name:
            raise ConfigError(
                f"out {config.out} is where the index has {segment.base}; "
                "choose a folder of its own"
            )


def _segment(base: str, stem: str, folder: str) -> Segment:
    parts = [part for part in Path(stem).parts if part not in ("/", "..", ".")]
    versions = [part for part in (*parts[:-1], folder) if VERSION.fullmatch(part)]
    version = versions[0] if versions else ""
    name = "/".join(parts[parts.index(version) :] if version in parts else parts)
    return Segment(storage.join(base, stem), name, version)


def import_segment(segment: Segment, config: ImportVPTConfig) -> Outcome:
    """Import one segment; what cannot be is told in the outcome, never raised."""
    outcome = Outcome(segment.name)
    stem = Path(config.out, segment.name)
    if is_written(stem):
        outcome.status = "present"
        return outcome
    # The published indexes name uploads that never came.
    with (
        outcome.telling("bad_lines", missing="not_found"),
        tempfile.TemporaryDirectory(prefix="vidact-import-") as folder,
    ):
        lines = _read_lines(_local(segment.base + ".jsonl", folder))
        video = probe(_local(segment.base + ".mp4", folder))
        _import(segment, lines, video, stem, outcome=outcome, config=config)
    return outcome


def _import(
    segment: Segment,
    lines: list[dict[str, Any]],
    video: VideoProbe,
    stem: Path,
    *,
    outcome: Outcome,
    config: ImportVPTConfig,
) -> None:
    if abs(float(video.fps / FPS) - 1) > 0.02:
        raise VideoError(
            "wrong_rate",
            video.path,
            f"{float(video.fps):.2f} frames/s; Minecraft is recorded at 20",
        )
    mismatch = len(lines) - video.frames
    if abs(mismatch) > config.max_mismatch and not (video.truncated and mismatch > 0):
        raise VideoError(
            "length_mismatch",
            video.path,
            f"{video.frames} frames but {len(lines)} lines: they cannot be matched",
        )
    fixed = fix_lines(lines, segment.version)
    outcome.mended.update(fixed.fixed)
    if mismatch:
        what = "lines_without_frame" if mismatch > 0 else "frames_without_line"
        outcome.mended[what] = abs(mismatch)
    states = fixed.states[: video.frames]
    states += [NO_LABEL] * (video.frames - len(states))
    further: list[Mapping[str, Any]] = [*lines[: video.frames], *[{}] * max(-mismatch, 0)]
    meta = {
        "game": "minecraft",
        "source": segment.base,
        "recorder_version": segment.version,
        "group": segment.player,
        "mended": dict(outcome.mended),
        "label_source": "human",
        "spec": "minecraft",
    }
    if video.frames < MIN_FRAMES:
        raise VideoError(
            "too_short", video.path, f"{video.frames} frames; at least {MIN_FRAMES} are needed"
        )
    if (
        (config.draw_cursor and any(state.gui_open for state in states))
        or video.truncated
        or video.container[:3] != "mov"
    ):
        outcome.frames = _encode_again(
            video, stem, states, further, meta=meta, outcome=outcome, cursor=config.draw_cursor
        )
    else:
        copy_recording(Path(video.path), stem, states, further, meta)
        outcome.frames = video.frames


def _encode_again(
    video: VideoProbe,
    stem: Path,
    states: list[DeviceState],
    further: list[Mapping[str, Any]],
    *,
    meta: dict[str, Any],
    outcome: Outcome,
    cursor: bool,
) -> int:
    """Write the frames with their cursor, as far as they can be decoded; how many there were."""
    size = (video.width // 2 * 2, video.height // 2 * 2)
    with RecordingWriter(stem, fps=FPS, size=size, meta=meta, encoder=ENCODER) as writer:
        with until_damage(writer, video, outcome, frames=video.frames, least=MIN_FRAMES):
            shown = pictures(video, FrameSpec(*size), np.arange(video.frames))
            for index, frame in enumerate(shown):
                if cursor and states[index].gui_open:
                    outcome.mended["cursor_drawn"] += 1
                    draw_cursor(frame, states[index].cursor_x, states[index].cursor_y)
                writer.write(frame, states[index], further[index])
        writer.meta["mended"] = dict(outcome.mended)
        return writer.num_frames


def _local(uri: str, folder: str) -> Path:
    """A local file with the content of `uri`. Raises FileNotFoundError."""
    path = storage.local_path(uri)
    if path is not None:
        return path
    target = Path(folder) / uri.rsplit("/", 1)[-1]
    storage.download(uri, target)
    return target


def _read_lines(path: Path) -> list[dict[str, Any]]:
    lines = []
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                content = parse_line(line)
                DeviceState.from_content(content)
                hotbar_slot(content)
            except (ValueError, TypeError, AttributeError) as error:
                raise RecordingError(
                    f"{path.name}: line {number} is no device state: {error}"
                ) from error
            lines.append(content)
    if not lines:
        raise RecordingError(f"{path.name}: no lines")
    return lines


def import_vpt(config: ImportVPTConfig) -> int:
    """Import all segments, print what happened and write OUT/import_report.json."""
    segments = list_segments(config.source, config.basedir)
    segments = segments[: config.limit] if config.limit else segments
    _require_apart(config, segments)
    with import_folder(config.out) as out:
        outcomes = import_each(
            segments,
            lambda segment: import_segment(segment, config),
            threads=config.threads,
            total=len(segments),
        )
        return write_report(out, outcomes, strict=config.strict)
