"""Doom's map files: what is in a WAD, and the lines, sectors and things of one of its maps.

Both storage forms that the ViZDoom wheel ships are read: Doom's binary lumps (Freedoom) and UDMF
text (scenarios).
Formats: the unofficial Doom specs (binary lumps) and the UDMF 1.1 specification.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import VidactError

_MAP_NAME = re.compile(r"^(E\dM\d|MAP\d\d)$")
_SIDE = np.dtype(
    [
        ("x", "<i2"),
        ("y", "<i2"),
        ("upper", "S8"),
        ("lower", "S8"),
        ("middle", "S8"),
        ("sector", "<u2"),
    ]
)
_SECTOR = np.dtype(
    [
        ("floor", "<i2"),
        ("ceiling", "<i2"),
        ("ftex", "S8"),
        ("ctex", "S8"),
        ("light", "<i2"),
        ("kind", "<u2"),
        ("tag", "<u2"),
    ]
)
_THING = np.dtype([("x", "<i2"), ("y", "<i2"), ("angle", "<i2"), ("kind", "<u2"), ("flags", "<u2")])
NO_SIDE = -1


class WadError(VidactError):
    """A WAD file is damaged, or does not hold the map that was asked for."""


@dataclass(frozen=True, kw_only=True)
class MapGeometry:
    """One map. All lengths are Doom units (the player is 32 wide and 56 high).

    `lines` float32 [L, 4] (x1, y1, x2, y2); `front` and `back` int32 [L] are sector numbers, `back`
    is -1 for a wall; `blocking` bool [L] has the flag that stops players; `special` and `tag` int32
    [L] say what a line does; `floor`, `ceiling` float32 [S] and `sector_tag` int32 [S] describe
    sectors at the start of the level; `things` float32 [N, 3] (x, y, kind).
    """

    name: str
    lines: np.ndarray
    front: np.ndarray
    back: np.ndarray
    blocking: np.ndarray
    special: np.ndarray
    tag: np.ndarray
    floor: np.ndarray
    ceiling: np.ndarray
    sector_tag: np.ndarray
    things: np.ndarray


class Wad:
    """The directory of a WAD file: `.lumps` is a list of (name, offset, size) in file order."""

    def __init__(self, path: Path):
        self.path = path
        self.data = path.read_bytes()
        if self.data[:4] not in (b"IWAD", b"PWAD"):
            raise WadError(
                f"{path}: not a WAD file: starts with {self.data[:4]!r}, "
                "expected b'IWAD' or b'PWAD'"
            )
        count, start = struct.unpack_from("<II", self.data, 4)
        if start + 16 * count > len(self.data):
            raise WadError(
                f"{path}: truncated: the directory ends at byte {start + 16 * count} "
                f"of {len(self.data)}"
            )
        self.lumps = []
        for i in range(count):
            offset, size, padded = struct.unpack_from("<II8s", self.data, start + 16 * i)
            name = padded.rstrip(b"\0").decode("ascii", "replace").upper()
            self.lumps.append((name, offset, size))

    def read(self, name: str) -> bytes:
        """The bytes of the last lump called `name`: it replaces earlier ones in the game, too."""
        for lump, offset, size in reversed(self.lumps):
            if lump == name:
                return self.data[offset : offset + size]
        raise WadError(f"{self.path}: has no lump {name}")

    def map_names(self) -> list[str]:
        """The names of the maps in file order."""
        return [name for name, _, _ in self.lumps if _MAP_NAME.match(name)]

    def map(self, name: str) -> MapGeometry:
        """The geometry of one map."""
        index = next((i for i, (lump, _, _) in enumerate(self.lumps) if lump == name), None)
        if index is None:
            raise WadError(f"{self.path}: has no map {name}; it has {' '.join(self.map_names())}")
        members = {}
        for lump, offset, size in self.lumps[index + 1 : index + 12]:
            if _MAP_NAME.match(lump):
                break
            members[lump] = self.data[offset : offset + size]
        return (
            _from_udmf(name, members["TEXTMAP"])
            if "TEXTMAP" in members
            else _from_binary(name, members)
        )


def _from_binary(name: str, members: dict[str, bytes]) -> MapGeometry:
    raw = np.frombuffer(members["LINEDEFS"], "<u2").reshape(-1, 7).astype(np.int32)  # [L, 7]
    side_sector = np.frombuffer(members["SIDEDEFS"], _SIDE)["sector"].astype(np.int32)
    sectors = np.frombuffer(members["SECTORS"], _SECTOR)
    things = np.frombuffer(members["THINGS"], _THING)
    vertices = np.frombuffer(members["VERTEXES"], "<i2").reshape(-1, 2).astype(np.float32)
    back = np.where(
        raw[:, 6] == 0xFFFF, NO_SIDE, side_sector[np.minimum(raw[:, 6], len(side_sector) - 1)]
    )
    return MapGeometry(
        name=name,
        lines=np.concatenate([vertices[raw[:, 0]], vertices[raw[:, 1]]], axis=1),  # [L, 4]
        front=side_sector[np.minimum(raw[:, 5], len(side_sector) - 1)],
        back=back,
        blocking=(raw[:, 2] & 1) != 0,
        special=raw[:, 3],
        tag=raw[:, 4],
        floor=sectors["floor"].astype(np.float32),
        ceiling=sectors["ceiling"].astype(np.float32),
        sector_tag=sectors["tag"].astype(np.int32),
        things=np.stack([things["x"], things["y"], things["kind"]], axis=1).astype(np.float32),
    )


_BLOCK = re.compile(r"(\w+)\s*(?://[^\n]*)?\s*\{([^}]*)\}")
_FIELD = re.compile(r"(\w+)\s*=\s*(\"[^\"]*\"|[^;]+);")


def _from_udmf(name: str, text: bytes) -> MapGeometry:
    blocks: dict[str, list[dict[str, str]]] = {
        k: [] for k in ("vertex", "linedef", "sidedef", "sector", "thing")
    }
    for kind, body in _BLOCK.findall(text.decode("utf-8", "replace")):
        if kind in blocks:
            blocks[kind].append({key.lower(): value.strip() for key, value in _FIELD.findall(body)})

    def column(kind: str, key: str, default: float = 0) -> np.ndarray:
        return np.array([float(block.get(key, default)) for block in blocks[kind]], np.float32)

    vertices = np.stack([column("vertex", "x"), column("vertex", "y")], axis=1)
    side_sector = column("sidedef", "sector").astype(np.int32)
    back_side = column("linedef", "sideback", -1).astype(np.int32)
    first, second = column("linedef", "v1").astype(int), column("linedef", "v2").astype(int)
    flags = [
        block.get("blocking") == "true" or block.get("blockplayers") == "true"
        for block in blocks["linedef"]
    ]
    return MapGeometry(
        name=name,
        lines=np.concatenate([vertices[first], vertices[second]], axis=1),  # [L, 4]
        front=side_sector[column("linedef", "sidefront").astype(int)],
        back=np.where(back_side < 0, NO_SIDE, side_sector[back_side]),
        blocking=np.array(flags, bool),
        # UDMF specials are numbered otherwise; the scenarios have no doors.
        special=np.zeros(len(first), np.int32),
        tag=np.zeros(len(first), np.int32),
        floor=column("sector", "heightfloor"),
        ceiling=column("sector", "heightceiling"),
        sector_tag=column("sector", "id").astype(np.int32),
        things=np.stack(
            [column("thing", "x"), column("thing", "y"), column("thing", "type")], axis=1
        ),
    )
