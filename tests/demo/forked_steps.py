"""`vidact demo` whose steps are forked: one after the other, without an interpreter for each."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from unittest import mock

from vidact import cli
from vidact.demo import stages
from vidact.games.workers import import_ahead

tests = types.ModuleType("tests")  # another package calls its own so
tests.__path__ = [str(Path(__file__).parents[1])]
sys.modules["tests"] = tests

from tests.forked import Forked, command  # noqa: E402 - found by now

STARTS = [sys.executable, "-P", "-m", "vidact.cli"]


def forked(words: list[str]) -> Forked:
    """What stands for `subprocess.Popen` of a step."""
    assert words[: len(STARTS)] == STARTS
    return command(*words[len(STARTS) :])


if __name__ == "__main__":
    import_ahead("torch._dynamo", "torch.utils.tensorboard")  # as in tests/warm.py
    import_ahead("vidact.bc_policy.clone", "vidact.idm.train_idm", "vidact.pipeline.label")
    with mock.patch.object(stages, "subprocess", mock.Mock(wraps=subprocess, Popen=forked)):
        cli.main()
