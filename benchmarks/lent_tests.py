"""Lets a benchmark borrow the servers and data of the repository's tests: `import lent_tests` makes
`tests` the repository's, where some installed packages bring a top-level `tests` of their own.
"""

import sys
from pathlib import Path
from types import ModuleType

sys.modules["tests"] = ModuleType("tests")
sys.modules["tests"].__path__ = [str(Path(__file__).resolve().parents[1] / "tests")]
