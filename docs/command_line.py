"""The reference page of the command line, from what every verb says with `--help`."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vidact.cli import VERBS
from vidact.machine import cores

WIDTH = 84  # columns: as many as a page shows without a scroll bar


def help_of(verb: str) -> str:
    """Return what `vidact VERB --help` prints, without colors."""
    command = [sys.executable, "-m", "vidact.cli", *verb.split(), "--help"]
    plain = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": str(WIDTH)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **plain}
    )
    return done.stdout.rstrip()


def write(page: Path) -> None:
    """Write the page: a section per verb, in the order of the chain."""
    with ThreadPoolExecutor(cores()) as pool:
        texts = dict(zip(VERBS, pool.map(help_of, VERBS), strict=True))
    lines = [
        "# Command line",
        "",
        "Every verb explains itself with `--help`; this page is what they say. Every option can",
        "also be set in a YAML file (`--config FILE`), where words are joined by underscores; the",
        "command line overrides the file. `--plain` prints line by line, as is done where the",
        "output is no terminal.",
        "",
        "Exit codes: 0 done (dead letters are no failure; `--strict` makes them one), 1 a check",
        "failed, 2 a mistake in the command or its input, 75 interrupted: run the same command",
        "again.",
        "",
    ]
    for verb, text in texts.items():
        lines += [f"## vidact {verb}", "", "```text", text, "```", ""]
    page.write_text("\n".join(lines), encoding="utf-8")
