"""`import vpt` on small recordings of each recorder version's shape, from indexes and folders,
whole and broken.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

import av
import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec, FrameSpec
from vidact.datasets.formats.config import ImportVPTConfig
from vidact.datasets.formats.import_threads import require_going_on
from vidact.datasets.formats.imported import import_folder
from vidact.datasets.formats.outcomes import Outcome, import_each
from vidact.datasets.import_vpt import import_vpt, list_segments
from vidact.datasets.recordings.cursor import draw_cursor
from vidact.datasets.recordings.recording import find_recordings
from vidact.datasets.video.resize import FrameResizer
from vidact.errors import ConfigError

from .corpus import Video, constant, make, read_code
from .recordings.test_vpt_lines import line

SPEC = ActionSpec.load("minecraft")
NAME = "cheeky-cornflower-setter-74ae6c2eae2e-20220315-122354"
FRAMES = 80
STRIPPED = (
    "hotbar",
    "yaw",
    "pitch",
    "xpos",
    "ypos",
    "zpos",
    "inventory",
    "stats",
    "milli",
    "serverTick",
)


def full_line(i: int, **fields: Any) -> dict[str, Any]:
    """A line of a 7.x recorder: every field of the readme."""
    pose = {"yaw": i * 0.3, "pitch": 0.0, "xpos": 1.5, "ypos": 64.0, "zpos": -3.0}
    times = {"tick": i, "milli": 1000 + 50 * i, "serverTick": i, "serverTickDurationMs": 9.0}
    world = {
        "isGuiInventory": False,
        "inventory": [{"type": "dirt", "quantity": 3}],
        "stats": {"minecraft.jump": i},
    }
    return line(**fields) | pose | times | world


def segment(
    folder: Path, name: str, lines: list[dict[str, Any]], *, frames: int = FRAMES, rate: str = "20"
) -> None:
    """A recording as published: 20 Hz mp4 whose frame i shows the number i, jsonl, options."""
    folder.mkdir(parents=True, exist_ok=True)
    options = {"preset": "veryfast", "g": "40", "crf": "18"}
    made = make(
        Video(
            name=name,
            size=(640, 360),
            rate=rate,
            times=constant(rate),
            time_base=1 / Fraction(rate),
            options=options,
        ),
        folder,
        frames,
    )
    made.path.rename(folder / f"{name}.mp4")
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(content) + "\n" for content in lines))
    (folder / f"{name}-options.json").write_text("{}")


def lines_of(version: str) -> list[dict[str, Any]]:
    lines = [
        full_line(i, dx=float(i % 3), keys=["key.keyboard.w"] if i % 2 else [])
        for i in range(FRAMES)
    ]
    if (
        version == "6.9"
    ):  # before slots were tracked; null devices; motion at half scale while a GUI is open
        for content in lines:
            content.pop("hotbar")
        lines[5] |= {"mouse": None, "keyboard": None}
        lines[10] = full_line(10, dx=10.0, isGuiOpen=True, x=-40.0, y=30.0)
    elif version == "8.0":
        lines[0] = full_line(0, buttons=[0], newButtons=[0])
        lines[20] = full_line(20, hotbar=2, dwheel=-1.0)
        for content in lines[21:]:
            content["hotbar"] = 2
    elif version == "10.0":
        for i in range(30, 35):
            lines[i] = full_line(i, isGuiOpen=True, x=640.0, y=360.0)
        lines[34]["keyboard"] = {
            "keys": ["key.keyboard.escape"],
            "newKeys": ["key.keyboard.escape"],
            "chars": "",
        }
    elif version == "basalt":
        for content in lines:
            for field in STRIPPED:
                content.pop(field, None)
    return lines


VERSIONS = ("6.9", "6.13", "7.6", "8.0", "9.1", "10.0", "basalt")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    for version in VERSIONS:
        segment(folder / version, NAME, lines_of(version))
    index = {
        "basedir": ".",
        "relpaths": [f"{version}/{NAME}.mp4" for version in VERSIONS] + ["7.6/never-uploaded"],
    }
    (folder / "all_Jun_29.json").write_text(json.dumps(index))
    return folder


@pytest.fixture(scope="module")
def imported(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("imported")
    assert (
        import_vpt(
            ImportVPTConfig(source=str(published / "all_Jun_29.json"), out=str(out), threads=2)
        )
        == 0
    )
    return out


def test_all_versions_load(imported: Path) -> None:
    recordings = find_recordings([imported])
    assert [r.stem.parent.name for r in recordings] == sorted(VERSIONS)
    for recording in recordings:
        actions = recording.actions(SPEC)
        assert (len(actions.buttons), recording.num_frames, recording.fps) == (FRAMES, FRAMES, 20)
        assert recording.meta["group"] == "cheeky-cornflower-setter-74ae6c2eae2e"
        assert actions.buttons[41, SPEC.button_names.index("forward")] == 1
        np.testing.assert_allclose(actions.camera[70:73, 1], [0.15, 0.3, 0.0], atol=1e-6)


def test_report_tells_what_was_mended_and_missing(imported: Path) -> None:
    report = json.loads((imported / "import_report.json").read_text())
    assert report["recordings"] == {"imported": 7, "left_out": 1}
    assert report["frames"] == 7 * FRAMES
    assert report["mended_lines"] == {
        "cursor_drawn": 6,
        "escape_in_gui": 1,
        "gui_scale": 1,
        "hotbar_by_wheel": 1,
        "stuck_attack": 1,
    }
    assert [(entry["name"], entry["reason"]) for entry in report["left_out"]] == [
        ("7.6/never-uploaded", "not_found")
    ]


def test_a_second_run_does_nothing_again(imported: Path, published: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in imported.rglob("*.mp4")}
    config = ImportVPTConfig(
        source=str(published / "all_Jun_29.json"), out=str(imported), strict=True
    )
    report = (imported / "import_report.json").read_bytes()
    assert import_vpt(config) == 1  # strict: one upload is missing
    assert {path: path.stat().st_mtime_ns for path in imported.rglob("*.mp4")} == before
    assert json.loads((imported / "import_report.json").read_text())["recordings"] == {
        "present": 7,
        "left_out": 1,
    }
    (imported / "import_report.json").write_bytes(report)


def test_videos_without_gui_are_copied_as_they_are(imported: Path, published: Path) -> None:
    for version in ("7.6", "8.0", "basalt"):
        assert (imported / version / f"{NAME}.mp4").read_bytes() == (
            published / version / f"{NAME}.mp4"
        ).read_bytes()


def test_cursor_is_drawn_where_a_gui_is_open(imported: Path, published: Path) -> None:
    new, old = (list(frames(folder / "10.0" / f"{NAME}.mp4")) for folder in (imported, published))
    assert [read_code(frame) for frame in new] == list(range(FRAMES))
    for i in (29, 30, 34, 35):
        change = np.abs(new[i].astype(int) - old[i]).max(-1)
        near = change[180:196, 320:336].max()
        assert (near > 100) == (30 <= i < 35)
        change[175:200, 315:340] = 0
        assert change.mean() < 6  # encoded again, not changed


def test_published_fields_are_kept(imported: Path) -> None:
    lines = [
        json.loads(text) for text in (imported / "7.6" / f"{NAME}.jsonl").read_text().splitlines()
    ]
    assert lines[3]["stats"] == {"minecraft.jump": 3}
    assert lines[3]["inventory"] == [{"type": "dirt", "quantity": 3}]
    assert lines[3]["tick"] == 3
    assert lines[3]["valid"] is True


def test_folder_and_index_give_the_same_segments(published: Path) -> None:
    by_folder = {s.name: s for s in list_segments(str(published))}
    by_index = {s.name: s for s in list_segments(str(published / "all_Jun_29.json"))}
    assert set(by_index) - set(by_folder) == {"7.6/never-uploaded"}
    assert by_folder[f"6.9/{NAME}"].version == by_index[f"6.9/{NAME}"].version == "6.9"
    assert by_folder[f"basalt/{NAME}"].version == ""
    remote = list_segments(str(published / "all_Jun_29.json"), basedir="https://example.org/data/")
    assert remote[0].base.startswith("https://example.org/data/10.0/cheeky")
    alone = list_segments(str(published / "6.9"))
    assert (alone[0].name, alone[0].version) == (NAME, "6.9")


def test_segments_of_two_versions_have_names_of_their_own(tmp_path: Path) -> None:
    index = tmp_path / "index.json"
    relpaths = ["data/8.0/a/s.mp4", "data/9.0/a/s.mp4"]
    index.write_text(json.dumps({"basedir": str(tmp_path), "relpaths": relpaths}))
    assert [one.name for one in list_segments(str(index))] == ["8.0/a/s", "9.0/a/s"]


def outcome_of(tmp_path: Path) -> dict[str, Any]:
    import_vpt(ImportVPTConfig(source=str(tmp_path / "in"), out=str(tmp_path / "out")))
    return json.loads((tmp_path / "out" / "import_report.json").read_text())


@pytest.mark.parametrize(
    ("lines", "quirk"), [(FRAMES + 3, "lines_without_frame"), (FRAMES - 3, "frames_without_line")]
)
def test_small_mismatch_is_mended_at_the_end(tmp_path: Path, lines: int, quirk: str) -> None:
    segment(tmp_path / "in", "s", [full_line(i) for i in range(lines)])
    assert outcome_of(tmp_path)["mended_lines"] == {quirk: 3}
    (recording,) = find_recordings([tmp_path / "out"])
    assert recording.num_frames == FRAMES
    assert recording.actions(SPEC).valid.sum() == min(lines, FRAMES)


def test_large_mismatch_is_left_out(tmp_path: Path) -> None:
    segment(tmp_path / "in", "s", [full_line(i) for i in range(FRAMES - 30)])
    report = outcome_of(tmp_path)
    assert report["left_out_by_reason"] == {"length_mismatch": 1}
    assert "80 frames but 50 lines" in report["left_out"][0]["detail"]
    assert not list((tmp_path / "out").rglob("*.mp4"))


def test_damaged_video_is_kept_as_far_as_it_goes(tmp_path: Path) -> None:
    segment(tmp_path / "in", "s", [full_line(i) for i in range(240)], frames=240)
    path = tmp_path / "in" / "s.mp4"
    content = bytearray(path.read_bytes())
    # The index stays at the end of the file; the pictures from two thirds on are gone.
    content[len(content) * 6 // 10 : len(content) * 7 // 10] = bytes(
        len(content) * 7 // 10 - len(content) * 6 // 10
    )
    path.write_bytes(content)
    lines = [full_line(i, isGuiOpen=i == 3) for i in range(240)]
    (tmp_path / "in" / "s.jsonl").write_text(
        "".join(json.dumps(content) + "\n" for content in lines)
    )
    report = outcome_of(tmp_path)
    (recording,) = find_recordings([tmp_path / "out"])
    assert 64 <= recording.num_frames < 240
    assert report["mended_lines"]["frames_lost_to_damage"] == 240 - recording.num_frames
    shown = [read_code(f) for batch in recording.frames(SPEC) for f in batch.frames]
    assert shown == list(range(recording.num_frames))


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda folder: (folder / "s.mp4").unlink(), "not_found"),
        (lambda folder: (folder / "s.mp4").write_bytes(b""), "empty"),
        (lambda folder: (folder / "s.mp4").write_bytes(b"no video" * 99), "not_a_video"),
        (lambda folder: (folder / "s.jsonl").write_text("{nonsense\n"), "bad_lines"),
        (lambda folder: (folder / "s.jsonl").write_text(""), "bad_lines"),
    ],
)
def test_broken_segments_are_left_out_with_their_reason(
    tmp_path: Path, break_it: Any, reason: str
) -> None:
    segment(tmp_path / "in", "s", [full_line(i) for i in range(FRAMES)])
    break_it(tmp_path / "in")
    assert outcome_of(tmp_path)["left_out_by_reason"] == {reason: 1}


@pytest.mark.parametrize("hotbar", ["3", [1], 2.5])
def test_one_bad_line_leaves_out_one_recording(tmp_path: Path, hotbar: object) -> None:
    lines = [full_line(i) for i in range(FRAMES)]
    segment(tmp_path / "in", "good", lines)
    lines[40] |= {"hotbar": hotbar}
    segment(tmp_path / "in", "bad", lines)
    report = outcome_of(tmp_path)
    assert report["recordings"] == {"left_out": 1, "imported": 1}
    (left_out,) = report["left_out"]
    assert (left_out["name"], left_out["reason"]) == ("bad", "bad_lines")
    assert (
        "bad.jsonl: line 41 is no device state: hotbar must be a whole number" in left_out["detail"]
    )


def test_a_full_disk_ends_an_import() -> None:
    with pytest.raises(OSError, match="No space left"), Outcome("r").telling("bad_lines"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_two_imports_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with (
        import_folder(tmp_path / "out"),
        pytest.raises(ConfigError, match="another import writes to"),
        import_folder(tmp_path / "out"),
    ):
        pass
    with import_folder(tmp_path / "out") as folder:
        assert folder == tmp_path / "out"


def test_an_interrupt_stops_what_is_being_imported() -> None:
    begun = Event()

    def never_ends(item: int) -> Outcome:
        begun.set()
        while True:
            require_going_on()

    def items() -> Iterator[int]:
        yield 1
        begun.wait()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_each(items(), never_ends, threads=1, total=1)


def test_out_in_the_source_is_refused(tmp_path: Path) -> None:
    segment(tmp_path / "in", "s", [full_line(i) for i in range(FRAMES)])
    before = sorted(tmp_path.rglob("*"))
    for out in ("in", "in/out", "in/../in/deep/out"):
        with pytest.raises(
            ConfigError, match=r"lies in the source .*; choose a folder outside of it"
        ):
            import_vpt(ImportVPTConfig(source=str(tmp_path / "in"), out=str(tmp_path / out)))
    (tmp_path / "index.json").write_text(json.dumps({"basedir": "in", "relpaths": ["s.mp4"]}))
    with pytest.raises(
        ConfigError, match=r"is where the index has .*/in/s; choose a folder of its own"
    ):
        import_vpt(ImportVPTConfig(source=str(tmp_path / "index.json"), out=str(tmp_path / "in")))
    assert sorted(path for path in tmp_path.rglob("*") if path.name != "index.json") == before


@pytest.mark.parametrize("relpaths", ["7.6/a.mp4", [], [5], {"a": 1}])
def test_an_index_without_a_list_of_paths(tmp_path: Path, relpaths: object) -> None:
    (tmp_path / "index.json").write_text(json.dumps({"basedir": ".", "relpaths": relpaths}))
    with pytest.raises(
        ConfigError, match=r"index\.json: relpaths must be a list of one path at least, got"
    ):
        list_segments(str(tmp_path / "index.json"))


def test_another_rate_is_not_minecraft_s(tmp_path: Path) -> None:
    segment(tmp_path / "in", "s", [full_line(i) for i in range(FRAMES)], rate="30")
    assert outcome_of(tmp_path)["left_out_by_reason"] == {"wrong_rate": 1}


def test_what_is_no_source(tmp_path: Path) -> None:
    for source, message in (
        ("none.json", "no such index"),
        ("bad.json", "expected JSON with basedir"),
        (".", "no jsonl"),
    ):
        (tmp_path / "bad.json").write_text('{"relpaths": []}')
        with pytest.raises(ConfigError, match=message):
            list_segments(str(tmp_path / source))
    with pytest.raises(ConfigError, match="limit"):
        ImportVPTConfig(source="a", out="b", limit=-1)


@pytest.mark.parametrize(
    "place",
    [(-500, 3), (3, -500), (-8, -8), (1279, 719), (5000, 5000), (1276.5, 100), (float("nan"), 0)],
)
def test_cursor_off_screen_is_safe(place: tuple[float, float]) -> None:
    frame = np.full((360, 640, 3), 90, np.uint8)
    draw_cursor(frame, *place)
    inside = 0 <= place[0] < 1280 and 0 <= place[1] < 720
    assert (frame != 90).any() == (inside or place == (-8, -8))


def test_cursor_points_at_its_place() -> None:
    frame = np.full((360, 640, 3), 90, np.uint8)
    draw_cursor(frame, 200, 100)
    rows, columns = np.nonzero((frame != 90).any(-1))
    assert (rows.min(), columns.min()) == (50, 100)
    assert rows.max() - rows.min() <= 16
    assert columns.max() - columns.min() <= 16


def frames(path: Path) -> Any:
    resizer = FrameResizer(FrameSpec(640, 360))
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield resizer.from_video_frame(frame)
