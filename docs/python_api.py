"""The reference page of the Python API: every public name of `import vidact`."""

from __future__ import annotations

import inspect
from pathlib import Path

import vidact

INTRODUCTION = """# Python API

`import vidact` loads nothing heavy: a name is imported from its room when it is used for the first
time. What is listed here is public; everything else may change.

Each verb of the command line is a function that takes its settings and returns the exit code:

```python
import vidact

vidact.pack(vidact.PackConfig(recordings=["runs/play"], out="runs/dataset"))
for batch in vidact.ClipLoader(["runs/dataset"], batch_size=4):
    print(batch.frames.shape, batch.buttons.shape)
```
"""


def _section(title: str, names: list[str], directive: str) -> list[str]:
    lines = [f"## {title}", "", "```{eval-rst}"]
    for name in names:
        lines += [f".. {directive}:: vidact.{name}"]
        if directive == "autoclass":
            lines += ["   :members:"]
        lines += [""]
    return [*lines, "```", ""]


def write(page: Path) -> None:
    """Write the page: nouns, verbs, their settings, errors."""
    nouns: list[str] = []
    functions: list[str] = []
    settings: list[str] = []
    errors: list[str] = []
    data: list[str] = []
    for name in vars(vidact)["__all__"]:
        value = getattr(vidact, name)
        if inspect.isclass(value) and issubclass(value, Exception):
            errors.append(name)
        elif inspect.isclass(value) and name.endswith("Config"):
            settings.append(name)
        elif inspect.isclass(value):
            nouns.append(name)
        elif callable(value):
            functions.append(name)
        elif not name.startswith("__"):
            data.append(name)
    lines = [INTRODUCTION]
    lines += _section("Nouns", nouns, "autoclass")
    lines += _section("Functions and verbs", functions, "autofunction")
    if data:
        lines += ["## Data", "", *(f"- `vidact.{name}`" for name in data), ""]
    lines += _section("Settings", settings, "autoclass")
    lines += _section("Errors", errors, "autoexception")
    page.write_text("\n".join(lines), encoding="utf-8")
