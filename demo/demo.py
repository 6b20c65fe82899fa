"""`vidact demo`: the steps of the whole chain, in order, and what each costs.

The true actions of the unlabelled pile lie in a folder of their own (`truth`), which the labelling
job never sees: it is given mp4 files. They serve to measure the labels afterwards.
"""

from __future__ import annotations

import os
from pathlib import Path

from .. import __version__
from ..bc_policy.cloning.config import CloneConfig
from ..bc_policy.rl.config import FinetuneConfig
from ..bc_policy.scoring.config import PlayConfig
from ..games.workers import import_ahead
from ..idm.config import EvalIDMConfig, TrainIDMConfig
from ..pipeline.config import LabelConfig, LayoutConfig, VerifyConfig
from ..progress import duration, log
from .config import MIN_MINUTES, Amounts, DemoConfig
from .stages import Chain, Outcome, Stage
from .story import told
from .worlds import World, world_of

# Seconds on two cores, measured with the default hours (the demo prints what each step took): so
# much for starting the processes of a step, and so much for each minute of play.
TRAIN_IDM_S = (12.0, 1.2)  # decoding and calibration, beside the minutes of training themselves
EVALUATE_S = (12.0, 2.0)
LABEL_S = (20.0, 1.6)
VERIFY_S = (3.0, 0.1)
COMPARE_S = (3.0, 0.1)
FEW_EPISODES = 8  # of a demo so small that nothing is learnt: more games would only cost time
TRAIN_POLICY_S = 8.0  # beside the minutes of training themselves
# Clips a step of cloning. What two cores see in minutes is worth more in many small steps: of the
# same 150,000 frames, 600 steps of 4 clips were better than copying the last action (a loss of 4.94
# against 5.33 nats a tick), 159 of 16 clips were worse (6.15).
POLICY_CLIPS = 4
PLAY_S = (8.0, 1.1)  # so much for each episode, not minute
POLICIES_PLAY = ("vidact.bc_policy.scoring.pool", "vidact.bc_policy.rl.actors")


def run_demo(config: DemoConfig) -> int:
    """Run what is missing of the chain and write the report; returns the exit code."""
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    steps = stages(config)
    import_ahead(*POLICIES_PLAY)
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
    out, amounts, seed = Path(config.out), Amounts.of(config.hours, config.game), config.seed
    world = world_of(config, amounts)
    work = [
        *_recording(out, world, seed),
        *_idm(out, amounts, world, seed),
        *_labelling(out, amounts, world),
        *_agent(out, amounts, world, seed),
    ]
    return [*work, _report(config, tuple(step.name for step in work))]


def _recording(out: Path, world: World, seed: int) -> list[Stage]:
    made = [
        Stage(
            name=pile.step,
            **told(pile.step, task=world.task),
            verb=pile.verb,
            settings=pile.settings(
                out=str(out / pile.folder),
                minutes=round(pile.minutes, 3),
                seed=1000 * seed + number,  # other play on every pile
                # Intervals are drawn over recordings: many short ones tell more than a few long
                # ones.
                chunk_minutes=round(min(1.0, max(MIN_MINUTES, pile.minutes / 12)), 3),
            ),
            outputs=(out / pile.folder,),
            budget_s=_seconds(pile.cost_s, pile.minutes),
        )
        for number, pile in enumerate(world.piles)
    ]
    hide = Stage(
        name="hide-truth",
        **told("hide-truth"),
        function=lambda: hide_truth(out / "truth", out / "unlabelled"),
        settings={"from": str(out / "truth"), "to": str(out / "unlabelled")},
        after=world.recorded("truth"),
        outputs=(out / "unlabelled",),
    )
    return [*made, hide]


def _idm(out: Path, amounts: Amounts, world: World, seed: int) -> list[Stage]:
    minutes = amounts.tune_idm if world.init else amounts.train_idm
    train = TrainIDMConfig(
        data=(str(out / "labelled"),),
        val=(str(out / "validation"),),
        out=str(out / "idm"),
        minutes=minutes,
        init=world.init,
        mirror_average=bool(world.mirror),
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
            **told("tune-idm" if world.init else "train-idm", init=world.init),
            verb="train-idm",
            settings=train,
            after=(*world.recorded("labelled"), *world.recorded("validation")),
            outputs=(out / "idm",),
            budget_s=60 * minutes + _seconds(TRAIN_IDM_S, amounts.labelled),
        ),
        Stage(
            name="eval-idm",
            **told("eval-idm"),
            verb="eval-idm",
            settings=evaluate,
            after=("train-idm", *world.recorded("heldout")),
            outputs=(out / "idm_heldout",),
            budget_s=_seconds(EVALUATE_S, amounts.heldout),
        ),
    ]


def _labelling(out: Path, amounts: Amounts, world: World) -> list[Stage]:
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
            after=("label", *world.recorded("truth")),
            outputs=(quality,),
            budget_s=_seconds(COMPARE_S, amounts.unlabelled),
        ),
    ]


def _agent(out: Path, amounts: Amounts, world: World, seed: int) -> list[Stage]:
    def clone(name: str, minutes: float, *, blind: bool) -> Stage:
        return Stage(
            name=name,
            **told(name),
            verb="clone",
            settings=CloneConfig(
                data=(str(out / "dataset"),),
                out=str(out / name),
                minutes=minutes,
                steps=0,
                batch_size=POLICY_CLIPS,
                labels=world.labels,
                mirror=world.mirror,
                blind=blind,
                seed=seed,
            ),
            after=("label",),
            outputs=(out / name,),
            budget_s=60 * minutes + TRAIN_POLICY_S,
        )

    def play(who: str, *after: str) -> Stage:
        settings = PlayConfig(
            checkpoint="" if who == "random" else str(out / who),
            random=who == "random",
            task=world.task,
            out=str(out / "play" / who),
            episodes=amounts.episodes,
            lanes=min(16, max(1, amounts.episodes // 2)),  # so that two cores have work
        )
        return Stage(
            name=f"play-{who}",
            **told(f"play-{who}", task=world.task),
            verb="play",
            settings=settings,
            after=after,
            outputs=(out / "play" / who,),
            budget_s=_seconds(PLAY_S, amounts.episodes),
        )

    finetune = FinetuneConfig(
        checkpoint=str(out / "clone"),
        task=world.task,
        out=str(out / "finetune"),
        minutes=amounts.finetune,
        iterations=0,
        lanes=2 if amounts.episodes < FEW_EPISODES else 8,
        check_episodes=amounts.episodes,
        seed=seed,
    )
    return [
        clone("clone", amounts.clone, blind=False),
        clone("blind", amounts.blind, blind=True),
        play("random"),
        play("blind", "blind"),
        play("clone", "clone"),
        Stage(
            name="finetune",
            **told("finetune"),
            verb="finetune",
            settings=finetune,
            after=("clone",),
            outputs=(out / "finetune",),
            budget_s=60 * amounts.finetune + TRAIN_POLICY_S + _seconds(PLAY_S, amounts.episodes),
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
