"""Does a filter that saw some kinds of dirt know others? `python benchmarks/clean_frames.py WORK`.

WORK holds `packages/` (as for only_the_game.py) and `play/fit`, `play/test`: recordings of scripted
play on other maps each, made here where they are missing. Half of the labeled frames are play as it
is, half under the kinds of dirt of `filter_sources.yaml`; `vidact train-filter` learns from them as
from people's labels. Then stretches of 10 s, half of them under kinds that no label showed, are
judged frame by frame, and as `vidact label --filter` would keep them; and the IDM's labels of such
a mixed pile are scored, all of them and those that filters keep. Each step is kept in WORK: run
again, it goes on. Figures, with 95 % intervals over stretches, go to results/clean_frames.json.
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import vidact
import yaml
from dirt import Painter, Picture
from mixed_pile import mixed_pile
from only_the_game import film_ticks, pictures
from PIL import Image
from vidact.datasets.recordings.recording import find_recordings
from vidact.datasets.video.resize import FrameResizer
from vidact.idm.labels.checkpoint import load_idm, spec_of
from vidact.idm.labels.predict import Predictor
from vidact.pipeline.filtering.clean_filter import CleanFilter
from vidact.pipeline.filtering.config import CleanConfig, TrainFilterConfig
from vidact.pipeline.filtering.runs import PARTS
from vidact.pipeline.labelling.clean_stretches import CleanJudge
from vidact.pipeline.labelling.picture_in_picture import PICTURE_IN_PICTURE
from vidact.pipeline.train_filter import train_filter

ROOT = Path(__file__).parent
LOOKS_A_SECOND = 3.0
STRETCH_S = 10
DRAWS = 2000
SEED = 7


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--idm", default="doom")
    parser.add_argument("--labels", type=int, nargs="+", default=[250, 1000])
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "clean_frames.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    said = yaml.safe_load((ROOT / "filter_sources.yaml").read_text(encoding="utf-8"))
    dirt = said["dirt"]
    for part, of in dirt["play"].items():
        record(options.work / "play" / part, of)
    painter = Painter(pictures(options.work / "packages"))
    found: dict[str, Any] = {"idm": options.idm, "kinds": kinds_of(dirt), "labels": {}}
    if options.out.exists():
        found["labels"] = json.loads(options.out.read_bytes())["labels"]
    for count in options.labels:
        if str(count) in found["labels"]:
            continue
        out = options.work / f"filter-{count}"
        if not (out / "config.json").exists():
            export = options.work / f"labels-{count}"
            write_export(export, options.work / "play" / "fit", painter, dirt, count)
            train_filter(TrainFilterConfig(labels=(str(export),), out=str(out), idm=options.idm))
        metrics = json.loads((out / "config.json").read_bytes())["metrics"]
        print(f"{count} labels: judging", flush=True)
        clean_filter = CleanFilter.load(str(out))
        rows = judged(clean_filter, options, painter, said)
        kinds = [painter.kinds[kind] for kind in found["kinds"]["held_out"] if kind != "films"]
        pile = mixed_pile(
            find_recordings([options.work / "play" / "test"]),
            kinds,
            Predictor.load(options.idm, device="cpu", threads=1),
            clean_filter,
            stretch_s=STRETCH_S,
            seed=SEED,
        )
        found["labels"][str(count)] = {
            "cross_validated": metrics["held_out"],
            "threshold": metrics["threshold"],
            **totals(rows),
            "mixed_pile": pile,
        }
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(json.dumps(found["labels"][str(count)]["all"]))


def kinds_of(dirt: Mapping[str, Any]) -> dict[str, list[str]]:
    return {part: [one["kind"] for one in dirt[part]] for part in ("fit", "held_out")}


def record(folder: Path, of: Mapping[str, Any]) -> None:
    """Scripted play, where there is none yet."""
    if any(folder.glob("*.mp4")):
        return
    config = vidact.RecordDoomConfig(
        out=str(folder), maps=of["maps"], minutes=of["minutes"], seed=of["seed"]
    )
    vidact.record_doom(config)


def looks(path: Path, a_second: float) -> list[Picture]:
    """Pictures of a video at its own size."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate)
        return [
            frame.to_ndarray(format="rgb24")
            for number, frame in enumerate(container.decode(stream))
            if int(number * a_second / rate) != int((number - 1) * a_second / rate) or not number
        ]


def write_export(
    folder: Path, play: Path, painter: Painter, dirt: Mapping[str, Any], count: int
) -> None:
    """Labels as the tool exports them: as many of each recording, half of them clean."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng([SEED, count])
    recordings = find_recordings([play])
    kinds = kinds_of(dirt)["fit"]
    rows: list[dict[str, Any]] = []
    with tarfile.open(folder / "frames-00000.tar", "w") as tar:
        for number, recording in enumerate(recordings):
            share = range(
                number * count // len(recordings), (number + 1) * count // len(recordings)
            )
            shown = looks(Path(recording.video.path), 4.0)
            places = np.sort(generator.permutation(len(shown))[: len(share)])
            for place in places.tolist():
                kind = kinds[generator.integers(len(kinds))] if generator.random() < 0.5 else ""
                picture = shown[place]
                if kind:
                    picture = painter.kinds[kind]([picture], generator)[0]
                key = f"{recording.sha256[:12]}-{place:09d}"
                rows.append(row_of(key, recording, place, kind))
                buffer = io.BytesIO()
                Image.fromarray(picture).save(buffer, "JPEG", quality=90)
                info = tarfile.TarInfo(f"{key}.jpg")
                info.size = buffer.tell()
                tar.addfile(info, io.BytesIO(buffer.getvalue()))
    pq.write_table(pa.Table.from_pylist(rows), folder / "labels.parquet")


def row_of(key: str, recording: Any, place: int, kind: str) -> dict[str, Any]:
    label = "none" if kind == "other_game" else "artifacts" if kind else "clean"
    return {
        "key": key,
        "source_uri": str(recording.video.path),
        "source_sha256": recording.sha256,
        "frame_index": place,
        "pts_ns": place,
        "label": label,
        "reasons": [kind] if label == "artifacts" else [],
        "annotator": "script",
        "approved": True,
        "served": "",
    }


def stretches_of(
    options: argparse.Namespace, painter: Painter, said: Mapping[str, Any]
) -> Iterator[tuple[str, list[Picture]]]:
    """Stretches of 10 s: by turns play as it is, and under a kind of dirt that no label showed."""
    generator = np.random.default_rng(SEED)
    kinds = [kind for kind in kinds_of(said["dirt"])["held_out"] if kind != "films"]
    ticks, turn = round(STRETCH_S * LOOKS_A_SECOND), 0
    for recording in find_recordings([options.work / "play" / "test"]):
        shown = looks(Path(recording.video.path), LOOKS_A_SECOND)
        for start in range(0, len(shown) - ticks + 1, ticks):
            play = shown[start : start + ticks]
            kind = kinds[turn // 2 % len(kinds)] if turn % 2 else "clean"
            yield kind, painter.kinds[kind](play, generator) if turn % 2 else play
            turn += 1
    predictor = Predictor.load(options.idm, device="cpu", threads=1)
    every = round(float(predictor.spec.tick_hz) / LOOKS_A_SECOND)
    for film in said["test"]["films"]:
        file = next((options.work / "packages").rglob(film["file"]), None)
        if file is not None and not file.name.endswith(".gz"):
            frames = np.concatenate(list(film_ticks(file, predictor)))[::every]
            for start in range(0, len(frames), ticks):
                yield "films", list(frames[start : start + ticks])


def judged(
    clean_filter: CleanFilter,
    options: argparse.Namespace,
    painter: Painter,
    said: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """What becomes of each stretch."""
    resizer = FrameResizer(spec_of(load_idm(options.idm)).frame)
    config = CleanConfig(threshold=clean_filter.threshold)
    judge = CleanJudge(clean_filter, config, LOOKS_A_SECOND)
    rows = []
    for number, (kind, shown) in enumerate(stretches_of(options, painter, said)):
        frames = np.stack([resizer.from_rgb(np.ascontiguousarray(one)) for one in shown])
        began = time.process_time()
        parts, why = judge.ask(frames, np.arange(len(frames)), f"stretch {number}")
        kept = judge.thresholds.keep(parts)
        cost = time.process_time() - began
        rows.append(
            {
                "kind": kind,
                "frames": len(parts),
                "called_clean": int((parts >= PARTS * clean_filter.threshold).sum()),
                "insets": int((why == PICTURE_IN_PICTURE).sum()),
                "kept": int(kept.sum()),
                "ask_s": cost,
            }
        )
    return rows


def totals(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Precision and recall of frames, shares of seconds kept, and rows by kind."""
    frames_of = Counter[str]()
    for row in rows:
        frames_of[row["kind"]] += row["frames"]
    # Each kind of dirt counts alike, however much of it there is.
    numbers = np.array(
        [
            [
                row["kind"] == "clean",
                *(
                    row[name] / frames_of[row["kind"]]
                    for name in ("frames", "called_clean", "kept")
                ),
            ]
            for row in rows
        ]
    )
    generator = np.random.default_rng(0)
    draws = generator.integers(0, len(rows), (DRAWS, len(rows)))
    figures = figures_of(numbers[None])
    drawn = figures_of(numbers[draws])
    kinds = {}
    for kind in sorted({row["kind"] for row in rows}):
        own = [row for row in rows if row["kind"] == kind]
        frames = sum(row["frames"] for row in own)
        kinds[kind] = {
            "seconds": round(frames / LOOKS_A_SECOND, 1),
            "called_clean": round(sum(row["called_clean"] for row in own) / frames, 4),
            "insets": round(sum(row["insets"] for row in own) / frames, 4),
            "kept": round(sum(row["kept"] for row in own) / frames, 4),
        }
    ask = sum(row["ask_s"] for row in rows) / sum(row["frames"] for row in rows)
    return {
        "all": {
            name: {
                "value": round(float(values[0]), 4),
                "ci95": [round(float(x), 4) for x in np.nanquantile(drawn[name], [0.025, 0.975])],
            }
            for name, values in figures.items()
        },
        "kinds": kinds,
        "ask_ms_a_frame": round(1000 * ask, 2),
    }


def figures_of(numbers: Any) -> dict[str, Any]:
    """Of [W, N, 4] (clean, frames, called clean, kept), with dirt weighed as half of all."""
    clean, frames, called, kept = np.moveaxis(numbers, -1, 0)

    def rate(of: Any, which: Any) -> Any:
        return (of * which).sum(1) / np.maximum((frames * which).sum(1), 1e-9)

    right, wrong = rate(called, clean), rate(called, 1 - clean)
    stay, slip = rate(kept, clean), rate(kept, 1 - clean)
    return {
        "precision": right / np.maximum(right + wrong, 1e-9),
        "recall": right,
        "kept_of_clean": stay,
        "dirty_share_of_kept": slip / np.maximum(stay + slip, 1e-9),
    }


if __name__ == "__main__":
    main()
