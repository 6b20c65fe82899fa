"""Child processes of games."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_program_that_its_children_would_begin_again_is_told(tmp_path: Path) -> None:
    program = tmp_path / "record.py"
    program.write_text(
        "from vidact.errors import ConfigError\n"
        "from vidact.games.workers import Worker\n"
        "try:\n"
        "    Worker(print).receive()\n"
        "except ConfigError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith(f"{program}: game processes read this file before they begin")
    assert '`if __name__ == "__main__":`' in done.stdout
