"""Which sources of a table are wanted, by what the table says of them: rules as data, one YAML file
a game.

    rules:
      - {name: console, verdict: drop, words: [ps4, xbox, pocket edition]}
      - {name: clips, verdict: drop, shorter_than_s: 60}
      - {name: keyword, verdict: keep, words: ["doom longplay", "doom gameplay"], fields: [title]}

The first rule that fits a source decides. What no rule fits is kept, unless there are rules that
keep: then it is dropped. Words are compared without case, accents and punctuation, and as whole
words: "pe" is not in "performance".
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
from pydantic import NonNegativeFloat

from ... import storage
from ...datasets.shards.dataset import Dataset
from ...datasets.shards.parquet import parquet_bytes, parse_parquet
from ...errors import ConfigError
from ...progress import log
from ...settings import read_yaml, require, settings
from ...signed_addresses import without_keys
from .sources import Source

RULES_FILE = "source_rules.parquet"
NO_RULE = "no rule"  # what is said of a source that none fits
SCHEMA = pa.schema(
    {
        "source_uri": pa.string(),
        "kept": pa.bool_(),
        "rule": pa.string(),
        "because": pa.string(),
    }
)


@settings(place="rules")
class SourceRule:
    """A rule. It fits a source for which everything that it says holds."""

    name: str
    verdict: Literal["keep", "drop"]
    words: tuple[str, ...] = ()
    """One of these is in one of the fields."""
    fields: tuple[Literal["title", "description", "tags"], ...] = ("title", "description", "tags")
    """The title is the file's name where the table has none."""
    shorter_than_s: NonNegativeFloat | None = None
    """The `duration` is given, and less, in seconds."""
    longer_than_s: NonNegativeFloat | None = None
    """The `duration` is given, and more."""
    licences: tuple[str, ...] = ()
    """The licence is one of these."""
    not_licences: tuple[str, ...] = ()
    """The licence is none of these, or not given."""

    def __post_init__(self) -> None:
        require(bool(self.name.strip()), "rules.name", self.name, "a name")
        says = (self.words, self.licences, self.not_licences)
        some = any(says) or self.shorter_than_s is not None or self.longer_than_s is not None
        require(some, f"rules.{self.name}", {}, "words, a duration or licences to go by")
        empty = [word for word in self.words if not folded(word).strip()]
        require(not empty, f"rules.{self.name}.words", empty, "words with letters or digits")

    def fits(self, source: Source) -> str:
        """Why it fits, in words; empty where it does not."""
        because: list[str] = []
        if self.words:
            found = self._word_in(source)
            if not found:
                return ""
            because.append(found)
        length = source.about.get("duration", "")
        seconds = duration_s(length)
        for limit, beyond, word in (
            (self.shorter_than_s, -1, "shorter than"),
            (self.longer_than_s, 1, "longer than"),
        ):
            if limit is None:
                continue
            if not beyond * (seconds - limit) > 0:  # also where it is not known
                return ""
            because.append(f"duration {length}: {word} {limit:g} s")
        licence = folded(source.licence)
        if self.licences and licence not in map(folded, self.licences):
            return ""
        if self.not_licences and licence in map(folded, self.not_licences):
            return ""
        if self.licences or self.not_licences:
            because.append(f"licence {source.licence or 'not given'}")
        return "; ".join(because)

    def _word_in(self, source: Source) -> str:
        for field in self.fields:
            text = folded(source.about.get(field) or (source.name if field == "title" else ""))
            for word in self.words:
                if folded(word) in text:
                    return f"{field}: {word}"
        return ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What rules say of a source."""

    kept: bool
    rule: str
    because: str


def read_rules(file: str) -> tuple[SourceRule, ...]:
    """The rules of a YAML file. Raises ConfigError."""
    content = read_yaml(file)
    listed = content.get("rules")
    if set(content) != {"rules"} or not isinstance(listed, list) or not listed:
        raise ConfigError(f"rules {file}: expected one key, `rules`, with a list of rules")
    rules = []
    for number, entry in enumerate(listed, start=1):
        if not isinstance(entry, Mapping):
            raise ConfigError(f"rules {file}: rule {number} is {entry!r}, expected a mapping")
        try:
            rules.append(SourceRule(**_plain(entry)))
        except (ConfigError, TypeError) as error:
            raise ConfigError(f"rules {file}: rule {number}: {error}") from error
    names = Counter(rule.name for rule in rules)
    if twice := [name for name, count in names.items() if count > 1]:
        raise ConfigError(f"rules {file}: two rules are called {twice[0]!r}")
    return tuple(rules)


def decide(source: Source, rules: Sequence[SourceRule]) -> Decision:
    """By the first rule that fits."""
    for rule in rules:
        if because := rule.fits(source):
            return Decision(rule.verdict == "keep", rule.name, because)
    return Decision(all(rule.verdict == "drop" for rule in rules), NO_RULE, "")


def wanted_sources(sources: Sequence[Source], file: str, dataset: Dataset) -> list[Source]:
    """The sources that the rules of a file keep; what they say of each is written down.

    Sources that were planned before stay in the plan whatever is said of them now.

    Raises ConfigError where the rules cannot be read, or keep nothing.
    """
    rules = read_rules(file)
    decisions = [decide(source, rules) for source in sources]
    if not any(decision.kept for decision in decisions):
        reasons = Counter(decision.rule for decision in decisions).most_common(3)
        listed = ", ".join(f"{rule} x{count:,}" for rule, count in reasons)
        raise ConfigError(f"rules {file}: keep none of {len(sources):,} sources ({listed})")
    rows = [
        {
            "source_uri": without_keys(source.uri),
            "kept": decision.kept,
            "rule": decision.rule,
            "because": decision.because,
        }
        for source, decision in zip(sources, decisions, strict=True)
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    storage.write_atomic(storage.join(dataset.uri, RULES_FILE), parquet_bytes(table))
    for (kept, rule), count in sorted(Counter((d.kept, d.rule) for d in decisions).items()):
        log(f"{'kept' if kept else 'left out'}  {count:,} sources: {rule}")
    return [source for source, d in zip(sources, decisions, strict=True) if d.kept]


def left_out_by_rules(dataset: Dataset) -> dict[str, int]:
    """How many sources the last rules left out, by rule; none where there were no rules."""
    try:
        data = storage.read_bytes(storage.join(dataset.uri, RULES_FILE))
    except FileNotFoundError:
        return {}
    rows = parse_parquet(data, ["kept", "rule"]).to_pylist()
    counts = Counter(f"rule {row['rule']}" for row in rows if not row["kept"])
    return dict(sorted(counts.items()))


def folded(text: str) -> str:
    """Words without case, accents and punctuation, a blank before, between and after them."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    # A dotless i is a letter of its own, and is typed for an i, and the other way round.
    plain = plain.replace("ı", "i")
    letters = "".join(c if c.isalnum() else " " for c in plain if not unicodedata.combining(c))
    return f" {' '.join(letters.split())} "


def duration_s(text: str) -> float:
    """Seconds of `4500`, `75:00` or `1:15:00`; NaN of anything else."""
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        return math.nan
    return sum(part * 60**place for place, part in enumerate(reversed(parts)))


def _plain(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as tuples of text: YAML reads some words, such as 1993, as numbers."""
    plain: dict[str, Any] = {}
    for name, value in entry.items():
        many = isinstance(value, list)
        plain[str(name)] = tuple(map(str, value)) if many else value
    return plain
