"""One training run and its folder: identity, claim, resume, snapshots, budget and stop.

run = TrainingRun(out, identity, budget=Budget(minutes=6), save_minutes=1)
if run.is_finished(trained_identity):       # of the checkpoint that lies in the folder
    return
with run:                                   # no other process trains into this folder
    frames = run.resume_into({"model": model, "optimizer": optimizer}).get("frames", 0)
    with run.session():                     # the clock runs; signals wait for a step's end
        while (fraction := run.fraction()) < 1:
            frames += train_step(run.step, fraction)
            run.step += 1
            run.save_if_due(frames=frames)
    save_checkpoint(...)
    run.clear()
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol

from ..errors import CheckpointError
from ..progress import log
from .interrupts import StopRequest
from .parallel import Group, require_one_process
from .resume import LOCK_FILE, Snapshots, claim, plain_run
from .schedule import Budget

SNAPSHOTS_FOLDER = "snapshots"  # beside the checkpoint, until the run is done


class Stateful(Protocol):
    """A part of a run that a snapshot can hold: a module, an optimizer, a loader …"""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state: Any, /) -> Any: ...


class TrainingRun:
    """What every training needs around its steps.

    Attributes:
        out: the folder of the checkpoint, of the snapshots and of the lock.
        identity: what makes the run the same run (settings that decide what is learned, data,
            initial weights), as JSON.
        step: how many steps are done. The loop counts it up.
    """

    def __init__(
        self,
        out: str | Path,
        identity: Mapping[str, Any],
        *,
        budget: Budget,
        group: Group | None = None,
        save_every: int = 0,
        save_minutes: float = 0.0,
        unit: str = "step",
    ):
        """Nothing is written yet.

        Args:
            budget: how long the run lasts, over all its sessions.
            group: the processes that train together. Without one the run is of a single process:
                ConfigError where torchrun started several, since each would write all of the same
                files.
            save_every: steps between two snapshots; 0: not by steps.
            save_minutes: minutes of training between two snapshots; 0: not by time.
            unit: what a step is called in messages.
        """
        if group is None:
            require_one_process()
        self.out = Path(out)
        self.identity = plain_run(identity)
        self.budget = budget
        self.step = 0
        self._group = group
        self._save_every, self._save_s = save_every, 60 * save_minutes
        self._unit = unit
        self._snapshots = Snapshots(self.out / SNAPSHOTS_FOLDER, self.identity)
        self._stop = StopRequest()
        self._parts: Mapping[str, Stateful] = {}
        self._elapsed_s = 0.0  # of earlier sessions
        self._saved_s = 0.0
        self._claim: IO[str] | None = None

    @property
    def is_leader(self) -> bool:
        """Whether this process writes the run's files."""
        return self._group is None or self._group.is_leader

    def is_finished(self, trained: Mapping[str, Any] | None) -> bool:
        """Whether `trained`, the identity that the checkpoint in the folder names, is that of this
        run.
        """
        return trained == self.identity

    def __enter__(self) -> TrainingRun:
        """Claim the folder. Raises ConfigError where another process trains into it."""
        if self.is_leader:
            self._claim = claim(self.out)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._claim is None:
            return
        if kind is None:  # done; the lock file of an interrupted run stays, as its snapshots do
            (self.out / LOCK_FILE).unlink(missing_ok=True)
        self._claim.close()
        self._claim = None

    def resume_into(self, parts: Mapping[str, Stateful]) -> dict[str, Any]:
        """Load the last snapshot, if there is one, into `parts`; from now on they are what
        snapshots hold.

        Returns the counters that were saved with it; nothing where the run starts afresh. Raises
        CheckpointError where the snapshot is of another run, or where the processes of the group
        see different ones.
        """
        self._parts = parts
        found = self._snapshots.load_last()
        step = found[0] if found else 0
        if (leaders := self._broadcast(step)) != step:
            raise CheckpointError(
                f"{self._snapshots.folder}: this process finds step {step:,}, "
                f"the first one {leaders:,.0f}: all processes must see the same folder"
            )
        if found is None:
            return {}
        self.step, state = found
        for name, part in parts.items():
            if name not in state:
                raise CheckpointError(
                    f"{self._snapshots.folder}: the snapshot of {self._unit} {self.step:,} has no "
                    f"state of `{name}`: going on without it would begin that part anew; remove "
                    "the folder to start from the beginning"
                )
            part.load_state_dict(state.pop(name))
        self._elapsed_s = float(state.pop("elapsed_s"))
        log(f"Resuming from {self._unit} {self.step:,}")
        return state

    @contextmanager
    def session(self) -> Iterator[None]:
        """Around the loop: the budget's clock runs, and signals end the run between two steps."""
        self.budget.start(self._elapsed_s)
        self._saved_s = self._elapsed_s
        with self._stop:
            yield

    def fraction(self) -> float:
        """How much of the budget is spent, 0..1: by the leader's clock, so that all processes end
        at one step.
        """
        return self._broadcast(self.budget.fraction(self.step))

    def save_if_due(self, *, hold: bool = False, **counters: Any) -> None:
        """Save where it is time to, or where a signal came; after a signal raise Interrupted (exit
        code 75).

        Args:
            hold: neither save nor leave after this step: its weights are not good.
            counters: numbers and lists beside the parts, which `resume_into` returns.
        """
        # All processes ask each other at each step, held or not: a collective that one of them
        # skips is a deadlock.
        stopped = bool(self._broadcast(self._stop.requested)) and not hold
        if stopped or (self._is_due() and not hold):
            self.save(**counters)
        if stopped:
            self._stop.leave(f"{self._unit} {self.step}")

    def save(self, **counters: Any) -> None:
        """Write the snapshot of this step.

        A part whose state lies in several processes has `gather()`, which all of them call first.
        """
        for part in self._parts.values():
            getattr(part, "gather", lambda: None)()
        if self.is_leader:
            state = {name: part.state_dict() for name, part in self._parts.items()}
            elapsed = {"elapsed_s": self.budget.elapsed_s}
            self._snapshots.save(self.step, {**state, **counters, **elapsed})
        self._saved_s = self.budget.elapsed_s

    def clear(self) -> None:
        """Remove the snapshots: the checkpoint is written, and nothing is left to resume."""
        if self.is_leader:
            self._snapshots.clear()

    def _is_due(self) -> bool:
        if self._save_every and self.step % self._save_every == 0:
            return True
        return bool(self._save_s) and self.budget.elapsed_s >= self._saved_s + self._save_s

    def _broadcast(self, value: float) -> float:
        return value if self._group is None else self._group.broadcast(value)
