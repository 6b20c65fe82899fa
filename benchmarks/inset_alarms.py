"""How often does the filter take play for a face cam? `python benchmarks/inset_alarms.py FILTER
RECORDINGS… [--only NAME…]`.

Play without any inset, as it was recorded and as strangers record it (the settings of
`idm_robustness.py`), is looked at as `vidact label --filter` does. Counted is the share of ticks
that are called a picture in the picture. Figures go to results/inset_alarms.json; each row is kept.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
from pathlib import Path
from typing import Any

import numpy as np
from idm_robustness import SETTINGS
from vidact.datasets.recordings.recording import find_recordings
from vidact.idm.labels.predict import Predictor
from vidact.pipeline.filtering.clean_filter import CleanFilter
from vidact.pipeline.filtering.config import CleanConfig
from vidact.pipeline.labelling.clean_stretches import Thresholds
from vidact.pipeline.labelling.picture_in_picture import InsetFinder


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("filter")
    parser.add_argument("recordings", nargs="+")
    parser.add_argument("--idm", default="doom")
    parser.add_argument("--only", nargs="+", default=["*"], help="names of rows")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "inset_alarms.json"
    )
    options = parser.parse_args()
    predictor = Predictor.load(options.idm, device="cpu", threads=1)
    clean_filter = CleanFilter.load(options.filter)
    recordings = find_recordings(options.recordings)
    found: dict[str, Any] = {"filter": clean_filter.sha256, "settings": {}}
    old = json.loads(options.out.read_bytes()) if options.out.exists() else found
    if old["filter"] == clean_filter.sha256:
        found = old
    every = Thresholds(CleanConfig(), float(predictor.spec.tick_hz)).every
    for name, setting in SETTINGS.items():
        if name in found["settings"] or not any(
            fnmatch.fnmatch(name, pattern) for pattern in options.only
        ):
            continue
        alarms = asked = 0
        for recording in recordings:
            frames = setting(recording, predictor)[::every]
            alarms += int(InsetFinder(clean_filter.own_lines).inside(frames, 0).sum())
            asked += len(frames)
        share = round(alarms / asked, 5)
        seconds = round(asked * every / float(predictor.spec.tick_hz), 1)
        found["settings"][name] = {"seconds": seconds, "share": share}
        rows = found["settings"].values()
        found["all"] = round(
            float(np.average([r["share"] for r in rows], weights=[r["seconds"] for r in rows])), 5
        )
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"{name:30}{seconds:9.1f} s {100 * share:7.3f} %", flush=True)


if __name__ == "__main__":
    main()
