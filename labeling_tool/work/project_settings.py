"""The rules of a project, as the admin sets them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..schema import Strict


class ProjectSettings(Strict):
    """Kept as JSON beside the project; what is missing has its default."""

    open_to_all: bool = True
    """Every annotator may work on it; else only its members."""
    solo: bool = False
    """One person labels and reviews: they may approve their own work, and the audit log says so."""
    overlap: Annotated[int, Field(ge=1, le=20)] = 1
    """The number of people who label each task; none of them sees the others' labels."""
    random_fraction: Annotated[float, Field(ge=0, le=1)] = 0.15
    """Share of the queue that is drawn at random instead of by expected gain."""
    lease_s: Annotated[int, Field(ge=30, le=86_400)] = 900
    """Seconds without a sign of life after which a task goes to somebody else."""
    pause_s: Annotated[int, Field(ge=60, le=30 * 86_400)] = 3 * 86_400
    """Seconds for which a paused task is kept for its annotator."""
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.8
    """A button is marked as uncertain where the model's probability of what it says is below this,
    so by default between 20 and 80 % of being held."""
    review_first: Annotated[int, Field(ge=0, le=10_000)] = 10
    """So many first submissions of each person are all queued for review."""
    review_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of everybody's later submissions that is queued for review."""
    gold_first: Annotated[int, Field(ge=0, le=1000)] = 5
    """So many first tasks of each person are gold ones, where there are any."""
    gold_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of everybody's later tasks that are gold ones which they have not had."""
    qualify: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Mean score on the first gold tasks that real work needs; 0 for none."""
    hourly_cost: Annotated[float, Field(ge=0, le=100_000)] = 0.0
    """What an hour of work costs, in any currency; 0 where nobody asks."""
    instructions: Annotated[str, Field(max_length=8000)] = ""
    """A text that annotators should know; shown with the task."""


def settings_of(stored: dict[str, object] | None) -> ProjectSettings:
    """The settings in a project's row."""
    return ProjectSettings.model_validate(stored or {})
