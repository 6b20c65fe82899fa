"""Settings of the verbs that read and write data at rest. Imports neither torch nor Beam."""

from __future__ import annotations

from dataclasses import dataclass

import tyro

from ..errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class SpecCheckConfig:
    """What an action spec loses on recorded play."""

    recordings: tyro.conf.Positional[tuple[str, ...]]
    """Recordings: folders, mp4 files or stems."""
    spec: str = "doom"
    """A built-in spec (doom, crafter, minecraft) or a YAML file."""
    json: bool = False
    """Print the report as JSON."""

    def __post_init__(self) -> None:
        if not self.recordings:
            raise ConfigError("recordings must name a folder, mp4 file or stem at least")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportVPTConfig:
    """OpenAI's contractor and BASALT recordings, mended and brought to our format."""

    source: tyro.conf.Positional[str]
    """An index (`all_7xx_Apr_6.json`: basedir and relpaths), or a folder of mp4 and jsonl files."""
    out: tyro.conf.Positional[str]
    """The folder to write recordings to."""
    limit: int = 0
    """Import at most this many recordings; 0 for all."""
    draw_cursor: bool = True
    """Draw a cursor into frames with an open GUI; the recorder left it out."""
    strict: bool = False
    """Exit with 1 if any recording had to be left out."""

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ConfigError(f"limit must be 0 (all) or more, got {self.limit}")
