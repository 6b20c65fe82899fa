"""Toy maps, written as real WAD files: what is in them can be checked by hand."""

from __future__ import annotations

import struct
from importlib.util import find_spec
from pathlib import Path

import pytest


def need_vizdoom() -> None:
    """Skip where the engine is not installed (`pip install 'vidact[games]'`)."""
    if find_spec("vizdoom") is None:
        pytest.skip("vizdoom is not installed")


def write_wad(path: Path, lumps: list[tuple[str, bytes]]) -> Path:
    """A PWAD with these lumps."""
    body, directory = b"", b""
    for name, data in lumps:
        directory += struct.pack("<II8s", 12 + len(body), len(data), name.encode())
        body += data
    path.write_bytes(b"PWAD" + struct.pack("<II", len(lumps), 12 + len(body)) + body + directory)
    return path


def map_lumps(
    name: str,
    rooms: list[tuple[int, int, int, int, int, int]],
    *,
    special: dict[int, int] | None = None,
    things: list[tuple[int, int, int]] = [],  # noqa: B006 - only read
) -> list[tuple[str, bytes]]:
    """A row of rooms from left to right, open towards the next one.

    Each is (x1, x2, y1, y2, floor, ceiling). Room i's right side is the left side of room i + 1,
    and all rooms have the same y1, y2. `special` gives the line between rooms i and i + 1 what it
    does (its back is room i + 1).
    """
    vertices: list[tuple[int, int]] = []
    lines, sides = b"", b""
    count = 0

    def side(sector: int) -> int:
        nonlocal sides, count
        sides += struct.pack("<hh8s8s8sH", 0, 0, b"-", b"-", b"-", sector)
        count += 1
        return count - 1

    def line(
        a: tuple[int, int], b: tuple[int, int], front: int, back: int | None, special: int = 0
    ) -> None:
        nonlocal lines
        vertices.extend((a, b))
        flags = 1 if back is None else 4
        sides_of_line = (side(front), 0xFFFF if back is None else side(back))
        lines += struct.pack(
            "<7H", len(vertices) - 2, len(vertices) - 1, flags, special, 0, *sides_of_line
        )

    for i, (x1, x2, y1, y2, _, _) in enumerate(rooms):
        # A line's front is on its right hand: rooms are walked round clockwise.
        line((x1, y2), (x2, y2), i, None)
        line((x2, y1), (x1, y1), i, None)
        if i == 0:
            line((x1, y1), (x1, y2), i, None)
        if i + 1 < len(rooms):
            line((x2, y2), (x2, y1), i, i + 1, (special or {}).get(i, 0))
        else:
            line((x2, y2), (x2, y1), i, None)
    sectors = b"".join(struct.pack("<hh8s8shHH", f, c, b"-", b"-", 160, 0, 0) for *_, f, c in rooms)
    return [
        (name, b""),
        ("THINGS", b"".join(struct.pack("<hhhHH", x, y, 0, kind, 7) for x, y, kind in things)),
        ("LINEDEFS", lines),
        ("SIDEDEFS", sides),
        ("VERTEXES", b"".join(struct.pack("<hh", x, y) for x, y in vertices)),
        ("SECTORS", sectors),
    ]
