"""A hand on a keyboard: a key that changed stays as it is for a human time."""

from __future__ import annotations

from dataclasses import dataclass

# Shortest time down and up, in tics of 1/35 s. People do not tap a walk key: flicker gave earlier
# scripts away.
HOLD = {
    "forward": (20, 7),
    "back": (8, 10),
    "left": (10, 8),
    "right": (10, 8),
    "run": (35, 25),
    "attack": (7, 6),
    "use": (4, 10),
}
WEAPON_TAP = (4, 20)
LONG_AGO = 1 << 20


@dataclass
class _Key:
    down: bool = False
    since: int = LONG_AGO  # tics since the last change


class KeyboardHand:
    """Keys by name (`forward`, `run`, `weapon.3` …).

    Each has the shortest hold and rest that a hand has.
    """

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}

    def want(self, name: str, down: bool, *, now: bool = False) -> None:
        """Ask for a key down or up.

        It follows once its hold or rest is over, or at once with `now` (a reflex).
        """
        key = self._keys.setdefault(name, _Key())
        hold, rest = HOLD.get(name, WEAPON_TAP)
        if down != key.down and (now or key.since >= (hold if key.down else rest)):
            key.down, key.since = down, 0

    def release(self, *names: str) -> None:
        """Ask for keys up."""
        for name in names:
            self.want(name, False)

    def is_down(self, name: str) -> bool:
        """Whether a key is held."""
        return name in self._keys and self._keys[name].down

    def since(self, name: str) -> int:
        """Tics since the key last changed."""
        return self._keys[name].since if name in self._keys else LONG_AGO

    def tic(self) -> tuple[str, ...]:
        """The names held during this tic."""
        for key in self._keys.values():
            key.since += 1
        return tuple(name for name, key in self._keys.items() if key.down)
