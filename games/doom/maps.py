"""Which Doom maps there are, where their files lie, and which of them are kept out of training.

Everything comes with the ViZDoom wheel: Freedoom's two games (36 and 32 maps, BSD-style license)
and small scenarios.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ...errors import ConfigError, MissingDependencyError

EPISODE_MAPS = tuple(f"E{e}M{m}" for e in range(1, 5) for m in range(1, 10))
NUMBERED_MAPS = tuple(f"MAP{m:02d}" for m in range(1, 33))
ALL_MAPS = EPISODE_MAPS + NUMBERED_MAPS
TEST_MAPS = ("E2M1", "E3M3", "MAP05", "MAP16")
VALIDATION_MAPS = ("E1M5", "E4M4", "MAP09", "MAP22")
TRAIN_MAPS = tuple(m for m in ALL_MAPS if m not in TEST_MAPS + VALIDATION_MAPS)
SCENARIOS = (
    "basic",
    "deadly_corridor",
    "deathmatch",
    "defend_the_center",
    "defend_the_line",
    "health_gathering",
    "health_gathering_supreme",
    "my_way_home",
    "predict_position",
    "rocket_basic",
    "simpler_basic",
    "take_cover",
)
_SETS = {
    "all": ALL_MAPS,
    "train": TRAIN_MAPS,
    "heldout": VALIDATION_MAPS + TEST_MAPS,
    "test": TEST_MAPS,
    "validation": VALIDATION_MAPS,
}


def parse_maps(names: str) -> tuple[str, ...]:
    """The maps that a setting names.

    Args:
        names: `train`, `heldout`, `test`, `validation`, `all` or a list such as `E1M1,MAP05`.

    Raises:
        ConfigError: a name is unknown.
    """
    maps: list[str] = []
    for name in (part.strip() for part in names.split(",")):
        if name in _SETS:
            maps += _SETS[name]
        elif name.upper() in ALL_MAPS:
            maps.append(name.upper())
        elif name in SCENARIOS:
            maps.append(name)
        else:
            raise ConfigError(
                f"maps: there is no map {name!r}; use {', '.join(_SETS)}, E1M1 … E4M9, "
                f"MAP01 … MAP32, or a scenario ({', '.join(SCENARIOS)}), separated by commas"
            )
    return tuple(dict.fromkeys(maps))


def vizdoom_folder() -> Path:
    """The installed ViZDoom package.

    Raises:
        MissingDependencyError: ViZDoom is not installed.
    """
    spec = find_spec("vizdoom")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(
            "Doom needs the package vizdoom, which is not installed: pip install 'vidact[games]'"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def wad_of(map_name: str) -> tuple[Path, Path | None, str]:
    """Where a map lies: (game file, scenario file or None, name of the map inside)."""
    folder = vizdoom_folder()
    if map_name in EPISODE_MAPS:
        return folder / "freedoom1.wad", None, map_name
    if map_name in NUMBERED_MAPS:
        return folder / "freedoom2.wad", None, map_name
    if map_name in SCENARIOS:
        return folder / "freedoom2.wad", folder / "scenarios" / f"{map_name}.wad", "MAP01"
    raise ConfigError(f"map: there is no Doom map {map_name!r}")
