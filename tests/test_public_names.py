"""The Python interface: every public name imports, and importing the package loads nothing
heavy.
"""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from importlib import import_module
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
    with pytest.raises(AttributeError, match="No vidact attribute Datasett"):
        vidact.Datasett  # noqa: B018


def test_every_verb_is_a_function_of_its_settings() -> None:
    for verb in cli.TABLE:
        settings = verb.settings_class()
        assert getattr(vidact, settings.__name__) is settings
        assert dataclasses.is_dataclass(settings)
        function = verb.function or verb.name.replace(" ", "_").replace("-", "_")
        assert callable(getattr(vidact, function))


def names_for_type_checkers(stub: Path) -> dict[str, str]:
    """What the stub of a package imports: names to modules."""
    imports = [
        node for node in ast.parse(stub.read_text()).body if isinstance(node, ast.ImportFrom)
    ]
    return {name.name: f"{'.' * i.level}{i.module}" for i in imports for name in i.names}


@pytest.mark.parametrize(
    "stub",
    [ROOT / "__init__.pyi", *sorted(ROOT.glob("[a-z]*/__init__.pyi"))],
    ids=lambda path: path.parent.name,
)
def test_type_checkers_see_the_same_names(stub: Path) -> None:
    folder = ".".join(stub.parent.relative_to(ROOT).parts)
    package = import_module(f"vidact.{folder}".rstrip("."))
    expected = names_for_type_checkers(stub)
    assert sorted(package.__all__) == sorted(expected)
    for name, module in expected.items():
        home = import_module(module, package.__name__)
        assert getattr(package, name) is getattr(home, name)
