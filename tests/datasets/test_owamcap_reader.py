"""What the reader of Open World Agents makes of an export: the same labels, the same pictures.

The reader lives in an environment of its own (`VIDACT_OWAMCAP_PYTHON` names a Python that has it).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from vidact.cli import run
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.shards.clip import Clip
from vidact.datasets.shards.codec import decode_clip
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.samples import iter_samples
from vidact.datasets.shards.writer import ShardWriter

from tests.datasets.reader_environment import python_with, read_by

PACKAGES = ("mcap-owa-support==0.6.6", "owa-msgs==0.6.6")
# Without a warning: the reader warns of what it only understands by half.
READER = """
import json, sys, warnings
warnings.simplefilter("error")
import numpy as np
from mcap_owa.highlevel import OWAMcapReader

path, out, pictures = sys.argv[1:]
ticks, frames, keys, buttons = [], [], set(), set()
with OWAMcapReader(path) as reader:
    for message in reader.iter_messages():
        content = message.decoded
        if message.topic == "screen":
            frames.append(content.resolve_relative_path(path).to_rgb_array())
            ticks.append({"time": message.timestamp, "dx": 0})
        elif message.topic == "keyboard":
            (keys.add if content.event_type == "press" else keys.remove)(content.vk)
        elif message.topic == "mouse/raw":
            ticks[-1]["dx"] += content.dx
            if content.button_flags & content.ButtonFlags.RI_MOUSE_LEFT_BUTTON_DOWN:
                buttons.add(0)
            if content.button_flags & content.ButtonFlags.RI_MOUSE_LEFT_BUTTON_UP:
                buttons.remove(0)
        elif message.topic == "window" and ticks:
            ticks[-1]["window"] = content.title
        if ticks:
            ticks[-1] |= {"go": 0x57 in keys, "fire": 0 in buttons}
    records = {record.name: record.metadata for record in reader.iter_metadata()}
json.dump({"ticks": ticks, "metadata": records}, open(out, "w"))
np.save(pictures, np.stack(frames))
"""


@pytest.mark.soak
def test_their_reader_reads_what_was_written(
    tmp_path: Path, toy_spec: ActionSpec, toy_clip: Callable[..., Clip]
) -> None:
    folder = tmp_path / "env"
    python = python_with(PACKAGES, "VIDACT_OWAMCAP_PYTHON", ("python3.11", "python3.12"), folder)
    uri, out = str(tmp_path / "in"), tmp_path / "out"
    random = np.random.default_rng(0)
    with ShardWriter(uri, "train-00000", toy_spec) as writer:
        for start in (0, 64):
            clip = toy_clip(1, start, start + 64)
            clip.buttons = random.integers(0, 2, clip.buttons.shape).astype(np.uint8)
            clip.camera = random.integers(-9, 9, clip.camera.shape).astype(np.float32) / 2
            clip.valid[20:23] = False
            writer.add(clip)
        writer.commit()
    Dataset(uri).compact(DatasetInfo(name="Toy", spec=toy_spec))
    assert run(["export", "owamcap", uri, "--out", str(out)]) == 0
    (mcap,) = out.rglob("*.mcap")
    read_by(python, READER, tmp_path, mcap, tmp_path / "found.json", tmp_path / "found.npy")
    found = json.loads((tmp_path / "found.json").read_bytes())
    (tar,) = Dataset(uri).tars()
    clips = [decode_clip(key, members) for key, members in iter_samples(tar)]
    valid = np.concatenate([clip.valid for clip in clips])
    ticks = found["ticks"]
    assert [tick["time"] for tick in ticks] == [10**9 + 50_000_000 * i for i in range(128)]
    for name, values in (
        ("go", np.concatenate([clip.buttons[:, 0] for clip in clips])),
        ("fire", np.concatenate([clip.buttons[:, 1] for clip in clips])),
        ("dx", np.concatenate([clip.camera[:, 0] for clip in clips]) / 0.5),
    ):
        assert (np.array([tick[name] for tick in ticks]) == np.where(valid, values, 0)).all()
    lost = [i for i, tick in enumerate(ticks) if tick.get("window") == "vidact: no label"]
    assert lost == [20, 84]
    assert found["metadata"]["vidact"]["ticks"] == "128"
    pictures = np.load(tmp_path / "found.npy").astype(int)
    wanted = np.concatenate([clip.frames for clip in clips])
    # The two environments' decoders agree; their conversions to RGB may round otherwise.
    assert np.abs(pictures - wanted).max() <= 2
