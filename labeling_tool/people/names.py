"""Names of people: two that look alike to a reader are one."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from ..store.models import KEY_LENGTH

BESIDE_LETTERS = " .@_-"  # what a name may have beside letters, their marks, and numbers


def clean_name(name: str) -> str:
    """Return a name as it is shown: composed letters, and single spaces."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", name)).strip()


def shown_name(name: str) -> str:
    """Return a name as new ones are kept: also without what nobody sees."""
    return clean_name(_without_joiners(name))


def name_key(name: str) -> str:
    """Return what a name is found by: without case, the width or form of its letters, and what
    nobody sees.

    Unicode's identifier caseless matching (NFKC_Casefold, chapter 3.13 of the standard), made here,
    since databases fold ASCII only, or as their locale says.
    """
    visible = _without_joiners(name)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", folded.casefold())).strip()


def _without_joiners(name: str) -> str:
    """Leave out what only joins or parts the forms of letters, and nobody sees (category Cf)."""
    return "".join(letter for letter in name if unicodedata.category(letter) != "Cf")


def _require_name(name: str) -> str:
    name = shown_name(name)
    if not name or not all(
        letter in BESIDE_LETTERS or unicodedata.category(letter)[0] in "LMN" for letter in name
    ):
        raise ValueError("a name has letters, digits, spaces and . @ _ - only")
    if len(name_key(name)) > KEY_LENGTH:
        raise ValueError("too long once its letters are folded")
    return name


Name = Annotated[
    str,
    Field(min_length=1, max_length=64),
    AfterValidator(_require_name),
]
"""A new person's name."""
