"""Collects the figures of a finished run into `report.json`, and the pictures for the page beside
it.
"""

from __future__ import annotations

import io
import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .. import __version__, storage
from ..datasets.shards.dataset import Dataset
from ..games.task import Task
from ..games.tasks import find_task
from ..training.curves import points, thinned
from ..training.log import METRICS_FILE, read_metrics
from .config import DemoConfig
from .filmstrip import Film, strip_image
from .report import Media, render
from .stages import Outcome
from .worlds import task_name

AGENTS = ("random", "blind", "clone", "finetune")
FILMED = ("clone", "finetune")
# The films on the page are smaller than the originals: with these 1.6 MB a minute instead of 4, and
# still readable.
FILM_WIDTH = 480
FILM_OPTIONS = {"crf": "31", "preset": "veryfast"}
PACKAGES = ("torch", "apache-beam", "av", "numpy", "pyarrow", "vizdoom")
STRIPS = 3  # labelled stretches on the page: enough to see variety
CURVE_POINTS = 120  # of a learning curve: more cannot be told apart on the page


def write_report(config: DemoConfig, out: Path) -> None:
    """Write `report.json` and `report.html` into the demo's folder `out`."""
    figures = gather(config, out)
    (out / "report.json").write_text(
        json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    page = render(figures, pictures(out))
    storage.write_atomic(out / "report.html", page.encode())


def gather(config: DemoConfig, out: Path) -> dict[str, Any]:
    """Every figure of the page, read from what the steps wrote."""
    outcomes = _outcomes(out)
    dataset = Dataset(out / "dataset")
    task = find_task(task_name(config))
    agents = {name: _score(out / "play" / name / "score.json", task) for name in AGENTS}
    for name in AGENTS[1:]:
        agents[name]["training"] = _read(out / name / "config.json").get("metrics", {})
    return {
        "run": {
            "vidact": __version__,
            "finished": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "game": config.game,
            "hours": config.hours,
            "tick_hz": float(dataset.spec().tick_hz),
            "seed": config.seed,
            "machine": f"{os.cpu_count()} CPU cores" + _gpu(),
        },
        "environment": _environment(),
        "play": {
            "labelled": _pile(out / "labelled"),
            "validation": _pile(out / "validation"),
            "heldout": _pile(out / "heldout"),
            "unlabelled": _pile(out / "truth"),
        },
        "idm": _read(out / "idm_heldout" / "metrics.json"),
        "label_quality": _read(out / "label_quality.json"),
        # `vidact verify` ends the demo where it finds a problem, so a finished step means that
        # there is none.
        "dataset": _dataset(dataset.content())
        | {"verified": any(outcome.name == "verify" for outcome in outcomes)},
        **agents,
        "curves": _curves(out),
        "titles": {outcome.name: outcome.title for outcome in outcomes},
        "seconds": {outcome.name: round(outcome.seconds, 2) for outcome in outcomes},
        "budget_s": {outcome.name: outcome.budget_s for outcome in outcomes},
        "memory_bytes": {outcome.name: outcome.peak_memory_bytes for outcome in outcomes},
        "peak_memory_bytes": max(outcome.peak_memory_bytes for outcome in outcomes),
        "commands": {outcome.name: outcome.command for outcome in outcomes if outcome.command},
    }


def pictures(out: Path) -> Media:
    """Labelled stretches with their hidden truth, and episodes of the agents."""
    from .label_quality import labelled_strips

    films = {name: out / "play" / name / "episode.mp4" for name in FILMED}
    return Media(
        strips=labelled_strips(Dataset(out / "dataset"), out / "truth", STRIPS),
        films={name: film_of(path) for name, path in films.items() if path.exists()},
    )


def film_of(path: Path) -> Film:
    """The video, encoded again with fewer bytes, and its middle picture."""
    import av

    target = io.BytesIO()
    poster = b""
    with av.open(str(path)) as source, av.open(target, "w", format="mp4") as sink:
        shown = source.streams.video[0]
        made = sink.add_stream("libx264", rate=shown.average_rate, options=FILM_OPTIONS)
        made.width = min(FILM_WIDTH, shown.width)
        made.height = 2 * round(shown.height * made.width / shown.width / 2)
        made.pix_fmt = "yuv420p"
        for number, frame in enumerate(source.decode(shown)):
            small = frame.reformat(width=made.width, height=made.height, threads=1)
            small.pict_type = (
                av.video.frame.PictureType.NONE
            )  # else every frame keeps the type that it had
            sink.mux(made.encode(small))
            if number == shown.frames // 2:
                poster = strip_image(small.to_ndarray(format="rgb24", threads=1)[None], 1)
        sink.mux(made.encode(None))
    return Film(mp4=target.getvalue(), poster=poster)


def _outcomes(out: Path) -> list[Outcome]:
    """How the steps went, in the order in which they are done."""
    markers = sorted((out / "stages").glob("*.json"), key=lambda path: path.stat().st_mtime)
    return [
        outcome
        for outcome in (Outcome(**_read(path)) for path in markers)
        if outcome.state == "done"
    ]


def _pile(folder: Path) -> dict[str, Any]:
    """Minutes, maps and number of the recordings in a folder."""
    metas = [_read(path) for path in sorted(folder.rglob("*.meta.json"))]
    minutes = sum(meta["frames"] / float(meta["fps"]) for meta in metas) / 60
    return {
        "minutes": minutes,
        "recordings": len(metas),
        # A world of Crafter has no name but its recording's.
        "maps": sorted({meta.get("map", meta["group"]) for meta in metas}),
    }


def _score(path: Path, task: Task) -> dict[str, Any]:
    content = _read(path)
    about = f"{task.description} One point of the score is {task.score}."
    names = ("task", "episodes", "ci95", "scores")
    return {"score": content["mean"], **{name: content[name] for name in names}, "about": about}


def _dataset(content: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of `dataset.json`."""
    counts, statistics = content["counts"], content["statistics"]
    ticks = max(statistics["valid_ticks"], 1)
    return {
        **counts,
        "hours": content["hours"],
        "drops": content["drops"],
        "dead_letter_reasons": content["dead_letter_reasons"],
        "null_fraction": statistics["null_ticks"] / ticks,
        "press_share": {name: held / ticks for name, held in statistics["held_ticks"].items()},
        "splits": content["splits"],
    }


def _curves(out: Path) -> list[dict[str, Any]]:
    """The learning curves of all trainings."""
    losses = (("loss_buttons", "model", "keys"), ("loss_camera", "truth", "mouse"))
    curves = []
    for folder, title, y_label, wanted in (
        ("idm", "Inverse dynamics model", "training loss", losses),
        ("clone", "Cloning the labels", "training loss", losses),
        ("blind", "Cloning on black pictures", "training loss", losses),
        (
            "finetune",
            "Fine-tuning",
            "mean reward a tick",
            (("reward_per_tick", "tuned", "reward"),),
        ),
    ):
        rows = (
            read_metrics(out / folder / METRICS_FILE)
            if (out / folder / METRICS_FILE).exists()
            else []
        )
        lines = []
        for key, kind, name in wanted:
            steps, values = thinned(*points(rows, key), CURVE_POINTS)
            lines.append({"name": name, "kind": kind, "x": steps.tolist(), "y": values.tolist()})
        x_label = "iterations of play and learning" if folder == "finetune" else "steps"
        curves.append({"title": title, "x_label": x_label, "y_label": y_label, "lines": lines})
    return curves


def _environment() -> dict[str, str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": platform.platform(aliased=True, terse=True),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gpu() -> str:
    import torch

    return f" and {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
