from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vidact.games.doom.wad import Wad, WadError

from ..conftest import map_lumps, write_wad


def test_binary_map(tmp_path: Path) -> None:
    rooms = [(0, 128, 0, 64, 0, 128), (128, 256, 0, 64, 16, 100)]
    lumps = map_lumps("MAP01", rooms, special={0: 1}, things=[(32, 32, 1)])
    wad = Wad(write_wad(tmp_path / "toy.wad", lumps))
    assert wad.map_names() == ["MAP01"]
    toy = wad.map("MAP01")
    assert toy.lines.shape == (7, 4)
    between = np.flatnonzero(toy.back >= 0)
    assert between.tolist() == [3]
    assert toy.lines[3].tolist() == [128, 64, 128, 0]
    assert (toy.front[3], toy.back[3], toy.special[3]) == (0, 1, 1)
    assert toy.blocking.tolist() == [True, True, True, False, True, True, True]
    assert toy.floor.tolist() == [0, 16]
    assert toy.ceiling.tolist() == [128, 100]
    assert toy.things.tolist() == [[32, 32, 1]]


def test_text_map(tmp_path: Path) -> None:
    text = b"""namespace = "zdoom";
    vertex // 0
    { x = 0.000; y = 0.000; }
    vertex { x = 64.5; y = 0; } vertex { x = 0; y = -64; }
    linedef { v1 = 0; v2 = 1; sidefront = 0; blocking = true; }
    linedef { v1 = 1; v2 = 2; sidefront = 1; sideback = 0; twosided = true; }
    sidedef { sector = 0; texturemiddle = "A;B"; } sidedef { sector = 1; }
    sector { heightfloor = -8; heightceiling = 120; } sector { heightceiling = 64; id = 5; }
    thing { x = 10; y = -10; type = 1; }"""
    wad = Wad(write_wad(tmp_path / "toy.wad", [("MAP01", b""), ("TEXTMAP", text), ("ENDMAP", b"")]))
    toy = wad.map("MAP01")
    assert toy.lines.tolist() == [[0, 0, 64.5, 0], [64.5, 0, 0, -64]]
    assert toy.front.tolist() == [0, 1]
    assert toy.back.tolist() == [-1, 0]
    assert toy.blocking.tolist() == [True, False]
    assert toy.floor.tolist() == [-8, 0]
    assert toy.ceiling.tolist() == [120, 64]
    assert toy.sector_tag.tolist() == [0, 5]


def test_later_lumps_replace_earlier_ones(tmp_path: Path) -> None:
    wad = Wad(write_wad(tmp_path / "toy.wad", [("A", b"old"), ("B", b""), ("A", b"new")]))
    assert wad.read("A") == b"new"


@pytest.mark.parametrize(("data", "says"), [(b"", "not a WAD"), (b"RIFFxxxxxxxxxxxx", "not a WAD")])
def test_other_files_are_refused(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "x.wad"
    path.write_bytes(data)
    with pytest.raises(WadError, match=says):
        Wad(path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = write_wad(tmp_path / "x.wad", [("A", b"12345678")])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WadError, match="truncated"):
        Wad(path)


def test_a_missing_map_names_the_others(tmp_path: Path) -> None:
    wad = Wad(write_wad(tmp_path / "x.wad", map_lumps("E1M1", [(0, 64, 0, 64, 0, 64)])))
    with pytest.raises(WadError, match="no map MAP09; it has E1M1"):
        wad.map("MAP09")
