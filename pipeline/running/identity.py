"""What driver and workers need to know of a job, and what the bytes of a dataset depend on."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ... import storage
from ...datasets.config import DecoderConfig
from ...datasets.shards.commits import IDENTITY_FILE, committed_shards
from ...errors import ConfigError, DatasetError
from ...machine import cpu_model
from ...settings import first_difference
from ..config import FilterConfig, LabelConfig
from ..run_folder import RunFolder

PACKAGES = (
    "vidact",
    "torch",
    "numpy",
    "av",
    "webdataset",
)  # what frames, labels and tars are made by


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSettings:
    """What a worker needs; it travels to the workers inside the Beam step, and to the driver as JSON."""

    dataset: str
    idm: str
    device: str = "auto"
    filter: FilterConfig = field(default_factory=FilterConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    chroma: str = "420"
    drop_missing: bool = False
    relabel_from: str = ""
    """The dataset whose pixels get new labels; empty where sources are labelled."""
    run_folder: str = ""
    """The run folder on this machine; empty on a cluster, whose workers see no common disk."""

    @classmethod
    def of(cls, config: LabelConfig, run_folder: Path | None) -> WorkerSettings:
        """The part of a job's settings that workers need."""
        return cls(
            dataset=config.out,
            idm=config.idm,
            device=config.device,
            filter=config.filter,
            decoder=config.decoder,
            chroma=config.chroma,
            drop_missing=config.drop_missing,
            run_folder="" if run_folder is None else str(run_folder),
        )

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> WorkerSettings:
        """From `to_json`."""
        values = json.loads(text)
        values["filter"] = FilterConfig(**values["filter"])
        values["decoder"] = DecoderConfig(**values["decoder"])
        return cls(**values)


def environment(device: str) -> dict[str, Any]:
    """What the bytes depend on beside input and options: versions, kind of processor, threads a worker."""
    import torch

    gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    found = {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "processor": (
            torch.cuda.get_device_name() if torch.cuda.is_available() else "a GPU elsewhere"
        )
        if gpu
        else cpu_model(),
        "threads_a_worker": 1,
    }
    return dict(sorted(found.items()))  # in the order in which it is read back


def identity(settings: WorkerSettings, *, idm_sha256: str, spec_sha256: str) -> dict[str, Any]:
    """What a dataset's labels and pixels are a function of, besides its plan."""
    return {
        "idm_sha256": idm_sha256,
        "spec_sha256": spec_sha256,
        "chroma": settings.chroma,
        "filter": asdict(settings.filter),
    }


def require_identity(
    dataset: str,
    wanted: Mapping[str, Any],
    here: Mapping[str, Any],
    *,
    allow_other_environment: bool,
) -> list[dict[str, Any]]:
    """Make sure that going on with a dataset gives what an undisturbed run would have given. Writes nothing.

    Args:
        wanted: what `identity` says of this run.
        here: what `environment` says of this machine.

    Returns:
        All environments that the dataset was made in, this one included.

    Raises:
        DatasetError: it was begun with another model or other options, or by another verb.
        ConfigError: it was begun in another environment, and that is not allowed.
    """
    uri = storage.join(dataset, IDENTITY_FILE)
    try:
        content = json.loads(storage.read_bytes(uri))
        known, environments = dict(content["identity"]), list(content["environments"])
    except FileNotFoundError:
        if committed_shards(dataset):
            raise DatasetError(
                f"{dataset}: has shards, but no {IDENTITY_FILE} that says with which model they were labelled (`pack` "
                "makes such datasets); use another --out"
            ) from None
        known, environments = dict(wanted), []
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{uri}: is damaged ({error}); put back a whole one, or use another --out"
        ) from error
    if ("relabelled" in known) != ("relabelled" in wanted):
        verb = "relabel" if "relabelled" in known else "label"
        raise DatasetError(
            f"{uri}: this dataset was made by `vidact {verb}`, and only that goes on; use another --out"
        )
    if known != dict(wanted):
        name, found, given = first_difference(known, dict(wanted))
        raise DatasetError(
            f"{uri}: this dataset was begun with {name} {_shown(found)}, now it is {_shown(given)}; a dataset has one "
            "model and one set of options: use the same again, or another --out"
        )
    if dict(here) not in environments:
        if environments and not allow_other_environment:
            name, found, given = first_difference(environments[-1], dict(here))
            raise ConfigError(
                f"{uri}: this dataset was begun with {name} {_shown(found)}, here it is {_shown(given)}; the bytes of "
                "the rest may differ. Go on where it was begun, or allow it with --allow-other-environment (it is "
                "recorded)"
            )
        environments.append(dict(here))
    return environments


def write_identity(
    dataset: str,
    run: RunFolder,
    identity: Mapping[str, Any],
    environments: Sequence[Mapping[str, Any]],
) -> None:
    """Begin a dataset, or note the environments in which it goes on; see `require_identity`."""
    uri = storage.join(dataset, IDENTITY_FILE)
    if not storage.exists(uri):
        run.forgive()  # strikes of another dataset that lay here
    content = {"identity": dict(identity), "environments": list(environments)}
    data = json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"
    storage.write_atomic(uri, data)


def _shown(value: Any) -> str:
    """Of a digest, as much as tells it from others."""
    return value[:12] if isinstance(value, str) and len(value) == 64 else repr(value)
