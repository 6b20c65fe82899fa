"""Actions: the spec of a game, its quantisers, the joint head's classes, the devices that press.

In come a spec's YAML and raw device states, out go ticks of buttons and axes; every room calls it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .devices import DeviceState as DeviceState
    from .devices import TickActions as TickActions
    from .joint import JointActions as JointActions
    from .mirror import Mirror as Mirror
    from .spec import ActionSpec as ActionSpec
else:  # hidden from type checkers, which would take any name for one of these
    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".devices": ("DeviceState", "TickActions"),
            ".joint": ("JointActions",),
            ".mirror": ("Mirror",),
            ".spec": ("ActionSpec",),
        },
    )
