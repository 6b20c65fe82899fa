"""`vidact relabel`: the labels of another IDM for the same pixels, as a new dataset.

Shards, clips and pictures stay what they are, bit by bit; only the labels and the lineage change. The model sees a
clip's neighbours too, wherever they lie, so labels hardly depend on where clips begin and end.
"""

from __future__ import annotations

from .. import storage
from ..datasets.shards.commits import (
    PLAN_FILE,
    DeadLetter,
    forget_lost,
    read_commits,
    require_own_folder,
)
from ..datasets.shards.manifest import (
    DatasetInfo,
    compact,
    dataset_spec,
    read_dataset_json,
    read_dead_letters,
    removed_sources,
)
from ..errors import ConfigError, DatasetError, Interrupted
from ..progress import log
from ..storage_failures import interrupted_by_storage
from .config import RelabelConfig
from .labelling.source_statistics import (
    Reference,
    source_statistics,
    write_source_statistics,
)
from .planning.plan import SOURCES_FILE
from .run_folder import RunFolder
from .running.identity import WorkerSettings, environment, require_identity, write_identity
from .running.job import run_shards, sweep, verify_shards, worker_count
from .running.tracker import Tracker


def _same_place(one: str, other: str) -> bool:
    if one.rstrip("/") == other.rstrip("/"):
        return True
    here, there = storage.local_path(one), storage.local_path(other)
    return here is not None and there is not None and here.resolve() == there.resolve()


@interrupted_by_storage()
def run_relabel(config: RelabelConfig) -> int:
    """Write the new dataset. Run again, it does only what is missing.

    Raises:
        SpecMismatchError: the model's action spec is not the dataset's.
        DatasetError: the dataset is not finished, or `out` was begun otherwise.
    """
    from ..idm.labels.checkpoint import load_idm, spec_of
    from ..training.device import pick_device

    if _same_place(config.dataset, config.out):
        raise ConfigError(
            f"out: {config.out} is the dataset itself; new labels go into a new folder"
        )
    if config.runner == "local":
        pick_device(config.device)  # now rather than in each worker
    checkpoint = load_idm(config.idm)
    spec = spec_of(checkpoint)
    dataset_spec(config.dataset).require_same(spec, f"the checkpoint {config.idm}")
    source = read_dataset_json(config.dataset)
    records = read_commits(config.dataset)
    if {record.shard for record in records} != {shard["name"] for shard in source["shards"]}:
        raise DatasetError(
            f"{config.dataset}: its tables are older than its shards; run the job that makes it again"
        )
    if gone := sorted(set(removed_sources(config.out)) - set(removed_sources(config.dataset))):
        raise DatasetError(
            f"{config.out}: {', '.join(sha[:12] for sha in gone)} was removed from it, and {config.dataset} still has "
            "it: remove it there too, and relabel into another --out"
        )
    run = RunFolder.of(config.out)
    settings = WorkerSettings(
        dataset=config.out,
        idm=config.idm,
        device=config.device,
        relabel_from=config.dataset,
        run_folder=str(run.path) if config.runner == "local" else "",
    )
    run.lock()
    finished = False
    try:
        require_own_folder(config.out)
        identity = {
            "idm_sha256": checkpoint.sha256,
            "spec_sha256": spec.sha256,
            "relabelled": {shard["name"]: shard["sha256"] for shard in source["shards"]},
        }
        environments = require_identity(
            config.out,
            identity,
            environment(config.device),
            allow_other_environment=config.allow_other_environment,
        )
        write_identity(config.out, run, identity, environments)
        ticks = {record.shard: int(record.statistics["ticks"]) for record in records}
        tracker = Tracker(config.out, ticks, spec.tick_hz)
        sweep(config.out)
        forget_lost(config.out)
        new = tracker.missing()
        if new:
            run_shards(config, settings, run, tracker)
        sweep(config.out)
        if left := tracker.missing():
            raise Interrupted(f"{len(left)} shards are still to be done; run again")
        finished = True
    finally:
        run.release(done=finished)
    for name in (PLAN_FILE, SOURCES_FILE):
        if storage.exists(storage.join(config.dataset, name)):
            storage.write_atomic(
                storage.join(config.out, name),
                storage.read_bytes(storage.join(config.dataset, name)),
            )
    info = DatasetInfo(
        name=config.out.rstrip("/").rsplit("/", 1)[-1],
        spec=spec,
        description=f"The pixels of {source['name']} with the labels of another inverse dynamics model.",
        license=source["license"],
        idm={
            "uri": config.idm,
            "sha256": checkpoint.sha256,
            "metrics": checkpoint.config.get("metrics"),
        },
        options={
            **source["options"],
            "relabelled_from": {"uri": config.dataset, "idm": source["idm"]},
        },
        environment={"environments": environments},
        dead_letters=tuple(
            DeadLetter(**letter) for letter in read_dead_letters(config.dataset).to_pylist()
        ),
        duplicates=source.get("duplicates", {}),
    )
    content = compact(config.out, info)
    log(
        f"{config.out}: {content['counts']['clips']:,} clips, {content['hours']:.2f} hours with new labels."
    )
    rows = source_statistics(
        read_commits(config.out), spec, Reference.of_checkpoint(checkpoint.config, spec)
    )
    write_source_statistics(config.out, rows, spec)
    if config.verify and new:
        verify_shards(config.out, new, threads=worker_count(config))
    return 0
