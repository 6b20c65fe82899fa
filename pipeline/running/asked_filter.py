"""Which filter of clean frames a job asks, and with which thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...datasets.shards.dataset import Dataset
from ...errors import ConfigError, DatasetError
from ..config import RelabelConfig
from ..filtering.config import CleanConfig
from .model import JobModel


def filter_to_ask(config: CleanConfig, model: JobModel) -> tuple[CleanConfig, str]:
    """The settings with the threshold that counts, and the digest of the filter that they name;
    empty where they name none.

    Raises CheckpointError where it is no filter, or one of other frames than the model's.
    """
    if not config.filter:
        return config, ""
    from ..filtering.clean_filter import CleanFilter

    found = CleanFilter.load(config.filter)
    found.require_frame(model.spec.frame)
    return replace(config, threshold=config.threshold or found.threshold), found.sha256


def tightened(config: RelabelConfig, source: Dataset) -> Mapping[str, Any] | None:
    """What a dataset says of its filter of clean frames (`CleanConfig.identity`), with the
    thresholds that are to be tighter; None where none are given.

    Raises:
        DatasetError: no filter was asked when it was labeled.
        ConfigError: a threshold is looser than the dataset's.
    """
    wanted = {
        "threshold": config.clean_threshold,
        "min_share": config.clean_min_share,
        "min_seconds": config.clean_min_seconds,
    }
    given = {name: value for name, value in wanted.items() if value}
    if not given:
        return None
    has: Mapping[str, Any] | None = source.content()["options"].get("clean")
    if has is None:
        raise DatasetError(
            f"{source}: was labeled without --filter: there is nothing of which thresholds could "
            "be tightened"
        )
    for name, value in given.items():
        if value < has[name]:
            raise ConfigError(
                f"clean_{name} must be at least {has[name]:g}, with which {source} was labeled, "
                f"got {value:g}: what a looser one keeps was never labeled; label again for that"
            )
    return {**has, **given}
