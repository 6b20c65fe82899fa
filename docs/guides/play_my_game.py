"""Let a clone play in a window: `python play_my_game.py CLONE WINDOW [SECONDS]`.

WINDOW is a part of its title, as `vidact record screen --window` takes it. The agent begins when
that window gets the focus, and ends when it loses it; click elsewhere to stop it.
"""

import sys
import time

import vidact
from vidact.bc_policy.policy.agent import Agent
from vidact.bc_policy.policy.policy import action_delay_of
from vidact.datasets.actions.devices import DeviceState, device_state_of
from vidact.datasets.video.resize import FrameResizer
from vidact.games.screen.display import Display
from vidact.games.screen.hands import Hands, not_done
from vidact.games.screen.pictures import Pictures


def play(clone: str, title: str, seconds: float, display_name: str = "") -> int:
    """Play; returns the ticks that were played."""
    policy, checkpoint = vidact.load_policy(clone)
    spec = policy.spec
    agent = Agent(policy, lanes=1, action_delay=action_delay_of(checkpoint))
    agent.start(0, seed=0)

    display = Display(display_name)
    window, hands = display.find_window(title), Hands(display)
    if left_out := not_done(spec):
        print("Not done here, as neither keyboard nor mouse has them:", ", ".join(left_out))
    print(f"Give the focus to {title!r}: the agent plays until it loses it")
    while (place := display.situation(window)) is None or not place.focused:
        time.sleep(0.1)
    pictures = Pictures(display, place.width, place.height, 1)
    resizer = FrameResizer(spec.frame)

    ticks, state, begun = 0, DeviceState(), time.monotonic()
    try:
        while time.monotonic() < begun + seconds:
            place = display.situation(window)
            if place is None or not place.focused or not pictures.take(window, 0):
                break
            frame = resizer.from_rgb(pictures.pictures[0, :, :, 2::-1].copy())  # BGRX to RGB
            buttons, camera = agent.act(frame[None])
            before, state = state, device_state_of(spec, buttons[0], camera[0])
            hands.follow(state, before)
            ticks += 1
            time.sleep(max(0.0, begun + ticks / float(spec.tick_hz) - time.monotonic()))
    finally:
        hands.follow(DeviceState(), state)  # nothing stays pressed
        hands.sync()
    return ticks


if __name__ == "__main__":
    clone, title, *more = sys.argv[1:]
    print(play(clone, title, float(more[0]) if more else 60.0), "ticks played")
