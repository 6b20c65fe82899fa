"""`push` against a server of the hub's protocol: what arrives, what is not sent twice, what is said
where it fails.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from vidact.cli import run
from vidact.datasets import push as verb
from vidact.datasets.hub.repository import Repository

from tests.datasets.hub_server import Hub, serving

hub_client = pytest.importorskip("huggingface_hub")
REPOSITORY = "hf://datasets/me/toy"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub; the client may write to it, keeps nothing beside HTTP, and does not wait."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setenv("HF_TOKEN", "right")
    monkeypatch.setattr(verb, "LARGE_BYTES", 2000)
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, toy_dataset: Callable[..., str]) -> str:
    """Three shards."""
    uri = str(tmp_path_factory.mktemp("data"))
    return toy_dataset(uri, {"train": [64, 64, 64], "val": [64]})


def push(hub: Hub, dataset: str, to: str = REPOSITORY, *words: str) -> int:
    return run(["push", dataset, to, "--endpoint", hub.address, *words])


def test_what_a_reader_needs_arrives(hub: Hub, dataset: str, tmp_path: Path) -> None:
    uri = shutil.copytree(dataset, tmp_path / "in")
    (uri / "shards/train-00009.tar").write_bytes(b"has no record")
    (uri / "plan.parquet").write_bytes(b"names of this machine's files")
    assert push(hub, str(uri)) == 0
    files = hub.repositories["me/toy"]
    local = {p.relative_to(uri).as_posix(): p.read_bytes() for p in uri.rglob("*") if p.is_file()}
    del local["shards/train-00009.tar"], local["plan.parquet"]
    assert {name: files[name] for name in local} == local
    assert set(files) - set(local) == {".gitattributes"}
    assert hub.commits[-1][-1] == "+dataset.json"  # after all that it names
    assert "+README.md" in hub.commits[-1]
    # A second run sends nothing; what is gone here goes there.
    before = len(hub.commits)
    assert push(hub, str(uri)) == 0
    assert len(hub.commits) == before
    (uri / "shards/val-00000.tar").unlink()
    (uri / "_commits/val-00000.json").unlink()
    assert push(hub, str(uri)) == 0
    assert sorted(hub.commits[-1]) == ["-_commits/val-00000.json", "-shards/val-00000.tar"]


def test_another_branch_is_made_and_main_stays_as_it_is(hub: Hub, dataset: str) -> None:
    for sent in (True, False):
        before = len(hub.commits)
        assert push(hub, dataset, f"{REPOSITORY}@next") == 0
        assert (len(hub.commits) > before) is sent
    assert set(hub.repositories["me/toy"]) == {".gitattributes"}
    assert {"dataset.json", "README.md"} <= set(hub.repositories["me/toy@next"])


def test_a_stopped_run_goes_on(
    hub: Hub, dataset: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verb, "MAX_FILES", 3)
    commit, made = Repository.commit, []

    def stopping(repository: Repository, *words: Any) -> None:
        commit(repository, *words)
        made.append(words)
        if len(made) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Repository, "commit", stopping)
    assert push(hub, dataset) == 75
    assert len(hub.commits) == 2
    hub.failing = {"/commit/": [409]}
    assert push(hub, dataset) == 75
    assert "at the same time" in capsys.readouterr().err
    hub.failing = {"/objects/": [500, 429]}  # passes: the client tries again
    assert push(hub, dataset) == 0
    assert len(hub.uploaded) == len(set(hub.uploaded))  # nothing was sent twice
    sent = [name for names in hub.commits for name in names]
    assert len(sent) == len(set(sent))


REFUSALS = {
    401: (2, "hf auth login"),
    403: (2, "may not write"),
    404: (2, "no such repository"),
    409: (75, "at the same time"),
    422: (2, "refuses with status 422"),
    429: (75, "takes no more"),
    503: (75, "failed with status 503"),
}


def test_each_refusal_says_what_to_do(
    hub: Hub, dataset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for status, (code, words) in REFUSALS.items():
        hub.failing["/tree/"] = [status] * 9
        assert push(hub, dataset) == code
        said = capsys.readouterr().err
        assert words in said
        assert REPOSITORY in said
    assert not hub.commits


def test_no_network_wrong_token_and_another_dataset(
    hub: Hub, dataset: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["push", dataset, REPOSITORY, "--endpoint", "http://127.0.0.1:9"]) == 75
    assert "cannot be reached" in capsys.readouterr().err
    hub.token = "other"
    assert push(hub, dataset) == 2
    assert "HF_TOKEN" in capsys.readouterr().err
    hub.token = "right"
    hub.repositories["me/toy"] = {"shards/train-00000.tar": b"of somebody else"}
    assert push(hub, dataset) == 2
    assert "holds another dataset" in capsys.readouterr().err
    for wrong in ("hf://me/toy", "hf://datasets/toy", "s3://bucket/toy"):
        assert push(hub, dataset, wrong) == 2
    assert push(hub, str(tmp_path)) == 2


def test_names_tokens_addresses_and_answers_that_are_none_are_told(
    hub: Hub, dataset: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a..b/c", "me/x.git", "me/" + "x" * 200):
        assert push(hub, dataset, f"hf://datasets/{name}") == 2
        assert "the hub allows no such name" in capsys.readouterr().err
    for endpoint in ("hub.example.org", "ftp://hub.example.org"):
        assert run(["push", dataset, REPOSITORY, "--endpoint", endpoint]) == 2
        assert "no address of a hub" in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", "t\u00f6ken")
    assert push(hub, dataset) == 2
    assert "HF_TOKEN is no token" in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", "right")
    answer = Hub.answer
    objects = [{"oid": "1", "size": 1, "error": {"code": 422, "message": "quota is used up"}}]
    for words, odd, code, said in (
        ("/repos/create", {}, 75, "answer cannot be understood (KeyError('url'))"),
        ("/tree/", "junk", 75, "cannot be understood"),
        ("/preupload/", None, 75, "cannot be understood"),
        ("/commit/", [], 75, "cannot be understood"),
        ("/info/lfs", {"objects": objects}, 2, "quota is used up"),
    ):

        def oddly(
            own: Hub,
            method: str,
            path: str,
            *more: Any,
            words: str = words,
            odd: Any = odd,
        ) -> tuple[int, Any, dict[str, str]]:
            return (200, odd, {}) if words in path else answer(own, method, path, *more)

        monkeypatch.setattr(Hub, "answer", oddly)
        assert push(hub, dataset) == code
        assert said in capsys.readouterr().err
