"""Replays one vanilla Doom demo, seen by one of its players, with the truth of every tic.

The engine is `cydoomgeneric` (an extra: `pip install 'vidact[demos]'` compiles it). It can run once
per process, never returns from a demo (it ends in an error loop), and keeps its state in C
variables, which are read here by address. So it runs in a thread of a worker process and hands its
tics over one by one. Layouts: the engine's `d_player.h` and `p_mobj.h`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ...errors import MissingDependencyError, RecordingError

MAX_PLAYERS = 4
_PLAYER_BYTES = 328
_LEVEL = 0  # gamestate_t: GS_LEVEL
_ALIVE = 0  # playerstate_t: PST_LIVE
_SILENCE_S = 120.0  # the slowest tic takes milliseconds; a silent engine has failed
_CONFIG = (
    "screenblocks 10\nshow_messages 1\n"  # the whole view with the status bar, as ViZDoom shows it
)


@dataclass(frozen=True, slots=True)
class DemoTic:
    """One tic as it was drawn, and the command that led to it from the tic before.

    `frame` is uint8 [h, w, 3]. Commands are vanilla's: `forward` and `side` in steps (25 or 50, 24
    or 40), `turn` in degrees (to the right is positive), `buttons` bits. Position in Doom units,
    angle in degrees from +x leftwards.
    """

    tic: int
    frame: np.ndarray
    forward: int
    side: int
    turn: float
    buttons: int
    x: float
    y: float
    z: float
    angle: float
    health: int
    alive: bool
    in_level: bool

    @property
    def pitch(self) -> float:
        """The pitch in degrees: nobody looked up or down in those days."""
        return 0.0


class _Command(ctypes.Structure):
    _fields_ = (
        ("forward", ctypes.c_int8),
        ("side", ctypes.c_int8),
        ("turn", ctypes.c_int16),
        ("chat", ctypes.c_uint8),
        ("buttons", ctypes.c_uint8),
        ("consistency", ctypes.c_uint8),
        ("buttons2", ctypes.c_uint8),
        ("inventory", ctypes.c_int32),
        ("lookfly", ctypes.c_uint8),
        ("arti", ctypes.c_uint8),
    )


class _Body(ctypes.Structure):
    _fields_ = (
        ("thinker", ctypes.c_void_p * 3),
        ("x", ctypes.c_int32),
        ("y", ctypes.c_int32),
        ("z", ctypes.c_int32),
        ("next", ctypes.c_void_p),
        ("previous", ctypes.c_void_p),
        ("angle", ctypes.c_uint32),
    )


class _Player(ctypes.Structure):
    _fields_ = (
        ("body", ctypes.POINTER(_Body)),
        ("state", ctypes.c_int32),
        ("command", _Command),
        ("view", ctypes.c_int32 * 4),
        ("health", ctypes.c_int32),
        ("rest", ctypes.c_uint8 * (_PLAYER_BYTES - 48)),
    )


def need_engine() -> None:
    """Raises MissingDependencyError where the engine is not installed."""
    if find_spec("cydoomgeneric") is None:
        raise MissingDependencyError(
            "replaying Freedoom's demos needs the engine cydoomgeneric, which is not installed: "
            "pip install 'vidact[demos]' compiles it in half a minute; that needs a C compiler "
            "(Debian: apt install build-essential python3-dev)"
        )


def replay(wad: Path, demo: str, *, view: int, size: tuple[int, int]) -> Iterator[DemoTic]:
    """The tics of one demo through the eyes of player `view`. May be called once per process.

    Args:
        wad: the IWAD; its name tells the engine the game (`freedoom1.wad`).
        demo: name of the demo's lump, such as `DEMO1`.
        view: number of the player, from 0.
        size: width and height; a multiple of 320 x 200.

    Raises:
        MissingDependencyError: the engine is not installed.
        RecordingError: the engine has failed, or its variables are not where they should be.
    """
    need_engine()
    tics: queue.Queue[DemoTic | str] = queue.Queue(maxsize=64)
    with tempfile.TemporaryDirectory(prefix="vidact-demo-") as folder:
        log = Path(folder) / "engine.log"
        arguments = [
            "doom",
            "-iwad",
            str(wad),
            "-timedemo",
            demo,
            "-nogui",
            "-config",
            str(Path(folder) / "engine.cfg"),
        ]
        (Path(folder) / "engine.cfg").write_text(_CONFIG, encoding="ascii")
        engine = threading.Thread(target=_run, args=(arguments, view, size, tics, log), daemon=True)

        def following() -> DemoTic | str:
            try:
                return tics.get(timeout=_SILENCE_S)
            except queue.Empty:
                raise RecordingError(
                    f"{wad.name} {demo}: the engine is silent; its log ends: {_tail(log)}"
                ) from None

        with contextlib.chdir(
            folder
        ):  # as it starts, the engine makes a folder for saved games where it stands
            engine.start()
            item = following()
        while not isinstance(item, str):
            yield item
            item = following()
        if item:
            raise RecordingError(f"{wad.name} {demo}: {item}; the engine's log ends: {_tail(log)}")


def _tail(log: Path) -> str:
    return (
        log.read_text(encoding="utf-8", errors="replace").strip()[-300:]
        if log.exists()
        else "(empty)"
    )


def _run(
    arguments: list[str],
    view: int,
    size: tuple[int, int],
    tics: queue.Queue[DemoTic | str],
    log: Path,
) -> None:
    """The engine's thread; it sleeps for ever once the demo is over, until the process ends."""
    import cydoomgeneric

    shared = _shared_library()
    variables = {
        n: ctypes.c_int.in_dll(shared, n)
        for n in ("gametic", "displayplayer", "gamestate", "demoplayback")
    }
    players = (_Player * MAX_PLAYERS).in_dll(shared, "players")
    last = -1

    def draw(screen: np.ndarray) -> None:
        nonlocal last
        tic = variables["gametic"].value
        # Not the title screen, and not the copies that the engine draws while it melts one picture
        # into the next.
        if tic == last or not variables["demoplayback"].value:
            return
        last = tic
        variables["displayplayer"].value = view
        player = players[view]
        if not player.body:
            return
        body, command = player.body.contents, player.command
        tics.put(
            DemoTic(
                tic=tic,
                frame=np.ascontiguousarray(screen[:, :, 2::-1]),
                forward=command.forward,
                side=command.side,
                turn=-command.turn * 360.0 / 65536.0,
                buttons=command.buttons,
                x=body.x / 65536.0,
                y=body.y / 65536.0,
                z=body.z / 65536.0,
                angle=body.angle * 360.0 / 2.0**32,
                health=player.health,
                alive=player.state == _ALIVE and player.health > 0,
                in_level=variables["gamestate"].value == _LEVEL,
            )
        )

    clock = iter(range(0, 1 << 31, 5))  # the engine's melting effect waits for a clock

    @ctypes.CFUNCTYPE(None)
    def over() -> None:
        tics.put("")
        while True:
            time.sleep(3600)

    output = os.open(log, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(output, 1)  # the engine prints pages of its own; this process belongs to it
    os.dup2(output, 2)
    shared.I_AtExit(over, 1)
    try:
        cydoomgeneric.init(
            *size,
            draw_frame=draw,
            get_key=lambda: None,
            sleep_ms=lambda _: None,
            get_ticks_ms=lambda: next(clock),
            set_window_title=lambda _: None,
        )
        cydoomgeneric.main(arguments)
    except BaseException as error:
        tics.put(f"the engine failed: {error!r}")
        raise
    tics.put("the engine ended before the demo did")


def _shared_library() -> ctypes.CDLL:
    """The engine's library, whose variables are where this file expects them."""
    import cydoomgeneric

    path = cydoomgeneric.__file__
    shared = ctypes.CDLL(path)
    if ctypes.sizeof(_Player) != _PLAYER_BYTES:
        raise RecordingError(
            f"{path}: a player takes {ctypes.sizeof(_Player)} bytes here, expected {_PLAYER_BYTES}"
        )
    return shared
