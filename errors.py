"""The exceptions a user can cause.

The command line prints these without a traceback; everything else is a defect of ours and keeps its
traceback.
"""

from __future__ import annotations

import errno
from functools import partial

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# Failures of a path or a disk that waiting does not fix and the user can: wrong path, no
# permission, full disk.
FIXABLE_ERRNOS = DISK_FULL | frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
    }
)


class VidactError(Exception):
    """Something the user can fix.

    The message says what, where, expected against got, and what to do next.
    """

    exit_code = 2


class ConfigError(VidactError):
    """A setting is outside its allowed values; the message names the field."""


class SpecError(VidactError):
    """An action spec is malformed or asks for something that is not supported."""


class SpecMismatchError(SpecError):
    """Things made under different action specs were mixed; the message names what differs."""


class RecordingError(VidactError):
    """A recording (mp4 and jsonl) cannot be read as labeled play."""


class VideoError(VidactError):
    """A video cannot be decoded, wholly or from some tick on.

    Args:
        reason: a short machine-readable word for counters and dead letters, such as `truncated` or
            `no_video_stream`.
        path: the file.
        detail: what exactly was found.
        tick: the first tick that could not be decoded, where something before it could.
    """

    def __init__(self, reason: str, path: object, detail: str, *, tick: int | None = None):
        super().__init__(f"{path}: {reason.replace('_', ' ')}: {detail}")
        self.reason = reason
        self.path = str(path)
        self.detail = detail
        self.tick = tick

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with arguments by name do not survive pickling by default.
        return partial(VideoError, tick=self.tick), (self.reason, self.path, self.detail)


class DatasetError(VidactError):
    """A dataset or manifest is missing, incomplete or inconsistent."""


class ShardError(DatasetError):
    """A shard does not hold what its commit record says."""


class CheckpointError(VidactError):
    """A checkpoint is missing a part, or its tensors do not fit the network."""


class MissingDependencyError(VidactError):
    """An optional package is needed for this; the message names the extra to install."""


class CheckFailed(VidactError):  # noqa: N818 - the outcome of a check, not an accident
    """A check that the user asked for found problems."""

    exit_code = 1


class Interrupted(VidactError):  # noqa: N818
    """The run was stopped before its end; running the same command again resumes it."""

    exit_code = 75
