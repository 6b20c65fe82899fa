from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from vidact import cli
from vidact.errors import CheckFailed, ConfigError, Interrupted


def vidact(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vidact.cli", *words],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


def test_help_lists_every_verb_in_the_order_of_the_chain() -> None:
    lines = vidact("--help", COLUMNS="100").stdout.splitlines()
    listed = [line for line in lines if line.startswith("  ") and line[2] != " "]
    assert len(listed) == len(cli.VERBS)
    names = [line[2:].split("  ")[0] for line in listed]
    assert names == list(cli.VERBS)
    wanted = ["demo", "record doom", "train-idm", "eval-idm", "label", "clone", "play", "finetune"]
    assert [name for name in names if name in wanted] == wanted


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["tran-idm"]])
def test_what_needs_no_verb_loads_nothing_heavy(words: list[str]) -> None:
    check = (
        "import sys\nfrom vidact.cli import run\n"
        f"run({words!r})\n"
        "heavy = {'torch', 'apache_beam', 'numpy', 'pyarrow', 'av', 'rich', 'matplotlib'}\n"
        "heavy |= {'tyro', 'pydantic'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    allowed = "['pydantic', 'tyro']" if words == ["tran-idm"] else "[]"
    assert f"LOADED {allowed}" in done.stdout


HELPS = """
import os, sys
from vidact import cli
import pydantic, tyro  # which every verb's help needs

for name in cli.VERBS:
    if not os.fork():
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), 1)
        try: cli.run([*name.split(), "--help"])
        except SystemExit as done: assert done.code == 0
        print("LOADED", sorted({"torch", "apache_beam"} & set(sys.modules)), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def helps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For each verb a file with its help, and which heavy packages it loaded: each in a process of
    its own, forked from one that has loaded what they share.
    """
    folder = tmp_path_factory.mktemp("helps")
    environment = os.environ | {"COLUMNS": "400"}
    subprocess.run([sys.executable, "-c", HELPS], cwd=folder, env=environment, check=True)
    return folder


@pytest.mark.parametrize("name", list(cli.VERBS))
def test_help_of_a_verb_has_a_description_an_example_and_documented_options(
    helps: Path, name: str
) -> None:
    said = (helps / name).read_text("utf-8")
    assert "LOADED []" in said
    verb = cli.VERBS[name]
    assert verb.summary in said
    assert f"Example:\n  vidact {name} " in said
    assert verb.settings_class().__doc__.startswith(f"{verb.summary}.\n\n")
    lines = [line.strip("│ ") for line in said.splitlines()]
    options = [i for i, line in enumerate(lines) if line.startswith("--")]
    assert options
    for i in (
        options
    ):  # the words of help stand behind the option, or on the next line where the option is long
        _, _, words = lines[i].partition("  ")
        assert (words.strip() or lines[i + 1]).strip()[:1] not in ("", "(", "-", "─"), (
            f"{name}: no help for {lines[i]}"
        )


def test_version() -> None:
    assert vidact("--version").stdout.startswith("vidact 0.")


def test_a_mistyped_verb_is_met_with_the_closest() -> None:
    done = vidact("trian-idm", "--data", "x")
    assert done.returncode == 2
    assert "unknown verb `trian-idm`. Did you mean `train-idm`?" in done.stderr
    assert "Traceback" not in done.stderr


def test_half_a_verb_lists_its_family() -> None:
    done = vidact("record")
    assert done.returncode == 2
    assert "record doom" in done.stdout
    assert "finetune" not in done.stdout
    assert "Did you mean `record doom`?" in vidact("record", "dom").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["verify", "data", "--workers", "3"],
            "`vidact verify` has no --workers. `vidact record doom`, ",
        ),
        (
            ["clone", "--dataset=x", "--out", "y"],
            "`vidact clone` has no --dataset. Did you mean --data?",
        ),
    ],
)
def test_an_option_of_another_verb_or_name_is_pointed_to(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.run(words)
    assert said in capsys.readouterr().err


def test_a_missing_option_is_named_and_is_the_users_mistake() -> None:
    done = vidact("record", "doom")
    assert done.returncode == 2
    assert "--out" in done.stderr


def test_a_wrong_value_is_the_users_mistake_without_a_traceback() -> None:
    done = vidact("record", "doom", "--out", "x", "--minutes", "-3")
    assert done.returncode == 2
    assert done.stderr.startswith("vidact: minutes must be above 0 and at most 100000, got -3.0")
    assert "Traceback" not in done.stderr


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    def verb(words: Sequence[str]) -> int | None:
        raise error

    monkeypatch.setitem(cli.VERBS, "fail", verb)
    return cli.run(["fail"])


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigError("field: wrong"), 2, "vidact: field: wrong"),
        (CheckFailed("2 problems"), 1, "vidact: 2 problems"),
        (Interrupted("stopped in step 3"), 75, "vidact: stopped in step 3"),
        (KeyboardInterrupt(), 75, "Run the same command again to resume."),
        (
            OSError(errno.ENOSPC, "No space left on device", "/full/disk"),
            2,
            "vidact: /full/disk: No space left on device.",
        ),
    ],
)
def test_exit_codes(
    error: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert raising(error, monkeypatch) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyError("x"), FileNotFoundError(2, "gone", "x")])
def test_our_own_defects_keep_their_traceback(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(type(error)):
        raising(error, monkeypatch)


@pytest.mark.parametrize("out", ["/proc/nowhere", "/proc/nowhere/deeper"])
def test_a_folder_that_cannot_be_made_is_the_users(
    out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["record", "crafter", "--out", out, "--minutes", "0.1"]) == 2
    assert "vidact: /proc/nowhere: No such file or directory." in capsys.readouterr().err


def test_label_says_the_same_of_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    assert cli.run(["plan", str(tmp_path), "--out", "/proc/nowhere"]) == 2
    assert "vidact: /proc/nowhere: No such file or directory." in capsys.readouterr().err


def test_a_file_in_the_place_of_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert cli.run(["record", "crafter", "--out", str(tmp_path / "file"), "--minutes", "0.1"]) == 2
    assert (
        f"vidact: {tmp_path / 'file'}: File exists: a folder is needed here."
        in capsys.readouterr().err
    )


def test_a_verb_returns_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, ...]] = []

    def verb(words: Sequence[str]) -> int | None:
        seen.append(tuple(words))
        return 1

    monkeypatch.setitem(cli.VERBS, "two words", verb)
    monkeypatch.delenv("VIDACT_PLAIN", raising=False)
    assert cli.run(["two", "words", "--plain", "a"]) == 1
    assert seen == [("a",)]
    assert os.environ["VIDACT_PLAIN"] == "1"


def test_a_config_file_fills_a_verb(tmp_path: Path) -> None:
    file = tmp_path / "record.yaml"
    file.write_text("out: x\nminuts: 3\n")
    done = vidact("record", "doom", "--config", str(file))
    assert done.returncode == 2
    assert f"{file}: unknown option `minuts`. Did you mean `minutes`?" in done.stderr
