"""Failures of disks, networks and stores: what passes, what is the user's mistake, and what is
neither.

A store that is busy, slow or away passes: whoever meets it waits, tries again, and in the end the
command is interrupted (exit 75). A wrong bucket, key or right is a mistake that waiting does not
mend (exit 2), told in the store's own words. A disk without room or a process without descriptors
is this machine's, never a video's fault.
"""

from __future__ import annotations

import builtins
import errno
import random
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from .errors import DISK_FULL, FIXABLE_ERRNOS, ConfigError, Interrupted

Found = TypeVar("Found")

REMOTE_PACKAGES = (
    "botocore.",
    "aiobotocore.",
    "aiohttp.",
    "urllib3.",
    "requests.",
    "httpx.",
    "httpcore.",
    "gcsfs.",
    "google.",
    "azure.",
    "adlfs.",
    "oss2.",
    "ossfs.",
    "huggingface_hub.",
    "fsspec.",
)
STORAGE_PACKAGES = (*REMOTE_PACKAGES, "pyarrow.")
NO_CREDENTIALS = (
    "botocore.exceptions.NoCredentialsError",
    "botocore.exceptions.PartialCredentialsError",
)
MISTAKES = frozenset(
    {
        "google.auth.exceptions.DefaultCredentialsError",
        "google.auth.exceptions.RefreshError",
        "azure.core.exceptions.ClientAuthenticationError",
        "huggingface_hub.errors.RepositoryNotFoundError",
        "huggingface_hub.errors.BucketNotFoundError",
        "huggingface_hub.errors.GatedRepoError",
        "oss2.exceptions.NoSuchBucket",
        "oss2.exceptions.AccessDenied",
        *NO_CREDENTIALS,
    }
)
"""Errors that are a mistake by their name alone."""
KEY_CODES = frozenset(
    {
        "AuthenticationFailed",
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidSecurity",
        "InvalidToken",
        "NotSignedUp",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)
"""Words of stores for a key that is wrong, whatever is asked for with it."""
MISTAKE_CODES = KEY_CODES | {
    "AccessDenied",
    "AccountProblem",
    "AllAccessDisabled",
    "AuthorizationFailure",
    "AuthorizationPermissionMismatch",
    "ContainerNotFound",
    "Forbidden",
    "InvalidBucketName",
    "NoSuchBucket",
    "PermanentRedirect",
}
"""Words of stores for what waiting does not mend: wrong keys, names and rights."""
MISTAKE_STATUSES = frozenset({401, 403})
HERE_ERRNOS = DISK_FULL | {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""What this machine ran out of: room, descriptors, memory."""

TRIES = 5  # of a request that failed: with the pauses below, half a minute in all
PAUSE_S = 1.0  # before the second try; doubled each time
MAX_PAUSE_S = 60.0


def pauses(tries: int = 0, first_s: float = 0.0) -> Iterator[float]:
    """Yield the seconds to wait before each further try: doubling, with a third of jitter, so that
    many workers do not come back at the same moment.

    Args:
        tries: in all, the first one included; `TRIES` unless given.
        first_s: before the second try; `PAUSE_S` unless given.
    """
    for number in range((tries or TRIES) - 1):
        yield min((first_s or PAUSE_S) * 2**number, MAX_PAUSE_S) * random.uniform(0.67, 1.33)


def patiently(
    get: Callable[[], Found],
    *,
    passes: Callable[[Exception], bool] | None = None,
    wait: Callable[[float], object] = time.sleep,
    left: Iterator[float] | None = None,
) -> Found:
    """Return what `get` returns, called again after a pause where it fails for now.

    Args:
        passes: whether a failure may be gone a moment later; those of storage that are no mistake
            unless given.
        wait: called with the seconds to wait.
        left: the pauses; those of `pauses()` unless given.

    Raises:
        Exception: the last failure, where patience ends; at once, where it does not pass.
    """
    left = pauses() if left is None else left
    while True:
        try:
            return get()
        except Exception as error:
            may_pass = storage_failure(error) == "passing" if passes is None else passes(error)
            pause_s = next(left, None) if may_pass else None
            if pause_s is None:
                raise
            wait(pause_s)


def full_name(error: BaseException) -> str:
    """Return the name of an error as tracebacks have it: `package.Error`."""
    return traceback.format_exception_only(type(error), error)[-1].split(":", 1)[0].strip()


def is_storage_failure(name: str, error: BaseException) -> bool:
    """Return whether an error comes from a disk, a network or a bucket.

    Args:
        name: of the error, or of the one that it tells of.
        error: the error itself.
    """
    known = getattr(builtins, name, None)
    if isinstance(known, type):
        return issubclass(known, OSError)
    return isinstance(error, OSError) or name.startswith(STORAGE_PACKAGES)


def is_remote_failure(error: BaseException) -> bool:
    """Return whether an error comes from a network or a bucket."""
    return full_name(error).startswith(REMOTE_PACKAGES)


def storage_failure(error: BaseException) -> Literal["", "mistake", "passing"]:
    """Return what kind of storage failure an error is; empty where it is none."""
    if is_mistake(error):
        return "mistake"
    return "passing" if is_storage_failure(full_name(error), error) else ""


def is_mistake(error: BaseException) -> bool:
    """Return whether a store refuses for a reason that waiting does not mend."""
    return any(
        full_name(one) in MISTAKES
        or _code(one) in MISTAKE_CODES
        # A local file's rights have an errno; a store's refusal has none, or only a status.
        or (_status(one) in MISTAKE_STATUSES and full_name(one).startswith(REMOTE_PACKAGES))
        or (type(one) is OSError and str(one).startswith("Forbidden: "))  # gcsfs' word for 403
        for one in _chain(error)
    )


def is_wrong_key(error: BaseException) -> bool:
    """Return whether a store refuses whoever asks, and not what was asked for: the key is wrong."""
    return any(full_name(one) in MISTAKES or _code(one) in KEY_CODES for one in _chain(error))


def is_of_this_machine(error: BaseException) -> bool:
    """Return whether this machine ran out of room, descriptors or memory."""
    return isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno in HERE_ERRNOS
    )


def is_missing(error: BaseException) -> bool:
    """Return whether there is no such file. fsspec says so of whatever an HTTP server refuses, so
    the status has the last word.
    """
    statuses = {_status(one) for one in _chain(error)} - {None}
    return isinstance(error, FileNotFoundError) and statuses <= {404, 410}


def of_a_source(error: Exception) -> Literal["", "passing", "refused", "lasting"]:
    """Return what a failure of reading a source says of it: that it may be read a moment later,
    that its store refuses it, or that it cannot be read. Empty where it says nothing, since it is
    none of storage, or this machine's.

    Raises:
        ConfigError: the key is wrong with which all sources of a store are asked for.
    """
    if is_wrong_key(error):
        raise mistake(error) from error
    if is_of_this_machine(error) or not storage_failure(error):
        return ""
    if is_missing(error) or isinstance(error, PermissionError | IsADirectoryError):
        return "lasting"
    return "refused" if is_mistake(error) else "passing"


def in_words(error: BaseException) -> str:
    """Return the store's own words for a failure, with its code or status."""
    name = full_name(error)
    if name in NO_CREDENTIALS:
        return (
            f"the bucket needs credentials ({error}): set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or log in"
        )
    code = error_code(error)
    status = next(filter(None, map(_status, _chain(error))), None)
    said = code or (f"status {status}" if status else name)
    return f"{said}: {error}" if str(error) and str(error) != said else said


def error_code(error: BaseException) -> str:
    """Return the store's own word for a failure, such as NoSuchKey; empty where it has none."""
    return next(filter(None, map(_code, _chain(error))), "")


def mistake(error: BaseException) -> ConfigError:
    """Return the error for people whose bucket, key or rights are wrong."""
    if full_name(error) in NO_CREDENTIALS:
        return ConfigError(in_words(error))
    return ConfigError(
        f"the store refuses ({in_words(error)}); check the bucket's name, the key and its rights"
    )


@contextmanager
def interrupted_by_storage() -> Iterator[None]:
    """Turn failures of storage that pass into an interruption: the same command resumes later.

    It is also a decorator.

    Raises:
        Interrupted: storage failed for now, or this machine ran out of something.
        ConfigError: a bucket, a key or a right is wrong.
    """
    try:
        yield
    except Exception as error:
        kind = storage_failure(error)
        if kind == "mistake":
            raise mistake(error) from error
        here = isinstance(error, OSError) and is_of_this_machine(error)
        lasting = isinstance(error, ValueError) or (
            isinstance(error, OSError) and error.errno in FIXABLE_ERRNOS
        )
        if not here and (lasting or not kind):
            raise
        advice = "make room, and run the same command again" if here else ""
        raise Interrupted(
            f"storage failed ({full_name(error)}: {error}); "
            + (advice or "run the same command again when it is back")
        ) from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__


def _code(error: BaseException) -> str:
    """Return the store's word for an error; empty where it has none."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore's
        return str(response.get("Error", {}).get("Code", ""))
    for name in ("error_code", "code"):  # Azure's, OSS's
        value = getattr(error, name, None)
        if isinstance(value, str) or type(value).__name__ == "StorageErrorCode":
            return str(getattr(value, "value", value))
    return ""


def _status(error: BaseException) -> int | None:
    """Return the HTTP status in an error, of whichever client; None where it has none."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, Mapping):
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return int(found) if found else None
    for holder, name in (
        (error, "status_code"),
        (error, "status"),
        (error, "code"),
        (response, "status_code"),
        (response, "status"),
    ):
        value = getattr(holder, name, None)
        if isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
            return int(value)
    return None
