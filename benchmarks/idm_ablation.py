"""What each part of the IDM is worth: `python benchmarks/idm_ablation.py [WORK] [--steps N] [--only
PATTERN …]`.

Every variant changes one thing of a `tiny` IDM trained on twenty minutes of scripted play, and is
trained with three seeds; all are measured on the same held-out maps. 300 steps, the default, show
what learns faster, far from converged; 1,800 what generalises better once the twenty minutes are
known by heart. What is done is kept in WORK (the scaling study's will do) and not done again.
Figures go to results/idm_ablation.json, by steps; the table is printed.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
from idm_scaling import Study, figures
from studies import ROOT, chosen, options_of
from vidact.datasets.recordings.recording import Recording
from vidact.idm.config import AugmentConfig
from vidact.idm.network.config import PRESETS

RESULT = ROOT / "benchmarks" / "results" / "idm_ablation.json"
SEEDS = (0, 1, 2)
MINUTES = 20
FEW_MAPS = 12

# the ranges of VPT's own augmentation
VPTS = ["hue", "saturation", "brightness", "contrast"]
VPTS += ["rotation_deg", "scale", "shear_deg", "translation_px"]


def augmented(times: float, **others: Any) -> AugmentConfig:
    """Augmentation whose ranges are so many times the defaults'."""
    usual = AugmentConfig()
    return AugmentConfig(**{name: times * getattr(usual, name) for name in VPTS}, **others)


VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "base": ("as it is", {}),
    "no-motion": (
        "the picture alone, no motion front end",
        {"network": replace(PRESETS["tiny"], motion=None)},
    ),
    "no-augmentation": ("no augmentation, no mirror", {"augment": augmented(0, mirror=0)}),
    "strong-augmentation": ("augmentation twice as strong", {"augment": augmented(2)}),
    "no-mirror": ("no mirror", {"augment": AugmentConfig(mirror=0)}),
    "no-balance": ("rare keys weigh as much as any", {"rare_balance": 0.0}),
    "strong-balance": ("rare keys weigh until both sides are even", {"rare_balance": 1.0}),
    "few-maps": (f"the same minutes on {FEW_MAPS} maps", {}),
}
SHOWN = {
    "keypress accuracy": lambda found: found["keypress_accuracy"],
    "macro F1": lambda found: found["macro_f1"],
    "macro F1, common": lambda found: found["macro_f1_common"],
    "transition F1, common": lambda found: found["transition_f1_common"],
    "yaw R²": lambda found: found["mouse_r2"]["yaw"],
    "pitch R²": lambda found: found["mouse_r2"]["pitch"],
}


def play_of(study: Study, variant: str) -> list[Recording]:
    recordings = study.play("play")
    if variant != "few-maps":
        return recordings
    maps = sorted({one.group for one in recordings})
    few = maps[:: max(1, len(maps) // FEW_MAPS)][:FEW_MAPS]
    return [one for one in recordings if one.group in few]


def measured(study: Study, variant: str, seed: int) -> dict[str, float]:
    name = f"ablation-{study.steps}-{variant}-{seed}"
    settings = {"data_minutes": MINUTES, "seed": seed, **VARIANTS[variant][1]}

    def train() -> str:
        return study.train(name, play_of(study, variant), study.play("validation"), **settings)

    found = figures(study.judge(name, train, study.play("heldout")), "recording")
    return {title: value(found) for title, value in SHOWN.items()}


def main() -> None:
    options = options_of(__doc__, steps=300, example="no-*")
    study = Study(options.work, options.steps)
    result = (
        json.loads(RESULT.read_text()) if RESULT.exists() else {"minutes": MINUTES, "steps": {}}
    )
    rows = result["steps"].setdefault(str(options.steps), {})
    for (
        seed
    ) in SEEDS:  # all variants with one seed first: a run that is stopped has compared something
        for variant in chosen(VARIANTS, options.only):
            if str(seed) not in rows.get(variant, {}):
                rows.setdefault(variant, {})[str(seed)] = measured(study, variant, seed)
                RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(
        "mean over seeds, and half of what lies between highest and lowest: "
        f"{options.steps} steps, {MINUTES} minutes"
    )
    for variant, seeds in rows.items():
        print(f"{variant:21}{VARIANTS[variant][0]}")
        for title in SHOWN:
            values = [one[title] for one in seeds.values()]
            print(f"    {title:24}{np.mean(values):7.3f}  ±{np.ptp(values) / 2:.3f}")


if __name__ == "__main__":
    main()
