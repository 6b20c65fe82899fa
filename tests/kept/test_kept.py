"""What an earlier vidact made is read, verified and resumed: `make.py` is its recipe.

In the environment in which it was made the same bytes must come out; elsewhere only what does not
depend on rounding: names, shapes, counts, labels that people or games gave.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from alembic import command
from safetensors.torch import load_file
from vidact.cli import run
from vidact.datasets.loading.clips import ClipLoader
from vidact.errors import SpecMismatchError
from vidact.labeling_tool.store.database import Database, alembic_config

from tests.kept.reading import SPECS, clips_read, policy_says, recordings_read
from tests.kept.running import (
    EVALUATE,
    RELABEL,
    REMOVE,
    Person,
    environment,
    finished_export,
    serving,
    set_times,
    tree_of,
)

DATA = Path(__file__).parent / "data"
EXPECTED: dict[str, Any] = json.loads((DATA / "expected.json").read_bytes())
COMMANDS: dict[str, list[str]] = json.loads((DATA / "commands.json").read_bytes())
SAME_ENVIRONMENT = EXPECTED["environment"] == environment()
DATASETS = ("labelled", "packed-doom", "packed-crafter")
TIMED = {"elapsed_s", "frames_per_s", "ticks_per_s", "seconds"}
OF_THE_PLACE = {"out", "environments", "environment", "version", "action_spec"}
"""Where a run wrote and what it ran under, and the version that later datasets have: what may
differ between two runs of a job.
"""
LATER_FIGURES = {
    *("held_ticks", "said_ticks", "never_found"),
    *("event_f1", "event_bins_exact", "all_bins_exact", "mouse_correlation", "mouse_scale"),
    *("shift", "tick_ms", "unit", "unknown"),  # of `spec check`
}
"""What reports have got since."""
LATER_FOLDERS = ("manifests", "_summaries", "_tombstones")
LATER_FIELDS = {"segments", "segments_sha256"}  # of commit records
"""What datasets have got since."""
OF_THE_ENVIRONMENT = {"label.json", "dataset.json", "README.md"}
"""Files of a dataset that name versions, vidact's among them."""


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the kept data, and where commands are run."""
    folder = tmp_path / "kept"
    shutil.copytree(DATA, folder)
    set_times(folder / "videos")
    monkeypatch.chdir(folder)
    return folder


def files_of_before(dataset: Path) -> dict[str, str]:
    """The digest of each file of a dataset, but for files and fields that only later ones have."""
    found: dict[str, str] = {}
    for name, digest in tree_of(dataset).items():
        folder = name.split("/")[0]
        if folder == "_commits":
            record = json.loads((dataset / name).read_bytes())
            kept = {key: value for key, value in record.items() if key not in LATER_FIELDS}
            text = json.dumps(kept, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
            found[name] = hashlib.sha256(text.encode()).hexdigest()
        elif folder not in LATER_FOLDERS:
            found[name] = digest
    return found


def vidact(*words: str) -> str:
    """Run a verb in this process (a new one for each would take a minute); what it printed."""
    with redirect_stdout(io.StringIO()) as printed:
        assert run(list(words)) == 0, " ".join(words)
    return printed.getvalue()


def without(content: Any, *names: str) -> Any:
    """JSON without the fields of these names, at any depth."""
    if isinstance(content, dict):
        return {
            name: without(value, *names) for name, value in content.items() if name not in names
        }
    return [without(value, *names) for value in content] if isinstance(content, list) else content


def shape_of(content: Any) -> Any:
    """What of JSON does not depend on rounding: all but numbers and digests."""
    if isinstance(content, dict):
        return {name: shape_of(value) for name, value in content.items()}
    if isinstance(content, list):
        return [shape_of(value) for value in content]
    if content is None or isinstance(content, int | float):
        return "number"
    return (
        "digest" if isinstance(content, str) and re.fullmatch("[0-9a-f]{64}", content) else content
    )


def require_equal(found: Any, expected: Any) -> None:
    """The same where the environment is; elsewhere the same names."""
    if SAME_ENVIRONMENT:
        assert found == expected
    else:
        assert shape_of(found) == shape_of(expected)


def test_recordings_are_read_as_they_were(kept: Path) -> None:
    for game, spec in SPECS.items():
        found, expected = recordings_read(kept / "play" / game, spec), EXPECTED["recordings"][game]
        assert without(found, "frames") == without(expected, "frames")
        assert found == expected or not SAME_ENVIRONMENT
        check = json.loads(vidact("spec", "check", f"play/{game}", "--spec", spec, "--json"))
        assert without(check, *LATER_FIGURES) == EXPECTED["spec check"][game]


def test_old_recordings_pack_under_either_version_of_their_spec(kept: Path) -> None:
    for out, spec, size in (("new", [], 72), ("old", ["--spec", "crafter@1"], 128)):
        vidact("pack", "play/crafter", "--out", out, *spec, "--val-fraction", "0", "--threads", "1")
        vidact("verify", out)
        loader = ClipLoader([kept / out], batch_size=1, ticks=32, split=None)
        assert next(iter(loader)).frames.shape == (1, 32, size, size, 3)
    with pytest.raises(SpecMismatchError, match="version differs"):
        ClipLoader([kept / "new", kept / "old"], batch_size=1, ticks=32, split=None)


def test_datasets_verify_and_their_clips_are_read_as_they_were(kept: Path) -> None:
    for name in DATASETS:
        before = tree_of(kept / "finished" / name)
        vidact("verify", f"finished/{name}")
        assert (
            json.loads(vidact("status", f"finished/{name}", "--json")) == EXPECTED["status"][name]
        )
        found, expected = clips_read(kept / "finished" / name), EXPECTED["clips"][name]
        assert without(found, "frames") == without(expected, "frames")
        assert found == expected or not SAME_ENVIRONMENT
        assert tree_of(kept / "finished" / name) == before


def test_checkpoints_say_what_they_did(kept: Path) -> None:
    vidact(*EVALUATE)
    figures = json.loads((kept / "eval" / "metrics.json").read_bytes())
    require_equal(without(figures, *LATER_FIGURES), EXPECTED["idm"])
    for name, expected in EXPECTED["policies"].items():
        require_equal(policy_says(kept / "finished" / name, kept / "play" / "doom"), expected)


def test_a_dataset_gets_new_labels_and_loses_a_source(kept: Path) -> None:
    vidact(*RELABEL)
    shutil.copytree(kept / "finished" / "labelled", kept / "removed")
    vidact(*REMOVE)
    for name, uri in (("relabelled", None), ("removed", REMOVE[-1])):
        vidact("verify", name)
        rows, before = (
            pq.read_table(kept / at / "manifest.parquet").to_pylist()
            for at in (name, "finished/labelled")
        )
        assert [row["key"] for row in rows] == [
            row["key"] for row in before if row["source_uri"] != uri
        ]
        found = files_of_before(kept / name)
        assert found.keys() == EXPECTED[name].keys()
        if SAME_ENVIRONMENT:
            # A plan that lost segments says since which numbers of shards were given before; its
            # sources have columns for their first packets and their track.
            rewritten = {"plan.parquet", "sources.parquet"} if name == "removed" else set()
            differs = OF_THE_ENVIRONMENT | rewritten
            assert without(found, *differs) == without(EXPECTED[name], *differs)


def test_datasets_are_upgraded_in_place(kept: Path) -> None:
    for name in DATASETS:
        dataset = kept / "finished" / name
        before = files_of_before(dataset)
        vidact("compact", f"finished/{name}")
        after = tree_of(dataset)
        changed = {"dataset.json", "README.md"}
        assert without(files_of_before(dataset), *changed) == without(before, *changed)
        vidact("verify", f"finished/{name}")
        found, expected = clips_read(dataset), EXPECTED["clips"][name]
        assert without(found, "frames") == without(expected, "frames")
        vidact("compact", f"finished/{name}")
        assert tree_of(dataset) == after
        content = json.loads((dataset / "dataset.json").read_bytes())
        assert [path.stem for path in (dataset / "manifests").glob("*.json")] == [
            content["version"]
        ]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_stopped_job_ends_as_if_it_never_had_been(kept: Path, name: str) -> None:
    if name == "finetune":
        pytest.importorskip("vizdoom")
    stopped, whole = kept / "interrupted" / name, kept / "finished" / name
    before = files_of_before(whole)
    words = COMMANDS[name][: COMMANDS[name].index("--out")]
    if name == "labelled":
        words.append("--allow-other-environment")
    vidact(*words, "--out", f"interrupted/{name}")
    if name == "labelled":
        require_same_dataset(stopped, whole)
    elif name == "finetune":
        require_near_training(stopped, whole)
    else:
        require_same_training(stopped, whole)
    # The run that had ended knows itself too, for one also by the settings that it wrote.
    again = ["train-idm", "--config", "finished/idm/settings.yaml"]
    vidact(*again if name == "idm" else [*words, "--out", f"finished/{name}"])
    after = files_of_before(whole)
    if name == "labelled":
        before, after = without(before, *OF_THE_ENVIRONMENT), without(after, *OF_THE_ENVIRONMENT)
    assert after == before


def require_same_dataset(found: Path, expected: Path) -> None:
    one, other = files_of_before(found), files_of_before(expected)
    assert one.keys() == other.keys()
    if SAME_ENVIRONMENT:
        assert without(one, *OF_THE_ENVIRONMENT) == without(other, *OF_THE_ENVIRONMENT)
    for file in ("label.json", "dataset.json"):
        contents = (json.loads((folder / file).read_bytes()) for folder in (found, expected))
        first, second = (without(content, *OF_THE_PLACE) for content in contents)
        assert first.keys() == second.keys()
        assert first == second or not SAME_ENVIRONMENT
    cards = [
        # Cards of before say short play in minutes, those of today in seconds.
        [
            re.sub(r"\d+\.\d (seconds|minutes)", "a while", line)
            for line in card.read_text("utf-8").splitlines()
            if "vidact" not in line
        ]
        for card in (found / "README.md", expected / "README.md")
    ]
    assert cards[0] == cards[1] or not SAME_ENVIRONMENT
    tables = (
        pq.read_table(folder / "manifest.parquet").to_pylist() for folder in (found, expected)
    )
    rows = [
        [(row["key"], row["shard"], row["frames"], row["start_tick"]) for row in table]
        for table in tables
    ]
    assert rows[0] == rows[1]


def require_same_training(found: Path, expected: Path) -> None:
    weights, others = (load_file(folder / "model.safetensors") for folder in (found, expected))
    assert [(name, tensor.shape, tensor.dtype) for name, tensor in weights.items()] == [
        (name, tensor.shape, tensor.dtype) for name, tensor in others.items()
    ]
    assert not (found / "snapshots").exists()
    if SAME_ENVIRONMENT:
        assert (found / "model.safetensors").read_bytes() == (
            expected / "model.safetensors"
        ).read_bytes()
    for file in ("config.json", "metrics.jsonl"):
        one, other = (
            [
                without(json.loads(line), *TIMED, *OF_THE_PLACE, "model_sha256")
                for line in documents(folder / file)
            ]
            for folder in (found, expected)
        )
        require_equal(what_was_said(one, other), other)


def what_was_said(found: list[Any], expected: list[Any]) -> list[Any]:
    """Documents without what only a later vidact says: more of them, and more names in them."""
    rest = iter(found)
    said = []
    for before in expected:
        now = next((row for row in rest if before.keys() <= row.keys()), {})
        said.append(known(now, before))
    return said


def known(found: Any, expected: Any) -> Any:
    """JSON without names that are not expected, at any depth."""
    if isinstance(found, dict) and isinstance(expected, dict):
        return {name: known(found[name], expected[name]) for name in expected if name in found}
    return found


def require_near_training(found: Path, expected: Path) -> None:
    """Fine-tuning goes on where it was stopped, with a learner that was corrected since."""
    weights, others = (load_file(folder / "model.safetensors") for folder in (found, expected))
    assert weights.keys() == others.keys()
    config, before = (
        json.loads((folder / "config.json").read_bytes()) for folder in (found, expected)
    )
    assert config["training"] == before["training"]
    assert config["metrics"]["iterations"] == before["metrics"]["iterations"]
    # Adam moves a weight by little more than its rate a step; another start would lie far off.
    steps = config["metrics"]["iterations"] * 2 * before["training"]["ppo"]["epochs"]
    for name, tensor in weights.items():
        if not name.startswith("value_head."):
            assert float((tensor - others[name]).abs().max()) < 2 * steps * 2e-4, name
    rows, rows_before = (
        [json.loads(line) for line in documents(folder / "metrics.jsonl")]
        for folder in (found, expected)
    )
    assert [row["step"] for row in rows] == [row["step"] for row in rows_before]
    assert not (found / "snapshots").exists()


def documents(path: Path) -> list[str]:
    """The JSON documents of a file: one, or one a line."""
    text = path.read_text(encoding="utf-8")
    return text.splitlines() if path.suffix == ".jsonl" else [text]


def still_says(now: Any, before: Any) -> None:
    """What was said before is said still; there may be more."""
    if isinstance(before, dict):
        for name, value in before.items():
            # The lease of returned work, which had none, began when the database was brought here;
            # and what is in doubt was a default of all buttons together, and now is of each.
            new = name == "threshold" or (name == "lease_ms" and before.get("state") == "returned")
            if not new:
                still_says(now[name], value)
    elif isinstance(before, list):
        assert len(now) == len(before)
        for one, other in zip(now, before, strict=True):
            still_says(one, other)
    else:
        assert now == before


def test_a_labelling_tool_opens_with_its_work(kept: Path) -> None:
    expected = EXPECTED["labels"]
    with serving(kept, "labels", "--no-practice", "--review", "finished/labelled") as url:
        ada, rita, bob = (Person(url, name) for name in ("ada", "rita", "bob"))
        projects = [
            ada.get(f"/api/projects/{project['id']}") for project in ada.get("/api/projects")
        ]
        still_says(projects, expected["projects"])
        still_says(ada.get("/api/users"), expected["users"])
        for number, (row, history) in enumerate(
            zip(expected["assignments"], expected["histories"], strict=True), 1
        ):
            still_says(ada.get(f"/api/assignments/{number}"), row)
            assert ada.get(f"/api/assignments/{number}/operations") == history
        (old,) = ada.get(f"/api/projects/{projects[-1]['id']}/exports")
        assert (old["format"], old["state"]) == ("json", "done")
        # The pictures of a clip come from its source, those of a video that is gone are kept.
        for number in (1, 4):
            picture = ada.http.get(expected["assignments"][number - 1]["task"]["pictures"])
            assert (picture.status_code, picture.content[:4]) == (200, b"VAB1")
        # What was returned is finished by its owner and approved.
        returned = next(row for row in bob.get("/api/assignments") if row["state"] == "returned")
        paint = {"lane": 1, "start": 2, "end": 4, "value": 1}
        operation = {
            "id": "operation-9000",
            "kind": "paint",
            "payload": paint,
            "client_ms": 1_770_000_000_000,
        }
        batch = {"client": "window-9", "base_seq": returned["seq"], "operations": [operation]}
        seq = bob.post(f"/api/assignments/{returned['id']}/operations", batch)["seq"]
        bob.post(f"/api/assignments/{returned['id']}/submit", {"seq": seq})
        rita.post(f"/api/assignments/{returned['id']}/review", {"verdict": "approve", "seq": seq})
        by_kind = {
            project["kind"]: project["id"]
            for project in projects
            if "crafter" not in project["name"]
        }
        formats = {
            "recordings": "actions",
            "dataset": "actions",
            "parquet": "actions",
            "filter-labels": "clean",
        }
        for name, kind in formats.items():
            export = rita.post(f"/api/projects/{by_kind[kind]}/exports", {"format": name})
            finished_export(rita, export["id"])
            with open(kept / "export.tar", "wb") as file:
                file.write(rita.http.get(f"/api/exports/{export['id']}/archive").content)
            with tarfile.open(kept / "export.tar") as tar:
                tar.extractall(kept / "exports" / name, filter="data")
    recordings_read(kept / "exports" / "recordings", "doom")
    (dataset,) = (kept / "exports" / "dataset").glob("*/dataset")
    vidact("verify", str(dataset))


def test_the_schema_of_a_kept_database_is_this_one(kept: Path) -> None:
    database = Database(f"sqlite:///{kept / 'labels' / 'labels.sqlite'}")
    before = tree_of(kept / "labels")
    database.migrate()
    with database.engine.begin() as connection:
        command.check(alembic_config(connection))  # raises where the models want something else
    database.close()
    assert tree_of(kept / "labels").keys() == before.keys()
