"""Tables of the benchmarks' results that follow the shape of their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from table_cells import Table, number


def mapping(*header: str) -> Callable[[Mapping[str, Any]], Iterator[Table]]:
    """Table a flat mapping: a row per entry; a nested mapping's entries become columns."""

    def tables(content: Mapping[str, Any]) -> Iterator[Table]:
        nested = {key: value for key, value in content.items() if isinstance(value, Mapping)}
        flat = [(key, number(value)) for key, value in content.items() if _is_figure(value)]
        if flat:
            yield (header or ("figure", "value")), flat
        for key, inner in nested.items():
            yield from _nested(key, inner)

    return tables


def _is_figure(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _nested(name: str, content: Mapping[str, Any]) -> Iterator[Table]:
    rows = {key: value for key, value in content.items() if isinstance(value, Mapping)}
    if rows:
        columns = list(dict.fromkeys(key for row in rows.values() for key in row))
        columns = [key for key in columns if any(_is_figure(row.get(key)) for row in rows.values())]
        yield (
            (name, *columns),
            [(key, *(number(row.get(column)) for column in columns)) for key, row in rows.items()],
        )
    flat = [(key, number(value)) for key, value in content.items() if _is_figure(value)]
    if flat:
        yield (name, "value"), flat


def loader(content: Mapping[str, Any]) -> Iterator[Table]:
    """Table speeds, and the ratios with their bars."""
    yield (
        ("way", "frames per CPU-second", "frames per second"),
        [
            (name, number(one["frames_per_cpu_s"]), number(one["frames_per_s"]))
            for name, one in content["figures"].items()
        ],
    )
    yield (
        ("ratio", "measured", "bar"),
        [(name, number(one["ratio"], 2), one["bar"]) for name, one in content["ratios"].items()],
    )


def decode(content: Mapping[str, Any]) -> Iterator[Table]:
    """Table each video: source frames per CPU-second, and as a share of decoding alone."""
    for name, video in content.items():
        yield (
            (name, "frames per CPU-second", "of decoding alone"),
            [
                (way, number(rate), number(video["of_decode_only"][way], 2))
                for way, rate in video["frames_per_cpu_s"].items()
            ],
        )


def records(content: Sequence[Mapping[str, Any]]) -> Iterator[Table]:
    """Table a list of flat records: a row each."""
    columns = [key for key in content[0] if _is_figure(content[0][key])]
    yield columns, [[number(one.get(key)) for key in columns] for one in content]
