"""How Doom is drawn: what a player may have set otherwise, and what the game obeys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

# What can be varied, with the values that are allowed, which are those of `record doom`.
RENDER = {
    "field_of_view": (60.0, 120.0),
    "light": (2.0, 20.0),
    "fog": (0.0, 0.5),
    "aspect": (1.25, 1.78),
}
CONTROL = {"turn_speed": (0.25, 4.0)}  # of the player's hands: only other play shows it
# The screens that the engine knows, width by height, with its `vid_aspect`.
SCREENS = {4 / 3: 3, 16 / 10: 2, 16 / 9: 1, 5 / 4: 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class DoomLook:
    """Settings of the picture; the defaults are the engine's own."""

    field_of_view: float = 90.0
    """Horizontal, degrees."""
    light: float = 8.0
    """The engine's `r_visibility`: how far light reaches; 2 is a cellar, 20 a bright day."""
    fog: float = 0.0
    """Gray level, 0..1, into which distance fades; 0 is black, the engine's own darkness."""
    aspect: float = 4 / 3
    """Width by height of the screen that the view is drawn for, the nearest of `SCREENS`; it is
    squeezed into the picture, as video sites do, and so shows more, or less, at both sides.
    """

    def apply(self, values: Mapping[str, float]) -> DoomLook:
        """This look with those of some values that are the picture's."""
        return replace(self, **{name: values[name] for name in RENDER.keys() & values.keys()})

    @property
    def screen(self) -> float:
        """Width by height of the one of `SCREENS` that the view is drawn for."""
        return min(SCREENS, key=lambda one: abs(one - self.aspect))

    def varied(self) -> dict[str, float]:
        """What of the picture is not the engine's own, by name."""
        usual = DoomLook()
        own = {name: getattr(self, name) for name in RENDER} | {"aspect": self.screen}
        return {name: value for name, value in own.items() if value != getattr(usual, name)}

    def commands(self) -> list[str]:
        """Console commands that bring it about; they must be given again in every episode.

        Nothing is said of what is as usual, so that usual play is to the pixel what it was. The
        field of view moves by seven degrees a tic, so it needs ten tics to get there.
        """
        usual, said = DoomLook(), []
        if self.field_of_view != usual.field_of_view:
            said.append(f"fov {self.field_of_view:.2f}")
        if self.light != usual.light:
            said.append(f"r_visibility {self.light:.3f}")
        if self.fog != usual.fog:
            said.append("testfade " + f"{round(255 * self.fog):02x}" * 3)
        if self.screen != usual.aspect:
            said.append(f"vid_aspect {SCREENS[self.screen]}")
        return said
