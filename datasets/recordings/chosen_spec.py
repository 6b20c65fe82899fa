"""What the spec that recordings are made for says about them: their rate, what they name, and
which other specs they can be read under.
"""

from __future__ import annotations

from fractions import Fraction

from ...errors import ConfigError, RecordingError
from ..actions.spec import ActionSpec, built_in_specs
from .recording import Recording

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


def built_in_name(spec: ActionSpec) -> str:
    """The name under which a spec is found anywhere; empty where it is a user's, whatever it calls
    itself.
    """
    for name in (spec.name, f"{spec.name}@{spec.version}"):
        if name in built_in_specs() and ActionSpec.load(name).sha256 == spec.sha256:
            return name
    return ""


def require_made_for(recording: Recording, spec: ActionSpec) -> None:
    """Refuse a recording that was made for a game whose inputs are other ones than the spec's.

    What nobody could do in it would be read as what nobody did. Under a spec with fewer inputs, or
    another rate, a recording can be read; what names no spec, or one of a user's own, may be any.

    Raises:
        RecordingError: it names both specs, and the inputs.
    """
    named = str(recording.meta.get("spec", ""))
    if named not in built_in_specs() or named == spec.name:
        return
    missing = sorted(_inputs_of(spec) - _inputs_of(ActionSpec.load(named)))
    if missing:
        told = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if missing[5:] else "")
        raise RecordingError(
            f"{recording.stem}: spec must be {spec.name!r}, or one with all of its inputs, "
            f"got {named!r}, which has no {told}"
        )


def _inputs_of(spec: ActionSpec) -> set[str]:
    pressed = {one for button in spec.buttons for one in button.inputs}
    return pressed | {axis.input for axis in spec.axes}
