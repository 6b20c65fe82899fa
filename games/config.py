"""Settings of the games' verbs. No game engine is imported here, so that `--help` stays fast."""

from __future__ import annotations

from typing import Annotated

import tyro
from pydantic import AfterValidator, Field, NonNegativeInt

from ..errors import ConfigError
from ..settings import Formerly, Later, LocalPath, closest, named_like, require, settings
from .doom.frame_sizes import FRAME_SIZES
from .doom.look import RENDER, DoomLook
from .doom.maps import parse_maps
from .screen.keys import KEYCODES, PREFIX

Minutes = Annotated[float, Field(gt=0, le=100_000)]
ChunkMinutes = Annotated[float, Field(gt=0, le=60)]
DECIDED_BY_TASK = (("maps", "train"), ("skill", 2), ("immortal", True))
LOOK = tuple((name, getattr(DoomLook(), name)) for name in RENDER)  # as tasks are scored


def _whole_name(key: str) -> str:
    """A key's name as recordings have it: `pause` is `key.keyboard.pause`."""
    return PREFIX + key if PREFIX + key in KEYCODES else key


Workers = Annotated[NonNegativeInt, tyro.conf.arg(aliases=["-j"]), Formerly("jobs")]


@settings()
class RecordDoomConfig:
    """Record a scripted player in ViZDoom: video with true actions.

    Plays Freedoom maps by keyboard and mouse and writes `<name>.mp4` and `<name>.jsonl` (raw device
    state, a line per frame) for each map.
    With --task it plays a task as agents are scored on it (its start, its skill, mortal or not,
    with its limit), an episode a recording.

    Example:
      vidact record doom --out runs/play --minutes 20 --seed 0
      vidact record doom --out runs/defend --minutes 10 --task defend_the_center
    """

    out: LocalPath
    """Folder for the recordings (mp4, jsonl and meta.json each)."""
    minutes: Minutes = 20.0
    """Minutes of play in all; of a task, the last episode is played to its end."""
    task: str = ""
    """A task or a task file (see `vidact play --task`); it says which maps, which skill and whether
    the player is immortal.
    """
    seed: NonNegativeInt = 0
    """Seed of engine and player; other seeds give other play on the same maps."""
    maps: str = "train"
    """`train`, `heldout`, `validation`, `test`, `all`, or names such as `E1M1,MAP05`."""
    workers: Workers = 0
    """Worker processes; 0 takes one a core."""
    chunk_minutes: ChunkMinutes = 1.0
    """Longest recording in minutes; it is shortened, down to half of one, where that gives every
    map its turn.
    """
    width: int = 320
    """Width of the frames in pixels."""
    height: int = 240
    """Height of the frames in pixels."""
    skill: Annotated[int, Field(ge=1, le=5)] = 2
    """Doom's difficulty, 1 to 5."""
    strays_per_minute: Annotated[float, Field(ge=0, le=30)] = 0.0
    """How often the player loses his way for a second or two, into a wall perhaps, and has to find
    back. From flawless play an agent never learns how to leave a wall (DART, Laskey et al. 2017,
    disturbs its demonstrators likewise).
    """
    mouse_speed: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    """How many times faster the mouse turns than the script's usually does: strangers play at other
    sensitivities.
    """
    field_of_view: Annotated[float, Field(ge=60, le=120), Later(90.0)] = 90.0
    """Horizontal field of view in degrees."""
    light: Annotated[float, Field(ge=2, le=20), Later(8.0)] = 8.0
    """How far light reaches, the engine's `r_visibility`: 2 is dark, 20 bright."""
    fog: Annotated[float, Field(ge=0, le=0.5), Later(0.0)] = 0.0
    """Gray level into which distance fades; 0 is black, as usual."""
    aspect: Annotated[float, Field(ge=1.25, le=1.78), Later(4 / 3)] = 4 / 3
    """Width by height of the screen that the view is drawn for and then squeezed into the frames:
    the nearest of 5:4, 4:3, 16:10 and 16:9.
    """
    immortal: bool = True
    """Damage does not kill the player, so that no time is lost lying dead; otherwise he is revived
    after a while.
    """

    def __post_init__(self) -> None:
        sizes = ", ".join(f"{w}x{h}" for w, h in FRAME_SIZES)
        offered = (self.width, self.height) in FRAME_SIZES
        require(offered, "width, height", f"{self.width}x{self.height}", f"one of {sizes}")
        parse_maps(self.maps)
        decided = [
            name
            for name, usual in (*DECIDED_BY_TASK, *LOOK)
            if self.task and getattr(self, name) != usual
        ]
        if decided:
            raise ConfigError(f"{', '.join(decided)}: the task {self.task!r} decides them")

    @property
    def look(self) -> DoomLook:
        """How the game is drawn."""
        return DoomLook(**{name: getattr(self, name) for name in RENDER})


@settings()
class RecordFreedoomDemosConfig:
    """Record people's play from the demos inside Freedoom's files.

    Replays them in an engine that runs the original rules, so that video and actions belong
    together exactly.

    Example:
      vidact record freedoom-demos --out runs/people
    """

    out: LocalPath
    """Folder for the recordings, one for each player of each demo."""
    demos: str = "all"
    """`all`, or names separated by commas: `freedoom1-DEMO1` (on E1M6), `-DEMO2` (E2M4), `-DEMO3`
    (E3M9), `-DEMO4` (E4M6), `freedoom2-DEMO1` (MAP03), `-DEMO2` (MAP10), `-DEMO3` (MAP22), `-DEMO4`
    (MAP23), or those maps.
    """
    workers: Workers = 0
    """Worker processes; 0 takes one a core."""
    width: int = 640
    """Width of the frames in pixels, a multiple of 320."""
    height: int = 400
    """Height of the frames in pixels, the same multiple of 200."""

    def __post_init__(self) -> None:
        times = self.width // 320
        fits = times >= 1 and (self.width, self.height) == (320 * times, 200 * times)
        size = f"{self.width}x{self.height}"
        require(fits, "width, height", size, "a multiple of 320x200, such as 640x400")


@settings()
class RecordCrafterConfig:
    """Record a scripted player in Crafter: video with true actions.

    The player sees what a person sees (nine by seven cells and the inventory) and works its way up
    to an iron pickaxe. A recording is a life in a world of its own. The recordings are of spec
    `crafter`: a keyboard without a mouse, 10 frames per second; what reads them may ask for its
    first version (`--spec crafter@1`) as well.

    Example:
      vidact record crafter --out runs/crafter --minutes 20 --seed 0
    """

    out: LocalPath
    """Folder for the recordings."""
    minutes: Minutes = 20.0
    """Minutes of play in all, at 10 frames a second; the last life is played to its end."""
    seed: NonNegativeInt = 0
    """Seed of the worlds and of the player."""
    chunk_minutes: ChunkMinutes = 4.0
    """Longest recording in minutes: a life that lasts longer is cut there. It is shortened, down to
    half of one, until there are four recordings.
    """
    workers: Workers = 0
    """Worker processes; 0 takes one a core."""


@settings()
class RecordTwinStickConfig:
    """Record a scripted player in Twin Stick, a small game of ours for a gamepad.

    The game needs nothing installed: two sticks fly and aim, two triggers power beam and shield,
    twelve buttons fire and answer lamps, at 10 frames a second of 64x64 pixels. It shows what
    sticks and triggers need from recording to agent. The recordings are of spec `twin_stick`.

    Example:
      vidact record twin-stick --out runs/twin --minutes 20 --seed 0
    """

    out: LocalPath
    """Folder for the recordings."""
    minutes: Minutes = 20.0
    """Minutes of play in all."""
    seed: NonNegativeInt = 0
    """Seed of the games and of the player."""
    chunk_minutes: ChunkMinutes = 1.0
    """Longest recording in minutes; each is a game of its own."""
    workers: Workers = 0
    """Worker processes; 0 takes one a core."""


@settings()
class RecordScreenConfig:
    """Record your own play of any program on X11: video, keys, mouse and gamepad.

    Keys, buttons, wheel and raw motion of the mouse, and a gamepad, count only while the recorded
    window has the focus; a key pauses (--pause-key), Ctrl-C in the terminal ends. Each stretch of
    play without an interruption is a recording of its own. A recorder that dies loses its last
    second at most: the next run with the same --out finishes what it left.
    --flash-test opens a window of its own, measures the time from an input to its picture, and
    stores it for the recordings in --out.

    Example:
      vidact record screen --out runs/mine --flash-test
      vidact record screen --out runs/mine --window "Crispy Doom" --spec doom --minutes 20
    """

    out: LocalPath
    """Folder for the recordings (mp4, jsonl and meta.json each)."""
    window: str = ""
    """The window: its title or class or a part of them, its id (0x1c00007), or `screen` for all
    that is shown; by default the one that next gets the focus.
    """
    minutes: Minutes = 60.0
    """Minutes to record at most, pauses not counted."""
    spec: str = ""
    """An action spec, built in or a YAML file, whose rate is recorded at, and which recordings
    name (where it is built in).
    """
    fps: Annotated[float, Field(ge=0, le=240)] = 0.0
    """Frames per second; 0 takes the spec's rate, else the display's (60 at most; 30 where it is
    not known).
    """
    height: Annotated[int, Field(ge=0, le=8192)] = 0
    """Largest height of the frames in pixels, to which larger windows are scaled down; 0 keeps
    theirs.
    """
    name: Annotated[
        str,
        named_like("[A-Za-z0-9][A-Za-z0-9._-]*", "letters, digits, dots, dashes and underscores"),
    ] = "screen"
    """First part of the recordings' names; the time follows."""
    chunk_minutes: ChunkMinutes = 5.0
    """Longest recording in minutes."""
    pause_key: Annotated[str, AfterValidator(_whole_name)] = "key.keyboard.pause"
    """The key that pauses and goes on, such as `pause` or `f10`; it is never recorded."""
    latency_ms: Annotated[float, Field(ge=-1, le=5000)] = -1.0
    """Milliseconds from an input to its first picture, which the recordings store and readers
    apply; -1 takes what --flash-test measured in --out, else none.
    """
    display: str = ""
    """The X display, such as `:0`; by default $DISPLAY."""
    gamepad: bool = True
    """Also record the gamepad, where there is one that this user may read: the first that is found.
    """
    flash_test: bool = False
    """Measure the latency instead of recording: presses F12 in a window of its own for some
    seconds.
    """

    def __post_init__(self) -> None:
        if self.pause_key not in KEYCODES:
            near = closest(self.pause_key, [*KEYCODES, *(k.removeprefix(PREFIX) for k in KEYCODES)])
            raise ConfigError(
                f"pause_key must be a key such as pause or f10, got {self.pause_key!r}{near}"
            )
