"""Runs that the first learner began: what their settings and their state mean to this one.

That learner discounted by the tick, let the KL decay by the iteration, and had one optimizer. A run
of it that was stopped goes on from its snapshot with the corrected learner under the settings that
it was begun with; one that ended is known as done.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...training.resume import STATE_FILE
from ...training.run import SNAPSHOTS_FOLDER
from .config import FinetuneConfig, PPOConfig

DEFAULTS = {
    "actors": 2,
    "iterations": 20,
    "lanes": 8,
    "minutes": 0.0,
    "precision": "auto",
    "seed": 0,
    "ticks": 64,
}
PPO_DEFAULTS = {
    "clip": 0.2,
    "clip_norm": 1.0,
    "discount": 0.99,
    "epochs": 2,
    "gae_lambda": 0.95,
    "kl": 0.2,
    "kl_decay": 0.9995,
    "kl_direction": "prior_to_policy",
    "learning_rate": 2e-4,
    "minibatches": 4,
    "normalise_advantages": True,
    "value_beta": 0.9,
    "value_warmup": 1,
    "value_weight": 0.5,
    "warmup_steps": 10,
}
UNDISCOUNTED_S = 1e9  # a half-life that no game reaches, where the discount was 1


def begun_by_first_learner(out: str, trained: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The identity of the run of the first learner in the folder `out`, if there is one.

    Args:
        trained: the identity that the checkpoint of the folder names.
    """
    states = sorted((Path(out) / SNAPSHOTS_FOLDER).glob(f"state-*/{STATE_FILE}"))
    found: Any = trained
    if states:
        try:
            found = json.loads(states[-1].read_bytes())["run"]
        except (OSError, ValueError, KeyError, TypeError):
            return None  # damaged: `Snapshots` says so, and takes the one before
    is_one = isinstance(found, dict) and "learner" not in found and "ppo" in found
    return found if is_one else None


def settings_of(
    config: FinetuneConfig, begun: Mapping[str, Any], *, tick_hz: float
) -> FinetuneConfig | None:
    """The settings of the run `begun`, in today's terms; None where `config` asks for others.

    What `config` leaves at its default meant the first learner's default.
    """
    usual = FinetuneConfig(checkpoint="any", task="any", out="any")
    meant = _meant(config, usual, DEFAULTS)
    meant_ppo = _meant(config.ppo, usual.ppo, PPO_DEFAULTS)
    if any(begun.get(name) != value for name, value in meant.items()):
        return None
    if begun["ppo"] != meant_ppo:
        return None
    discount, decay = meant_ppo["discount"], meant_ppo["kl_decay"]
    half_life = math.log(0.5) / math.log(discount) / tick_hz if discount < 1 else UNDISCOUNTED_S
    same = {field.name for field in dataclasses.fields(PPOConfig)} & meant_ppo.keys()
    ppo = PPOConfig(
        **{name: meant_ppo[name] for name in same},
        half_life_seconds=half_life,
        target_kl=0.0,
        # Over minutes the number of iterations is not known; the weight hardly fell in any case.
        kl_end=meant_ppo["kl"] * decay ** (0 if meant["minutes"] else meant["iterations"]),
        learning_rate_end=1.0,
        value_learning_rate=meant_ppo["learning_rate"],
        value_clip_norm=meant_ppo["clip_norm"],
    )
    return dataclasses.replace(config, **meant, ppo=ppo, check_episodes=0)


def _meant(given: Any, usual: Any, former: Mapping[str, Any]) -> dict[str, Any]:
    """What settings meant to the first learner."""
    own = {field.name: getattr(given, field.name) for field in dataclasses.fields(given)}
    changed = {name for name, value in own.items() if value != getattr(usual, name)}
    return {name: own[name] if name in changed else was for name, was in former.items()}


def learner_state(
    state: Mapping[str, Any], names: Sequence[str], config: PPOConfig
) -> dict[str, Any]:
    """The state of the first learner as one of this.

    Args:
        names: of the policy's parameters, in order.
        config: of the run, in today's terms.
    """
    values = [index for index, name in enumerate(names) if name.startswith("value_head.")]
    others = [index for index in range(len(names)) if index not in values]
    done = state["iteration"]
    value_only = min(done, config.value_warmup) * config.epochs * config.minibatches
    return {
        **state,
        "optimizer": _of_parameters(state["optimizer"], others),
        "value_optimizer": _of_parameters(state["optimizer"], values),
        "steps": state["steps"] - value_only,
        "warmup": {} if done < config.value_warmup else None,
        "advantage_scale": {"variance": 0.0, "weight": 0.0},
        "best": None,
    }


def _of_parameters(optimizer: Mapping[str, Any], indices: Sequence[int]) -> dict[str, Any]:
    """An optimizer's state for some of its parameters alone, counted anew."""
    states = optimizer["state"]
    kept = {new: states[old] for new, old in enumerate(indices) if old in states}
    group = {**optimizer["param_groups"][0], "params": list(range(len(indices)))}
    return {"state": kept, "param_groups": [group]}
