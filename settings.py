"""Settings of a verb: a dataclass, filled from a YAML file and the command line.

Every verb has one frozen dataclass of settings. `parse_settings` fills it in this order, the later winning: the
dataclass's own defaults, the file given by `--config FILE`, the command line. A key that the dataclass does not know
is an error that names the closest one it does.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

import tyro

from .errors import ConfigError

Settings = TypeVar("Settings")

NONE_BY_DEFAULT = tyro.conf.arg(help_behavior_hint="(default: none)")
"""For options that take several words and have none by default, of which tyro would print nothing."""


def several(name: str) -> Any:
    """For positional words of which at least one must be given; tyro would call them optional, and by their type."""
    return tyro.conf.arg(metavar=f"{name} …", help_behavior_hint="(required)")


def parse_settings(
    cls: type[Settings], args: Sequence[str], *, prog: str, description: str
) -> Settings:
    """Settings of type `cls` from command-line words.

    Args:
        cls: a dataclass; its docstrings become the help of its options.
        args: the words after the verb.
        prog: what the user typed before them, for usage lines: `"vidact train-idm"`.
        description: the text above the options in `--help`.

    Raises:
        ConfigError: the `--config` file is missing, is no mapping, or holds a key or value that `cls` does not allow.
        SystemExit: code 2 after tyro has printed what is wrong on the command line; code 0 after `--help`.
    """
    rest, config_file = _take_config_option(args, prog)
    default = from_mapping(
        cls, read_yaml(config_file) if config_file else {}, where=config_file or ""
    )
    wrapper = dataclasses.make_dataclass(
        "Options",
        [
            (
                "settings",
                Annotated[cls, tyro.conf.arg(name="")],  # type: ignore[valid-type]
                dataclasses.field(default=default),
            ),
            (
                "config",
                Annotated[
                    str | None,
                    tyro.conf.arg(
                        metavar="FILE", help="A YAML file that sets any of these options by name."
                    ),
                ],
                dataclasses.field(default=None),
            ),
        ],
    )
    return tyro.cli(wrapper, args=rest, prog=prog, description=description).settings  # type: ignore[attr-defined]


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file is an empty mapping."""
    import yaml

    try:
        loaded = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"--config {path}: cannot read the file: {error.strerror or error}."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {path}: not valid YAML: {error}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(
            f"--config {path}: expected `option: value` lines, got a {type(loaded).__name__} at the top of the file."
        )
    return loaded


def from_mapping(
    cls: type[Settings], values: dict[str, Any], *, where: str | Path, prefix: str = ""
) -> Settings:
    """An instance of the dataclass `cls` in which unset required fields are `tyro.MISSING`.

    It is only a set of defaults for tyro, so its `__post_init__` has not run: tyro builds the real instance, with
    every value known, and that one is checked.

    Args:
        values: names (dashes or underscores) to YAML values; a nested dataclass takes a nested mapping.
        where: the file, for errors.
        prefix: the dotted path of `cls` inside the outermost settings, for errors.
    """
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    hints = typing.get_type_hints(
        cls
    )  # without extras: Positional[...] and Annotated[...] fall away
    given: dict[str, Any] = {}
    for key, value in values.items():
        name = str(key).replace("-", "_")
        if name not in fields:
            raise ConfigError(
                f"{where}: unknown option `{prefix}{key}`{closest(name, list(fields))}"
            )
        given[name] = _convert(value, hints[name], where=where, name=prefix + name)
    instance = object.__new__(cls)
    for name, field in fields.items():
        if name in given:
            value = given[name]
        elif field.default is not dataclasses.MISSING:
            value = field.default
        elif field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        else:
            value = tyro.MISSING
        object.__setattr__(instance, name, value)
    return instance


def closest(word: str, allowed: Sequence[str]) -> str:
    """The end of an error about an unknown word: `. Did you mean …?` or the list of what is allowed."""
    near = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
    return f". Did you mean `{near[0]}`?" if near else f". Allowed: {', '.join(sorted(allowed))}."


def to_plain(value: Any) -> Any:
    """Settings as JSON can hold them, to hash or to write beside what a run makes."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [
            to_plain(item)
            for item in (sorted(value) if isinstance(value, set | frozenset) else value)
        ]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def to_words(settings: Any, *, _prefix: str = "") -> list[str]:
    """The shortest command line that `parse_settings` turns into `settings`: what differs from the defaults.

    Positional fields come first, so that a list option before them cannot swallow them.
    """
    positional: list[str] = []
    options: list[str] = []
    hints = typing.get_type_hints(type(settings), include_extras=True)
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        default = (
            field.default_factory()
            if field.default_factory is not dataclasses.MISSING
            else field.default
        )
        if value == default:
            continue
        option = "--" + (_prefix + field.name).replace("_", "-")
        if dataclasses.is_dataclass(value):
            options += to_words(value, _prefix=f"{_prefix}{field.name}.")
        elif tyro.conf.Positional in getattr(hints[field.name], "__metadata__", ()):
            positional += _words_of(value)
        elif tyro.conf.UseAppendAction in getattr(hints[field.name], "__metadata__", ()):
            options += [word for item in value for word in (option, str(item))]
        elif isinstance(value, bool):
            options.append(option if value else "--no-" + option.removeprefix("--"))
        else:
            options += [option, *_words_of(value)]
    return positional + options


def _words_of(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [str(word) for pair in value.items() for word in pair]
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    return [str(value)]


def _take_config_option(args: Sequence[str], prog: str) -> tuple[list[str], str | None]:
    """Split `--config FILE` off: its values must be known before tyro knows which options are still missing."""
    rest: list[str] = []
    found: str | None = None
    words = iter(args)
    for word in words:
        if word == "--config":
            found = next(words, None)
            if found is None:
                raise ConfigError(f"{prog}: --config needs a file.")
        elif word.startswith("--config="):
            found = word.removeprefix("--config=")
        else:
            rest.append(word)
    return rest, found


def _convert(value: Any, hint: Any, *, where: str | Path, name: str) -> Any:
    """A YAML value as the type `hint`, or a ConfigError that names the option."""

    def wrong() -> ConfigError:
        return ConfigError(f"{where}: `{name}` must be {_describe(hint)}, got {value!r}.")

    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        for option in arguments:
            if option is not type(None):
                try:
                    return _convert(value, option, where=where, name=name)
                except ConfigError:
                    continue
        raise wrong()
    if origin is Literal:
        if value not in arguments:
            near = (
                closest(str(value), [str(a) for a in arguments]) if isinstance(value, str) else "."
            )
            raise ConfigError(f"{where}: `{name}` must be {_describe(hint)}, got {value!r}{near}")
        return value
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise wrong()
        return from_mapping(hint, value, where=where, prefix=name + ".")  # type: ignore[arg-type]
    if origin is dict or hint is dict:
        if not isinstance(value, dict):
            raise wrong()
        return value
    if origin in (tuple, list, typing.get_origin(Sequence[int])) or hint in (tuple, list):
        items = [value] if isinstance(value, str | int | float) else value
        if not isinstance(items, list):
            raise wrong()
        element = [a for a in arguments if a is not Ellipsis] or [Any]
        if origin is tuple and Ellipsis not in arguments and len(items) != len(element):
            raise wrong()
        kinds = element * len(items) if len(element) == 1 else element
        made = [
            _convert(item, kind, where=where, name=name)
            for item, kind in zip(items, kinds, strict=True)
        ]
        return made if origin is list or hint is list else tuple(made)
    return _convert_scalar(value, hint, wrong)


def _convert_scalar(value: Any, hint: Any, wrong: typing.Callable[[], ConfigError]) -> Any:
    if hint is bool or isinstance(value, bool):
        if hint is not bool or not isinstance(value, bool):
            raise wrong()
        return value
    if hint is int:
        if not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
            raise wrong()
        return int(value)
    if hint in (float, Fraction):
        try:  # YAML 1.1 reads 1e-3 as a string; people mean a number
            return hint(value)
        except (TypeError, ValueError, ZeroDivisionError):
            raise wrong() from None
    if hint is str:
        if isinstance(value, dict | list) or value is None:
            raise wrong()
        return str(value)
    if isinstance(hint, type) and issubclass(hint, Path):
        if not isinstance(value, str):
            raise wrong()
        return Path(value)
    return value


def _describe(hint: Any) -> str:
    """A type as people say it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join("null" if a is type(None) else _describe(a) for a in arguments)
    if origin is Literal:
        return "one of " + ", ".join(str(a) for a in arguments)
    if origin in (tuple, list) or hint in (tuple, list):
        element = [a for a in arguments if a is not Ellipsis]
        return "a list" + (f" of {_describe(element[0])}" if len(set(element)) == 1 else "")
    if dataclasses.is_dataclass(hint) or origin is dict or hint is dict:
        return "a mapping"
    names = {
        int: "a whole number",
        float: "a number",
        str: "text",
        bool: "true or false",
        Path: "a path",
    }
    return names.get(hint, getattr(hint, "__name__", str(hint)))


def first_difference(one: Any, other: Any, name: str = "") -> tuple[str, Any, Any]:
    """The first place, by name, at which two nested dicts differ, and what each has there: `("ppo.kl", 0.1, 0.2)`."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted(one.keys() | other.keys()):
            if one.get(key) != other.get(key):
                return first_difference(
                    one.get(key), other.get(key), f"{name}.{key}" if name else str(key)
                )
    return name, one, other
