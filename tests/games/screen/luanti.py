"""Luanti, as Debian has it (`minetest`, with its game), played in step with a recorder."""

from __future__ import annotations

import os
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from vidact.datasets.recordings.recording import Recording
from vidact.games.screen.display import Display
from vidact.games.screen.hands import Hands
from vidact.games.screen.pictures import Pictures
from vidact.games.screen.session import Session, Wish

from tests.games.screen.x11 import focused_window, wait_for
from tests.requirements import require

SIZE = (320, 180)
HZ = 20
DEGREES_PER_PIXEL = 0.2  # what Luanti's own settings have
# Noon, which stays, no caves, where it is dark, no sound, and nothing over the picture but what one
# does oneself.
SETTINGS = f"""
screen_w = {SIZE[0]}
screen_h = {SIZE[1]}
fps_max = 60
fps_max_unfocused = 60
mouse_sensitivity = {DEGREES_PER_PIXEL}
viewing_range = 40
hud_scaling = 0.4
world_start_time = 12000
mg_flags = nocaves, nodungeons
mgv7_spflags = mountains, ridges, nofloatlands, nocaverns
time_speed = 0
enable_sound = false
enable_damage = false
enable_clouds = false
chat_log_level = none
"""
WORLD = """
gameid = minetest
backend = sqlite3
player_backend = sqlite3
auth_backend = sqlite3
mod_storage_backend = sqlite3
"""
# What the game's own server sees of the player, a line each of its steps.
SEEN = "seen.txt"
LAST_LINES = 300  # bytes that hold the last whole one
MOD = f"""
local file = io.open(minetest.get_worldpath() .. "/{SEEN}", "w")
minetest.register_globalstep(function()
    for _, player in ipairs(minetest.get_connected_players()) do
        local at = player:get_pos()
        file:write(string.format("%.6f %.6f %d %.3f %.3f %.3f\\n",
            math.deg(player:get_look_horizontal()), math.deg(player:get_look_vertical()),
            player:get_player_control_bits(), at.x, at.y, at.z))
        file:flush()
    end
end)
"""
# Blocks are not placed: one that lands nowhere, as most do in random play, is seen by nobody.
KEYS = tuple(f"key.keyboard.{name}" for name in ("w", "s", "a", "d", "space", "left.shift"))
WALK, SNEAK = KEYS[:4], KEYS[5]
DIG = "mouse.0"
# Chances per tick to press an input, and to let it go again: it is held for about a second.
PRESS = dict(zip((*KEYS, DIG), (0.10, 0.02, 0.03, 0.03, 0.03, 0.02, 0.04), strict=True))
RELEASE = 0.06
OPPOSITE = {KEYS[0]: KEYS[1], KEYS[1]: KEYS[0], KEYS[2]: KEYS[3], KEYS[3]: KEYS[2]}
STUCK_PICTURES, STUCK_WAY = 20, 0.5  # walks for so long, and comes fewer blocks far
TURN_BACK, TURN_PICTURES = 30, 10  # pixels a picture, for so many: 60 degrees
NUDGE = 5  # pixels by which the mouse moves until the server sees it
LAND_STD = 10.0  # of the picture's levels; where no land has come, all of it is of one color
PATIENCE_S = 300  # with a busy machine
START_S = 1  # the rest of the land around the player


@contextmanager
def luanti(name: str, home: Path, seed: int = 0) -> Iterator[int]:
    """The game's window on a display, in a world of this seed, while it runs."""
    program = require("minetest")
    world = home / "world"
    mod = world / "worldmods" / "seen"
    mod.mkdir(parents=True, exist_ok=True)
    (home / "minetest.conf").write_text(f"{SETTINGS}fixed_map_seed = {seed}\n")
    (world / "world.mt").write_text(WORLD)
    (mod / "mod.conf").write_text("name = seen\n")
    (mod / "init.lua").write_text(MOD)
    process = subprocess.Popen(
        [program, "--go", "--world", str(world), "--config", str(home / "minetest.conf")],
        env=dict(os.environ, DISPLAY=name, HOME=str(home), LIBGL_ALWAYS_SOFTWARE="1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    display = Display(name)
    try:
        window = wait_for(lambda: _shown(display), PATIENCE_S)
        wait_for(lambda: _obeys(Hands(display), home), PATIENCE_S)
        wait_for(lambda: _land_in_sight(display, window), PATIENCE_S)
        time.sleep(START_S)
        yield window
    finally:
        display.close()
        process.kill()
        process.wait()


def _shown(display: Display) -> int | None:
    """The game's window, with the focus; None before it is there."""
    # In the middle: the pointer, which the game holds there, has room.
    screen = display.screen
    corner = ((screen.width_in_pixels - SIZE[0]) // 2, (screen.height_in_pixels - SIZE[1]) // 2)
    return focused_window(display, "Minetest", corner)


def _obeys(hands: Hands, home: Path) -> bool:
    """Whether the server has seen the player turn: before, a picture says how much is loaded."""
    if turned := bool(seen(home)[:, 0].any()):
        return turned
    hands.move(NUDGE, 0)
    time.sleep(0.2)
    return False


def _land_in_sight(display: Display, window: int) -> bool:
    """Whether there is anything around the horizon."""
    pictures = Pictures(display, *SIZE, 1)
    try:
        rows = slice(SIZE[1] // 3, SIZE[1] * 2 // 3)
        whole = pictures.take(window, 0) is not None
        return whole and bool(pictures.pictures[0, rows].std() > LAND_STD)
    finally:
        pictures.close()


def seen(home: Path) -> NDArray[np.float64]:
    """What the server has seen so far, [steps, 6]: yaw to the left and pitch in degrees, controls
    as bits, and the place.
    """
    path = home / "world" / SEEN
    lines = path.read_text().split("\n")[:-1] if path.exists() else []  # the last may be half
    return np.array([line.split() for line in lines], float).reshape(-1, 6)


def place_now(home: Path) -> NDArray[np.float64]:
    """Where the server saw the player last, [3]."""
    with (home / "world" / SEEN).open("rb") as file:
        file.seek(-min(LAST_LINES, file.seek(0, os.SEEK_END)), os.SEEK_END)
        return np.array(file.read().split(b"\n")[-2].split()[3:], float)


@dataclass
class Player:
    """Walks about, looks around and digs at random, an action after each picture.

    It does nothing that nobody could see: it sneaks only as it walks, and turns away from what
    stops it.
    """

    hands: Hands
    home: Path
    seed: int = 0
    held: set[str] = field(default_factory=set)
    pitch: float = 0.0
    """Pixels below the horizon."""
    speed: tuple[float, float] = (0.0, 0.0)
    done: dict[int, tuple[frozenset[str], int, int]] = field(default_factory=dict)
    """Of each picture after which something was done: what was held then, and the motion."""
    frames: int = 0

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        # Where it was since it walks, of late.
        self.walking: deque[NDArray[np.float64]] = deque(maxlen=STUCK_PICTURES)
        self.turning = 0  # pictures for which it still turns away

    def go_on(self, frames: int) -> None:
        """Do what follows a picture; `frames` have been taken since the last call."""
        if not frames:
            return
        self.frames += frames
        before = frozenset(self.held)
        for name, chance in PRESS.items():
            opposite = OPPOSITE.get(name)
            if self.rng.random() >= (RELEASE if name in before else chance):
                continue
            if name == SNEAK and name not in before and not self.held.intersection(WALK):
                continue
            if name not in before and opposite in self.held:
                if opposite not in before:
                    continue
                self._press(opposite, down=False)
            self._press(name, down=name not in before)
        self._turn_away_if_stuck()
        if SNEAK in self.held and not self.held.intersection(WALK):
            self._press(SNEAK, down=False)
        dx, dy = self._turn()
        self.hands.move(dx, dy)
        self.hands.sync()  # the server has it before the next picture
        self.done[self.frames - 1] = (frozenset(self.held), dx, dy)

    def let_go(self) -> None:
        """Hold nothing any more."""
        for name in tuple(self.held):
            self._press(name, down=False)

    def _turn_away_if_stuck(self) -> None:
        """Stop walking where it comes no further, and turn to another side."""
        if not self.held.intersection(WALK):
            self.walking.clear()
            return
        for_long = len(self.walking) == STUCK_PICTURES
        self.walking.append(place_now(self.home))
        if for_long and np.linalg.norm(self.walking[-1] - self.walking[0]) < STUCK_WAY:
            for name in self.held.intersection(WALK):
                self._press(name, down=False)
            self.walking.clear()
            self.turning = TURN_PICTURES
            self.speed = (TURN_BACK * int(self.rng.choice((-1, 1))), 0.0)

    def _turn(self) -> tuple[int, int]:
        """Turns last some ticks, with rests between; the look comes back to the horizon."""
        if self.turning:
            self.turning -= 1
        elif self.rng.random() < 0.12:
            self.speed = tuple(self.rng.normal(0, (18, 6)))
        elif self.rng.random() < 0.12:
            self.speed = (0.0, 0.0)
        dx, dy = (int(v) for v in self.speed)
        if abs(self.pitch + dy) > 100:  # 20 degrees
            dy = -int(np.sign(self.pitch)) * abs(dy)
        self.pitch += dy
        return dx, dy

    def _press(self, name: str, *, down: bool) -> None:
        if name == DIG:
            self.hands.button(0, down=down)
        else:
            self.hands.key(name, down=down)
        (self.held.add if down else self.held.discard)(name)


def record_luanti(
    name: str,
    window: int,
    home: Path,
    out: Path,
    pictures: int,
    *,
    seed: int = 0,
    hz: int = HZ,
    stem: str = "luanti",
) -> tuple[Recording, Player]:
    """Record play for so many pictures, without a spec; also who played.

    The player acts after each picture that the recorder takes, long before the next.
    """
    wish = Wish(
        out=out,
        name=stem,
        fps=Fraction(hz),
        pause_key="key.keyboard.pause",
        part_frames=1_000_000,  # never cut
        meta={"recorder": "screen-1", "player": "script"},
    )
    session = Session(Display(name), window, wish)
    player = Player(Hands(Display(name)), home, seed)

    def act(frames: int) -> None:
        player.go_on(frames)
        if len(player.done) == pictures:
            session.stop.set()

    try:
        session.run(progress=act)
    finally:
        player.let_go()
    return Recording.open(out / f"{stem}-000"), player
