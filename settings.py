"""Settings classes: frozen pydantic dataclasses, which convert and check their fields by type.

Every verb has one. What is not allowed is a ConfigError that names the field, what is allowed, and
what was given.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, dataclass_transform

import tyro
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from . import storage
from .errors import ConfigError

Settings = TypeVar("Settings")

CHECKS = ConfigDict(
    extra="forbid",
    allow_inf_nan=False,  # nothing compares with nan, and no budget is endless by accident
    coerce_numbers_to_str=True,  # a dataset may be called 2026
    revalidate_instances="always",  # what `from_mapping` makes was not checked whole
)
BOUNDS = {
    "ge": "at least {}",
    "gt": "above {}",
    "le": "at most {}",
    "lt": "below {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
}
"""Pydantic's names of bounds, and what people say."""
MAX_NAME = 100  # letters; a file's may have 255, of which suffixes need some
OUT_OF_BOUNDS = ("greater_than", "less_than", "multiple_of", "too_long", "too_short")

Share = Annotated[float, Field(ge=0, le=1)]
Port = Annotated[int, Field(ge=0, le=65535)]
"""A port to listen on; 0 is any free one, or none."""


@dataclasses.dataclass(frozen=True, slots=True)
class Formerly:
    """The first name of a field, for `Annotated`: files, identities and snapshots keep it.

    Files and command lines that say it are understood.
    """

    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Replaces:
    """A switch that a list took over, for `Annotated`: files and command lines that say it are
    understood as the list with one value.
    """

    name: str
    value: str


@dataclasses.dataclass(frozen=True, slots=True)
class Later:
    """A field that came when settings were stored already, for `Annotated`.

    Where it has the value that means what those settings did, it is not recorded, so that they, and
    what was hashed of them, stay the same.
    """

    before: Any
    """That value, as `to_plain` gives it."""


def recorded_name(name: str, hint: Any) -> str:
    """The name of a field in files: its first one."""
    return next((m.name for m in typing.get_args(hint)[1:] if isinstance(m, Formerly)), name)


def replaced_switches(cls: type) -> dict[str, tuple[str, str]]:
    """The switches that lists took over: by their names, the field and its value."""
    return {
        extra.name: (name, extra.value)
        for name, hint in hints_of(cls).items()
        for extra in typing.get_args(hint)[1:]
        if isinstance(extra, Replaces)
    }


def must_be(allowed: str, test: Callable[[Any], object]) -> AfterValidator:
    """A check for `Annotated`: a value that fails `test` is refused with "must be `allowed`"."""

    def check(value: Any) -> Any:
        if not test(value):
            raise PydanticCustomError("must_be", "{allowed}", {"allowed": allowed})
        return value

    return AfterValidator(check)


def named_like(pattern: str, letters: str) -> AfterValidator:
    """A check for `Annotated`: a name of at most 100 letters, as a file may have.

    Args:
        pattern: of the whole name.
        letters: in words: "must be a name of `letters`".
    """
    allowed = f"a name of {letters}, {MAX_NAME} at most"
    return must_be(allowed, lambda name: len(name) <= MAX_NAME and re.fullmatch(pattern, name))


def _local(uri: str) -> str:
    path = storage.local_path(uri)
    if path is None:
        raise PydanticCustomError("must_be", "{allowed}", {"allowed": "a path on this machine"})
    return str(path) if uri.startswith("file:") else uri


LocalPath = Annotated[str, AfterValidator(_local)]
"""A path on this machine, or its `file://` URL, which becomes the path."""


def require(ok: bool, name: str, value: object, allowed: str) -> None:
    """Raise a ConfigError that names field, allowed and got unless `ok`: for checks over fields."""
    if not ok:
        raise ConfigError(f"{name} must be {allowed}, got {value!r}")


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(dataclasses.field,)
)
def settings(
    *, place: str = "", strict: bool = False
) -> Callable[[type[Settings]], type[Settings]]:
    """Make a class a frozen dataclass that converts and checks its fields or raises ConfigError.

    Args:
        place: the option under which a verb's settings hold the class, for its errors: `layout`.
        strict: convert nothing, as befits what strangers wrote: `true` is no number.
    """

    def make(cls: type[Settings]) -> type[Settings]:
        checks = CHECKS | {"strict": strict}
        made = pydantic_dataclass(frozen=True, kw_only=True, slots=True, config=checks)(cls)
        fill = made.__init__

        @functools.wraps(fill)
        def init(self: Any, **given: Any) -> None:
            try:
                fill(self, **given)
            except ValidationError as error:
                message = _explain(error, type(self), f"{place}." if place else "")
                raise ConfigError(message) from None

        made.__init__ = init  # type: ignore[method-assign]
        return made  # type: ignore[return-value]

    return make


def hints_of(cls: type) -> dict[str, Any]:
    """The types of a settings class's fields, with what `Annotated` adds to them."""
    # The module's names as globals: what get_type_hints takes by itself are locals, and a function
    # in an annotation, called later, sees only globals.
    names = vars(sys.modules[cls.__module__])
    hints = typing.get_type_hints(cls, globalns=names, include_extras=True)
    return {
        name: hint for name, hint in hints.items() if typing.get_origin(hint) is not typing.ClassVar
    }


# ---- what is wrong, in words


def _explain(error: ValidationError, hint: Any, name: str, quote: str = "") -> str:
    """The first of pydantic's errors as field, allowed and got.

    Args:
        hint: the type that was asked for.
        name: the field of this type; where `hint` is a settings class, what stands before its
            fields.
        quote: what stands around the field's name.
    """
    found = error.errors(include_url=False)[0]
    for part in found["loc"]:
        if dataclasses.is_dataclass(hint := plain(hint)):
            if part not in (known := hints_of(hint)):  # type: ignore[arg-type]
                return f"unknown field `{name}{part}`{closest(str(part), list(known))}"
            name, hint = name + str(part), known[str(part)]
            name += "." if dataclasses.is_dataclass(plain(hint)) else ""
        elif isinstance(part, int):
            if found["type"] == "missing":  # a list that is too short; its length is what is asked
                break
            members = [member for member in typing.get_args(hint) if member is not Ellipsis]
            hint = members[min(part, len(members) - 1)]
    name = f"{quote}{name.rstrip('.')}{quote}"
    too_short = typing.get_origin(hint) is tuple
    if found["input"] is tyro.MISSING or (found["type"] == "missing" and not too_short):
        return f"{name} must be given: {describe(hint)}"
    said = {"must_be": found["msg"], "finite_number": "a finite number"}
    allowed = said.get(found["type"]) or (
        _bounds(hint) if found["type"].startswith(OUT_OF_BOUNDS) else describe(hint)
    )
    return f"{name} must be {allowed}, got {found['input']!r}"


def plain(hint: Any) -> Any:
    """A type without what `Annotated` and `| None` add to it."""
    while typing.get_origin(hint) is Annotated:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        return plain(kinds[0]) if len(kinds) == 1 else hint
    return hint


def describe(hint: Any) -> str:
    """A type as people say it, with its bounds: `a whole number of at least 1`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        said, bounds = describe(arguments[0]), _bounds(hint)
        return f"{said} {bounds}" if bounds else said
    if origin in (typing.Union, types.UnionType):
        return " or ".join("null" if a is type(None) else describe(a) for a in arguments)
    if origin is Literal:
        return "one of " + ", ".join(str(a) or '""' for a in arguments)
    if origin is tuple:
        members = [member for member in arguments if member is not Ellipsis]
        length = f" of {len(members)}" if members == list(arguments) else ""
        each = f" (each {describe(members[0])})" if len(set(members)) == 1 else ""
        return f"a list{length}{each}"
    if dataclasses.is_dataclass(hint):
        return "a mapping"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    return names.get(hint, getattr(hint, "__name__", str(hint)))


def _bounds(hint: Any) -> str:
    """The bounds of a number as people say them: `within 0..1`; empty where it has none."""
    found: dict[str, Any] = {}
    for extra in typing.get_args(hint)[1:] if typing.get_origin(hint) is Annotated else ():
        for rule in extra.metadata if isinstance(extra, FieldInfo) else [extra]:
            for word in BOUNDS:
                if (bound := getattr(rule, word, None)) is not None:
                    found[word] = f"{bound:g}" if isinstance(bound, float) else str(bound)
    if found.keys() == {"ge", "le"}:
        return f"within {found['ge']}..{found['le']}"
    return " and ".join(said.format(found[word]) for word, said in BOUNDS.items() if word in found)


def closest(word: str, allowed: Sequence[str]) -> str:
    """The end of an error about an unknown word: `. Did you mean …?`, or what is allowed."""
    near = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
    return f". Did you mean `{near[0]}`?" if near else f". Allowed: {', '.join(sorted(allowed))}."


# ---- from files and to files


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file is an empty mapping."""
    import yaml

    from .plain_yaml import load_plain

    try:
        loaded = load_plain(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"--config {path}: cannot read the file: {error.strerror or error}."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {path}: not valid YAML: {error}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        kind = type(loaded).__name__
        raise ConfigError(
            f"--config {path}: expected `option: value` lines, got a {kind} at the top of the file."
        )
    return loaded


def from_mapping(
    cls: type[Settings], values: Mapping[str, Any], *, where: str | Path, prefix: str = ""
) -> Settings:
    """An instance of settings class `cls`; required fields that are not given are `tyro.MISSING`.

    It is only a set of defaults for tyro, so fields are checked one by one and never together: tyro
    builds the real instance, with every value known, and that one is checked whole.

    Args:
        values: names (dashes or underscores) to YAML values; a nested settings class takes a nested
            mapping.
        where: the file, for errors.
        prefix: the dotted path of `cls` inside the outermost settings, for errors.
    """
    hints = hints_of(cls)
    former = {recorded_name(name, hint): name for name, hint in hints.items()}
    switches = replaced_switches(cls)
    given: dict[str, Any] = {}
    for key, value in values.items():
        name = str(key).replace("-", "_")
        name = former.get(name, name)
        if name in switches:
            field_name, item = switches[name]
            given[field_name] = (item,) if _checked(value, bool, where=where, name=key) else ()
            continue
        if name in given:
            raise ConfigError(f"{where}: `{prefix}{name}` is given twice, once as `{prefix}{key}`")
        if name not in hints:
            raise ConfigError(
                f"{where}: unknown option `{prefix}{key}`{closest(name, list(hints))}"
            )
        given[name] = _checked(value, hints[name], where=where, name=prefix + name)
    instance = object.__new__(cls)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        value = given[field.name] if field.name in given else default_of(field)
        object.__setattr__(instance, field.name, value)
    return instance


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The default of a field; `tyro.MISSING` where it must be given."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return tyro.MISSING if field.default is dataclasses.MISSING else field.default


def _checked(value: Any, hint: Any, *, where: str | Path, name: str) -> Any:
    """A YAML value as the type `hint`, or a ConfigError that names the option."""
    kind = plain(hint)
    if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return from_mapping(kind, value, where=where, prefix=f"{name}.")  # type: ignore[arg-type]
    if typing.get_origin(kind) is tuple and isinstance(value, str | int | float):
        value = [value]  # `sources: a.mp4` for a list of one
    # pydantic would take 1 for true, and true for 1
    if isinstance(value, bool) != (kind is bool) and (kind is bool or kind in (int, float)):
        raise ConfigError(f"{where}: `{name}` must be {describe(hint)}, got {value!r}")
    config = None if dataclasses.is_dataclass(kind) else CHECKS
    try:
        return TypeAdapter(hint, config=config).validate_python(value)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(error, hint, name, '`')}") from None


def plain_but(value: Any, names: Iterable[str]) -> dict[str, Any]:
    """What `to_plain` gives of settings, without some fields: those that decide nothing, say."""
    left_out = set(names)
    return {name: part for name, part in to_plain(value).items() if name not in left_out}


def to_plain(value: Any) -> Any:
    """Settings as JSON can hold them, to hash or to write beside what a run makes.

    Fields have the names that they had first, and those that came later are left out where they
    change nothing (`Later`), so that what was hashed and written before is the same.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hints = hints_of(type(value)) if hasattr(value, "__pydantic_config__") else {}
        found = {
            field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
        return {
            recorded_name(name, hints.get(name)): plain_value
            for name, plain_value in found.items()
            if Later(plain_value) not in typing.get_args(hints.get(name))[1:]
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


def first_difference(one: Any, other: Any, name: str = "") -> tuple[str, Any, Any]:
    """The first place, by name, at which two nested dicts differ, and what each has there:
    `("ppo.kl", 0.1, 0.2)`.
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted(one.keys() | other.keys()):
            if one.get(key) != other.get(key):
                return first_difference(
                    one.get(key), other.get(key), f"{name}.{key}" if name else str(key)
                )
    return name, one, other
