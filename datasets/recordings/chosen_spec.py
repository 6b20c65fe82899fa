"""What the spec that recordings are made for says about them: their rate, and what they name."""

from __future__ import annotations

from fractions import Fraction

from ...errors import ConfigError
from ..actions.spec import ActionSpec, built_in_specs

MIN_FPS = 0.1  # a picture in ten seconds shows no play


def chosen_fps(fps: float, spec: str) -> Fraction | None:
    """The frames per second: as asked for, else the spec's ticks; None where neither is chosen.

    Args:
        fps: what was asked for, or 0.
        spec: a built-in name or a YAML file, or empty.

    Raises:
        ConfigError: they are fewer than the spec's ticks, or hardly any.
        SpecError: there is no such spec.
    """
    tick_hz = ActionSpec.load(spec).tick_hz if spec else None
    if not fps:
        return tick_hz
    if fps < MIN_FPS:
        raise ConfigError(f"fps must be at least {MIN_FPS}, got {fps:g}")
    asked = Fraction(fps).limit_denominator(1001)
    if tick_hz and asked < tick_hz:
        raise ConfigError(
            f"fps must be at least the {float(tick_hz):g} ticks/s of spec {spec!r}, got {fps:g}"
        )
    return asked


def named_spec(spec: str) -> dict[str, str]:
    """What the meta of a recording says of a spec: a YAML file of a user is not found elsewhere."""
    return {"spec": spec} if spec in built_in_specs() else {}
