"""`vidact relabel`: the labels of another IDM for the same pixels, as a new dataset.

Shards, clips and pictures stay what they are, bit by bit; only the labels and the lineage change,
and clips may be left out by tighter thresholds of the filter of clean frames.
"""

from __future__ import annotations

from .. import storage
from ..datasets.shards.commits import DeadLetter
from ..datasets.shards.dataset import Dataset
from ..datasets.shards.info import DatasetInfo
from ..datasets.shards.summary_reader import SummaryReader
from ..errors import ConfigError, DatasetError
from ..progress import hours_of, log
from ..storage_failures import interrupted_by_storage
from .config import RelabelConfig
from .labelling.relabeller import RelabelWork
from .running.asked_filter import tightened
from .running.asked_game import game_to_ask
from .running.engine import Runner, run_on_engine
from .running.job import DatasetJob
from .running.model import JobModel
from .running.tracker import Tracker


@interrupted_by_storage()
def relabel(config: RelabelConfig, *, runner: Runner = run_on_engine) -> int:
    """Write the new dataset. Run again, it does only what is missing.

    Args:
        runner: does the shards; on an engine under a supervisor unless given.

    Raises:
        SpecMismatchError: the model's action spec is not the dataset's.
        DatasetError: the dataset has no tables yet, or `out` was begun otherwise.
    """
    source, dataset = Dataset(config.dataset), Dataset(config.out)
    if _same_place(source, dataset):
        raise ConfigError(f"out: {dataset} is the dataset itself; new labels go into a new folder")
    model = JobModel.of(config)
    clean = tightened(config, source)
    work = RelabelWork(source=source, game=game_to_ask(dataset, model), clean=clean)
    source.spec().require_same(model.spec, f"the checkpoint {config.idm}")
    old = source.content()
    # Those of the tables: while the source is labeled, more shards come.
    listed = {shard["name"] for shard in old["shards"]}
    committed = sorted(listed.intersection(source.committed_shards()))
    summaries = SummaryReader(source, own=False).read(committed)
    ticks = {shard: int(summary["ticks"]) for shard, summary in summaries}
    if missing := sorted(listed - ticks.keys()):
        raise DatasetError(
            f"{source}: its tables list {missing[0]}, which has no record; run `vidact compact`"
        )
    if gone := sorted(set(dataset.removed_sources()) - set(source.removed_sources())):
        raise DatasetError(
            f"{dataset}: {', '.join(sha[:12] for sha in gone)} was removed from it, and {source} "
            "still has it: remove it there too, and relabel into another --out"
        )
    with DatasetJob(dataset, resumable=True, scratch=config.scratch) as job:
        dataset.require_own_folder()
        job.require_identity(model.identity | work.identity, model.spec, config)
        tracker = Tracker(job.begin(config.retry_dead_letters), ticks, model.spec.tick_hz)
        job.run(config, work, tracker, runner)
    for ours, theirs in (
        (dataset.plan_uri, source.plan_uri),
        (dataset.sources_uri, source.sources_uri),
    ):
        if storage.exists(theirs):
            storage.write_atomic(ours, storage.read_bytes(theirs))
    info = DatasetInfo(
        name=dataset.name,
        spec=model.spec,
        description=(
            f"The pixels of {old['name']} with the labels of another inverse dynamics model."
        ),
        license=old["license"],
        idm=model.info | ({"game": {"sha256": work.game}} if work.game else {}),
        options={
            **old["options"],
            **({"clean": dict(clean)} if clean else {}),
            "relabelled_from": {"uri": config.dataset, "idm": old["idm"]},
        },
        environment={"environments": job.environments},
        dead_letters=tuple(DeadLetter(**row) for row in source.dead_letters().to_pylist()),
        duplicates=old.get("duplicates", {}),
    )
    content, _ = job.publish(info, model.reference)
    clips, hours = content["counts"]["clips"], content["hours"]
    log(f"{dataset}: {clips:,} clips, {hours_of(hours)} with new labels.")
    job.verify(config)
    job.require_few_errors(config, tracker)
    return 0


def _same_place(one: Dataset, other: Dataset) -> bool:
    if one.uri.rstrip("/") == other.uri.rstrip("/"):
        return True
    here, there = one.local, other.local
    return here is not None and there is not None and here.resolve() == there.resolve()
