from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from vidact.datasets.config import SpecCheckConfig
from vidact.demo.memory import family_bytes
from vidact.demo.stages import Chain, Stage
from vidact.errors import ConfigError, DatasetError, VidactError


class Kitchen:
    """Two steps, the second of which reads what the first made; counts how often each works."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.worked: list[str] = []
        self.settings = {"dough": 1, "bread": 1}
        self.interrupt = ""

    def step(self, name: str, after: tuple[str, ...] = ()) -> Stage:
        path = self.folder / name

        def work() -> None:
            path.mkdir(exist_ok=True)
            (path / f"trace-{len(self.worked)}").touch()
            self.worked.append(name)
            if self.interrupt == name:
                raise KeyboardInterrupt

        return Stage(
            name=name,
            title=name,
            story="",
            settings=self.settings[name],
            function=work,
            after=after,
            outputs=(path,),
        )

    def bake(self, version: str = "1") -> list[str]:
        """Run the chain; which steps worked."""
        self.worked.clear()
        Chain(self.folder, version).run([self.step("dough"), self.step("bread", ("dough",))])
        return list(self.worked)


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path)


def test_a_second_run_reuses_what_is_done(kitchen: Kitchen) -> None:
    assert kitchen.bake() == ["dough", "bread"]
    assert kitchen.bake() == []


def test_other_settings_start_the_step_and_all_after_it_afresh(kitchen: Kitchen) -> None:
    kitchen.bake()
    kitchen.settings["bread"] = 2
    assert kitchen.bake() == ["bread"]
    kitchen.settings["dough"] = 2
    assert kitchen.bake() == ["dough", "bread"]
    assert len(list((kitchen.folder / "bread").iterdir())) == 1  # the old outputs are gone
    assert kitchen.bake("2") == ["dough", "bread"]


def test_a_step_whose_output_was_deleted_works_again_and_so_do_its_readers(
    kitchen: Kitchen,
) -> None:
    kitchen.bake()
    (kitchen.folder / "dough" / "trace-0").unlink()
    (kitchen.folder / "dough").rmdir()
    assert kitchen.bake() == ["dough", "bread"]


def test_an_interrupted_step_goes_on_in_its_folder(kitchen: Kitchen) -> None:
    kitchen.interrupt = "bread"
    with pytest.raises(KeyboardInterrupt):
        kitchen.bake()
    marker = json.loads((kitchen.folder / "stages" / "bread.json").read_text())
    assert marker["state"] == "started"
    assert marker["seconds"] > 0
    kitchen.interrupt = ""
    assert kitchen.bake() == ["bread"]
    assert (
        len(list((kitchen.folder / "bread").iterdir())) == 2
    )  # what the first try left is still there
    after = json.loads((kitchen.folder / "stages" / "bread.json").read_text())
    assert after["state"] == "done"
    assert after["seconds"] > marker["seconds"]  # of both tries together


def test_a_damaged_marker_means_that_the_step_works_again(kitchen: Kitchen) -> None:
    kitchen.bake()
    (kitchen.folder / "stages" / "bread.json").write_text("{")
    assert kitchen.bake() == ["bread"]


def test_folders_of_somebody_else_are_never_removed(kitchen: Kitchen) -> None:
    (kitchen.folder / "dough").mkdir()
    (kitchen.folder / "dough" / "precious").touch()
    with pytest.raises(ConfigError, match="dough is in the way and was not made by the demo"):
        kitchen.bake()
    assert (kitchen.folder / "dough" / "precious").exists()


def test_a_step_that_makes_nothing_is_an_error(tmp_path: Path) -> None:
    stage = Stage(
        name="s",
        title="s",
        story="",
        settings=1,
        function=lambda: None,
        outputs=(tmp_path / "gone",),
    )
    with pytest.raises(DatasetError, match=r"`s` ended without making .*gone"):
        Chain(tmp_path, "1").run([stage])


def test_a_verb_runs_as_the_command_that_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(
        name="check",
        title="Check",
        story="",
        verb="spec check",
        settings=SpecCheckConfig(recordings=("no such",)),
    )
    assert stage.command == "vidact spec check 'no such'"
    with pytest.raises(
        VidactError, match=r"`check` failed with exit code 2.*vidact spec check 'no such'"
    ):
        Chain(tmp_path, "1").run([stage])
    assert "$ vidact spec check 'no such'" in capfd.readouterr().err


def test_a_stage_needs_nothing_but_its_settings_for_its_key(tmp_path: Path) -> None:
    chain, work = Chain(tmp_path, "1"), (lambda: None)  # type: tuple[Chain, Callable[[], None]]
    stage = Stage(name="s", title="s", story="", settings=1, function=work)
    assert chain.key(stage) == chain.key(
        replace(stage, title="other words", story="other words", budget_s=9)
    )
    assert chain.key(stage) != chain.key(replace(stage, settings=2))


HOLD_50_MIB = "x = bytearray(b'1') * (50 << 20); print(flush=True); import time; time.sleep(60)"


def test_memory_of_a_process_family_holds_its_own() -> None:
    block = bytearray(50 << 20)
    alone = family_bytes(os.getpid())
    assert alone > len(block)
    child = subprocess.Popen([sys.executable, "-c", HOLD_50_MIB], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()  # it holds its memory now
        assert family_bytes(os.getpid()) > alone + (50 << 20) / 2
    finally:
        child.kill()
        child.wait()
    assert family_bytes(2**22 + 1) == 0  # no such process
