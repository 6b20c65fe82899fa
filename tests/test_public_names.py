"""The Python interface: every public name imports, and importing the package loads nothing
heavy.
"""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import vidact
from vidact import cli

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "apache_beam", "numpy", "pyarrow", "av", "pydantic", "tyro", "matplotlib"}
LIGHT = ["VidactError", "LabelConfig", "TrainIDMConfig", "CloneConfig", "ServeConfig", "DemoConfig"]


def loaded(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after `code`."""
    check = f"{code}\nimport sys\nprint(*({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_alone_loads_nothing_heavy() -> None:
    assert loaded("import vidact; dir(vidact); vidact.__version__") == set()


def test_errors_and_settings_load_neither_torch_nor_beam() -> None:
    names = "; ".join(f"vidact.{name}" for name in LIGHT)
    assert loaded(f"import vidact; {names}") <= {"pydantic", "tyro"}


@pytest.mark.parametrize("name", vidact.__all__)
def test_every_public_name_imports(name: str) -> None:
    assert getattr(vidact, name) is not None
    assert name in dir(vidact)


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'vidact' has no attribute 'Datasett'"):
        vidact.Datasett  # noqa: B018


def test_every_verb_is_a_function_of_its_settings() -> None:
    for verb in cli.TABLE:
        settings = verb.settings_class()
        assert getattr(vidact, settings.__name__) is settings
        assert dataclasses.is_dataclass(settings)
        function = verb.function or verb.name.replace(" ", "_").replace("-", "_")
        assert callable(getattr(vidact, function))


def names_for_type_checkers(source: str) -> dict[str, str]:
    """What `if TYPE_CHECKING` of a package imports: names to modules."""
    guards = [node for node in ast.parse(source).body if isinstance(node, ast.If)]
    imports = [node for guard in guards for node in guard.body if isinstance(node, ast.ImportFrom)]
    return {name.name: f"{'.' * i.level}{i.module}" for i in imports for name in i.names}


@pytest.mark.parametrize(
    "package",
    [
        path
        for path in [ROOT / "__init__.py", *sorted(ROOT.glob("[a-z]*/__init__.py"))]
        if "lazy_names(" in path.read_text()
    ],
    ids=lambda path: path.parent.name,
)
def test_type_checkers_see_the_same_names(package: Path) -> None:
    source = package.read_text()
    (call,) = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "lazy_names"
    ]
    modules: dict[str, tuple[str, ...]] = ast.literal_eval(call.args[1])
    at_run_time = {name: module for module, names in modules.items() for name in names}
    assert at_run_time == names_for_type_checkers(source)
