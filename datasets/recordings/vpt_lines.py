"""OpenAI's contractor lines as true device states: the recorder's quirks mended, each mending counted.

What is known of the quirks is in the readme and loader of the published code (openai/Video-Pre-Training), whose own
treatment loses labels: it drops steps whose only action is the scroll wheel, invents a hotbar key at the start of every
segment, never applies its scale factors, and cuts camera motion to whole degrees.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..actions.devices import DeviceState

# Recorders that wrote mouse motion at another scale while a GUI was open
# (MINEREC_VERSION_SPECIFIC_SCALERS of the published code, which defines and forgets them).
GUI_SCALE = {"5.7": 0.5, "5.8": 0.5, "6.7": 2.0, "6.8": 2.0, "6.9": 2.0}
DEGREES_PER_PIXEL = 0.15  # 360 / 2400
LARGEST_TURN_DEG = 180.0  # more in a twentieth of a second is a jump of the pointer, not a turn
ESCAPE, INVENTORY = "key.keyboard.escape", "key.keyboard.e"
ATTACK, LAST_BUTTON = 0, 2


@dataclass(frozen=True, slots=True)
class MendedLines:
    """Device states of a segment and what was mended, by quirk (in lines)."""

    states: list[DeviceState]
    mended: dict[str, int]


def mend_lines(lines: Sequence[Mapping[str, Any]], version: str = "") -> MendedLines:
    """Device states of one segment.

    Args:
        lines: the parsed lines of its jsonl; fields may be absent or null.
        version: the recorder's, such as `6.9`; the empty string where nobody knows.
    """
    mended: Counter[str] = Counter()
    states = [_without_strange_buttons(DeviceState.from_content(line), mended) for line in lines]
    states = _release_stuck_attack(states, mended)
    states = [_scale_gui_motion(state, GUI_SCALE.get(version, 1.0), mended) for state in states]
    states = [_escape_is_inventory(state, mended) for state in states]
    states = [_no_jumps(state, mended) for state in states]
    states = _hotbar_keys(states, [hotbar_slot(line) for line in lines], mended)
    return MendedLines(states, dict(sorted(mended.items())))


def hotbar_slot(line: Mapping[str, Any]) -> int | None:
    """The slot that a line says is selected, None where it says nothing. Raises ValueError for what is no slot."""
    slot = line.get("hotbar")
    if slot is not None and (isinstance(slot, bool) or not isinstance(slot, int)):
        raise ValueError(f"hotbar must be a whole number, got {slot!r:.40}")
    return slot


def _without_strange_buttons(state: DeviceState, mended: Counter[str]) -> DeviceState:
    """Recorders before 6.13 wrote buttons of gaming mice, which the game does not know."""
    if all(b <= LAST_BUTTON for b in (*state.buttons, *state.new_buttons)):
        return state
    mended["strange_buttons"] += 1
    return dataclasses.replace(
        state,
        buttons=tuple(b for b in state.buttons if b <= LAST_BUTTON),
        new_buttons=tuple(b for b in state.new_buttons if b <= LAST_BUTTON),
    )


def _release_stuck_attack(states: list[DeviceState], mended: Counter[str]) -> list[DeviceState]:
    """A segment may start with attack "newly pressed" and then held though nobody does; it ends with the next press."""
    if not states or ATTACK not in states[0].new_buttons:
        return states
    released = list(states)
    for i, state in enumerate(states):
        if i > 0 and ATTACK in state.new_buttons:
            break
        if ATTACK in state.buttons or ATTACK in state.new_buttons:
            mended["stuck_attack"] += 1
            released[i] = dataclasses.replace(
                state,
                buttons=tuple(b for b in state.buttons if b != ATTACK),
                new_buttons=tuple(b for b in state.new_buttons if b != ATTACK),
            )
    return released


def _scale_gui_motion(state: DeviceState, scale: float, mended: Counter[str]) -> DeviceState:
    if not state.gui_open or scale == 1.0 or not (state.dx or state.dy):
        return state
    mended["gui_scale"] += 1
    return dataclasses.replace(state, dx=state.dx * scale, dy=state.dy * scale)


def _escape_is_inventory(state: DeviceState, mended: Counter[str]) -> DeviceState:
    """Escape closes a GUI as the inventory key does; no head has escape, so VPT was trained on the latter."""
    if not state.gui_open or ESCAPE not in (*state.keys, *state.new_keys):
        return state
    mended["escape_in_gui"] += 1
    return dataclasses.replace(
        state, keys=_replaced(state.keys), new_keys=_replaced(state.new_keys)
    )


def _replaced(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(INVENTORY if key == ESCAPE else key for key in keys))


def _no_jumps(state: DeviceState, mended: Counter[str]) -> DeviceState:
    """Where the pointer jumped nobody knows what the camera did."""
    if max(abs(state.dx), abs(state.dy)) * DEGREES_PER_PIXEL <= LARGEST_TURN_DEG:
        return state
    mended["camera_jump"] += 1
    return dataclasses.replace(state, dx=0.0, dy=0.0, valid=False)


def _hotbar_keys(
    states: list[DeviceState], slots: Sequence[int | None], mended: Counter[str]
) -> list[DeviceState]:
    """A slot that changes without its key was scrolled to: it becomes a press of that key, wheel or not.

    The first line only says which slot is selected. Recorders before 6.11 and stripped files give no slot.
    """
    mended_states = list(states)
    for i in range(1, len(states)):
        slot, before = slots[i], slots[i - 1]
        if slot is None or before is None or slot == before or not 0 <= slot <= 8:
            continue
        key = f"key.keyboard.{slot + 1}"
        if key in states[i].inputs() or key in states[i - 1].inputs():
            continue
        mended["hotbar_by_wheel"] += 1
        mended_states[i] = dataclasses.replace(
            states[i], keys=(*states[i].keys, key), new_keys=(*states[i].new_keys, key)
        )
    return mended_states
