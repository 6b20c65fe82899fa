"""What the hub answers, told so that a user knows what to do."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...errors import ConfigError, Interrupted, VidactError

MISTAKES = {
    401: "the hub does not know who you are: run `hf auth login`, or set HF_TOKEN to a token that "
    "may write",
    403: "your token may not write there: make one with write access, or choose a repository of "
    "your own",
    404: "there is no such repository or revision, or your token may not see it",
}
PASSING = {
    409: "somebody else changed it at the same time",
    412: "somebody else changed it at the same time",
    429: "the hub takes no more for now",
}
CLIENT = "huggingface_hub"
# What its client raises where an answer is not as the protocol has it.
ODD_ANSWER = (ValueError, KeyError, TypeError, AttributeError)
ADDRESSES = ("UnsupportedProtocol", "InvalidURL")  # its errors of an address that is none
NETWORK = ("httpx", "httpcore", "requests", "urllib3", "hf_xet")  # packages whose errors it is


@contextmanager
def told_plainly(address: object) -> Iterator[None]:
    """Turn what the hub's client raises inside the block into errors of ours.

    Raises:
        ConfigError: the user can mend it.
        Interrupted: it passes; what was done is kept.
    """
    try:
        yield
    except VidactError:
        raise
    except Exception as error:
        said = _said(error, address)
        if said is None:
            raise  # a defect of ours
        raise said from error


def _said(error: BaseException, address: object) -> VidactError | None:
    """Return what an error means; its causes are asked, too: uploads wrap theirs."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalTokenNotFoundError,
    )

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LocalTokenNotFoundError):
            return ConfigError(f"{address}: {MISTAKES[401]}")
        response = getattr(cause, "response", None)
        if isinstance(cause, HfHubHTTPError) and response is not None:
            return _answered(response, cause, address)
        if isinstance(cause, HFValidationError):
            return ConfigError(f"to: {address}: the hub allows no such name: {cause}")
        if isinstance(cause, UnicodeEncodeError):  # of a header
            return ConfigError(f"{address}: HF_TOKEN is no token: {MISTAKES[401]}")
        if type(cause).__name__ in ADDRESSES:
            return ConfigError(f"endpoint: it is no address of a hub: {cause}")
        if type(cause).__module__.startswith(NETWORK) or isinstance(cause, ConnectionError):
            what = f"{type(cause).__name__}: {cause}".rstrip(": ")
            return Interrupted(
                f"{address}: the hub cannot be reached ({what:.200}); run the same command again "
                "when the network is back: what was sent is not sent again"
            )
        if isinstance(cause, ValueError) and "README.md" in str(cause):
            return ConfigError(f"{address}: the hub refuses the card: {cause}")
        if isinstance(cause, ValueError) and "LFS batch API returned errors" in str(cause):
            return ConfigError(f"{address}: the hub refuses a file: {cause}")
        cause = cause.__cause__
    if isinstance(error, ODD_ANSWER) and _raised_in_client(error):
        return Interrupted(
            f"{address}: the hub's answer cannot be understood ({error!r:.200}); run the same "
            "command again later, and see that --endpoint, if given, is a hub's"
        )
    return None


def _raised_in_client(error: BaseException) -> bool:
    """Whether the client did it, not we."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(str(f.f_globals.get("__name__", "")).startswith(CLIENT) for f, _ in frames)


def _answered(response: Any, error: Any, address: object) -> VidactError:
    status = int(response.status_code)
    words = str(getattr(error, "server_message", "") or "")
    told = f" (it says: {words:.200})" if words else ""
    if status in MISTAKES:
        return ConfigError(f"{address}: {MISTAKES[status]}{told}")
    if status in PASSING or status >= 500:
        what = PASSING.get(status, f"the hub failed with status {status}")
        after = response.headers.get("Retry-After", "")
        when = f"in {after} s" if after.isdecimal() else "later"
        return Interrupted(
            f"{address}: {what}{told}; run the same command again {when}: what was sent is not "
            "sent again"
        )
    return ConfigError(f"{address}: the hub refuses with status {status}{told}")
