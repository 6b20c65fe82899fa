"""How long `import vidact` and `vidact --help` take: medians of fresh interpreters.

Writes results/import_time.json.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 15
RESULTS = Path(__file__).parent / "results" / "import_time.json"
COMMANDS = {
    "python": ["-c", "pass"],
    "import_vidact": ["-c", "import vidact"],
    "vidact_help": ["-m", "vidact.cli", "--help"],
    "vidact_label_help": ["-m", "vidact.cli", "label", "--help"],
}
LIMITS_MS = {"import_vidact": 150, "vidact_help": 350}


def milliseconds(words: list[str]) -> float:
    """The time that one fresh interpreter takes for these words."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - begun)


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for words in COMMANDS.values():
        milliseconds(words)  # writes byte code
    for _ in range(ROUNDS):  # in turns, so that a busy moment meets all of them
        for name, words in COMMANDS.items():
            times[name].append(milliseconds(words))
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    result = {
        "benchmark": "import_time",
        "commit": commit,
        "date": time.strftime("%Y-%m-%d"),
        "command": "python benchmarks/import_time.py",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),
        "rounds": ROUNDS,
        "median_ms": {name: round(statistics.median(found), 1) for name, found in times.items()},
        "fastest_ms": {name: round(min(found), 1) for name, found in times.items()},
        "limits_ms": LIMITS_MS,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
