"""Names of what is being written: who writes it, and whether that process is still there.

Several machines, containers and jobs write into one folder, and each clears away only what is
surely nobody's: a process of this host that is dead, or anybody's file that has not been touched
for a day.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Mapping
from typing import Any

ABANDONED_S = 24 * 3600.0  # longer than any pause of a shared disk; what is written is touched
# A container may have its host's name, but counts processes from 1: its namespace tells.
WHOLE_MACHINE = "pid:[4026531836]"  # of Linux' first process
ATTEMPT = re.compile(r"(?P<before>.*)[-.](?P<pid>\d+)[-.][0-9a-f]{8}\.(tmp|tar)", re.DOTALL)


def this_host() -> str:
    """A word for where process numbers of this process mean what they mean here."""
    name = re.sub(r"\W", "_", socket.gethostname())[:32]
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # no Linux
        return name
    inside = "".join(filter(str.isdigit, namespace))
    return name if namespace == WHOLE_MACHINE else f"{name}_{inside}"


def this_process() -> dict[str, Any]:
    """How others know this process: numbers of processes come again, times of their start do not.

    The host is for people; `place` is where the number means what it means here.
    """
    from psutil import Process  # whoever only reads does without

    return {
        "host": socket.gethostname(),
        "place": this_host(),
        "pid": os.getpid(),
        "started_s": Process().create_time(),
    }


def is_gone(process: Mapping[str, Any]) -> bool | None:
    """Whether a process that `this_process` described has ended; None where that cannot be seen
    from here: it is another host's, or another container's.
    """
    from psutil import NoSuchProcess, Process

    if process.get("place") != this_host():
        return None
    try:
        found = Process(int(process["pid"]))
        return abs(found.create_time() - float(process["started_s"])) > 1.0
    except NoSuchProcess:
        return True


def temporary_name(name: str) -> str:
    """A hidden name unique to this attempt at writing `name`.

    It is short enough where `name` itself is near the limit of 255 bytes.
    """
    beginning = name.encode(errors="surrogateescape")[:100].decode(errors="ignore")
    return f".{beginning}.{this_host()}-{os.getpid()}-{os.urandom(4).hex()}.tmp"


def spool_name(shard: str) -> str:
    """The name of an unfinished shard, unique to this attempt."""
    return f"{shard}.{this_host()}.{os.getpid()}.{os.urandom(4).hex()}.tar"


def is_temporary(name: str) -> bool:
    """Whether a file of this name was to be renamed."""
    return name.startswith(".") and name.endswith(".tmp")


def is_abandoned(name: str, modified_s: float) -> bool:
    """Whether nobody writes a file any more.

    Args:
        name: as `temporary_name` and `spool_name` make them, or any other.
        modified_s: when it was written last, in Unix time; nan where that is not known.
    """
    if time.time() - modified_s > ABANDONED_S:  # never of nan
        return True
    found = ATTEMPT.fullmatch(name)
    if found is None or not found["before"].endswith(f".{this_host()}"):
        return False
    from psutil import pid_exists  # whoever only reads does without

    return not pid_exists(int(found["pid"]))
