"""Sticks from play to agent: `python benchmarks/twin_stick.py [--minutes 20] [--idm-minutes 6] …`.

Records Twin Stick (two sticks, two triggers, twelve buttons), trains an IDM on some of it, measures
it on games that it has not seen (R² of every stick and trigger beside the spec's ceiling and
baselines), labels further play, clones that, and plays: the agent beside a blind clone, random play
and the scripted player. The figures go to benchmarks/results/twin_stick.json; everything else lies
in --out, and the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from vidact.bc_policy.clone import clone
from vidact.bc_policy.cloning.config import CloneConfig
from vidact.bc_policy.play import play
from vidact.bc_policy.scoring.config import PlayConfig
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import find_recordings
from vidact.datasets.spec_check import check_spec
from vidact.games.config import RecordTwinStickConfig
from vidact.games.record_twin_stick import record_twin_stick
from vidact.idm.config import EvalIDMConfig, TrainIDMConfig
from vidact.idm.eval_idm import eval_idm
from vidact.idm.train_idm import train_idm
from vidact.pipeline.config import LabelConfig
from vidact.pipeline.label import label

RESULTS = Path(__file__).parent / "results"
TRAIN_SEED, TEST_SEED, MORE_SEED = 0, 1, 2
TEST_MINUTES = 4.0
BUTTON_FIGURES = ("macro_f1", "transition_f1", "keypress_accuracy")


def recorded(out: Path, minutes: float, seed: int) -> str:
    """Play of a seed of its own, in one-minute games."""
    record_twin_stick(RecordTwinStickConfig(out=str(out), minutes=minutes, seed=seed))
    return str(out)


def idm_figures(out: Path, train: str, test: str, minutes: float) -> dict[str, object]:
    """What an IDM says of games that it has not seen."""
    train_idm(TrainIDMConfig(data=(train,), out=str(out / "idm"), minutes=minutes))
    folder = out / "idm-eval"
    eval_idm(EvalIDMConfig(checkpoint=str(out / "idm"), recordings=(test,), out=str(folder)))
    found = json.loads((folder / "metrics.json").read_bytes())
    spec = ActionSpec.load("twin_stick")
    ceiling = check_spec(spec, find_recordings([test])).axes
    return {
        **{name: found[name] for name in BUTTON_FIGURES},
        "r2": found["mouse_r2"],
        "error": found["mouse_error_deg"],
        "r2_ceiling": {name: report.r2_ceiling for name, report in ceiling.items()},
        "r2_baselines": {name: base["mouse_r2"] for name, base in found["baselines"].items()},
    }


def scores(out: Path, data: str, minutes: float, episodes: int) -> dict[str, float]:
    """Mean points a minute of the agent, of one that sees nothing, and of chance."""
    found = {}
    for name, blind in (("agent", False), ("blind", True)):
        policy = str(out / f"clone-{name}")
        clone(CloneConfig(data=(data,), out=policy, minutes=minutes, blind=blind))
        asked = _asked(out, name, episodes)
        found[name] = _score(out, name, PlayConfig(checkpoint=policy, **asked))
    for style in ("human", "uniform"):
        name = f"random-{style}"
        asked = PlayConfig(random=True, random_style=style, **_asked(out, name, episodes))
        found[name] = _score(out, name, asked)
    return found


def _asked(out: Path, name: str, episodes: int) -> dict[str, object]:
    return {"task": "twin_stick", "out": str(out / f"play-{name}"), "episodes": episodes}


def _score(out: Path, name: str, asked: PlayConfig) -> float:
    play(asked)
    return float(json.loads((out / f"play-{name}" / "score.json").read_bytes())["mean"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/twin_stick", help="folder of everything made")
    parser.add_argument("--minutes", type=float, default=20.0, help="of play to train the IDM on")
    parser.add_argument("--idm-minutes", type=float, default=6.0, help="of training the IDM")
    parser.add_argument("--more-minutes", type=float, default=20.0, help="of play to label, clone")
    parser.add_argument("--clone-minutes", type=float, default=4.0, help="of each cloning; 0: none")
    parser.add_argument("--episodes", type=int, default=32, help="games that are scored")
    options = parser.parse_args()
    out = Path(options.out)
    train = recorded(out / "play", options.minutes, TRAIN_SEED)
    test = recorded(out / "test", TEST_MINUTES, TEST_SEED)
    asked = {name: value for name, value in vars(options).items() if name != "out"}
    result: dict[str, object] = {"options": asked}
    result["idm"] = figures = idm_figures(out, train, test, options.idm_minutes)
    for axis, r2 in figures["r2"].items():  # type: ignore[attr-defined]
        print(f"R² {axis}: {r2:.3f}")
    if options.clone_minutes:
        more = recorded(out / "more", options.more_minutes, MORE_SEED)
        label(LabelConfig(sources=(more,), idm=str(out / "idm"), out=str(out / "labelled")))
        result["score"] = scores(
            out, str(out / "labelled"), options.clone_minutes, options.episodes
        )
        own = [float(r.meta["score"]) for r in find_recordings([test])]
        result["score"]["scripted"] = float(np.mean(own))  # type: ignore[index]
        print(json.dumps(result["score"], indent=1))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "twin_stick.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
