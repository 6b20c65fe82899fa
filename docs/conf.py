"""Sphinx's settings for the site: `make docs` builds it, and fails on a broken link.

Pages are Markdown (MyST). The command line, the Python API and the results are generated from the
code and from `benchmarks/results` before each build.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))

import command_line
import python_api
import results_tables
import vidact

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "vidact"
author = "the developers of vidact"
version = release = vidact.__version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist", "smartquotes"]
myst_heading_anchors = 3  # so that a link may lead to a heading
exclude_patterns = ["images"]
# Fields of one name in several settings are no broken link.
suppress_warnings = ["myst.xref_ambiguous", "ref.python"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
default_role = "code"  # docstrings write names in single backticks, as Markdown does

html_theme = "furo"
html_title = f"vidact {version}"
html_copy_source = False
html_show_sphinx = False


def show_example(*event: object) -> None:
    """Set the example of a verb's settings as code: its `*` and `:` are no markup."""
    _, what, _, _, _, lines = event
    if what == "class" and isinstance(lines, list) and "Example:" in lines:
        at = lines.index("Example:")
        lines[at : at + 1] = ["Example", "", "::", ""]


WHOLE: dict[object, list[str]] = {}


def keep_whole(*event: object) -> None:
    """Remember the words of an attribute: napoleon takes those before a colon for its type."""
    _, what, name, _, _, lines = event
    if what in ("attribute", "property") and isinstance(lines, list):
        WHOLE[name] = list(lines)


def put_back(*event: object) -> None:
    """Give an attribute its words back."""
    _, _, name, _, _, lines = event
    if name in WHOLE and isinstance(lines, list):
        lines[:] = WHOLE.pop(name)


def setup(app: Sphinx) -> None:
    """Write the generated pages before Sphinx looks for its sources."""
    for hook, priority in ((show_example, 300), (keep_whole, 400), (put_back, 600)):
        # Napoleon comes at 500.
        app.connect("autodoc-process-docstring", hook, priority=priority)
    docs = Path(__file__).parent
    command_line.write(docs / "reference" / "command_line.md")
    python_api.write(docs / "reference" / "python_api.md")
    results_tables.write(docs / "results")
