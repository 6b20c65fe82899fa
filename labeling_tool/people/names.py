"""Names of people: two that look alike to a reader are one."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from ..store.models import KEY_LENGTH

NAME = r"^[\w.@-][\w .@-]{0,62}[\w.@-]$|^[\w.@-]$"


def clean_name(name: str) -> str:
    """Return a name as it is shown: composed letters, and single spaces."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", name)).strip()


def name_key(name: str) -> str:
    """Return what a name is found by: without case and without the width or form of its letters.

    Unicode's identifier caseless matching (NFKC_Casefold, chapter 3.13 of the standard), made here,
    since databases fold ASCII only, or as their locale says.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", folded.casefold())).strip()


def _require_short(name: str) -> str:
    if len(name_key(name)) > KEY_LENGTH:
        raise ValueError("too long once its letters are folded")
    return name


Name = Annotated[
    str,
    Field(min_length=1, max_length=64, pattern=NAME),
    AfterValidator(clean_name),
    AfterValidator(_require_short),
]
"""A new person's name."""
