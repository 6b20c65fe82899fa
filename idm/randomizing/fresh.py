"""Fresh play for a training or a test: recordings drawn otherwise, made by processes beside it, and
their frames in a cache of their own.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...datasets.actions.spec import ActionSpec
from ...datasets.recordings.recording import Recording
from ...games.doom.game import TICS_PER_SECOND
from ...games.doom.simulation import engine_version, simulation_of
from ..play.frame_cache import Track, open_tracks

if TYPE_CHECKING:
    from ...games.fresh_play import Order

FOLDER = "fresh"  # in the run's folder, until the run is done
SECONDS = 30  # of play in each: an engine's start is a small part of it, and a cache of it 100 MB


def can_be_simulated(recordings: Sequence[Recording]) -> list[Recording]:
    """Those that the game can draw anew: another version of the engine might play on otherwise,
    and what was pressed would not belong to its pictures.
    """
    engine = engine_version()
    found = [(one, simulation_of(one.meta, one.stem)) for one in recordings]
    return [one for one, made in found if made is not None and made.engine == engine]


def name_of(head: str, one: Mapping[str, Any]) -> str:
    """The name of a recording that is to be made of a source and of values. It has their digest:
    what a run of before has left under a name is the same recording.
    """
    content = json.dumps(one, sort_keys=True).encode()
    return f"{head}-{hashlib.sha256(content).hexdigest()[:12]}"


class FreshPlay:
    """Recordings by name, each made of a source and of values.

    Args:
        folder: where they lie while they are needed.
        sources: what can be simulated.
        processes: how many are made at a time.
    """

    def __init__(
        self, folder: Path, spec: ActionSpec, sources: Sequence[Recording], processes: int
    ):
        from ...games.fresh_play import Recorders  # loads the game, which most runs lack

        self.folder, self.spec = folder, spec
        self.sources = {one.sha256: one for one in sources}
        self.recorders = Recorders(processes)

    def order(self, wanted: Mapping[str, Mapping[str, Any]]) -> None:
        """Have these made: by name, `source` (a digest) and `values`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.recorders.order(self._order(name, one) for name, one in wanted.items())

    def tracks(self, names: Sequence[str]) -> list[list[Track]]:
        """For each of these the tracks of all phases; waits until they are made."""
        self.recorders.wait_for([self.folder / name for name in names])
        cache = self.folder / "cache"
        return [
            open_tracks([Recording.open(self.folder / name)], self.spec, cache, quiet=True)
            for name in names
        ]

    def drop(self, names: Sequence[str], tracks: Sequence[Track]) -> None:
        """Remove what is not needed any more."""
        for track in tracks:
            track.path.unlink(missing_ok=True)
        for name in names:
            for path in self.folder.glob(f"{name}.*"):
                path.unlink()

    def keep(self, names: Sequence[str]) -> None:
        """Remove all but these recordings: what a killed run made after its last snapshot, or left
        half-written. Frames are decoded again.
        """
        for path in [*self.folder.glob("*"), *self.folder.glob("cache/*")]:
            # What is half-written begins with a dot, and has no name.
            if path.is_file() and path.name.partition(".")[0] not in names:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop the processes."""
        self.recorders.close()

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _order(self, name: str, one: Mapping[str, Any]) -> Order:
        from ...games.fresh_play import Order, seed_of

        return Order(
            stem=self.folder / name,
            source=self.sources[one["source"]].stem,
            values=one["values"],
            tics=int(SECONDS * TICS_PER_SECOND),
            seed=seed_of(name, one["source"]),
        )
