"""The loop closes: somebody corrects clips in a browser that the IDM was unsure of, and `train-idm`
reads them.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from vidact.cli import run
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import find_recordings

from tests.labeling_tool import barcodes
from tests.labeling_tool.browsing import looked_at, saved, sign_in, start_work
from tests.labeling_tool.datasets import make_dataset
from tests.labeling_tool.running import LocalServer, Script


def test_corrected_in_the_browser_exported_and_trained_on(chromium: Any, tmp_path: Path) -> None:
    videos = [barcodes.write(tmp_path / f"film{i}.mp4", 120, first=1000 * i) for i in range(2)]
    dataset = make_dataset(tmp_path / "dataset", videos, clips=1)
    server = LocalServer(
        tmp_path / "data", "--review", dataset, "--no-practice", "--source-root", str(tmp_path)
    ).start()
    try:
        server.wait_for_import("2 new tasks")
        Script(server.url).setup()
        page = sign_in(chromium, server.url, accept_downloads=True)
        start_work(page, server.url, "Review of dataset")
        for last in (False, True):
            # The uncertain run begins at frame 20: attack is held in its first three frames.
            for key in ("Home", "n", "6", "ArrowRight", "6", "ArrowRight", "6", "Enter"):
                page.keyboard.press(key)
            saved(page, 4)
            task = page.get_attribute(".review", "data-task")
            looked_at(page)
            page.keyboard.press("f")
            page.wait_for_selector("article" if last else f".review:not([data-task='{task}'])")
        page.get_by_role("link", name="Review of dataset").click()
        page.get_by_role("link", name="Files").click()
        page.select_option("#export-format", "recordings")
        page.click("#export")
        page.wait_for_selector("[data-export][data-state=done]")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        archive = tmp_path / "export.tar"
        download.value.save_as(archive)
        page.context.close()
    finally:
        server.stop()
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "corrected", filter="data")
    recordings = find_recordings([tmp_path / "corrected"])
    assert len(recordings) == 2
    spec = ActionSpec.load("doom")
    attack = spec.button_names.index("attack")
    for recording in recordings:
        assert {state.label_source for state in recording.states} == {"corrected"}
        assert np.flatnonzero(recording.actions(spec).buttons[:, attack]).tolist() == [20, 21, 22]
    trained, data = tmp_path / "idm", str(tmp_path / "corrected")
    few = ["--steps", "2", "--batch-size", "1", "--ticks", "64", "--device", "cpu"]
    assert run(["train-idm", "--data", data, "--out", str(trained), *few]) == 0
    assert (trained / "config.json").is_file()
