"""What the bytes of a dataset depend on, and that a job resumes only what it would have made
alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ... import storage
from ...datasets.actions.spec import ActionSpec
from ...datasets.shards.dataset import IDENTITY_FILE, Dataset
from ...errors import ConfigError, DatasetError, SpecError
from ...settings import first_difference
from .run_folder import RunFolder

SPEC = "action_spec"  # in `label.json`: a takedown needs it before there are tables


def require_identity(
    dataset: Dataset,
    wanted: Mapping[str, Any],
    here: Mapping[str, Any],
    *,
    allow_other_environment: bool,
    any_processor: bool = False,
) -> list[dict[str, Any]]:
    """Make sure that resuming a dataset gives what an undisturbed run would have given.

    Nothing is written.

    Args:
        wanted: what this run's labels and pixels are a function of, besides the plan.
        here: what `environment` says of this machine.
        any_processor: the kind of this machine's processor does not matter, since others label.

    Returns:
        All environments that the dataset was made in, this one included.

    Raises:
        DatasetError: it was begun with another model or other options, or by another verb.
        ConfigError: it was begun in another environment, and that is not allowed.
    """
    uri = dataset.identity_uri
    try:
        content = json.loads(storage.read_bytes(uri))
        known, environments = dict(content["identity"]), list(content["environments"])
    except FileNotFoundError:
        if dataset.committed_shards():
            raise DatasetError(
                f"{dataset}: has shards, but no {IDENTITY_FILE} that says with which model they "
                "were labelled (`pack` makes such datasets); use another --out"
            ) from None
        known, environments = dict(wanted), []
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{uri}: is damaged ({error}); put back a whole one, or use another --out"
        ) from error
    if ("relabelled" in known) != ("relabelled" in wanted):
        verb = "relabel" if "relabelled" in known else "label"
        raise DatasetError(
            f"{uri}: this dataset was made by `vidact {verb}`, and only that resumes it; "
            "use another --out"
        )
    if known != dict(wanted):
        name, found, given = first_difference(known, dict(wanted))
        raise DatasetError(
            f"{uri}: this dataset was begun with {name} {_shown(found)}, now it is "
            f"{_shown(given)}; a dataset has one model and one set of options: use the same again, "
            "or another --out"
        )
    if any_processor and environments:
        here = {**here, "processor": environments[-1].get("processor")}
    if dict(here) not in environments:
        if environments and not allow_other_environment:
            name, found, given = first_difference(environments[-1], dict(here))
            raise ConfigError(
                f"{uri}: this dataset was begun with {name} {_shown(found)}, here it is "
                f"{_shown(given)}; the bytes of the rest may differ. Resume it where it was begun, "
                "or allow it with --allow-other-environment (it is recorded)"
            )
        environments.append(dict(here))
    return environments


def identity_of(dataset: Dataset) -> dict[str, Any] | None:
    """What a dataset was begun with; None where it was not begun, or where that cannot be read."""
    try:
        return dict(json.loads(storage.read_bytes(dataset.identity_uri))["identity"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write_identity(
    dataset: Dataset,
    run: RunFolder,
    identity: Mapping[str, Any],
    environments: Sequence[Mapping[str, Any]],
    spec: ActionSpec,
) -> None:
    """Begin a dataset, or note the environments in which it is resumed; see `require_identity`."""
    uri = dataset.identity_uri
    if not storage.exists(uri):
        run.forget_crashes()  # crashes of another dataset that lay here
    # Sorted by hand: the order of a spec's buttons counts.
    plain = json.loads(json.dumps(dict(identity), sort_keys=True))
    content = {"environments": list(environments), "identity": plain, SPEC: spec.to_dict()}
    storage.write_atomic(uri, json.dumps(content, indent=1).encode() + b"\n")


def spec_of(dataset: Dataset) -> ActionSpec:
    """The action spec of a dataset, also of one that has no tables yet. Raises DatasetError."""
    try:
        return ActionSpec.from_dict(json.loads(storage.read_bytes(dataset.identity_uri))[SPEC])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        if dataset.has_tables() or not (shards := dataset.committed_shards()):
            return dataset.spec()
    # A job of before that has not ended: of specs that ship, the records' is known by its hash.
    named = dataset.read_commit(shards[0]).spec
    with suppress(SpecError, FileNotFoundError):
        spec = ActionSpec.load(named["name"])
        if spec.sha256 == named["sha256"]:
            return spec
    return dataset.spec()


def _shown(value: Any) -> str:
    """A value for people; of a digest, the digits that tell it from others."""
    return value[:12] if isinstance(value, str) and len(value) == 64 else repr(value)
