"""What the hands of a scripted player did, as the lines of a recording."""

from __future__ import annotations

from dataclasses import replace

from ...datasets.actions.devices import DeviceState
from .game import DEGREES_PER_PIXEL, Situation
from .obeyed import Obedience


class LabelledTics:
    """Follows one life, tic by tic."""

    def __init__(self) -> None:
        self._obedience = Obedience()
        self.forget()

    def forget(self) -> None:
        """Nothing is held any more: the player lay dead."""
        self._keys: tuple[str, ...] = ()
        self._buttons: tuple[int, ...] = ()

    def state(self, given: DeviceState, before: Situation, after: Situation) -> DeviceState:
        """The line of a tic; what the game ignored is no label.

        Args:
            given: what was held.
            before, after: how the player stood before the tic and after it.
        """
        obeyed = self._obedience.obeyed(
            before,
            after,
            right_deg=given.dx * DEGREES_PER_PIXEL,
            up_deg=-given.dy * DEGREES_PER_PIXEL,
        )
        state = replace(
            given,
            new_keys=tuple(k for k in given.keys if k not in self._keys),
            new_buttons=tuple(b for b in given.buttons if b not in self._buttons),
            valid=obeyed,
            label_source="scripted",
        )
        self._keys, self._buttons = given.keys, given.buttons
        return state
