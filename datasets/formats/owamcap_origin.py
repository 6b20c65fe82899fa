"""What an OWAMcap file of ours says of its play, in a metadata record: so that nothing but what the
messages cannot carry is lost where it is imported again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ...errors import SpecError
from ..actions.spec import ActionSpec, rate_of
from ..recordings.chosen_spec import built_in_name
from ..shards.clip import Clip
from .owamcap_writer import PLAY

SOURCES = ("human", "scripted", "idm", "corrected", "overlay")
LINEAGE = (
    "group",
    "source_uri",
    "source_sha256",
    "episode_id",
    "start_tick",
    "split",
    "idm_sha256",
)


def metadata_of(
    clip: Clip, spec: ActionSpec, content: Mapping[str, Any], sources: Collection[str], ticks: int
) -> dict[str, str]:
    """Return the record of a recording.

    Args:
        clip: its first one.
        spec: of its labels.
        content: of the dataset's `dataset.json`.
        sources: where its labels come from.
        ticks: how many there are.
    """
    # What is not known of all of it to be people's own is not called so.
    others = sorted(set(sources) - {"human"})
    license_name = clip.meta.get("licence") or content.get("license")
    told = {
        "ticks": ticks,
        "label_source": others[0] if others else "human",
        "fps": spec.tick_hz,
        "window": PLAY[0],
        "spec": json.dumps(spec.to_dict(), ensure_ascii=False),
        "license": license_name or None,
        **{name: clip.meta.get(name) for name in LINEAGE},
    }
    return {name: str(value) for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Origin:
    """What the record of a file says; of a recorder's own file, which has none, the defaults."""

    label_source: str = "human"
    group: str = ""
    fps: Fraction | None = None
    window: str = ""
    """The title of the window that has the focus where there is a label."""
    spec: str = ""
    """The name of the action spec, where it is a built-in one."""

    @classmethod
    def read(cls, metadata: Mapping[str, str]) -> Origin:
        """Return what a record says, as far as it can be understood."""
        source, fps = metadata.get("label_source", "human"), metadata.get("fps", "")
        try:
            rate = rate_of(fps) if fps else None
        except (ValueError, ZeroDivisionError):
            rate = None
        return cls(
            label_source=source if source in SOURCES else "human",
            group=metadata.get("group", "")[:200],
            fps=rate if rate is not None and 0 < rate <= 240 else None,
            window=metadata.get("window", "")[:200],
            spec=_built_in(metadata.get("spec", "")),
        )


def _built_in(text: str) -> str:
    """Return the name of the built-in spec that a text describes; empty where it is none."""
    try:
        spec = ActionSpec.from_dict(json.loads(text)) if text else None
    except (ValueError, SpecError, AttributeError, RecursionError):
        return ""
    return built_in_name(spec) if spec else ""
