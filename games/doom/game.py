"""ViZDoom as a game that is played with keyboard and mouse, one step per tic (35 per second).

The bindings are those of a person's set-up: WASD, Shift to run, left button to fire, E to use, 1 to
7 for weapons, and a mouse of 0.15 degrees per pixel (to the right and down are positive).
"""

from __future__ import annotations

import math
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...datasets.actions.devices import DeviceState
from ...errors import ConfigError, MissingDependencyError
from ..env import GameCrashedError
from .frame_sizes import FRAME_SIZES
from .look import DoomLook
from .maps import vizdoom_folder, wad_of

if TYPE_CHECKING:
    import vizdoom

TICS_PER_SECOND = Fraction(35)
DEGREES_PER_PIXEL = 0.15
# The engine ignores turns in the first 7 tics of an episode, while the player comes into the world.
SETTLE_TICS = 12

KEYS = {
    "key.keyboard.w": "MOVE_FORWARD",
    "key.keyboard.s": "MOVE_BACKWARD",
    "key.keyboard.a": "MOVE_LEFT",
    "key.keyboard.d": "MOVE_RIGHT",
    "key.keyboard.left.shift": "SPEED",
    "key.keyboard.e": "USE",
    **{f"key.keyboard.{n}": f"SELECT_WEAPON{n}" for n in range(1, 8)},
}
MOUSE_BUTTONS = {0: "ATTACK"}


@dataclass(frozen=True, slots=True)
class Thing:
    """Something in the world: `category` is ViZDoom's (`Monster`, `Weapon`, `Health` …)."""

    id: int
    name: str
    category: str
    x: float
    y: float
    z: float


@dataclass(frozen=True, slots=True)
class Situation:
    """What the game tells about the player, in Doom units and degrees.

    `angle` counts from +x leftwards, `pitch` is positive when looking up; `weapon` is the slot in
    hand, `owned[n]` and `ammo[n]` belong to slot n (0 is unused).
    """

    x: float
    y: float
    z: float
    angle: float
    pitch: float
    health: float
    weapon: int
    owned: tuple[bool, ...]
    ammo: tuple[int, ...]
    kills: int
    dead: bool


class DoomGame:
    """One game on one map.

    Args:
        map_name: `E1M1` … `E4M9`, `MAP01` … `MAP32` (Freedoom), or a scenario such as
            `my_way_home`.
        seed: of the engine; same seed and same inputs give the same game.
        size: width and height of the frames in pixels, one of FRAME_SIZES.
        skill: 1 (easy) to 5.
        things: make `things()` work (costs 5 % of the engine's speed).
        look: how it is drawn; the game itself is the same.

    Raises:
        ConfigError: unknown map or size.
        MissingDependencyError: ViZDoom is not installed.

    Where the engine crashes, what is called next raises GameCrashedError.
    """

    def __init__(
        self,
        map_name: str,
        seed: int,
        *,
        size: tuple[int, int] = (320, 240),
        skill: int = 2,
        things: bool = False,
        look: DoomLook | None = None,
    ):
        try:
            import vizdoom
        except ImportError as error:
            raise MissingDependencyError(
                "Doom needs the package vizdoom, which is not installed: "
                "pip install 'vidact[games]'"
            ) from error
        if size not in FRAME_SIZES:
            offered = ", ".join(f"{width}x{height}" for width, height in FRAME_SIZES)
            raise ConfigError(f"size: {size[0]}x{size[1]} is not offered; use {offered}")
        self.map_name, self.size = map_name, size
        self._look = (look or DoomLook()).commands()
        self._engine_seed = seed % (1 << 31)
        self._folder = tempfile.TemporaryDirectory(prefix="vidact-doom-")
        game_file, scenario, inner_map = wad_of(map_name)
        game = vizdoom.DoomGame()
        game.set_vizdoom_path(str(_launcher(Path(self._folder.name))))
        game.set_doom_game_path(str(game_file))
        if scenario is not None:
            game.set_doom_scenario_path(str(scenario))
        game.set_doom_map(inner_map)
        game.set_doom_skill(skill)
        # The engine writes its settings at close and reads them at the next start: keep them out of
        # the working folder.
        game.set_doom_config_path(str(Path(self._folder.name) / "engine.ini"))
        game.set_window_visible(False)
        game.set_sound_enabled(False)
        game.set_screen_resolution(getattr(vizdoom.ScreenResolution, f"RES_{size[0]}X{size[1]}"))
        game.set_screen_format(vizdoom.ScreenFormat.RGB24)
        game.set_render_hud(True)  # status bar and weapon, as a person sees them
        game.set_render_weapon(True)
        game.set_render_crosshair(False)
        game.set_objects_info_enabled(things)
        game.set_mode(vizdoom.Mode.PLAYER)
        game.set_ticrate(35)
        game.set_episode_timeout(0)  # none: tasks and recorders count for themselves
        game.set_available_buttons([getattr(vizdoom.Button, name) for name in _BUTTONS])
        game.set_available_game_variables(
            [getattr(vizdoom.GameVariable, name) for name in _VARIABLES]
        )
        game.set_seed(self._engine_seed)
        self._game: vizdoom.DoomGame = game
        try:
            game.init()
            self._draw_so()
            self._keep()
        except BaseException:  # an engine that is left would save its settings in no folder
            self.close()
            raise

    def __enter__(self) -> DoomGame:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the engine."""
        self._game.close()
        self._folder.cleanup()

    def reset(self, seed: int | None = None) -> None:
        """A new episode on the same map, played in by SETTLE_TICS idle tics."""
        if seed is not None:
            self._game.set_seed(seed % (1 << 31))
        with self._crashes_told():
            self._game.new_episode()
        self._draw_so()
        self.settle()

    def tell(self, commands: Sequence[str]) -> None:
        """Give console commands, and wait until their effect shows."""
        for command in commands:
            self.command(command)
        self.idle()  # a command shows its effect with the next tic
        self.idle()

    def change_map(self, map_name: str) -> None:
        """Play another map of the same game file from the next `reset` on.

        It replays as in an engine that was started on it, in a fraction of the time.
        """
        if wad_of(map_name)[:2] != wad_of(self.map_name)[:2]:
            raise ConfigError(f"map: {map_name} lies in another file than {self.map_name}")
        self.map_name = map_name
        self._game.set_doom_map(wad_of(map_name)[2])

    def _draw_so(self) -> None:
        for command in self._look:  # an episode begins with the engine's own field of view
            self.command(command)

    @contextmanager
    def _crashes_told(self) -> Iterator[None]:
        """The engine is a process of its own, whose end shows in the next call."""
        import vizdoom

        try:
            yield
        except (
            vizdoom.ViZDoomUnexpectedExitException,
            vizdoom.ViZDoomIsNotRunningException,
            vizdoom.ViZDoomErrorException,
        ) as crash:
            raise GameCrashedError(f"Doom on {self.map_name} crashed: {crash}") from crash

    def settle(self) -> None:
        """Let the player come into the world: turns are ignored before."""
        for _ in range(SETTLE_TICS):
            self.idle()

    def idle(self) -> None:
        """One tic with nothing pressed."""
        self._advance([0.0] * len(_BUTTONS))

    def step(self, held: DeviceState, tics: int = 1) -> None:
        """Play `tics` tics with what is held, and as much mouse in each; only the last is drawn."""
        action = [0.0] * len(_BUTTONS)
        for key in held.keys:
            button = KEYS.get(key)
            if button is not None:
                action[_INDEX[button]] = 1.0
        for number in held.buttons:
            button = MOUSE_BUTTONS.get(number)
            if button is not None:
                action[_INDEX[button]] = 1.0
        action[-2] = held.dx * DEGREES_PER_PIXEL
        action[-1] = -held.dy * DEGREES_PER_PIXEL  # the engine's delta is positive upwards
        self._advance(action, tics)

    def _advance(self, action: list[float], tics: int = 1) -> None:
        with self._crashes_told():
            if not self._game.is_episode_finished():
                self._game.make_action(action, tics)
            self._keep()

    def _keep(self) -> None:
        state = self._game.get_state()
        if state is not None:  # None once the episode is over: the last picture stays
            self._state = state
            self._values = np.asarray(state.game_variables)

    @property
    def finished(self) -> bool:
        """The level was left, the time is up, or the player is dead."""
        return self._game.is_episode_finished()

    @property
    def died(self) -> bool:
        """The player is dead; `situation` may still be that of the tic before."""
        return self._game.is_player_dead()

    @property
    def frame(self) -> np.ndarray:
        """uint8 [height, width, 3], RGB: what the player sees now."""
        return self._state.screen_buffer

    def situation(self) -> Situation:
        """Where the player is and what they have."""
        v = self._values
        return Situation(
            x=float(v[0]),
            y=float(v[1]),
            z=float(v[2]),
            angle=float(v[3]),
            pitch=-math.remainder(float(v[4]), 360.0),  # the engine counts downwards
            health=float(v[5]),
            weapon=int(v[6]),
            kills=int(v[7]),
            dead=bool(v[8]),
            owned=(False, *(bool(x > 0) for x in v[9:16])),
            ammo=(0, *(int(x) for x in v[16:23])),
        )

    def things(self, category: str) -> list[Thing]:
        """Everything of a category, wherever it is; needs `things=True`.

        `Monster` is everything alive but the player.
        """
        return [
            Thing(o.id, o.name, o.category, o.position_x, o.position_y, o.position_z)
            for o in self._state.objects
            if o.category == category
        ]

    def reward(self) -> float:
        """What the scenario's script has paid since the start of the episode."""
        return self._game.get_total_reward()

    def command(self, text: str) -> None:
        """Give a console command, such as `god`, `give shotgun` or `warp 0 64`.

        Its effect shows with the next tic.
        """
        self._game.send_game_command(text)


def _launcher(folder: Path) -> Path:
    """A script that starts the engine inside `folder`, where it may leave its files.

    The engine is a process of its own: when ours is killed it would wait for orders for ever, so it
    is bound to our life.
    """
    engine = vizdoom_folder() / "vizdoom"
    setpriv = shutil.which("setpriv")
    die_with_us = f"{shlex.quote(setpriv)} --pdeathsig KILL " if setpriv else ""
    script = folder / "engine.sh"
    start = f'cd {shlex.quote(str(folder))} && exec {die_with_us}{shlex.quote(str(engine))} "$@"'
    script.write_text(f"#!/bin/sh\n{start}\n")
    script.chmod(0o700)
    if not os.access(script, os.X_OK):  # a temporary folder in which nothing may be executed
        return engine
    return script


_BUTTONS = (*KEYS.values(), *MOUSE_BUTTONS.values(), "TURN_LEFT_RIGHT_DELTA", "LOOK_UP_DOWN_DELTA")
_INDEX = {name: i for i, name in enumerate(_BUTTONS)}
_VARIABLES = (
    *("POSITION_X", "POSITION_Y", "POSITION_Z", "ANGLE", "PITCH"),
    *("HEALTH", "SELECTED_WEAPON", "KILLCOUNT", "DEAD"),
    *(f"WEAPON{n}" for n in range(1, 8)),
    *(f"AMMO{n}" for n in range(1, 8)),
)
