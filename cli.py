"""The `vidact` command: a table of verbs.

A verb's settings class is imported when the verb is called, and the code that runs it when the
settings are known, so that `--help` loads neither torch nor Beam. The order of the rows is that of
the chain, and of `vidact --help`.
"""

from __future__ import annotations

import ast
import difflib
import errno
import functools
import io
import os
import shutil
import signal
import sys
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from types import FrameType

from .errors import FIXABLE_ERRNOS, ConfigError, Interrupted, VidactError
from .machine import SAFE_PATH, speak_directly
from .progress import shortened, write_no_more
from .signed_addresses import hide_keys

EXIT_MISTAKE = ConfigError.exit_code
EXIT_INTERRUPTED = Interrupted.exit_code
SHOWN_VERBS = 3  # that have an option which another verb lacks

START, PLAY, IDM, LABEL, REVIEW, AGENT = (
    "Start here",
    "Labeled play",
    "Inverse dynamics model: which action lies between two frames?",
    "Video to action-labeled shards",
    "People who check labels",
    "Agents from shards",
)


@dataclass(frozen=True, slots=True)
class Verb:
    """A row of the table: `record doom` is the function `record_doom` of `games/record_doom.py`.

    Its settings are the class `RecordDoomConfig` of `games/config.py`, whose docstring is the help.
    """

    name: str
    stage: str
    folder: str
    function: str = ""
    """The function's name where it is not the verb's."""
    room: str = ""
    """The room of the folder that holds `config.py`, where the folder itself holds none."""

    @property
    def settings_name(self) -> str:
        """The name of the class of the verb's settings."""
        words = _underscores(self.name).split("_")
        title = (word.upper() if word in ("idm", "vpt", "p2p") else word.title() for word in words)
        return "".join(title) + "Config"

    @property
    def summary(self) -> str:
        """The first line of the verb's help."""
        return _first_lines(f"{self.folder}/{self.room}")[self.settings_name].rstrip(".")

    def settings_class(self) -> type[Any]:
        """The class of the verb's settings."""
        place = ".".join(filter(None, (__package__, self.folder, self.room)))
        config = import_module(f"{place}.config")
        found: type[Any] = getattr(config, self.settings_name)
        return found

    def __call__(self, words: Sequence[str]) -> int | None:
        """Run the verb with the words after its name; its exit code."""
        from .options import parse_settings

        try:
            settings = parse_settings(self.settings_class(), words, prog=f"vidact {self.name}")
        except SystemExit as end:
            if end.code == EXIT_MISTAKE:  # the options at hand are told; others are told here
                self._point_to_options(words)
            raise
        name = _underscores(self.name)
        function = getattr(
            import_module(f"{__package__}.{self.folder}.{name}"), self.function or name
        )
        code: int | None = function(settings)
        return code

    def _point_to_options(self, words: Sequence[str]) -> None:
        """Say what options that this verb does not have may have meant: one of it, or other verbs'
        own.
        """
        from .options import option_names, unknown_options

        own = sorted(option_names(self.settings_class()))
        for option in unknown_options(self.settings_class(), words):
            near = difflib.get_close_matches(option, own, n=1, cutoff=0.6)
            others = [
                f"`vidact {verb.name}`"
                for verb in TABLE
                if option in option_names(verb.settings_class())
            ]
            said = f"vidact: `vidact {self.name}` has no {option}."
            said += f" Did you mean {near[0]}?" if near else ""
            said += f" {shortened(others, SHOWN_VERBS)} have it." if others else ""
            print(said, file=sys.stderr)


def _underscores(name: str) -> str:
    return name.replace(" ", "_").replace("-", "_")


@functools.cache
def _first_lines(folder: str) -> dict[str, str]:
    """The first docstring line of each settings class in a folder, read, not imported."""
    source = (Path(__file__).parent / folder / "config.py").read_text(encoding="utf-8")
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return {node.name: (ast.get_docstring(node) or "").split("\n")[0] for node in classes}


TABLE = (
    Verb("demo", START, "demo", "run_demo"),
    Verb("record doom", PLAY, "games"),
    Verb("record crafter", PLAY, "games"),
    Verb("record freedoom-demos", PLAY, "games"),
    Verb("record twin-stick", PLAY, "games"),
    Verb("record screen", PLAY, "games"),
    Verb("import vpt", PLAY, "datasets", room="formats"),
    Verb("import owamcap", PLAY, "datasets", room="formats"),
    Verb("import lerobot", PLAY, "datasets", room="formats"),
    Verb("import p2p", PLAY, "datasets", room="formats"),
    Verb("read-overlay", PLAY, "pipeline", room="overlays"),
    Verb("spec infer", PLAY, "datasets"),
    Verb("spec check", PLAY, "datasets"),
    Verb("train-idm", IDM, "idm"),
    Verb("import vpt-idm", IDM, "idm"),
    Verb("eval-idm", IDM, "idm"),
    Verb("robustness", IDM, "idm"),
    Verb("adr show", IDM, "randomize"),
    Verb("train-filter", LABEL, "pipeline", room="filtering"),
    Verb("plan", LABEL, "pipeline"),
    Verb("label", LABEL, "pipeline"),
    Verb("pack", LABEL, "datasets"),
    Verb("status", LABEL, "datasets"),
    Verb("verify", LABEL, "pipeline"),
    Verb("relabel", LABEL, "pipeline"),
    Verb("remove", LABEL, "pipeline"),
    Verb("relocate", LABEL, "pipeline"),
    Verb("compact", LABEL, "pipeline"),
    Verb("merge", LABEL, "datasets"),
    Verb("split", LABEL, "datasets"),
    Verb("subset", LABEL, "datasets"),
    Verb("repack", LABEL, "datasets"),
    Verb("export lerobot", LABEL, "datasets", room="formats"),
    Verb("export owamcap", LABEL, "datasets", room="formats"),
    Verb("push", LABEL, "datasets"),
    Verb("cancel", LABEL, "pipeline"),
    Verb("inspect", LABEL, "datasets"),
    Verb("import vpt-policy", AGENT, "bc_policy", room="policy"),
    Verb("clone", AGENT, "bc_policy", room="cloning"),
    Verb("play", AGENT, "bc_policy", room="scoring"),
    Verb("finetune", AGENT, "bc_policy", room="rl"),
    Verb("serve", REVIEW, "labeling_tool"),
)
VERBS = {verb.name: verb for verb in TABLE}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the verb in `argv` (by default the command line's) and exit with its code."""
    sys.exit(run(list(sys.argv[1:] if argv is None else argv)))


def run(argv: list[str]) -> int:
    """Run the verb in `argv`; the exit code. A user's mistake is printed without a traceback."""
    _quieten_libraries()
    os.environ.update(SAFE_PATH)  # for whatever is started: this process has begun without
    speak_directly()
    # A scheduler's polite stop is an interruption like Ctrl-C.
    signal.signal(signal.SIGTERM, _terminate)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be text
    if "--plain" in argv:
        argv = [word for word in argv if word != "--plain"]
        os.environ["VIDACT_PLAIN"] = (
            "1"  # `progress` reads it, also in processes that a verb starts
        )
    try:
        return _dispatch(argv)
    except BrokenPipeError:  # the reader of a pipe, `head` say, has seen enough
        write_no_more(sys.stdout)
        return 0
    except KeyboardInterrupt:
        print("\nvidact: interrupted. Run the same command again to resume.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as error:
        if (said := _explain(error, argv)) is None:
            raise  # a defect of ours
        code, message = said
        print(f"vidact: {hide_keys(message)}", file=sys.stderr)
        return code


def _explain(error: Exception, argv: Sequence[str]) -> tuple[int, str] | None:
    """The exit code and message of an error that is the user's or the storage's; else None."""
    from .storage_failures import is_mistake, is_remote_failure, mistake

    if isinstance(error, VidactError):
        return error.exit_code, str(error)
    if is_mistake(error):
        return EXIT_MISTAKE, str(mistake(error))
    if is_remote_failure(error):
        what = f"storage failed ({type(error).__name__}: {error})"
        return EXIT_INTERRUPTED, f"{what}; run again when it is back"
    if not isinstance(error, OSError) or error.errno not in FIXABLE_ERRNOS:
        return None
    if error.errno == errno.ENOENT and not _typed(error.filename, argv):
        return None  # a file that we forgot to write
    hint = ": a folder is needed here" if error.errno in (errno.ENOTDIR, errno.EEXIST) else ""
    return EXIT_MISTAKE, f"{error.filename or 'writing'}: {error.strerror}{hint}."


def _typed(path: object, argv: Sequence[str]) -> bool:
    """Whether a path is one that the user typed, lies in one, or is on the way to one."""
    found = Path(str(path))
    paths = [Path(word) for word in argv if "/" in word]
    return any(found.is_relative_to(path) or path.is_relative_to(found) for path in paths)


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if argv[0] == "--version":
        from importlib.metadata import version

        print(f"vidact {version('vidact')}")
        return 0
    for length in (2, 1):  # `record doom` before `demo`
        if verb := VERBS.get(" ".join(argv[:length])):
            return verb(argv[length:]) or 0
    family = [name for name in VERBS if name.split()[0] == argv[0]]
    if family and (len(argv) == 1 or argv[1] in ("-h", "--help")):
        print(overview(family))
        return 0 if len(argv) > 1 else EXIT_MISTAKE
    from .settings import closest

    typed = " ".join(argv[: 2 if family else 1])
    near = closest(typed, family or list(VERBS))
    raise ConfigError(f"unknown verb `{typed}`{near} `vidact --help` lists them all.")


def overview(names: Sequence[str] = ()) -> str:
    """The verbs, all or those named, grouped by stage, a line each."""
    shown = [verb for name, verb in VERBS.items() if not names or name in names]
    indent = max(len(verb.name) for verb in shown) + 4
    columns = min(max(shutil.get_terminal_size().columns, 60), 100)
    lines = [
        "vidact turns piles of unlabeled gameplay video into action-labeled data for agents.",
        "",
        "usage: vidact VERB [OPTIONS]      vidact VERB --help shows an example and every option",
    ]
    stage = ""
    for verb in shown:
        if verb.stage != stage:
            stage = verb.stage
            lines += ["", stage]
        text = f"  {verb.name}".ljust(indent) + verb.summary
        lines += textwrap.wrap(text, columns, subsequent_indent=" " * indent)
    lines += [
        "",
        "Every verb takes --config FILE (YAML; the command line overrides it) and",
        "--plain (line-by-line logs).",
        "Exit codes: 0 done, 1 a check failed, 2 a mistake in the command or its input,",
        "75 interrupted: run it again.",
    ]
    return "\n".join(lines)


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _quieten_libraries() -> None:
    """Silence warnings of libraries, which are for developers; `python -W` brings them back."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        os.environ.setdefault("PYTHONWARNINGS", "ignore")  # for worker processes


if __name__ == "__main__":
    main()
