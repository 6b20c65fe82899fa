"""Failures of disks, networks and buckets, which pass, told from all others, which do not."""

from __future__ import annotations

import builtins
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import FIXABLE_ERRNOS, ConfigError, Interrupted

REMOTE_PACKAGES = ("botocore.", "aiohttp.", "urllib3.", "requests.", "gcsfs.", "google.", "fsspec.")
STORAGE_PACKAGES = (*REMOTE_PACKAGES, "pyarrow.")
NO_CREDENTIALS = (
    "botocore.exceptions.NoCredentialsError",
    "botocore.exceptions.PartialCredentialsError",
)


def no_credentials(error: BaseException) -> str:
    """Return the message for people who have not said who they are."""
    return (
        f"the bucket needs credentials ({error}): set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or log in"
    )


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


@contextmanager
def interrupted_by_storage() -> Iterator[None]:
    """Turn failures of storage that pass into an interruption: the same command resumes later.

    It is also a decorator.

    Raises:
        Interrupted: storage failed for now.
        ConfigError: there are no credentials.
    """
    try:
        yield
    except Exception as error:
        name = full_name(error)
        if name in NO_CREDENTIALS:
            raise ConfigError(no_credentials(error)) from error
        lasting = isinstance(error, ValueError) or (
            isinstance(error, OSError) and error.errno in FIXABLE_ERRNOS
        )
        if lasting or not is_storage_failure(name, error):
            raise
        raise Interrupted(
            f"storage failed ({name}: {error}); run the same command again when it is back"
        ) from error
