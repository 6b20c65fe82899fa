"""Rules on source tables: the first that fits decides, and every decision is kept."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from vidact.datasets.shards.dataset import Dataset
from vidact.errors import ConfigError
from vidact.pipeline.planning.source_rules import (
    decide,
    duration_s,
    folded,
    left_out_by_rules,
    read_rules,
    wanted_sources,
)
from vidact.pipeline.planning.sources import Source, find_sources

RULES = """
rules:
  - {name: console, verdict: drop, words: [ps4, pocket edition, "1. bölüm"]}
  - {name: clips, verdict: drop, shorter_than_s: 60}
  - {name: closed, verdict: drop, licences: [all rights reserved]}
  - {name: keyword, verdict: keep, words: [doom longplay], fields: [title, tags]}
"""


@pytest.fixture
def rules(tmp_path: Path) -> str:
    file = tmp_path / "doom.yaml"
    file.write_text(RULES, encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    ("about", "licence", "expected"),
    [
        ({"title": "DOOM  Longplay!"}, "", (True, "keyword", "title: doom longplay")),
        ({"title": "Ｄｏｏｍ－longpláy (PS4)"}, "", (False, "console", "title: ps4")),
        ({"title": "doom longplay", "tags": "1. BOLUM"}, "", (False, "console", "tags: 1. bölüm")),
        ({"title": "Doom Longplays"}, "", (False, "no rule", "")),
        ({"description": "doom longplay"}, "", (False, "no rule", "")),
        (
            {"title": "doom longplay", "duration": "0:59"},
            "",
            (False, "clips", "duration 0:59: shorter than 60 s"),
        ),
        (
            {"title": "doom longplay", "duration": "?"},
            "",
            (True, "keyword", "title: doom longplay"),
        ),
        (
            {"title": "doom longplay"},
            "All Rights  Reserved",
            (False, "closed", "licence All Rights  Reserved"),
        ),
    ],
)
def test_the_first_rule_that_fits_decides(
    about: dict[str, str], licence: str, expected: tuple[bool, str, str], rules: str
) -> None:
    found = decide(Source(uri="/a/b.mp4", about=about, licence=licence), read_rules(rules))
    assert (found.kept, found.rule, found.because) == expected


def test_words_are_folded() -> None:
    assert folded("Straße, İstanbul ışık") == " strasse istanbul isik "
    assert folded("...") == "  "
    assert duration_s("1:15:00") == duration_s("75:00") == duration_s("4500") == 4500


def test_decisions_are_kept_and_counted(rules: str, tmp_path: Path) -> None:
    table = tmp_path / "sources.parquet"
    rows = [
        {"uri": "a.mp4", "title": "doom longplay", "tags": ["x", "y"], "duration": 100.0},
        {"uri": "b.mp4", "title": "doom longplay", "tags": ["PS4"], "duration": None},
        {"uri": "doom_longplay.mp4", "title": None, "tags": None, "duration": 61.0},
    ]
    pq.write_table(pa.Table.from_pylist(rows), table)
    dataset = Dataset(tmp_path / "out")
    kept = wanted_sources(find_sources([str(table)]), rules, dataset)
    assert [source.name for source in kept] == ["a", "doom_longplay"]
    said = pq.read_table(tmp_path / "out" / "source_rules.parquet").to_pylist()
    assert [(row["kept"], row["rule"]) for row in said] == [
        (True, "keyword"),
        (False, "console"),
        (True, "keyword"),
    ]
    assert said[1]["because"] == "tags: ps4"
    assert left_out_by_rules(dataset) == {"rule console": 1}
    assert left_out_by_rules(Dataset(tmp_path / "none")) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: []", "expected one key"),
        ("other: 1", "expected one key"),
        ("rules: [x]", "rule 1 is 'x'"),
        ("rules: [{name: a, verdict: keep}]", "words, a duration or licences"),
        ("rules: [{name: a, verdict: maybe, words: [b]}]", r"verdict.*keep"),
        ("rules: [{name: a, verdict: keep, words: [b], word: c}]", "word"),
        ('rules: [{name: a, verdict: drop, words: ["!"]}]', "letters or digits"),
        (
            "rules: [{name: a, verdict: drop, words: [b]}, {name: a, verdict: keep, words: [c]}]",
            "two rules are called 'a'",
        ),
    ],
)
def test_what_is_no_rule_is_told(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_rules(str(file))


def test_rules_that_keep_nothing_are_told(rules: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="keep none of 1 sources"):
        wanted_sources([Source(uri="/x.mp4")], rules, Dataset(tmp_path / "out"))
