"""Signed addresses: what stands in one beside the file's own address is a key, and is not kept."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

# Of signed addresses: Amazon's (two kinds, and CloudFront's), Google's, Azure's, Akamai's, plain
# tokens.
KEY_PARAMETER = re.compile(
    r"(?i)x-(amz|goog|oss)-.*|awsaccesskeyid|googleaccessid|ossaccesskeyid|signature|expires"
    r"|key-pair-id|policy|s[eiprtv]|sig|spr|sk[a-z]*|hdne[at]|hmac|access_token|auth|token|key"
)
ADDRESS = re.compile(r"https?://[^\s'\"<>]+")


def without_keys(uri: str) -> str:
    """Return an address as it may be shown and kept: without signatures and tokens, which are keys.

    What else stands behind its question mark stays: it may say which video is meant.
    """
    if not uri.startswith(("http://", "https://")):
        return uri
    parts = urlsplit(uri)
    kept = [
        pair
        for pair in parts.query.split("&")
        if pair and not KEY_PARAMETER.fullmatch(pair.partition("=")[0])
    ]
    host = parts.netloc.rpartition("@")[2]  # without a name and a password
    return urlunsplit(parts._replace(netloc=host, query="&".join(kept), fragment=""))


def hide_keys(text: str) -> str:
    """Return a text without the signatures and tokens of the addresses in it."""
    return ADDRESS.sub(lambda found: without_keys(found[0]), text)
