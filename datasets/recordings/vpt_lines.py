"""OpenAI's contractor lines as true device states: quirks of the recorder are fixed and counted.

What is known of the quirks is in the readme and loader of the published code
(openai/Video-Pre-Training), whose own treatment loses labels: it drops steps whose only action is
the scroll wheel, invents a hotbar key at the start of every segment, never applies its scale
factors, and cuts camera motion to whole degrees.
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
MAX_TURN_DEG = 180.0  # more in a twentieth of a second is a jump of the pointer, not a turn
ESCAPE, INVENTORY = "key.keyboard.escape", "key.keyboard.e"
ATTACK, LAST_BUTTON = 0, 2


@dataclass(frozen=True, slots=True)
class FixedLines:
    """Device states of a segment, and how many lines were fixed, by quirk."""

    states: list[DeviceState]
    fixed: dict[str, int]


def fix_lines(lines: Sequence[Mapping[str, Any]], version: str = "") -> FixedLines:
    """Return the device states of one segment, as its player meant them.

    Args:
        lines: the parsed lines of its jsonl; fields may be absent or null.
        version: the recorder's, such as `6.9`; the empty string where nobody knows.
    """
    fixed: Counter[str] = Counter()
    states = [_without_strange_buttons(DeviceState.from_content(line), fixed) for line in lines]
    states = _release_stuck_attack(states, fixed)
    states = [_scale_gui_motion(state, GUI_SCALE.get(version, 1.0), fixed) for state in states]
    states = [_escape_is_inventory(state, fixed) for state in states]
    # After the scales: whether a motion is a jump is a matter of true degrees.
    states = [_no_jumps(state, fixed) for state in states]
    states = _hotbar_keys(states, [hotbar_slot(line) for line in lines], fixed)
    return FixedLines(states, dict(sorted(fixed.items())))


def hotbar_slot(line: Mapping[str, Any]) -> int | None:
    """Return the slot that a line says is selected, None where it says nothing.

    Raises:
        ValueError: it is no slot.
    """
    slot = line.get("hotbar")
    if slot is not None and (isinstance(slot, bool) or not isinstance(slot, int)):
        raise ValueError(f"hotbar must be a whole number, got {slot!r:.40}")
    return slot


def _without_strange_buttons(state: DeviceState, fixed: Counter[str]) -> DeviceState:
    """Drop buttons of gaming mice, which recorders before 6.13 wrote and the game does not know."""
    if all(b <= LAST_BUTTON for b in (*state.buttons, *state.new_buttons)):
        return state
    fixed["strange_buttons"] += 1
    return dataclasses.replace(
        state,
        buttons=tuple(b for b in state.buttons if b <= LAST_BUTTON),
        new_buttons=tuple(b for b in state.new_buttons if b <= LAST_BUTTON),
    )


def _release_stuck_attack(states: list[DeviceState], fixed: Counter[str]) -> list[DeviceState]:
    """Release attack where a segment starts with it "newly pressed", and held, though nobody does.

    That ends with the next press.
    """
    if not states or ATTACK not in states[0].new_buttons:
        return states
    released = list(states)
    for i, state in enumerate(states):
        if i > 0 and ATTACK in state.new_buttons:
            break
        if ATTACK in state.buttons or ATTACK in state.new_buttons:
            fixed["stuck_attack"] += 1
            released[i] = dataclasses.replace(
                state,
                buttons=tuple(b for b in state.buttons if b != ATTACK),
                new_buttons=tuple(b for b in state.new_buttons if b != ATTACK),
            )
    return released


def _scale_gui_motion(state: DeviceState, scale: float, fixed: Counter[str]) -> DeviceState:
    if not state.gui_open or scale == 1.0 or not (state.dx or state.dy):
        return state
    fixed["gui_scale"] += 1
    return dataclasses.replace(state, dx=state.dx * scale, dy=state.dy * scale)


def _escape_is_inventory(state: DeviceState, fixed: Counter[str]) -> DeviceState:
    """Replace escape, which closes a GUI as the inventory key does, by that key.

    No head has escape, so VPT was trained on the latter.
    """
    if not state.gui_open or ESCAPE not in (*state.keys, *state.new_keys):
        return state
    fixed["escape_in_gui"] += 1
    return dataclasses.replace(
        state, keys=_replaced(state.keys), new_keys=_replaced(state.new_keys)
    )


def _replaced(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(INVENTORY if key == ESCAPE else key for key in keys))


def _no_jumps(state: DeviceState, fixed: Counter[str]) -> DeviceState:
    """Take jumps of the pointer out: nobody knows what the camera did."""
    if max(abs(state.dx), abs(state.dy)) * DEGREES_PER_PIXEL <= MAX_TURN_DEG:
        return state
    fixed["camera_jump"] += 1
    return dataclasses.replace(state, dx=0.0, dy=0.0, valid=False)


def _hotbar_keys(
    states: list[DeviceState], slots: Sequence[int | None], fixed: Counter[str]
) -> list[DeviceState]:
    """Press the key of a slot that was scrolled to, as it changed without its key.

    The first line only says which slot is selected. Recorders before 6.11 and stripped files give
    no slot.
    """
    fixed_states = list(states)
    for i in range(1, len(states)):
        slot, before = slots[i], slots[i - 1]
        if slot is None or before is None or slot == before or not 0 <= slot <= 8:
            continue
        key = f"key.keyboard.{slot + 1}"
        if key in states[i].inputs() or key in states[i - 1].inputs():
            continue
        fixed["hotbar_by_wheel"] += 1
        fixed_states[i] = dataclasses.replace(
            states[i], keys=(*states[i].keys, key), new_keys=(*states[i].new_keys, key)
        )
    return fixed_states
