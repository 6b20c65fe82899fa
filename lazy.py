"""Public names of a package that are imported when they are first used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, modules: Mapping[str, tuple[str, ...]]
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """`__all__`, `__getattr__` and `__dir__` of a package that imports names on their first use.

    Importing the package then loads none of these modules. The package imports the same names under
    `if TYPE_CHECKING` and calls this function in its `else`, so that type checkers see exactly
    these names.

    Args:
        package: the package's `__name__`.
        modules: a module, relative to the package (`".actions.spec"`), to the names that it gives.
    """
    homes = {name: module for module, names in modules.items() for name in names}
    public = sorted(homes)

    def getattr_(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(homes[name], package), name)
        setattr(sys.modules[package], name, value)  # found without this function from now on
        return value

    def dir_() -> list[str]:
        return sorted({*vars(sys.modules[package]), *public})

    return public, getattr_, dir_
