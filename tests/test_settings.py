from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

import pytest
import tyro
from hypothesis import given
from hypothesis import strategies as st
from vidact.errors import ConfigError
from vidact.options import parse_settings, to_words
from vidact.pipeline.config import LabelConfig
from vidact.settings import (
    Formerly,
    Later,
    LocalPath,
    from_mapping,
    must_be,
    read_yaml,
    settings,
    to_plain,
)

LONGEST = 9.0


@settings()
class Layout:
    """How to lay out."""

    size: int = 4
    """Size, pieces."""
    square: bool = True
    """Squareness."""
    place: tuple[int, int] = (0, 0)
    """Place, row and column."""


@settings()
class Example:
    """An example."""

    sources: tyro.conf.Positional[tuple[str, ...]]
    """Files."""
    out: str
    """Folder."""
    rate: float = 1e-3
    """Rate, a step."""
    preset: Literal["tiny", "vpt"] = "tiny"
    """Preset."""
    limit: int | None = None
    """Limit, items."""
    strict: bool = False
    """Strictness."""
    maps: tuple[str, ...] = ("a",)
    """Maps."""
    extra: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Further options."""
    layout: Layout = field(default_factory=Layout)
    hours: Annotated[float, must_be("below LONGEST", lambda hours: hours < LONGEST)] = 0.0
    """Hours."""
    folder: LocalPath = "."
    """Another folder."""

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise ConfigError(f"rate: {self.rate} is not above 0")


def parse(*words: str) -> Example:
    return parse_settings(Example, words, prog="vidact example")


def yaml_file(folder: Path, text: str) -> str:
    path = folder / "settings.yaml"
    path.write_text(text)
    return str(path)


def test_the_command_line_alone_fills_the_settings() -> None:
    assert parse("a.mp4", "b.mp4", "--out", "x", "--layout.size", "7", "--strict") == Example(
        sources=("a.mp4", "b.mp4"), out="x", layout=Layout(size=7), strict=True
    )


def test_a_file_sets_any_field_and_the_command_line_overrides_it(tmp_path: Path) -> None:
    file = yaml_file(
        tmp_path, "sources: [a]\nout: x\nrate: 1e-4\nmaps: [m, n]\nlimit: 3\nlayout: {size: 9}\n"
    )
    assert parse("--config", file) == Example(
        sources=("a",), out="x", rate=1e-4, maps=("m", "n"), limit=3, layout=Layout(size=9)
    )
    assert parse(f"--config={file}", "b", "--rate", "0.5", "--layout.size", "2").sources == ("b",)
    assert parse(f"--config={file}", "b", "--rate", "0.5", "--layout.size", "2").rate == 0.5
    assert parse(f"--config={file}", "b", "--rate", "0.5", "--layout.size", "2").layout.size == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("presett: tiny", r"unknown option `presett`. Did you mean `preset`\?"),
        ("layout: {sise: 3}", r"unknown option `layout.sise`. Did you mean `size`\?"),
        ("zzz: 3", "unknown option `zzz`. Allowed: extra, folder, hours, layout"),
        ("preset: large", "`preset` must be one of tiny, vpt, got 'large'"),
        ("rate: fast", "`rate` must be a number, got 'fast'"),
        ("limit: 2.5", "`limit` must be a whole number or null, got 2.5"),
        ("strict: 1", "`strict` must be true or false, got 1"),
        ("layout: 3", "`layout` must be a mapping, got 3"),
        ("layout: {place: 3}", r"`layout.place` must be a list of 2 \(each a whole .*\), got"),
        ("hours: 10", "`hours` must be below LONGEST, got 10"),
        ("- a\n- b", "expected `option: value` lines, got a list"),
        ("a: [", "not valid YAML"),
        ("limit: 1:30", "`limit` must be a whole number or null, got '1:30'"),
        ("hours: 1:30.5", "`hours` must be a number, got '1:30.5'"),
        ("rate: .nan", "`rate` must be a finite number, got nan"),
        ("rate: .inf", "`rate` must be a finite number, got inf"),
        ("limit: .inf", "`limit` must be a finite number, got inf"),
        ("limit: 3\nrate: 1\nlimit: 4", "`limit` is given(?s:.*)and given again"),
        ("layout: {size: 3, size: 3}", "`size` is given(?s:.*)and given again"),
    ],
)
def test_what_a_file_may_not_say_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse("--config", yaml_file(tmp_path, text), "a", "--out", "x")


def test_numbers_are_finite_on_the_command_line_too() -> None:
    with pytest.raises(ConfigError, match="rate must be a finite number, got nan"):
        parse("a", "--out", "x", "--rate", "nan")
    with pytest.raises(ConfigError, match="hours must be a finite number, got inf"):
        parse("a", "--out", "x", "--hours", "inf")


def test_a_time_may_be_text(tmp_path: Path) -> None:
    assert parse("--config", yaml_file(tmp_path, "sources: a\nout: 1:30")).out == "1:30"


def test_a_missing_file_is_named() -> None:
    with pytest.raises(
        ConfigError, match=r"--config nowhere\.yaml: cannot read the file: No such file"
    ):
        parse("--config", "nowhere.yaml")


def test_values_from_a_file_pass_the_same_checks(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"rate: -1\.0 is not above 0"):
        parse("--config", yaml_file(tmp_path, "rate: -1"), "a", "--out", "x")


def test_what_a_file_gives_twice_is_refused(tmp_path: Path) -> None:
    """Under its old name and its new one, say: one of the two would be passed over in silence."""

    @settings()
    class Renamed:
        batch_clips: Annotated[int, Formerly("batch_size")] = 1

    with pytest.raises(ConfigError, match="`batch_clips` is given twice, once as `batch_clips`"):
        from_mapping(Renamed, {"batch_size": 5, "batch_clips": 3}, where="f")


def test_a_path_on_this_machine_may_be_a_url(tmp_path: Path) -> None:
    folder = tmp_path / "my play"
    assert parse("a", "--out", "x", "--folder", folder.as_uri()).folder == str(folder)
    with pytest.raises(ConfigError, match="folder must be a path on this machine, got 's3://b'"):
        parse("a", "--out", "x", "--folder", "s3://b")


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    assert read_yaml(yaml_file(tmp_path, "")) == {}
    assert from_mapping(Layout, {}, where="f").size == 4


@given(
    sources=st.lists(st.text("abc/.", min_size=1), min_size=1, max_size=3),
    rate=st.floats(1e-6, 1e3),
    limit=st.none() | st.integers(1, 99),
    strict=st.booleans(),
    extra=st.lists(st.sampled_from(["p", "q"]), max_size=2),
    size=st.integers(0, 9),
    square=st.booleans(),
)
def test_words_of_settings_parse_to_the_same_settings(
    *,
    sources: list[str],
    rate: float,
    limit: int | None,
    strict: bool,
    extra: list[str],
    size: int,
    square: bool,
) -> None:
    example = Example(
        sources=tuple(sources),
        out="x",
        rate=rate,
        limit=limit,
        strict=strict,
        extra=tuple(extra),
        layout=Layout(size=size, square=square),
    )
    assert parse(*to_words(example)) == example


def test_words_name_only_what_differs_from_the_defaults() -> None:
    assert to_words(Example(sources=("a",), out="x", maps=("m", "n"))) == [
        "a",
        "--out",
        "x",
        "--maps",
        "m",
        "n",
    ]


def test_plain_settings_are_json() -> None:
    plain = to_plain(Example(sources=("a",), out="x"))
    assert plain["sources"] == ["a"]
    assert plain["layout"] == {"size": 4, "square": True, "place": [0, 0]}
    assert to_plain({"b": Path("p"), "s": {2, 1}}) == {"b": "p", "s": [1, 2]}


def test_a_later_field_is_recorded_only_where_it_changes_something() -> None:
    @settings()
    class Grown:
        """Settings that were stored before `dropout` came."""

        rate: float = 1e-3
        """Rate."""
        dropout: Annotated[float, Later(0.0)] = 0.5
        """Share."""

    assert to_plain(Grown(dropout=0)) == {"rate": 1e-3}
    assert to_plain(Grown()) == {"rate": 1e-3, "dropout": 0.5}


def test_a_switch_that_a_list_took_over_is_understood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--retry-quarantined", "videos", "--idm", "doom", "--out", "data"]
    found = parse_settings(LabelConfig, words, prog="vidact label")
    assert (found.sources, found.retry_dead_letters) == (("videos",), ("killed_worker",))
    said = "--retry-quarantined is spelled --retry-dead-letters killed_worker now"
    assert said in capsys.readouterr().err
    file = tmp_path / "label.yaml"
    file.write_text("retry_quarantined: true")
    found = parse_settings(LabelConfig, [*words[1:], "--config", str(file)], prog="vidact label")
    assert found.retry_dead_letters == ("killed_worker",)
    words = [*words[1:], "--retry-dead-letters", "decoder_hung", "error"]
    found = parse_settings(LabelConfig, words, prog="vidact label")
    assert found.retry_dead_letters == ("decoder_hung", "error")
