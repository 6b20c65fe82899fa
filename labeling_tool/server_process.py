"""Which server process does a job: several may share a database, and one may have ended."""

from __future__ import annotations

import socket

import psutil


def this_server() -> str:
    """Name this process: by its machine, its number, and when it began."""
    process = psutil.Process()
    return f"{socket.gethostname()}/{process.pid}/{process.create_time():.2f}"


def is_running(server: str) -> bool:
    """Return whether that process runs, as far as it can be told: one elsewhere may."""
    host, _, rest = server.rpartition("/")[0].rpartition("/")
    if not host:
        return False
    if host != socket.gethostname():
        return True
    try:
        began = psutil.Process(int(rest)).create_time()
    except (psutil.Error, ValueError):
        return False
    return f"{began:.2f}" == server.rpartition("/")[2]
