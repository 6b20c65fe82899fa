"""Sphinx's settings for the site: `make docs` builds it into `build/docs`, and fails on a broken link.

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
suppress_warnings = ["myst.xref_ambiguous"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
default_role = "code"  # docstrings write names in single backticks, as Markdown does

html_theme = "furo"
html_title = f"vidact {version}"
html_copy_source = False
html_show_sphinx = False


def keep_whole(*event: object) -> None:
    """Keep an attribute's words together: napoleon would take those before a colon for its type."""
    _, what, _, _, _, lines = event
    if what in ("attribute", "property") and isinstance(lines, list) and lines:
        lines.insert(0, "")


def setup(app: Sphinx) -> None:
    """Write the generated pages before Sphinx looks for its sources."""
    app.connect("autodoc-process-docstring", keep_whole, priority=400)  # napoleon comes at 500
    docs = Path(__file__).parent
    command_line.write(docs / "reference" / "command_line.md")
    python_api.write(docs / "reference" / "python_api.md")
    results_tables.write(docs / "results")
