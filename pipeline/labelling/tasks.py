"""What is to be done: shards, and how they are handed out to workers.

A source is read by as few workers as the balance between them allows, since each fetches it, hashes
it and goes through its packets: so what is handed out are consecutive shards of one source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..planning.layout import Segment


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardTask:
    """A shard to be labelled."""

    shard: str
    segments: tuple[Segment, ...] = ()
    quarantined: tuple[int, ...] = ()
    """Segments that killed their worker twice: they go to the dead letters unread."""
    neighbors: tuple[str, ...] = ()
    """Where thresholds are loosened: shards that have scores of its sources near its own."""
    then: tuple[str, ...] = ()
    """Sources that this worker is likely to want after those of the shard."""

    @property
    def uris(self) -> list[str]:
        """The sources of the shard, in the order in which they are read."""
        return list(dict.fromkeys(segment.source_uri for segment in self.segments))


Unit = tuple[ShardTask, ...]
"""Consecutive shards that one worker does, one after the other."""


def part_of(shards: Sequence[str], part: str) -> list[str]:
    """The shards of part `I/N` of a plan; all of them where `part` is empty.

    Parts are stretches of the plan, so a source is in as few of them as may be.
    """
    if not part:
        return list(shards)
    number, count = map(int, part.split("/"))
    return list(shards[(number - 1) * len(shards) // count : number * len(shards) // count])


def units_of(tasks: Sequence[ShardTask], *, most: int, ahead: int = 0) -> list[Unit]:
    """Group shards by the source with which they begin.

    Args:
        tasks: in the order of the plan.
        most: units that there should be at least, as far as there are shards: then all workers have
            something to do until the end.
        ahead: how many units further a worker's next one lies, where that is known; 0 where it is
            not.

    Returns:
        Units in the order of the plan; each task names what its worker is likely to want after it.
    """
    longest = max(len(tasks) // max(most, 1), 1)
    groups: list[list[ShardTask]] = []
    for task in tasks:
        first = task.segments[0].source_sha256 if task.segments else ""
        group = groups[-1] if groups else []
        if first and group and group[0].segments[0].source_sha256 == first and len(group) < longest:
            group.append(task)
        else:
            groups.append([task])
    units = []
    for number, group in enumerate(groups):
        then = groups[number + ahead][:1] if ahead and number + ahead < len(groups) else []
        following = [*group[1:], *then]
        units.append(
            tuple(
                replace(task, then=tuple(following[i].uris[:2])) if i < len(following) else task
                for i, task in enumerate(group)
            )
        )
    return units
