"""Passwords: argon2id in a small pool of its own, and the same time for names that do not exist.

A hash takes 64 MiB and some 0.1 s of all cores. So few are made at once, by threads that give way
to everybody's saving, while no thread that serves requests waits for them; and where too many
wait already, one more is told to come back.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ..problems import Problem

MIN_LENGTH = 10
MAX_LENGTH = 256
AT_ONCE = 2
WAITING = 40  # some four seconds of hashing: whoever waits longer would try again anyway
NICE = 10  # priority below that of the threads that serve requests
# Guesses that a password must withstand (zxcvbn's scale, 0 to 4): 2 is "somewhat guessable", which
# the throttle makes up for; what is on lists of passwords has less.
MIN_SCORE = 2
ZXCVBN_LONGEST = 72  # characters: its time grows with the square
NO_PASSWORD = "-"

_HASHER = PasswordHasher()
_waiting = 0
Result = TypeVar("Result")


async def hash_password(password: str, *, name: str = "") -> str:
    """Return the argon2id hash of a new password.

    Raises:
        Problem: 422 where it is easily guessed (`name` is its owner's), 503 where too many wait.
    """
    return await _in_pool(hash_now, password, name)


async def verify_password(stored: str | None, password: str) -> bool:
    """Return whether the password is right. Raises 503 where too many wait.

    `stored` is None for an unknown name, which takes as long and is never right: the time must not
    tell which names exist.
    """
    return await _in_pool(_verify, stored, password)


def hash_now(password: str, name: str = "") -> str:
    """Return the argon2id hash of a new password, in this thread. Raises 422 as above."""
    require_strong(password, name)
    return _HASHER.hash(password)


def require_strong(password: str, name: str) -> None:
    """Raise 422 for a password that guessing finds soon."""
    from zxcvbn import zxcvbn  # half a second of word lists: only where a password is chosen

    found = zxcvbn(password[:ZXCVBN_LONGEST], user_inputs=[name, "vidact"])
    if found["score"] < MIN_SCORE:
        advice = " ".join([found["feedback"]["warning"], *found["feedback"]["suggestions"]])
        raise Problem(422, "weak", f"This password is easily guessed. {advice}".strip())


def new_token() -> str:
    """Draw 256 random bits for a cookie or an API token."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Return what is stored of a token: a plain hash is enough, since it cannot be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()


async def _in_pool(function: Callable[..., Result], *arguments: object) -> Result:
    global _waiting  # noqa: PLW0603 - of this process, and touched by its event loop only
    if _waiting >= AT_ONCE + WAITING:
        raise Problem(
            503,
            "busy",
            "Many people log in at the moment. Try again in a few seconds.",
            retry_after_s=5,
        )
    _waiting += 1
    try:
        return await asyncio.wrap_future(_pool().submit(function, *arguments))
    finally:
        _waiting -= 1


def _verify(stored: str | None, password: str) -> bool:
    try:
        _HASHER.verify(stored or _nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="hash", initializer=_give_way)


def _give_way() -> None:
    # On Linux each thread has a priority of its own, and the threads that argon2 starts have it too
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


@cache
def _nobody() -> str:
    return _HASHER.hash(secrets.token_hex(16))
