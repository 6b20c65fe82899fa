"""The names under which the server may be asked.

A page of another site can let its own name lead to this machine (DNS rebinding): the browser then
takes it for the server's page. Such a page always comes by a name, and by one that is not ours.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from ..context import LOOPBACK_HOSTS


class Hosts:
    """The hosts that a request may name.

    Addresses are always allowed: no name leads to them. `localhost` is; this machine's own names
    are where the network can reach it; all others are given.

    Args:
        listening: the address that is listened on.
        public_url: the address behind which a proxy serves it, or None.
        more: further names.
    """

    def __init__(self, listening: str, public_url: str | None, more: Iterable[str] = ()):
        names = {"localhost", listening, *more}
        if public_url:
            names.add(urlsplit(public_url).hostname or "")
        if listening not in LOOPBACK_HOSTS:
            own = socket.gethostname()
            names |= {own, f"{own}.local", socket.getfqdn()}
        self.names = frozenset(name.rstrip(".").lower() for name in names if name)

    def allow(self, host: str) -> bool:
        """Return whether a request may name this host (with or without a port)."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name in self.names:
            return True
        try:
            ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            return False
        return True
