"""Where the tool lies: its folder may be a team's, and its address a host of its own."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from vidact.errors import ConfigError
from vidact.labeling_tool.config import ServeConfig

from tests.labeling_tool.conftest import open_context


def rights(path: Path) -> str:
    return f"{path.stat().st_mode & 0o777:o}"


def test_only_what_the_tool_makes_is_closed_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that was there may be a team's, and may be on a disk without such rights."""
    team, own = tmp_path / "team", tmp_path / "own"
    team.mkdir()
    team.chmod(0o755)
    (team / "theirs").touch()
    (team / "theirs").chmod(0o644)
    for folder in (team, own):
        open_context(folder).close()
    assert [rights(path) for path in (team, team / "theirs", own)] == ["755", "644", "700"]
    assert {rights(team / part) for part in ("pictures", "uploads", "exports")} == {"700"}
    assert {rights(path) for path in team.glob("labels.sqlite*")} == {"600"}

    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "chmod", refuse)
    open_context(team).close()
    assert "others on this machine may read it" in "".join(capsys.readouterr())


def test_an_address_below_a_path_is_refused() -> None:
    """Pages ask for /static and /api: below a path they would find neither."""
    with pytest.raises(ConfigError, match="without a path"):
        ServeConfig(data="data", public_url="https://host.example/label/")
    assert ServeConfig(data="data", public_url="https://host.example/").public_url
