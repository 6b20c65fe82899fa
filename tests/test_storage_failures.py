"""What passes by itself interrupts a command; what does not is told as it is."""

from __future__ import annotations

import errno

import pytest
from vidact.errors import ConfigError, Interrupted
from vidact.storage_failures import interrupted_by_storage


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "disk"), OSError("We encountered an internal error"), TimeoutError()],
)
def test_what_passes(error: Exception) -> None:
    with pytest.raises(Interrupted, match="run the same command again"), interrupted_by_storage():
        raise error


def test_a_bucket_that_does_not_answer() -> None:
    exceptions = pytest.importorskip("botocore.exceptions")
    with pytest.raises(Interrupted, match="EndpointConnectionError"), interrupted_by_storage():
        raise exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:1")


def test_a_bucket_that_asks_who_this_is() -> None:
    exceptions = pytest.importorskip("botocore.exceptions")
    with pytest.raises(ConfigError, match="set AWS_ACCESS_KEY_ID"), interrupted_by_storage():
        raise exceptions.NoCredentialsError


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "no"),
        OSError(errno.ENOSPC, "full"),
        ConfigError("x"),
        ValueError(),
        KeyError(),
    ],
)
def test_what_does_not(error: Exception) -> None:
    with pytest.raises(type(error)), interrupted_by_storage():
        raise error
