"""A report's figures and pictures, made up but of the real shape, for tests of the page."""

from __future__ import annotations

from typing import Any

import numpy as np
from vidact.demo.filmstrip import Film, Strip
from vidact.demo.report import Media

KEYS = ("forward", "back", "left", "right", "run", "attack", "use")


def sample_figures() -> dict[str, Any]:
    """Figures as `report.json` holds them."""
    scores = {
        "keypress_accuracy": 0.951,
        "macro_f1": 0.652,
        "macro_ap": 0.71,
        "transition_f1": 0.43,
        "ece": 0.021,
    }
    released = {"keypress_accuracy": 0.846, "macro_f1": 0.0, "macro_ap": 0.12, "transition_f1": 0.0}
    rates = {"keypress_accuracy": 0.79, "macro_f1": 0.18, "macro_ap": 0.13, "transition_f1": 0.11}
    linear = {"keypress_accuracy": 0.86, "macro_f1": 0.21, "macro_ap": 0.27, "transition_f1": 0.08}
    button = {"pressed": 0.31, "accuracy": 0.93, "precision": 0.9, "recall": 0.88, "f1": 0.89}
    button |= {"average_precision": 0.94, "transition_f1": 0.55}
    share = {name: 0.6 / (i + 1) for i, name in enumerate(KEYS)}
    grid = np.linspace(0.05, 1, 20)
    return {
        "run": {
            "vidact": "0.1.0",
            "finished": "2026-11-03 10:12 UTC",
            "game": "doom",
            "hours": 1.1,
            "tick_hz": 17.5,
            "seed": 0,
            "machine": "2 CPU cores",
        },
        "environment": {
            "python": "3.11.7",
            "torch": "2.15.0",
            "apache-beam": "2.77.0",
            "processor": "AMD EPYC",
        },
        "play": {
            "labelled": {
                "minutes": 20.0,
                "recordings": 40,
                "maps": [f"E1M{i}" for i in range(1, 9)],
            },
            "validation": {"minutes": 2.0, "recordings": 4, "maps": ["E4M1"]},
            "heldout": {
                "minutes": 6.0,
                "recordings": 8,
                "maps": ["E2M1", "E3M3", "MAP05", "MAP16"],
            },
            "unlabelled": {
                "minutes": 40.0,
                "recordings": 60,
                "maps": [f"MAP{i:02d}" for i in range(17, 33)],
            },
        },
        "idm": {
            **scores,
            "mouse_r2": {"pitch": 0.52, "yaw": 0.913},
            "mouse_error_deg": {"pitch": 0.31, "yaw": 0.62},
            "per_button": {name: dict(button) for name in KEYS}
            | {"weapon.7": {**button, "pressed": 0.0, "f1": None}},
            "baselines": {
                "always_released": {**released, "mouse_r2": {"pitch": 0.0, "yaw": 0.0}},
                "rates": {**rates, "mouse_r2": {"pitch": -0.9, "yaw": -1.1}},
                "frame_difference": {**linear, "mouse_r2": {"pitch": 0.01, "yaw": 0.03}},
            },
            "gain": {
                base: {name: {"value": 0.2, "ci95": [0.1, 0.3]} for name in scores}
                for base in ("always_released", "rates", "frame_difference")
            },
            "ci95": {
                "keypress_accuracy": [0.944, 0.957],
                "macro_f1": [0.6, 0.69],
                "macro_ap": [0.66, 0.75],
                "transition_f1": [0.39, 0.46],
                "mouse_r2.yaw": [0.89, 0.931],
                "mouse_r2.pitch": [0.44, 0.58],
            },
        },
        "label_quality": {
            "ticks": 42000,
            "keypress_accuracy": 0.949,
            "macro_f1": 0.66,
            "macro_ap": 0.72,
            "transition_f1": 0.42,
            "mouse_r2": {"pitch": 0.5, "yaw": 0.92},
            "tick_error": 0.41,
            "mean_confidence": 0.62,
            "error_at_80": 0.33,
            "reliability": {
                "confidence": [0.1, 0.3, 0.5, 0.7, 0.9],
                "right": [0.12, 0.28, 0.53, 0.69, 0.88],
                "ticks": [900] * 5,
            },
            "risk_coverage": {"kept": list(grid), "wrong": list(0.41 * grid**1.4)},
            "true_press_share": {name: value * 1.1 for name, value in share.items()},
        },
        "dataset": {
            "clips": 331,
            "hours": 0.6667,
            "shards": 32,
            "size_bytes": 91_000_000,
            "sources": 60,
            "dead_letters": 0,
            "drops": {"short": 12},
            "verified": True,
            "null_fraction": 0.04,
            "press_share": share,
        },
        "random": _score(21.0, 18.4, 23.8),
        "blind": _score(28.7, 25.1, 32.3),
        "clone": _score(42.1, 36.9, 47.5),
        "finetune": _score(48.3, 42.6, 54.2),
        "curves": [
            {
                "title": "IDM",
                "x_label": "minutes",
                "y_label": "loss",
                "lines": [
                    {
                        "name": "training",
                        "kind": "base",
                        "x": list(range(10)),
                        "y": [3 / (i + 1) for i in range(10)],
                    },
                    {"name": "validation", "kind": "model", "x": [2, 5, 9], "y": [1.3, 0.8, 0.5]},
                ],
            },
            {
                "title": "Cloning",
                "x_label": "steps",
                "y_label": "loss",
                "lines": [
                    {"name": "training", "kind": "model", "x": [0, 100, 200], "y": [4.0, 2.0, 1.5]}
                ],
            },
        ],
        "seconds": {
            "record labelled play": 61.0,
            "train the IDM": 362.0,
            "label": 88.0,
            "clone": 150.0,
        },
        "budget_s": {
            "record labelled play": 70.0,
            "train the IDM": 360.0,
            "label": 100.0,
            "clone": 150.0,
        },
        "titles": {"label": "Label the pile"},
        "commands": {
            "label": "vidact label runs/demo/unlabelled --idm runs/demo/idm --out runs/demo/dataset"
        },
        "peak_memory_bytes": 5_100_000_000,
    }


def _score(mean: float, low: float, high: float) -> dict[str, Any]:
    about = "Walk through maps never seen before. One point of the score is a cell of floor."
    return {
        "score": mean,
        "ci95": [low, high],
        "episodes": 20,
        "scores": [mean] * 20,
        "task": "explore",
        "about": about,
    }


def sample_media(video: bytes = b"") -> Media:
    """Two strips of a moving gradient, with labels that are right most of the time."""
    draw = np.random.default_rng(0)
    ticks = 128
    ramp = (np.arange(128)[None, None, :] + 3 * np.arange(ticks)[:, None, None]) % 256
    frames = np.broadcast_to(ramp[..., None], (ticks, 128, 128, 3)).astype(np.uint8)
    true = (np.sin(np.arange(ticks)[:, None] / (4 + 3 * np.arange(len(KEYS)))) > 0.2).astype(
        np.uint8
    )
    prob = np.clip(true * 0.8 + draw.normal(0.1, 0.12, true.shape), 0, 1)
    camera = np.stack([np.sin(np.arange(ticks) / 9), 5 * np.sin(np.arange(ticks) / 13)], axis=1)
    strip = Strip(
        caption="MAP17, 12 s into the recording.",
        frames=frames,
        tick_hz=17.5,
        button_names=KEYS,
        prob=prob,
        buttons=(prob > 0.5).astype(np.uint8),
        true_buttons=true,
        axis_names=("pitch", "yaw"),
        camera=camera + draw.normal(0, 0.15, camera.shape),
        true_camera=camera,
        confidence=np.clip(draw.normal(0.7, 0.1, ticks), 0, 1),
    )
    return Media(
        strips=[strip, strip], films={"clone": Film(mp4=video, poster=b"\xff\xd8")} if video else {}
    )
