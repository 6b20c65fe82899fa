"""The `vidact` command: one thin function a verb.

A verb's function imports its settings, parses them, and only then imports the code that runs them, so that `--help`
loads neither torch nor Beam. The order of the functions here is the order of the chain, and of `vidact --help`.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import sys
import textwrap
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

if TYPE_CHECKING:
    from types import FrameType

from .errors import FIXABLE_ERRNOS, ConfigError, Interrupted, VidactError

Settings = TypeVar("Settings")
Run = Callable[["Words"], "int | None"]

EXIT_MISTAKE = ConfigError.exit_code
EXIT_INTERRUPTED = Interrupted.exit_code


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: what `--help` says of it, and its function."""

    name: str
    stage: str
    summary: str
    description: str
    example: str
    function: Run


@dataclass(frozen=True, slots=True)
class Words:
    """What the user typed after a verb."""

    verb: Verb
    words: tuple[str, ...]

    def parse(self, cls: type[Settings]) -> Settings:
        """The settings of type `cls`; prints help or what is wrong and exits where the words ask for it."""
        from .settings import parse_settings

        description = (
            f"{self.verb.description}\n\nExample:\n{textwrap.indent(self.verb.example, '  ')}"
        )
        return parse_settings(
            cls, self.words, prog=f"vidact {self.verb.name}", description=description
        )


VERBS: dict[str, Verb] = {}
START, PLAY, IDM, LABEL, REVIEW, AGENT = (
    "Start here",
    "Labelled play",
    "Inverse dynamics model: which action lies between two frames?",
    "Video to action-labelled shards",
    "People who check labels",
    "Agents from shards",
)


def verb(
    name: str, *, stage: str, example: str
) -> Callable[[Callable[[Words], int | None]], Callable[..., int | None]]:
    """Register a function as a verb; its docstring is the help, the docstring's first line the summary."""

    def register(function: Run) -> Run:
        text = textwrap.dedent("    " + (function.__doc__ or "")).strip()
        summary = text.splitlines()[0].rstrip(".")
        VERBS[name] = Verb(name, stage, summary, text, example, function)
        return function

    return register


@verb("demo", stage=START, example="vidact demo --out runs/demo")
def demo(words: Words) -> int | None:
    """The whole chain on Doom, in minutes: play, IDM, labels, agent, report.

    Records scripted play, trains an IDM on it, labels video it has never seen, clones an agent from those labels,
    fine-tunes it, and writes a page with every number: OUT/report.html. A second run reuses finished stages.
    """
    from .demo.config import DemoConfig

    settings = words.parse(DemoConfig)
    from .demo.demo import run_demo

    return run_demo(settings)


@verb("record doom", stage=PLAY, example="vidact record doom --out runs/play --minutes 20 --seed 0")
def record_doom(words: Words) -> int | None:
    """Record a scripted player in ViZDoom: video with true actions.

    Plays Freedoom maps by keyboard and mouse and writes `<name>.mp4` and `<name>.jsonl` (raw device state, a line a
    frame) for each map.
    """
    from .games.config import RecordDoomConfig

    settings = words.parse(RecordDoomConfig)
    from .games.record_doom import record_doom

    return record_doom(settings)


@verb(
    "record crafter",
    stage=PLAY,
    example="vidact record crafter --out runs/crafter --minutes 20 --seed 0",
)
def record_crafter(words: Words) -> int | None:
    """Record a scripted player in Crafter: video with true actions.

    The player sees what a person sees (nine by seven cells and the inventory) and works his way up to an iron pickaxe.
    The recordings are of spec `crafter`: a keyboard without a mouse, 10 frames a second.
    """
    from .games.config import RecordCrafterConfig

    settings = words.parse(RecordCrafterConfig)
    from .games.record_crafter import record_crafter

    return record_crafter(settings)


@verb("record freedoom-demos", stage=PLAY, example="vidact record freedoom-demos --out runs/people")
def record_freedoom_demos(words: Words) -> int | None:
    """Record people's play from the demos inside Freedoom's files.

    Replays them in an engine that runs the original rules, so that video and actions belong together exactly.
    """
    from .games.config import RecordFreedoomDemosConfig

    settings = words.parse(RecordFreedoomDemosConfig)
    from .games.record_freedoom_demos import record_freedoom_demos

    return record_freedoom_demos(settings)


@verb("import vpt", stage=PLAY, example="vidact import vpt all_7xx_Apr_6.json runs/vpt --limit 10")
def import_vpt(words: Words) -> int | None:
    """Bring OpenAI's contractor recordings of Minecraft into our format.

    Reads an index file or a folder (6.x to 10.x, BASALT) and mends the known quirks of the recordings.
    """
    from .datasets.config import ImportVPTConfig

    settings = words.parse(ImportVPTConfig)
    from .datasets.import_vpt import run as import_recordings

    return import_recordings(settings)


@verb("spec check", stage=PLAY, example="vidact spec check runs/play --spec doom")
def spec_check(words: Words) -> int | None:
    """Show what an action spec loses on recorded play.

    Prints the R² ceiling of each axis after quantising, and which inputs of the recordings no button takes up.
    """
    from .datasets.config import SpecCheckConfig

    settings = words.parse(SpecCheckConfig)
    from .datasets.spec_check import run as check

    return check(settings)


@verb(
    "train-idm", stage=IDM, example="vidact train-idm --data runs/play --out runs/idm --preset tiny"
)
def train_idm(words: Words) -> int | None:
    """Train an IDM on recordings.

    The checkpoint is a folder: `model.safetensors` and `config.json`. Stopped runs go on where they were.
    """
    from .idm.config import TrainIDMConfig

    settings = words.parse(TrainIDMConfig)
    from .idm.train_idm import train_idm

    return train_idm(settings)


@verb(
    "import vpt-idm",
    stage=IDM,
    example="vidact import vpt-idm 4x_idm.model 4x_idm.weights runs/vpt-idm",
)
def import_vpt_idm(words: Words) -> int | None:
    """Bring OpenAI's published IDM for Minecraft into our format.

    Nothing in the files is executed: of the pickled description only plain values are read, of the weights only
    tensors. The result labels like any other checkpoint, with the published arithmetic.
    """
    from .idm.config import ImportVPTIDMConfig

    settings = words.parse(ImportVPTIDMConfig)
    from .idm.import_vpt_idm import import_vpt_idm

    return import_vpt_idm(settings)


@verb("eval-idm", stage=IDM, example="vidact eval-idm runs/idm runs/heldout --out runs/idm/eval")
def eval_idm(words: Words) -> int | None:
    """Measure an IDM on recordings it has not seen.

    Writes `metrics.json` (per button and axis, beside three baselines that see no truth) and plots.
    """
    from .idm.config import EvalIDMConfig

    settings = words.parse(EvalIDMConfig)
    from .idm.eval_idm import eval_idm

    return eval_idm(settings)


@verb("plan", stage=LABEL, example="vidact plan videos/ --out runs/dataset")
def plan(words: Words) -> int | None:
    """Probe videos and lay out which part goes into which shard.

    Writes `plan.parquet`; `label` makes the plan itself where it is missing.
    """
    from .pipeline.config import PlanConfig

    settings = words.parse(PlanConfig)
    from .pipeline.plan import plan

    return plan(settings)


@verb("label", stage=LABEL, example="vidact label 'videos/*.mp4' --idm runs/idm --out runs/dataset")
def label(words: Words) -> int | None:
    """Label videos with an IDM: a Beam job that writes WebDataset shards.

    Plans, labels and verifies what is new; a second run does only what is missing. What cannot be decoded is listed
    in `dead_letters.parquet` with its reason, never labelled.
    """
    from .pipeline.config import LabelConfig

    settings = words.parse(LabelConfig)
    from .pipeline.label import label

    return label(settings)


@verb("pack", stage=LABEL, example="vidact pack runs/play --out runs/dataset-true")
def pack(words: Words) -> int | None:
    """Make shards from recordings with their true actions."""
    from .datasets.config import PackConfig

    settings = words.parse(PackConfig)
    from .datasets.pack import pack

    return pack(settings)


@verb("status", stage=LABEL, example="vidact status runs/dataset")
def status(words: Words) -> int | None:
    """How far a labelling job is: done, to go, dropped and why."""
    from .datasets.config import StatusConfig

    settings = words.parse(StatusConfig)
    from .datasets.status import status

    return status(settings)


@verb("verify", stage=LABEL, example="vidact verify runs/dataset")
def verify(words: Words) -> int | None:
    """Re-hash shards and check every clip against manifest and spec.

    Names what is wrong and exits 1 if anything is.
    """
    from .datasets.config import VerifyConfig

    settings = words.parse(VerifyConfig)
    from .datasets.verify import verify

    return verify(settings)


@verb(
    "relabel",
    stage=LABEL,
    example="vidact relabel runs/dataset --idm runs/better-idm --out runs/dataset2",
)
def relabel(words: Words) -> int | None:
    """Label the pixels of a dataset anew with another IDM, into a new dataset."""
    from .pipeline.config import RelabelConfig

    settings = words.parse(RelabelConfig)
    from .pipeline.relabel import relabel

    return relabel(settings)


@verb("remove", stage=LABEL, example="vidact remove runs/dataset --source 3f786850e387")
def remove(words: Words) -> int | None:
    """Take a source out of a dataset for good (a takedown)."""
    from .pipeline.config import RemoveConfig

    settings = words.parse(RemoveConfig)
    from .pipeline.remove import remove

    return remove(settings)


@verb("inspect", stage=LABEL, example="vidact inspect runs/dataset")
def inspect(words: Words) -> int | None:
    """Show a dataset, or one clip of it: frames over label lanes."""
    from .datasets.config import InspectConfig

    settings = words.parse(InspectConfig)
    from .datasets.inspect import inspect

    return inspect(settings)


@verb(
    "clone", stage=AGENT, example="vidact clone --data runs/dataset --out runs/clone --preset tiny"
)
def clone(words: Words) -> int | None:
    """Train a policy to imitate the labelled play (behavioural cloning)."""
    from .bc_policy.config import CloneConfig

    settings = words.parse(CloneConfig)
    from .bc_policy.clone import clone

    return clone(settings)


@verb(
    "play",
    stage=AGENT,
    example="vidact play runs/clone --task explore --episodes 20 --out runs/clone/play",
)
def play(words: Words) -> int | None:
    """Let an agent play a task: score with a 95 % interval, and a video."""
    from .bc_policy.config import PlayConfig

    settings = words.parse(PlayConfig)
    from .bc_policy.play import play

    return play(settings)


@verb(
    "finetune",
    stage=AGENT,
    example="vidact finetune runs/clone --task explore --out runs/finetuned",
)
def finetune(words: Words) -> int | None:
    """Improve a cloned policy by playing: PPO with a KL to the clone."""
    from .bc_policy.config import FinetuneConfig

    settings = words.parse(FinetuneConfig)
    from .bc_policy.finetune import finetune

    return finetune(settings)


@verb("serve", stage=REVIEW, example="vidact serve runs/labels --review runs/dataset")
def serve(words: Words) -> int | None:
    """Serve the labelling tool: people correct labels in their browsers.

    The first page makes the admin. Labels lie in DATA (SQLite, or PostgreSQL by `--database`); what was corrected is
    exported as recordings that `train-idm` reads, or written back as a new version of the dataset.
    """
    from .labeling_tool.config import ServeConfig

    settings = words.parse(ServeConfig)
    from .labeling_tool.serve import run_serve

    return run_serve(settings)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The entry point: run the verb in `argv` (default: the command line) and exit with its code."""
    sys.exit(run(list(sys.argv[1:] if argv is None else argv)))


def run(argv: list[str]) -> int:
    """Run the verb in `argv`; the exit code. What a user can cause is printed without a traceback."""
    _quieten_libraries()
    signal.signal(
        signal.SIGTERM, _terminate
    )  # a scheduler's polite stop is an interruption like Ctrl-C
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be text
    if "--plain" in argv:
        argv = [word for word in argv if word != "--plain"]
        os.environ["VIDACT_PLAIN"] = (
            "1"  # read by `progress`, here and in the processes that a verb starts
        )
    try:
        return _dispatch(argv)
    except VidactError as error:
        print(f"vidact: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nvidact: interrupted. Run the same command again to go on.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        from .storage_failures import NO_CREDENTIALS, full_name, is_remote_failure, no_credentials

        if full_name(error) in NO_CREDENTIALS:
            print(f"vidact: {no_credentials(error)}", file=sys.stderr)
            return EXIT_MISTAKE
        if is_remote_failure(error):
            print(
                f"vidact: storage failed ({type(error).__name__}: {error}); run again when it is back",
                file=sys.stderr,
            )
            return EXIT_INTERRUPTED
        if not isinstance(error, OSError):
            raise
        if error.errno not in FIXABLE_ERRNOS or (
            error.errno == errno.ENOENT and not _typed(error.filename, argv)
        ):
            raise  # a disk that breaks, say, or a file that we forgot to write
        a_file = error.errno in (errno.ENOTDIR, errno.EEXIST)
        why = f"{error.strerror}{': a folder is needed here' if a_file else ''}"
        print(f"vidact: {error.filename or 'writing'}: {why}.", file=sys.stderr)
        return EXIT_MISTAKE


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if argv[0] == "--version":
        print(f"vidact {_version()}")
        return 0
    for length in (2, 1):  # `record doom` before `demo`
        name = " ".join(argv[:length])
        if name in VERBS:
            chosen = VERBS[name]
            return chosen.function(Words(chosen, tuple(argv[length:]))) or 0
    family = [name for name in VERBS if name.split()[0] == argv[0]]
    if family and (len(argv) == 1 or argv[1] in ("-h", "--help")):
        print(overview(family))
        return 0 if len(argv) > 1 else EXIT_MISTAKE
    from .settings import closest

    typed = " ".join(argv[: 2 if family else 1])
    raise ConfigError(
        f"unknown verb `{typed}`{closest(typed, family or list(VERBS))} `vidact --help` lists them all."
    )


def overview(names: Sequence[str] = ()) -> str:
    """The verbs, all or those named, grouped by stage, a line each."""
    shown = [chosen for name, chosen in VERBS.items() if not names or name in names]
    width = max(len(chosen.name) for chosen in shown)
    columns = max(shutil.get_terminal_size().columns, 60)
    lines = [
        "vidact turns piles of unlabelled gameplay video into action-labelled data that trains agents.",
        "",
        "usage: vidact VERB [OPTIONS]      vidact VERB --help shows an example and every option",
    ]
    stage = ""
    for chosen in shown:
        if chosen.stage != stage:
            stage = chosen.stage
            lines += ["", stage]
        lines += textwrap.wrap(
            chosen.summary,
            width=min(columns, 100),
            initial_indent=f"  {chosen.name:<{width}}  ",
            subsequent_indent=" " * (width + 4),
        )
    lines += [
        "",
        "Every verb takes --config FILE (YAML; the command line overrides it) and --plain (line-by-line logs).",
        "Exit codes: 0 done, 1 a check failed, 2 a mistake in the command or its input, 75 interrupted: run it again.",
    ]
    return "\n".join(lines)


def _version() -> str:
    from importlib.metadata import version

    return version("vidact")


def _typed(path: object, argv: Sequence[str]) -> bool:
    """Whether a path is one that the user typed, lies in one, or is on the way to one."""
    found = Path(str(path))
    return any(
        found.is_relative_to(word) or Path(word).is_relative_to(found)
        for word in argv
        if "/" in word
    )


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _quieten_libraries() -> None:
    """Other people's warnings are for other people's developers; `python -W` brings them back."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        os.environ.setdefault("PYTHONWARNINGS", "ignore")  # for worker processes


if __name__ == "__main__":
    main()
