"""The operations: what an annotator can do to a task, and what each must say.

Frames are counted from 0 within the task and ranges are half-open. An operation never says what was
there before: the replay knows, and undoing means leaving it out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from ..problems import Problem
from ..schema import Strict

MAX_FRAMES = 100_000  # of a task
MAX_ACTIVE_MS = 600_000  # of a batch: what comes later was no work, or comes in the next one

Frame = Annotated[int, Field(ge=0, lt=MAX_FRAMES)]
End = Annotated[int, Field(ge=1, le=MAX_FRAMES)]
OperationId = Annotated[str, Field(min_length=8, max_length=40, pattern=r"^[A-Za-z0-9_-]+$")]


class Range(Strict):
    """Frames [start, end)."""

    start: Frame
    end: End

    @property
    def stretches(self) -> tuple[tuple[str, int, int], ...]:
        """Every [start, end) that it names, after what these fields' names begin with."""
        return (("", self.start, self.end),)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for prefix, start, end in self.stretches:
            if end <= start:
                raise ValueError(f"{prefix}end must be after {prefix}start")
        return self


class LaneRange(Range):
    """Frames of one button."""

    lane: Annotated[int, Field(ge=0, lt=512)]


class Paint(LaneRange):
    """Hold or release one button."""

    value: Literal[0, 1]


class Press(LaneRange):
    """Move or stretch a press: release a button's frames [start, end), hold [to_start, to_end)."""

    to_start: Frame
    to_end: End

    @property
    def stretches(self) -> tuple[tuple[str, int, int], ...]:
        return (*super().stretches, ("to_", self.to_start, self.to_end))


class Camera(Range):
    """Set the motion of an axis, in degrees per frame: one value for all frames, or one each."""

    axis: Annotated[int, Field(ge=0, lt=16)]
    values: Annotated[
        list[Annotated[float, Field(ge=-360, le=360)]], Field(min_length=1, max_length=4096)
    ]

    @model_validator(mode="after")
    def _fits(self) -> Camera:
        if len(self.values) not in (1, self.end - self.start):
            raise ValueError("values must hold one number, or one for each frame")
        return self


class Release(Range):
    """Release every button and stop the camera."""


class Reset(Range):
    """Restore the predictions, and take marks away."""


class Mark(Range):
    """Accept, mark unsure, or mark as carrying no label."""

    value: bool = True


class Label(Range):
    """Say whether frames are clean; None takes the label away."""

    label: Literal["clean", "artifacts", "none", "unsure"] | None
    reasons: list[Literal["webcam", "watermark", "overlay", "menu", "other_game", "other"]] = Field(
        [], max_length=6
    )


class Target(Strict):
    """Undo or redo an operation."""

    op: OperationId


class Note(Strict):
    """A remark for the reviewer; the last one stands."""

    text: Annotated[str, Field(max_length=2000)]


class Remark(Range):
    """Something said about some frames: by a reviewer, what is to be mended there."""

    text: Annotated[str, Field(min_length=1, max_length=500)]


BOTH: dict[str, type[Strict]] = {"undo": Target, "redo": Target, "note": Note, "remark": Remark}
PAYLOADS: dict[str, dict[str, type[Strict]]] = {
    "actions": {
        "paint": Paint,
        "press": Press,
        "camera": Camera,
        "release": Release,
        "reset": Reset,
        "accept": Mark,
        "unsure": Mark,
        "invalid": Mark,
        **BOTH,
    },
    "clean": {"label": Label, **BOTH},
}
"""What each operation must say, by the kind of project that allows it."""
Kind = Literal[
    "paint",
    "press",
    "camera",
    "release",
    "reset",
    "accept",
    "unsure",
    "invalid",
    "label",
    "undo",
    "redo",
    "note",
    "remark",
]


class OperationIn(Strict):
    """An operation as the client sends it."""

    id: OperationId
    kind: Kind
    payload: dict[str, Any] = Field({})
    client_ms: Annotated[int, Field(ge=0, lt=2**53)]


class Batch(Strict):
    """Operations of one window on one assignment, in order."""

    client: Annotated[str, Field(min_length=4, max_length=40, pattern=r"^[A-Za-z0-9_-]+$")]
    base_seq: Annotated[int, Field(ge=0, lt=2**31)]
    """The last `seq` that this window has seen of others: what came later is a conflict."""
    operations: Annotated[list[OperationIn], Field(min_length=1, max_length=500)]
    active_ms: Annotated[int, Field(ge=0, le=MAX_ACTIVE_MS)] = 0
    """Time worked since the last batch."""


def check_payload(
    kind: str, payload: dict[str, Any], *, project_kind: str, frames: int, lanes: int, axes: int
) -> dict[str, Any]:
    """The payload, checked against its kind and its task. Raises 422 saying what is wrong."""
    allowed = PAYLOADS[project_kind]
    if kind not in allowed:
        raise Problem(422, "bad_operation", f"`{kind}` is no operation of this kind of project.")
    try:
        checked = allowed[kind].model_validate(payload)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "payload"
        raise Problem(422, "bad_operation", f"`{kind}`: {where}: {first['msg']}.") from error
    if isinstance(checked, Range):
        last = max(end for _, _, end in checked.stretches)
        if last > frames:
            raise Problem(422, "bad_operation", f"`{kind}`: frames end at {frames}, got {last}.")
    if isinstance(checked, LaneRange) and checked.lane >= lanes:
        raise Problem(
            422, "bad_operation", f"`{kind}`: there are {lanes} lanes, got number {checked.lane}."
        )
    if isinstance(checked, Camera) and checked.axis >= axes:
        raise Problem(
            422, "bad_operation", f"`{kind}`: there are {axes} axes, got number {checked.axis}."
        )
    return checked.model_dump()
