"""The demo as a list of small named steps, each of them done once.

A step is keyed by the hash of its resolved settings and of what the steps before it made. Its
marker, `<out>/stages/<name>.json`, is written when it starts and again when it is done: a finished
step with the same key is reused; one that was stopped resumes in the same folder (every verb
resumes by itself); one whose key changed starts afresh, its old outputs removed.

Steps that are a verb of `vidact` run as a command of their own, the very one that is printed: the
memory of one is gone before the next begins, and a reader can run any of them by hand.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import storage
from ..errors import CheckFailed, ConfigError, DatasetError, Interrupted, VidactError
from ..options import to_words
from ..progress import duration, log
from ..settings import to_plain
from .memory import MemoryWatch

GRACE_S = 30.0  # how long a stopped step may take to put its state away


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One step: what it runs, what it reads and what it leaves behind."""

    name: str
    """Name of the marker file and of the row in the report, such as `train-idm`."""
    title: str
    """What happens, in a few words for a newcomer."""
    story: str
    """Why it happens, in a sentence or two."""
    settings: Any
    """Settings of the verb or function (a dataclass or plain values): part of the key."""
    verb: str = ""
    """The verb that runs the step in a process of its own …"""
    function: Callable[[], None] | None = None
    """… or the function that runs it in this one."""
    after: tuple[str, ...] = ()
    """Names of the steps whose outputs it reads."""
    outputs: tuple[Path, ...] = ()
    """Files or folders that it makes: removed before it starts afresh, and looked for before it is
    reused.
    """
    budget_s: float = 0.0
    """Expected time on two cores, seconds."""

    @property
    def command(self) -> str:
        """The command line of a verb's step, or an empty string."""
        return (
            shlex.join(["vidact", *self.verb.split(), *to_words(self.settings)])
            if self.verb
            else ""
        )


@dataclass(slots=True)
class Outcome:
    """How a step went: what its marker holds."""

    name: str
    key: str
    title: str = ""
    state: str = "started"
    """`started` or `done`."""
    seconds: float = 0.0
    """Time it took, all its runs together."""
    budget_s: float = 0.0
    peak_memory_bytes: int = 0
    """Largest memory of all its processes together, sampled."""
    made: str = ""
    """Changes with every making: what later steps take into their keys."""
    command: str = ""
    reused: bool = field(default=False, compare=False)
    """Whether this run of the demo found it done."""


class Chain:
    """Runs stages in order and remembers how they went.

    Args:
        folder: the demo's folder; markers go to `<folder>/stages`.
        version: part of every key, so that another version of vidact starts afresh.
    """

    def __init__(self, folder: Path, version: str):
        self.folder = folder
        self.version = version
        self.outcomes: dict[str, Outcome] = {}
        self.count = 0
        self.total = 0

    def run(self, stages: Sequence[Stage]) -> dict[str, Outcome]:
        """Run every stage that is not done yet.

        Raises:
            VidactError: a step failed; its own message is already printed.
            Interrupted: a step was stopped; running the demo again resumes it.
        """
        self.total = len(stages)
        for self.count, stage in enumerate(stages, 1):
            self.outcomes[stage.name] = self._run_stage(stage)
        return self.outcomes

    def key(self, stage: Stage) -> str:
        """The hash of a stage's settings and of the makings that it reads."""
        content = {
            "verb": stage.verb,
            "settings": to_plain(stage.settings),
            "after": [self.outcomes[name].made for name in stage.after],
            "version": self.version,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _run_stage(self, stage: Stage) -> Outcome:
        key = self.key(stage)
        outcome = self._read(stage.name)
        same = outcome is not None and outcome.key == key
        where = f"[{self.count}/{self.total}] {stage.title}"
        if (
            outcome
            and same
            and outcome.state == "done"
            and all(path.exists() for path in stage.outputs)
        ):
            log(f"{where}: done before, in {duration(outcome.seconds)}.")
            outcome.reused = True
            return outcome
        log(f"\n{where}")
        log(f"  {stage.story}")
        if stage.command:
            log(f"  $ {stage.command}")
        if outcome and same and outcome.state == "started":
            log("  This step was stopped before its end: it resumes from there.")
        else:
            self._clear(stage)
            outcome = Outcome(name=stage.name, key=key, title=stage.title)
        outcome.state, outcome.budget_s, outcome.command = "started", stage.budget_s, stage.command
        self._write(outcome)
        begun, before = time.monotonic(), outcome.seconds
        with MemoryWatch() as memory:
            try:
                self._work(stage)
            finally:
                outcome.seconds = before + time.monotonic() - begun
                outcome.peak_memory_bytes = max(outcome.peak_memory_bytes, memory.stop())
                self._write(outcome)
        missing = [str(path) for path in stage.outputs if not path.exists()]
        if missing:
            raise DatasetError(f"Step `{stage.name}` ended without making {', '.join(missing)}.")
        outcome.state, outcome.made = "done", uuid.uuid4().hex
        self._write(outcome)
        budget = f" (expected: {duration(stage.budget_s)})" if stage.budget_s else ""
        log(f"  Done in {duration(outcome.seconds)}{budget}.")
        return outcome

    def _clear(self, stage: Stage) -> None:
        """Remove what an earlier run of the stage left, and nothing that the demo did not make."""
        for path in stage.outputs:
            if path.exists() and not self._marker(stage.name).exists():
                raise ConfigError(
                    f"{path} is in the way and was not made by the demo. Choose another --out."
                )
            _remove(path)

    def _work(self, stage: Stage) -> None:
        if stage.function is not None:
            stage.function()
            return
        words = [
            sys.executable,
            "-P",
            "-m",
            "vidact.cli",
            *stage.verb.split(),
            *to_words(stage.settings),
        ]
        process = subprocess.Popen(words)
        try:
            code = process.wait()
        except KeyboardInterrupt:
            _stop(process)
            raise Interrupted(
                f"Stopped in step `{stage.name}`. Run the same command again to go on from there."
            ) from None
        if code == Interrupted.exit_code or code in (-signal.SIGINT, -signal.SIGTERM):
            raise Interrupted(
                f"Step `{stage.name}` was stopped. Run the same command again to go on from there."
            )
        if code:
            kind = CheckFailed if code == CheckFailed.exit_code else VidactError
            raise kind(
                f"Step `{stage.name}` failed with exit code {code}; its message is above. "
                f"To run it alone: {stage.command}"
            )

    def _marker(self, name: str) -> Path:
        return self.folder / "stages" / f"{name}.json"

    def _read(self, name: str) -> Outcome | None:
        try:
            return Outcome(**json.loads(self._marker(name).read_text()))
        except (
            OSError,
            ValueError,
            TypeError,
        ):  # absent, cut short by a crash, or of another version: run the step
            return None

    def _write(self, outcome: Outcome) -> None:
        marker = self._marker(outcome.name)
        content = {
            name: getattr(outcome, name)
            for name in Outcome.__dataclass_fields__
            if name != "reused"
        }
        storage.write_atomic(marker, json.dumps(content, indent=1).encode())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Wait for a step that Ctrl-C has reached as well; then ask it to end; then end it."""
    for sign, patience_s in ((None, 2.0), (signal.SIGINT, GRACE_S), (signal.SIGKILL, GRACE_S)):
        if sign is not None:
            process.send_signal(sign)
        try:
            process.wait(patience_s)
            return
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            continue
