"""The card of an export: `README.md` with front matter for the Hugging Face hub.

Its words lie in `datasets/texts/templates/lerobot_card.md.jinja`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from ..actions.spec import ActionSpec
from ..texts.filling import fill_in
from . import lerobot_layout as layout

MEANINGS = {
    layout.ACTION: "buttons (1 where held), then axes: degrees turned in the tick, notches of a "
    "wheel, where a stick, a trigger or the pointer stands",
    layout.CONFIDENCE: "probability that all buttons are right and every axis is in the true bin "
    "or next to it",
    layout.VALID: "false: no label at this frame; leave it out of losses",
    layout.IN_GAME: "how much it looks like the game that the IDM knows",
    layout.BUTTONS_PROB: "calibrated probability of being held",
    layout.CAMERA_PROB: "distribution over the bins of each axis, one axis after the other",
    layout.SOURCE_TIME: "the time of the frame in its source, in nanoseconds",
}


def lerobot_card(
    info: Mapping[str, Any],
    content: Mapping[str, Any],
    spec: ActionSpec,
    *,
    dataset: str,
    task: str,
) -> str:
    """The text of the card.

    Args:
        info: the content of `info.json`.
        content: that of the `dataset.json` of what was exported.
        spec: of its labels.
        dataset: where it lies.
        task: what is done, in words.
    """
    front = {"pretty_name": content["name"], "license": content["license"]}
    card = fill_in(
        "lerobot_card.md",
        front=yaml.safe_dump(front, sort_keys=False, allow_unicode=True),
        info=info,
        content=content,
        spec=spec,
        dataset=dataset,
        task=task,
        meanings=MEANINGS,
        hours=info["total_frames"] / float(spec.tick_hz) / 3600,
    )
    return card + "\n"
