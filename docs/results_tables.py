"""The results pages: a table for each file in `benchmarks/results`, with date, commit and command.

A table is a function from the file's content to a header and rows. A file that nobody describes
here fails the build: a figure without a page is a figure that nobody reads.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_tables import arms_by_task, small_things, whole_demos
from filter_tables import clean_frames, only_the_game
from idm_tables import ablation, own_game, presets, randomization, scaling, sticks
from plain_tables import decode, loader, mapping, records
from table_cells import Row, Table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


@dataclass(frozen=True)
class Result:
    """One file of results: what it says, which command makes it, and how it is tabled."""

    file: str
    title: str
    about: str
    command: str
    tables: Callable[[Any], Iterator[Table]]


PAGES: dict[str, tuple[str, tuple[Result, ...]]] = {
    "command": (
        "The command",
        (
            Result(
                "import_time.json",
                "Starting",
                "What `import vidact` and `--help` cost beside Python alone, fresh processes.",
                "python benchmarks/import_time.py",
                mapping(),
            ),
        ),
    ),
    "agents": (
        "Agents",
        (
            Result(
                "demo_seeds.json",
                "Whole demos",
                "`vidact demo` with five seeds, each from nothing; then 200 worlds for each agent. "
                "Intervals are over seeds and worlds.",
                "python benchmarks/demo_seeds.py",
                whole_demos,
            ),
            Result(
                "demo_seeds_crafter.json",
                "Whole demos on Crafter",
                "The same chain on Crafter, nothing changed but the spec.",
                "python benchmarks/demo_seeds.py --game crafter",
                whole_demos,
            ),
            Result(
                "clone_targets.json",
                "How well clones play",
                "What each arm is, the benchmark's `--help` says; three training seeds, 200 worlds "
                "each, intervals over seeds and worlds. A bar on `mean` or `low` is for every "
                "seed.",
                "python benchmarks/clone_targets.py",
                arms_by_task,
            ),
            Result(
                "hard_tasks.json",
                "What scratch cannot do",
                "A million environment steps for every learner. Priors are cloned from scripted "
                "demonstrations: an hour of the maze, twenty hours of Crafter. What each arm is, "
                "the benchmark's `--help` says.",
                "python benchmarks/hard_tasks.py",
                arms_by_task,
            ),
            Result(
                "codec_gap.json",
                "What video costs a clone",
                "How likely a clone finds the same keys on frames from the dataset and on those "
                "that the game draws, which it plays from.",
                "python benchmarks/codec_gap.py",
                mapping(),
            ),
            Result(
                "cloning_speed.json",
                "Cloning's speed",
                "Frames learned from per second of one core: the bare step, the whole of it, and "
                "that of the commit before frames were kept in memory.",
                "python benchmarks/cloning_speed.py",
                mapping(),
            ),
            Result(
                "policy_trunks.json",
                "Trunks by speed",
                "Frames that a policy learns from per core-second, by what turns a frame into a "
                "vector; ratios are to the residual CNN.",
                "python benchmarks/policy_trunks.py --rounds 3",
                mapping(),
            ),
            Result(
                "crafter_speed.json",
                "Crafter's speed",
                "Steps of the environment under random play, drawn by tiles at 72x72, by Crafter "
                "itself, and as before.",
                "python benchmarks/crafter_speed.py --ticks 600 --rounds 3",
                mapping(),
            ),
        ),
    ),
    "idm": (
        "The inverse dynamics model",
        (
            Result(
                "idm_presets.json",
                "Presets",
                "What each preset costs, and what the same minutes of training bring on held-out "
                "maps; one seed.",
                "python benchmarks/idm_presets.py --minutes 5",
                presets,
            ),
            Result(
                "idm_robustness.json",
                "Strangers' settings",
                "The shipped `doom` on held-out play, as recorded and as somebody else might have "
                "recorded it.",
                "python benchmarks/idm_robustness.py doom runs/doom-idm/heldout",
                mapping(),
            ),
            Result(
                "adr_study.json",
                "Ranges that grow by themselves",
                "The same core-minutes of training with nothing varied, with six parameters drawn "
                "from all of their limits, and with automatic domain randomization: on play as "
                "recorded (T0), in sixty settings that are extreme in one to six parameters (T1), "
                "and on what none of them models.",
                "python benchmarks/adr_study.py",
                randomization,
            ),
            Result(
                "only_the_game.json",
                "Only the game",
                "How much of other videos, and of play of Doom, `vidact label --idm doom` drops: "
                "sources that it was not fitted on (`benchmarks/filter_sources.yaml`), 95 % "
                "intervals over sources; and what asking costs beside decoding.",
                "python benchmarks/only_the_game.py runs/only-the-game",
                only_the_game,
            ),
            Result(
                "clean_frames.json",
                "Only clean play",
                "A filter of `vidact train-filter` on scripted labels of five kinds of dirt over "
                "play of Doom, asked about other maps and kinds of dirt that no label showed "
                "(`benchmarks/filter_sources.yaml`, each kind counted alike); 95 % intervals over "
                "stretches of ten seconds.",
                "python benchmarks/clean_frames.py runs/clean-frames",
                clean_frames,
            ),
            Result(
                "inset_alarms.json",
                "Play that is taken for a face cam",
                "The share of ticks of play without any inset that a filter of `vidact "
                "train-filter` calls a picture in the picture, as recorded and as strangers "
                "record it.",
                "python benchmarks/inset_alarms.py runs/filter runs/play",
                mapping(),
            ),
            Result(
                "idm_ablation.json",
                "What each part is worth",
                "A `tiny` IDM on twenty minutes of scripted play, measured on held-out maps: the "
                "mean over seeds, and half of what lies between the highest and the lowest.",
                "python benchmarks/idm_ablation.py",
                ablation,
            ),
            Result(
                "idm_scaling.json",
                "How much play it takes",
                "A `tiny` IDM for each amount and kind of play, on play that it has not seen; what "
                "each row is, the benchmark's `--help` says. 95 % intervals over recordings or "
                "demos.",
                "python benchmarks/idm_scaling.py",
                scaling,
            ),
            Result(
                "luanti.json",
                "Luanti",
                "A game that vidact does not know, recorded by the recorder of screens while a "
                "script played, under the spec that `vidact spec infer` drafted: an IDM on "
                "held-out worlds. Means over seeds and worlds, 95 % intervals over both; by seed "
                "and world over recordings of a minute.",
                "python benchmarks/luanti.py",
                own_game,
            ),
            Result(
                "twin_stick.json",
                "Two sticks, two triggers, twelve buttons",
                "A small game for gamepads, from scripted play to an agent, with one seed: an IDM "
                "on games that it has not seen, and points a game of what was cloned from its "
                "labels.",
                "python benchmarks/twin_stick.py",
                sticks,
            ),
            Result(
                "idm_small_things.json",
                "Small things",
                "Whether an IDM finds the keys that change a few pixels, and what that costs "
                "elsewhere; Crafter's first spec beside its second.",
                "python benchmarks/idm_small_things.py",
                small_things,
            ),
            Result(
                "idm_speed.json",
                "Shared computation",
                "The published graph (482 million parameters, random weights) labeling by disjoint "
                "windows, by overlapped ones, and by windows that share what they can.",
                "python benchmarks/idm_speed.py --windows 1",
                mapping(),
            ),
        ),
    ),
    "job": (
        "The labeling job",
        (
            Result(
                "beam_overhead.json",
                "Beam beside a plain loop and a pool",
                "CPU and wall time per hour of video; one worker and two.",
                "python benchmarks/beam_overhead.py",
                mapping(),
            ),
            Result(
                "label_growth.json",
                "Ten times the video",
                "CPU time and memory of a worker for the same video once and ten times.",
                "python benchmarks/label_growth.py",
                mapping(),
            ),
            Result(
                "label_memory.json",
                "One long video",
                "Memory of a worker for videos of three minutes and of three hours.",
                "python benchmarks/label_growth.py --memory",
                mapping(),
            ),
            Result(
                "manifest_growth.json",
                "A manifest of ten million clips",
                "Compacting synthetic commit records, and opening a loader as one of 64 ranks; "
                "each in a process of its own.",
                "python benchmarks/manifest_growth.py",
                mapping(),
            ),
            Result(
                "plan_growth.json",
                "A plan of 100,000 sources",
                "Laying out, writing and reading the plan.",
                "python benchmarks/plan_growth.py",
                mapping(),
            ),
            Result(
                "restart.json",
                "A restart with 100,000 sources and 14,318 shards committed",
                "20 ms a request, until the first shard begins. Bars: 60 s, 1 GiB.",
                "python benchmarks/restart.py",
                lambda content: mapping()(content["runs"][0]),
            ),
        ),
    ),
    "data": (
        "Video, shards and loaders",
        (
            Result(
                "loader.json",
                "Loaders",
                "2 Mbit/s recordings and their shards, two threads; median of interleaved rounds.",
                "python benchmarks/loader.py",
                loader,
            ),
            Result(
                "decode.json",
                "Decoding at the tick rate",
                "Strangers' video at 20 ticks a second, beside decoding alone.",
                "python benchmarks/decode.py",
                decode,
            ),
            Result(
                "long_video.json",
                "An hour of video",
                "Probing and decoding a long file.",
                "python benchmarks/long_video.py",
                mapping(),
            ),
            Result(
                "screen_recorder.json",
                "Recording a screen",
                "A program of 1280x720 at 30 Hz that shows what it received, played for ten "
                "minutes on the two cores on which it is recorded; then the recorder is killed at "
                "any moment. What each figure is, the benchmark's `--help` says.",
                "python benchmarks/screen_recorder.py",
                mapping(),
            ),
            Result(
                "label_shift.json",
                "Shifted labels",
                "What `vidact spec check` says of recordings of one minute whose labels stand "
                "right, and of the same ones with all labels moved.",
                "python benchmarks/label_shift.py",
                mapping(),
            ),
        ),
    ),
    "labeling_tool": (
        "The labeling tool",
        (
            Result(
                "labeling_pages.json",
                "Pages",
                "A real Chromium, on both databases: first page, steps of a frame, the next task.",
                "python benchmarks/labeling_pages.py",
                mapping(),
            ),
            Result(
                "labeling_load.json",
                "A hundred annotators",
                "A batch every two seconds from each of 100 people, on both databases.",
                "python benchmarks/labeling_load.py",
                records,
            ),
            Result(
                "labeling_logins.json",
                "Logins at once",
                "How long saving takes while 400 people log in at the same moment.",
                "python benchmarks/labeling_logins.py --logins 400",
                mapping(),
            ),
            Result(
                "labeling_safety.json",
                "Nothing lost",
                "Kills under load, races for the same task, odd requests, frames against their "
                "numbers, clicks and drags of a trembling hand.",
                "python benchmarks/labeling_safety.py",
                mapping(),
            ),
        ),
    ),
    "players": (
        "Scripted players",
        (
            Result(
                "crafter_skill.json",
                "Crafter",
                "Share of episodes with each achievement.",
                "python benchmarks/crafter_skill.py --episodes 50 --ticks 2000",
                mapping(),
            ),
        ),
    ),
}


def made_when(file: Path) -> str:
    """Return date and commit of a file's last change, as git knows them."""
    command = ["git", "log", "-1", "--format=%as, commit %h", "--", file.name]
    done = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "not under version control here"


def markdown(header: Row, rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield "| " + " | ".join(str(cell).replace("_", " ") for cell in header) + " |"
    yield "|" + " --- |" * len(header)
    for row in rows:
        yield "| " + " | ".join(str(cell) for cell in row) + " |"
    yield ""


def write(folder: Path) -> None:
    """Write a page per topic and the index; raises KeyError for a file that no page shows."""
    shown = {result.file for _, results in PAGES.values() for result in results}
    if missing := {path.name for path in RESULTS.glob("*.json")} - shown:
        raise KeyError(f"docs/results_tables.py: no table for {sorted(missing)}")
    for name, (title, results) in PAGES.items():
        lines = [f"# {title}", ""]
        for result in results:
            path = RESULTS / result.file
            lines += [f"## {result.title}", "", result.about, "", f"    {result.command}", ""]
            if not path.exists():
                lines += ["Not measured yet.", ""]
                continue
            lines += [f"`benchmarks/results/{result.file}`: {made_when(path)}.", ""]
            for header, rows in result.tables(json.loads(path.read_text(encoding="utf-8"))):
                lines += markdown(header, rows)
        (folder / f"{name}.md").write_text("\n".join(lines), encoding="utf-8")
