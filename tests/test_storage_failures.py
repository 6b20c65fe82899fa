"""What passes by itself interrupts a command; what does not is told as it is."""

from __future__ import annotations

import errno

import pytest
from vidact.errors import ConfigError, Interrupted
from vidact.storage_failures import interrupted_by_storage


def named(name: str, message: str, **attributes: object) -> Exception:
    """An error as a library that is not installed here would raise it."""
    package, _, own = name.rpartition(".")
    error: Exception = type(own, (Exception,), {"__module__": package})(message)
    for attribute, value in attributes.items():
        setattr(error, attribute, value)
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "disk"),
        OSError("We encountered an internal error"),
        TimeoutError(),
        named("azure.core.exceptions.ServiceResponseError", "cut"),
        named("azure.core.exceptions.HttpResponseError", "busy", status_code=503),
        named("oss2.exceptions.ServerError", "busy", status=503, code="InternalError"),
        named("huggingface_hub.errors.HfHubHTTPError", "too many", status_code=429),
        named("gcsfs.retry.HttpError", "busy", code=429),
    ],
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


def of_s3(code: str, message: str) -> Exception:
    """What s3fs makes of an answer."""
    pytest.importorskip("s3fs")
    from botocore.exceptions import ClientError
    from s3fs.errors import translate_boto_error

    content = {"Error": {"Code": code, "Message": message}}
    return translate_boto_error(ClientError(content, "PutObject"))


@pytest.mark.parametrize(
    "code",
    ["AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"],
)
def test_a_wrong_bucket_key_or_right_is_a_mistake_in_the_stores_own_words(code: str) -> None:
    with (
        pytest.raises(ConfigError, match=rf"{code}: the store's own words"),
        interrupted_by_storage(),
    ):
        raise of_s3(code, "the store's own words")


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "ServiceUnavailable", "503"])
def test_a_busy_store_passes(code: str) -> None:
    with pytest.raises(Interrupted, match="run the same command again"), interrupted_by_storage():
        raise of_s3(code, "busy")


@pytest.mark.parametrize(
    "error",
    [
        named("google.auth.exceptions.DefaultCredentialsError", "not found"),
        named("azure.core.exceptions.ClientAuthenticationError", "no", status_code=403),
        named("azure.core.exceptions.ResourceNotFoundError", "no", error_code="ContainerNotFound"),
        named("oss2.exceptions.ServerError", "no", status=403, code="SignatureDoesNotMatch"),
        named("huggingface_hub.errors.HfHubHTTPError", "no", status_code=401),
        named("gcsfs.retry.HttpError", "no", code=403),
    ],
    ids=lambda error: type(error).__name__,
)
def test_mistakes_of_other_stores(error: Exception) -> None:
    with pytest.raises(ConfigError, match="the store refuses"), interrupted_by_storage():
        raise error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE])
def test_what_this_machine_ran_out_of(number: int) -> None:
    with pytest.raises(Interrupted, match="make room"), interrupted_by_storage():
        raise OSError(number, "none left")


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "no"),
        ConfigError("x"),
        ValueError(),
        KeyError(),
    ],
)
def test_what_does_not(error: Exception) -> None:
    with pytest.raises(type(error)), interrupted_by_storage():
        raise error
