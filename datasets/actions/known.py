"""Which buttons and axes of a label are truth, where a recording does not know all of them.

Keys that were read off a picture are known, the mouse beside them is not. A name is an input as
lines hold it (`key.keyboard.w`, `mouse.0`, `dx`), or a button or an axis of the spec that the play
is read under (`forward`, `yaw`).

Shapes: K buttons, A axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .spec import ActionSpec

MAX_NAMES = 1000  # a keyboard and a pad have fewer: more is damage


def parse_known(value: Any) -> tuple[str, ...] | None:
    """Read the field `known` of a line or a meta file; None where it is absent: all is known.

    Raises:
        ValueError: it is no list of names.
    """
    if value is None:
        return None
    named = isinstance(value, list) and all(isinstance(name, str) and name for name in value)
    if not named or len(value) > MAX_NAMES:
        raise ValueError(
            "known must be a list of inputs, buttons or axes, such as "
            f'["key.keyboard.w", "mouse.0"], got {value!r:.80}'
        )
    return tuple(value)


def known_mask(spec: ActionSpec, names: tuple[str, ...] | None) -> NDArray[np.bool_]:
    """Return which buttons and, behind them, axes of a spec are known by these names: bool [K + A].

    A button that several inputs press is known by its own name, or by all of them: who sees one of
    two keys does not see that neither is held.
    """
    if names is None:
        return np.ones(spec.num_buttons + spec.num_axes, bool)
    given = set(names)
    buttons = [
        button.name in given or (bool(button.inputs) and given.issuperset(button.inputs))
        for button in spec.buttons
    ]
    axes = [axis.name in given or axis.input in given for axis in spec.axes]
    return np.array(buttons + axes, bool)
