"""`vidact demo`: the steps of the whole chain, in order, and what each costs.

The true actions of the unlabelled pile lie in a folder of their own (`truth`), which the labelling
job never sees: it is given mp4 files. They serve to measure the labels afterwards, and to train the
twin of the clone.
"""

from __future__ import annotations

import os
from pathlib import Path

from .. import __version__
from ..bc_policy.cloning.config import CloneConfig
from ..bc_policy.rl.config import FinetuneConfig
from ..bc_policy.scoring.config import PlayConfig
from ..datasets.config import PackConfig, VerifyConfig
from ..errors import MissingDependencyError
from ..games.config import RecordDoomConfig, RecordFreedoomDemosConfig
from ..games.doom.demo_engine import need_engine
from ..games.doom.maps import TRAIN_MAPS
from ..idm.config import EvalIDMConfig, TrainIDMConfig
from ..pipeline.config import LabelConfig, LayoutConfig
from ..progress import duration, log
from .config import MIN_MINUTES, Amounts, DemoConfig
from .stages import Chain, Outcome, Stage
from .story import told

SPEC = "doom"
EVERY_FIFTH = 5  # of five maps in a row three are for labelled play and two for the unlabelled pile
LABELLED_MAPS = tuple(name for i, name in enumerate(TRAIN_MAPS) if i % EVERY_FIFTH < 3)
UNLABELLED_MAPS = tuple(name for i, name in enumerate(TRAIN_MAPS) if i % EVERY_FIFTH >= 3)
MAZE = "my_way_home"  # the map of the task `explore_maze`
# of the pile: an agent that learns for two minutes needs much play of the world it will act in
MAZE_SHARE = 0.8
MAZE_STRAYS = 6.0  # a minute: it needs to see how walls are left, too
MIRROR = ("left:right",)  # Doom's rules are the same on both sides

# Seconds on two cores, measured with the default hours (the demo prints what each step took): so
# much for starting the processes of a step, and so much for each minute of play.
RECORD_S = (4.0, 3.6)
RECORD_MAZE_S = (4.0, 2.1)  # its walls hide most of it: the engine has little to draw
TRAIN_IDM_S = (12.0, 1.2)  # decoding and calibration, beside the minutes of training themselves
EVALUATE_S = (12.0, 2.0)
RECORD_PEOPLE_S, EVALUATE_PEOPLE_S = 15.0, 15.0
LABEL_S = (20.0, 1.6)
VERIFY_S = (3.0, 0.1)
COMPARE_S = (3.0, 0.1)
PACK_S = (4.0, 0.9)
TRAIN_POLICY_S = 8.0  # beside the minutes of training themselves
PLAY_S = (8.0, 1.1)  # so much for each episode, not minute


def run_demo(config: DemoConfig) -> int:
    """Run what is missing of the chain and write the report; returns the exit code."""
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    steps = stages(config)
    expected = sum(step.budget_s for step in steps)
    log(
        f"The demo goes through {len(steps)} steps, about {duration(expected)} on two CPU cores, "
        f"and leaves everything in {out}. Ctrl-C stops it; the same command resumes."
    )
    outcomes = Chain(out, __version__).run(steps)
    log("\n" + time_table(steps, outcomes))
    log(f"\nThe report: {(out / 'report.html').resolve()}")
    return 0


def _seconds(measured: tuple[float, float], amount: float) -> float:
    """What a step takes that was `measured` to take so much at least, and so much more for each of
    `amount`.
    """
    return measured[0] + measured[1] * amount


def stages(config: DemoConfig) -> list[Stage]:
    """The steps of the demo, each with its resolved settings."""
    out, amounts, seed = Path(config.out), Amounts.of(config.hours), config.seed
    work = [
        *_recording(out, amounts, seed),
        *_idm(out, amounts, seed),
        *_people(out, amounts, seed),
        *_labelling(out, amounts, seed),
        *_agent(out, amounts, config.task, seed),
    ]
    return [*work, _report(config, tuple(step.name for step in work))]


def _recording(out: Path, amounts: Amounts, seed: int) -> list[Stage]:
    in_the_maze = amounts.unlabelled * MAZE_SHARE
    piles = [
        ("labelled", amounts.labelled, ",".join(LABELLED_MAPS)),
        ("validation", amounts.validation, "validation"),
        ("heldout", amounts.heldout, "test"),
        ("truth/freedoom", amounts.unlabelled * (1 - MAZE_SHARE), ",".join(UNLABELLED_MAPS)),
        ("truth/maze", in_the_maze, MAZE),
    ]
    made = [
        Stage(
            name=f"record-{name.replace('/', '-')}",
            **told(f"record-{name.replace('/', '-')}"),
            verb="record doom",
            settings=RecordDoomConfig(
                out=str(out / name),
                minutes=round(minutes, 3),
                seed=1000 * seed + number,  # other play on every pile
                maps=maps,
                strays_per_minute=MAZE_STRAYS if maps == MAZE else 0.0,
                # Intervals are drawn over recordings: many short ones tell more than a few long
                # ones.
                chunk_minutes=round(min(1.0, max(MIN_MINUTES, minutes / 12)), 3),
            ),
            outputs=(out / name,),
            budget_s=_seconds(RECORD_MAZE_S if maps == MAZE else RECORD_S, minutes),
        )
        for number, (name, minutes, maps) in enumerate(piles)
    ]
    hide = Stage(
        name="hide-truth",
        **told("hide-truth"),
        function=lambda: hide_truth(out / "truth", out / "unlabelled"),
        settings={"from": str(out / "truth"), "to": str(out / "unlabelled")},
        after=("record-truth-freedoom", "record-truth-maze"),
        outputs=(out / "unlabelled",),
    )
    return [*made, hide]


def _idm(out: Path, amounts: Amounts, seed: int) -> list[Stage]:
    train = TrainIDMConfig(
        data=(str(out / "labelled"),),
        val=(str(out / "validation"),),
        out=str(out / "idm"),
        minutes=amounts.train_idm,
        mirror_average=True,
        seed=seed,
    )
    evaluate = EvalIDMConfig(
        checkpoint=str(out / "idm"),
        recordings=(str(out / "heldout"),),
        out=str(out / "idm_heldout"),
        seed=seed,
    )
    return [
        Stage(
            name="train-idm",
            **told("train-idm"),
            verb="train-idm",
            settings=train,
            after=("record-labelled", "record-validation"),
            outputs=(out / "idm",),
            budget_s=60 * amounts.train_idm + _seconds(TRAIN_IDM_S, amounts.labelled),
        ),
        Stage(
            name="eval-idm",
            **told("eval-idm"),
            verb="eval-idm",
            settings=evaluate,
            after=("train-idm", "record-heldout"),
            outputs=(out / "idm_heldout",),
            budget_s=_seconds(EVALUATE_S, amounts.heldout),
        ),
    ]


def _people(out: Path, amounts: Amounts, seed: int) -> list[Stage]:
    """The IDM on people's play, where the engine that replays it could be compiled."""
    try:
        need_engine()
    except MissingDependencyError:
        return []
    return [
        Stage(
            name="record-people",
            **told("record-people"),
            verb="record freedoom-demos",
            settings=RecordFreedoomDemosConfig(out=str(out / "people"), demos=amounts.people),
            outputs=(out / "people",),
            budget_s=RECORD_PEOPLE_S,
        ),
        Stage(
            name="eval-idm-people",
            **told("eval-idm-people"),
            verb="eval-idm",
            settings=EvalIDMConfig(
                checkpoint=str(out / "idm"),
                recordings=(str(out / "people"),),
                out=str(out / "idm_people"),
                seed=seed,
            ),
            after=("train-idm", "record-people"),
            outputs=(out / "idm_people",),
            budget_s=EVALUATE_PEOPLE_S,
        ),
    ]


def _labelling(out: Path, amounts: Amounts, seed: int) -> list[Stage]:
    from .label_quality import write_label_quality

    label = LabelConfig(
        sources=(str(out / "unlabelled"),),
        idm=str(out / "idm"),
        out=str(out / "dataset"),
        layout=LayoutConfig(
            segment_ticks=2048, min_shards=8
        ),  # a video whole, and 4 shards for each of two workers
        verify=False,
    )
    pack = PackConfig(
        recordings=(str(out / "truth"),),
        out=str(out / "dataset_true"),
        spec=SPEC,
        test_fraction=0.0,
        shard_clips=64,
    )
    quality = out / "label_quality.json"
    return [
        Stage(
            name="label",
            **told("label"),
            verb="label",
            settings=label,
            after=("train-idm", "hide-truth"),
            outputs=(out / "dataset",),
            budget_s=_seconds(LABEL_S, amounts.unlabelled),
        ),
        Stage(
            name="verify",
            **told("verify"),
            verb="verify",
            settings=VerifyConfig(dataset=str(out / "dataset")),
            after=("label",),
            budget_s=_seconds(VERIFY_S, amounts.unlabelled),
        ),
        Stage(
            name="label-quality",
            **told("label-quality"),
            function=lambda: write_label_quality(out / "dataset", out / "truth", quality),
            settings={"dataset": str(out / "dataset"), "truth": str(out / "truth")},
            after=("label", "record-truth-freedoom", "record-truth-maze"),
            outputs=(quality,),
            budget_s=_seconds(COMPARE_S, amounts.unlabelled),
        ),
        Stage(
            name="pack-truth",
            **told("pack-truth"),
            verb="pack",
            settings=pack,
            after=("record-truth-freedoom", "record-truth-maze"),
            outputs=(out / "dataset_true",),
            budget_s=_seconds(PACK_S, amounts.unlabelled),
        ),
    ]


def _agent(out: Path, amounts: Amounts, task: str, seed: int) -> list[Stage]:
    def clone(name: str, dataset: str, after: str) -> Stage:
        return Stage(
            name=name.replace("_", "-"),
            **told(name.replace("_", "-")),
            verb="clone",
            settings=CloneConfig(
                data=(str(out / dataset),),
                out=str(out / name),
                minutes=amounts.clone,
                steps=0,
                # Small batches: in so short a time many steps teach more than smooth ones.
                batch_size=2,
                ticks=64,
                mirror=MIRROR,
                seed=seed,
            ),
            after=(after,),
            outputs=(out / name,),
            budget_s=60 * amounts.clone + TRAIN_POLICY_S,
        )

    def play(who: str, *after: str) -> Stage:
        settings = PlayConfig(
            checkpoint="" if who == "random" else str(out / who),
            random=who == "random",
            task=task,
            out=str(out / "play" / who),
            episodes=amounts.episodes,
            lanes=min(16, max(1, amounts.episodes // 2)),  # so that two cores have work
        )
        return Stage(
            name=f"play-{who.replace('_', '-')}",
            **told(f"play-{who.replace('_', '-')}", task=task),
            verb="play",
            settings=settings,
            after=after,
            outputs=(out / "play" / who,),
            budget_s=_seconds(PLAY_S, amounts.episodes),
        )

    finetune = FinetuneConfig(
        checkpoint=str(out / "clone"),
        task=task,
        out=str(out / "finetune"),
        minutes=amounts.finetune,
        iterations=0,
        seed=seed,
    )
    return [
        clone("clone", "dataset", "label"),
        clone("clone_true_labels", "dataset_true", "pack-truth"),
        play("random"),
        play("clone", "clone"),
        play("clone_true_labels", "clone-true-labels"),
        Stage(
            name="finetune",
            **told("finetune"),
            verb="finetune",
            settings=finetune,
            after=("clone",),
            outputs=(out / "finetune",),
            budget_s=60 * amounts.finetune + TRAIN_POLICY_S,
        ),
        play("finetune", "finetune"),
    ]


def _report(config: DemoConfig, after: tuple[str, ...]) -> Stage:
    from .gather import write_report

    out = Path(config.out)
    return Stage(
        name="report",
        **told("report"),
        function=lambda: write_report(config, out),
        settings=config,
        after=after,
        outputs=(out / "report.html", out / "report.json"),
        budget_s=15.0,
    )


def hide_truth(recordings: Path, videos: Path) -> None:
    """Link the mp4 files below `recordings` into `videos`, and nothing else of them."""
    videos.mkdir(parents=True, exist_ok=True)
    for source in sorted(recordings.rglob("*.mp4")):
        target = videos / source.name
        if not target.exists():
            try:
                os.link(source, target)
            except OSError:  # another file system, or one without links
                target.write_bytes(source.read_bytes())


def time_table(steps: list[Stage], outcomes: dict[str, Outcome]) -> str:
    """Seconds and memory of every step against its budget, as a Markdown table."""
    rows = ["| step | expected | took | peak memory |", "| --- | ---: | ---: | ---: |"]
    for step in steps:
        outcome = outcomes[step.name]
        rows.append(
            f"| {step.title} | {duration(step.budget_s)} | {duration(outcome.seconds)} "
            f"| {outcome.peak_memory_bytes / 2**30:.1f} GiB |"
        )
    total = sum(outcome.seconds for outcome in outcomes.values())
    peak = max(outcome.peak_memory_bytes for outcome in outcomes.values()) / 2**30
    expected = sum(step.budget_s for step in steps)
    rows.append(
        f"| **all** | **{duration(expected)}** | **{duration(total)}** | **{peak:.1f} GiB** |"
    )
    return "\n".join(rows)
