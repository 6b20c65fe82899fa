"""Passwords: argon2id, and the same time spent on names that do not exist."""

from __future__ import annotations

import hashlib
import secrets
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 10
MAX_LENGTH = 256
# A verification takes 64 MiB and some 0.1 s: without a limit a burst of logins would take memory
# and cores from saving.
_AT_ONCE = BoundedSemaphore(2)
_HASHER = PasswordHasher()


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password."""
    with _AT_ONCE:
        return _HASHER.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Return whether the password is right.

    `stored` is None for an unknown name, which takes as long and is never right: the time must not
    tell which names exist.
    """
    with _AT_ONCE:
        try:
            _HASHER.verify(stored or _nobody(), password)
        except (VerificationError, InvalidHashError):
            return False
    return stored is not None


def new_token() -> str:
    """Draw 256 random bits for a cookie or an API token."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Return what is stored of a token: a plain hash is enough, since it cannot be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()


@cache
def _nobody() -> str:
    return _HASHER.hash(secrets.token_hex(16))
