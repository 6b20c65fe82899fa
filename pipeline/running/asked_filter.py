"""Which filter of clean frames a job asks."""

from __future__ import annotations

from ..filtering.config import CleanConfig
from .model import JobModel


def filter_to_ask(config: CleanConfig, model: JobModel) -> str:
    """The digest of the filter that a job's settings name; empty where they name none.

    Raises CheckpointError where it is no filter, or one of other frames than the model's.
    """
    if not config.filter:
        return ""
    from ..filtering.clean_filter import CleanFilter

    found = CleanFilter.load(config.filter)
    found.require_frame(model.spec.frame)
    return found.sha256
