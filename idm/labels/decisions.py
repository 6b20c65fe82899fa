"""From probabilities to held or released: a threshold and a reluctance to switch for each button.

W windows, T ticks, K buttons, G settings tried

A two-state Viterbi path over the window a label comes from: staying is free, switching costs.
Flicker that the evidence does not pay for goes away, and presses begin and end where the evidence
changes. Without a cost it is a threshold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def smooth(log_odds: Floats, switch_cost: Floats, present: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The most likely path of states.

    Args:
        log_odds: [T, ...]: evidence for held against released at each tick.
        switch_cost: broadcastable to [...]: what a change of state costs, in the same unit, at
            least 0.
        present: bool [T, ...] broadcastable: ticks that exist; others give no evidence.

    Returns bool [T, ...]: held.
    """
    evidence = np.where(present, log_odds, 0.0)
    ticks = len(evidence)
    # The advantage of being held over being released, of the best paths up to a tick. Coming from
    # the other state costs `switch_cost`, so what is carried on is the advantage clipped to ± that
    # cost.
    cost = np.broadcast_to(switch_cost, evidence.shape[1:])
    advantage = np.empty_like(evidence)
    advantage[0] = evidence[0]
    for t in range(1, ticks):
        advantage[t] = np.clip(advantage[t - 1], -cost, cost) + evidence[t]
    held = np.empty(evidence.shape, bool)
    held[-1] = advantage[-1] > 0
    for t in range(ticks - 2, -1, -1):
        # Back along the path: stay in the successor's state unless the other one was ahead by more
        # than the switch.
        held[t] = np.where(held[t + 1], advantage[t] > -cost, advantage[t] > cost)
    return held
