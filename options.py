"""A verb's settings from the words of a command line, by tyro, and back to words.

`parse_settings` fills a settings class in this order, the later winning: the class's own defaults,
the file given by `--config FILE`, the command line.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import itertools
import shutil
import sys
import textwrap
import typing
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeVar

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from .errors import ConfigError
from .settings import (
    default_of,
    from_mapping,
    hints_of,
    plain,
    read_yaml,
    recorded_name,
    replaced_switches,
)

Settings = TypeVar("Settings")

NONE_BY_DEFAULT = tyro.conf.arg(help_behavior_hint="(default: none)")
"""For options that take several words and have none by default, of which tyro would print nothing.
"""


def several(name: str) -> Any:
    """For positional words of which at least one must be given; tyro would call them optional, and
    by their type.
    """
    return tyro.conf.arg(metavar=f"{name} …", help_behavior_hint="(required)")


def _pair(words: list[str]) -> tuple[str, ...]:
    if words[0].count(":") != 1:
        raise ValueError(f"give a pair as left:right, not {words[0]!r}")
    return tuple(words[0].split(":"))


PAIR: Any = Annotated[
    tuple[str, str],
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="LEFT:RIGHT",
        instance_from_str=_pair,
        is_instance=lambda pair: isinstance(pair, tuple),
        str_from_instance=lambda pair: [":".join(pair)],
    ),
]
"""Two names, which are one word on the command line."""

ONCE_POSITIONAL = "once positional"
"""Marks an option that was the last positional word before."""


def top_level(name: str) -> Any:
    """For a field of nested settings whose option bears no prefix: `--split-seed`."""
    return tyro.conf.arg(name=name, prefix_name=False)


def parse_settings(cls: type[Settings], args: Sequence[str], *, prog: str) -> Settings:
    """Settings of type `cls` from command-line words.

    Args:
        cls: a settings class; its docstring is the text of `--help`, the docstrings of its fields
            that of the options.
        args: the words after the verb.
        prog: what the user typed before them, for usage lines: `"vidact train-idm"`.

    Raises:
        ConfigError: the `--config` file is missing, is no mapping, or holds a key or value that
            `cls` does not allow.
        SystemExit: code 2 after tyro has printed what is wrong on the command line; code 0 after
            `--help`.
    """
    rest, config_file = _take_config_option(args, prog)
    rest = _respelled(cls, rest)
    default = from_mapping(
        cls, read_yaml(config_file) if config_file else {}, where=config_file or ""
    )
    config_help = "A YAML file that sets any of these options by name."
    config_option = Annotated[str | None, tyro.conf.arg(metavar="FILE", help=config_help)]
    own: Any = Annotated[cls, tyro.conf.arg(name="")]
    options = [
        ("settings", own, dataclasses.field(default=default)),
        ("config", config_option, dataclasses.field(default=None)),
    ]
    if not {"-h", "--help"}.isdisjoint(rest):
        print(help_text(cls))  # by ourselves, as tyro does not wrap it
    wrapper = dataclasses.make_dataclass("Options", options)
    found: Any = tyro.cli(wrapper, args=rest, prog=prog, description="", registry=_REGISTRY)
    filled: Settings = found.settings
    return filled


def help_text(cls: type) -> str:
    """The docstring of a settings class, each paragraph wrapped to the terminal, and its example as
    it stands.
    """
    width = max(40, min(shutil.get_terminal_size().columns, 100))
    paragraphs = inspect.cleandoc(cls.__doc__ or "").split("\n\n")
    wrapped = (text if "\n  " in text else textwrap.fill(text, width) for text in paragraphs)
    return "\n\n".join(wrapped) + "\n"


_REGISTRY = ConstructorRegistry()


@_REGISTRY.struct_rule
def _settings_rule(info: StructTypeInfo) -> StructConstructorSpec | None:
    """How tyro fills a settings class: like any dataclass, but with `_help_of` as the help of its
    options.
    """
    if not hasattr(info.type, "__pydantic_config__"):
        return None
    known = isinstance(info.default, info.type)
    defaults = info.default if known else from_mapping(info.type, {}, where="")
    fields = [
        StructFieldSpec(
            name=name,
            type=hint,
            default=getattr(defaults, name),
            helptext=functools.partial(_help_of, info.type, name),
        )
        for name, hint in hints_of(info.type).items()
    ]
    return StructConstructorSpec(instantiate=info.type, fields=tuple(fields))


def _help_of(cls: type, field: str) -> str:
    """The docstring under a field as one paragraph: tyro would keep the source's line breaks."""
    found = (_field_docstrings(owner).get(field) for owner in cls.__mro__[:-1])  # without `object`
    return next((text for text in found if text), "")


@functools.cache
def _field_docstrings(cls: type) -> dict[str, str]:
    import docstring_parser

    fields = docstring_parser.parse_from_object(cls).params
    return {field.arg_name: " ".join((field.description or "").split()) for field in fields}


def _take_config_option(args: Sequence[str], prog: str) -> tuple[list[str], str | None]:
    """Split `--config FILE` off: its values must be known before tyro knows which options are still
    missing.
    """
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


def _option(path: str, hint: Any) -> str:
    """The option of the field at a dotted path."""
    for extra in typing.get_args(hint)[1:]:
        if getattr(extra, "prefix_name", None) is False:
            return f"--{extra.name}"
    return "--" + path.replace("_", "-")


def old_spellings(cls: type, prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """Options as they were spelled before, with today's spelling and type."""
    for name, hint in hints_of(cls).items():
        now = _option(prefix + name, hint)
        for before in {name, recorded_name(name, hint)}:
            if (old := "--" + (prefix + before).replace("_", "-")) != now:
                yield old, now, hint
        if dataclasses.is_dataclass(kind := plain(hint)):
            yield from old_spellings(kind, f"{prefix}{name}.")  # type: ignore[arg-type]


def option_names(cls: type, prefix: str = "") -> Iterator[str]:
    """All options of a settings class, those of nested settings too; none of them is positional."""
    for name, hint in hints_of(cls).items():
        option = _option(prefix + name, hint)
        kind = plain(hint)
        if dataclasses.is_dataclass(kind):
            yield from option_names(kind, f"{prefix}{name}.")  # type: ignore[arg-type]
        elif tyro.conf.Positional not in typing.get_args(hint):
            yield option
            if kind is bool:
                before, dot, last = option.removeprefix("--").rpartition(".")
                yield f"--{before}{dot}no-{last}"


def unknown_options(cls: type, words: Sequence[str]) -> list[str]:
    """The options among the words of a command line that a settings class does not have."""
    known = {"--config", "--help", *option_names(cls)}
    known |= {old for old, _, _ in old_spellings(cls)}
    typed = [word.partition("=")[0].replace("_", "-") for word in words if word.startswith("--")]
    return [option for option in typed if option not in known]


def _respelled(cls: type, args: Sequence[str]) -> list[str]:
    """Words with options in today's spelling; a note on stderr names each that was not."""
    old = {before: (now, hint) for before, now, hint in old_spellings(cls)}
    switches = {
        f"--{name.replace('_', '-')}": (_option(field, hints_of(cls)[field]), value)
        for name, (field, value) in replaced_switches(cls).items()
    }
    words: list[str] = []
    replaced: list[str] = []  # at the end: a list in the middle would swallow the next word
    pending = list(args)
    while pending:
        word = pending.pop(0)
        if word in switches:
            now, value = switches[word]
            _note(word, f"{now} {value}")
            replaced += [now, value]
            continue
        option, equals, value = word.partition("=")
        if not (word.startswith("--") and (option := option.replace("_", "-")) in old):
            words.append(word)
            continue
        now, hint = old[option]
        _note(option, now)
        words.append(now + equals + value)
        if PAIR in typing.get_args(plain(hint)):  # `left right` before, `left:right` now
            while len(pending) > 1 and not any(w[:1] == "-" or ":" in w for w in pending[:2]):
                words.append(f"{pending.pop(0)}:{pending.pop(0)}")
    hints = hints_of(cls)
    places = sum(tyro.conf.Positional in typing.get_args(hint) for hint in hints.values())
    leading = list(itertools.takewhile(lambda word: not word.startswith("-"), words))
    if ONCE_POSITIONAL in typing.get_args(hints.get("out")) and len(leading) == places + 1:
        _note(f"a {('second', 'third')[places - 1]} word", "--out")
        words.insert(places, "--out")
    return words + replaced


def _note(before: str, now: str) -> None:
    print(f"vidact: note: {before} is spelled {now} now", file=sys.stderr)


def to_words(settings: Any, *, _prefix: str = "") -> list[str]:
    """The shortest command line that `parse_settings` turns into `settings`: what differs from the
    defaults.

    Positional fields come first, so that a list option before them cannot swallow them.
    """
    positional: list[str] = []
    options: list[str] = []
    hints = hints_of(type(settings))
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if value == default_of(field):
            continue
        option = _option(_prefix + field.name, hints[field.name])
        if dataclasses.is_dataclass(value):
            options += to_words(value, _prefix=f"{_prefix}{field.name}.")
        elif tyro.conf.Positional in getattr(hints[field.name], "__metadata__", ()):
            positional += _words_of(value)
        elif tyro.conf.UseAppendAction in getattr(hints[field.name], "__metadata__", ()):
            options += [word for item in value for word in (option, str(item))]
        elif isinstance(value, bool):
            # tyro's spelling: `--layout.no-near-duplicates`
            before, dot, name = option.removeprefix("--").rpartition(".")
            options.append(option if value else f"--{before}{dot}no-{name}")
        else:
            options += [option, *_words_of(value)]
    return positional + options


def _words_of(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [str(word) for pair in value.items() for word in pair]
    if isinstance(value, list | tuple):
        return [":".join(item) if isinstance(item, tuple) else str(item) for item in value]
    return [str(value)]
