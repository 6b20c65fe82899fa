"""Progress for people and for logs.

On a terminal a live bar with rate and time left; otherwise one plain line every few seconds, so
that a job's log can be read with `tail`. Both say the same numbers.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from .signed_addresses import hide_keys

if TYPE_CHECKING:  # rich is for terminals; logs do without
    from rich.progress import Progress as RichProgress

PLAIN_INTERVAL_S = 10.0  # often enough to see life, rare enough that a day's log stays readable

_LIVE: list = []  # the live bars, innermost last
_SILENT = threading.Event()


def silence() -> None:
    """Print nothing from now on, in a process beside another that prints the same."""
    _SILENT.set()


def log(message: str, *, alone: bool = False) -> None:
    """Print one line to stderr, above a live bar if there is one.

    Keys in signed addresses are left out.

    Args:
        message: the line.
        alone: no other process says the same: it is printed by a silenced one, too.
    """
    message = hide_keys(message)
    if _LIVE:
        _LIVE[-1].console.print(message, highlight=False, markup=False)
    else:
        _print(message, alone=alone)


def _print(line: str, *, alone: bool = False) -> None:
    """Print to stderr; work continues where nobody reads it any more (`2>&1 | head`)."""
    if _SILENT.is_set() and not alone:
        return
    try:
        print(line, file=sys.stderr, flush=True)
    except BrokenPipeError:
        write_no_more(sys.stderr)


def write_no_more(stream: TextIO) -> None:
    """Let what is written to a stream vanish from now on: the reader of the pipe has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def is_terminal() -> bool:
    """Return whether people watch: stderr is a terminal, and `VIDACT_PLAIN` is not set."""
    return sys.stderr.isatty() and not os.environ.get("VIDACT_PLAIN")


class Progress:
    """A counted piece of work.

    Args:
        title: what is being done, such as `"Training IDM"`.
        total: how many units there are, or None where nobody knows.
        unit: the name of one unit, plural: `"frames"`.

    Use as a context manager and call `advance(n, loss=0.12)`; keyword values are shown beside the
    bar.
    """

    def __init__(self, title: str, total: float | None = None, unit: str = "items"):
        self.title = title
        self.total = total
        self.unit = unit
        self.done = 0.0
        self.initial = 0.0
        self.fields: dict[str, object] = {}
        self.started = time.monotonic()
        self._last_line = self.started
        self._bar: RichProgress | None = None

    def __enter__(self) -> Progress:
        self.started = self._last_line = time.monotonic()
        if is_terminal() and not _SILENT.is_set():
            from rich import progress as rich
            from rich.console import Console

            self._bar = bar = rich.Progress(
                rich.TextColumn("{task.description}"),
                rich.BarColumn(),
                rich.TextColumn("{task.fields[status]}"),
                console=Console(stderr=True),
                transient=False,
            )
            bar.start()
            self._task = bar.add_task(self.title, total=self.total, status="")
            _LIVE.append(bar)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._update_bar()
        if self._bar is not None:
            self._bar.stop()
            _LIVE.remove(self._bar)
            self._bar = None
        elif kind is None:
            _print(self.line(final=True))

    def resume_at(self, done: float) -> None:
        """Start from work that an earlier run did: it counts as done, but not for the rate."""
        self.done = self.initial = done

    def advance(self, n: float = 1, **fields: object) -> None:
        """Count `n` more units and show `fields` beside the bar."""
        self.done += n
        self.fields.update(fields)
        self._update_bar()
        if self._bar is None and time.monotonic() - self._last_line >= PLAIN_INTERVAL_S:
            self._last_line = time.monotonic()
            _print(self.line())

    @property
    def rate(self) -> float:
        """Units per second of this run."""
        return (self.done - self.initial) / max(time.monotonic() - self.started, 1e-9)

    def line(self, *, final: bool = False) -> str:
        """Return the state as one plain line."""
        return f"{self.title}: {self._status(final=final)}"

    def _status(self, *, final: bool = False) -> str:
        # More than was expected: an episode is played to its end, and nobody knows when that is.
        expected = self.total if self.total and self.done <= self.total else None
        total = f"/{expected:,.0f}" if expected else ""
        parts = [f"{self.done:,.0f}{total} {self.unit}", f"{_number(self.rate)} {self.unit}/s"]
        if final:
            parts.append(f"took {duration(time.monotonic() - self.started)}")
        elif expected and self.rate > 0:
            parts.append(f"{duration((expected - self.done) / self.rate)} left")
        parts += [
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in self.fields.items()
        ]
        return ", ".join(parts)

    def _update_bar(self) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, status=self._status())


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def shortened(names: Sequence[str], most: int) -> str:
    """Return at most `most` of many names, and a sign where there are more."""
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def hours_of(hours: float) -> str:
    """Return an amount of hours in the unit that shows something: `4.2 seconds`, `1.50 hours`."""
    for unit, limit in (("seconds", 1 / 60), ("minutes", 1)):
        if hours < limit:
            return f"{60 * hours / limit:.1f} {unit}"
    return f"{hours:,.2f} hours"


def duration(seconds: float) -> str:
    """Return seconds as people say them: `42 s`, `3 min 05 s`, `2 h 10 min`."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
