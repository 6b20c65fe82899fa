"""Pictures of tasks before anybody asks for them, so that nobody waits who opens one.

After an import its project's tasks are gone through in the order in which the queue hands them
out. One bundle is made at a time, in a child that stands back; none while somebody waits for one,
none where it would push out what somebody has looked at, and none of a source that lies elsewhere.
What is there already is left alone, so that a server that starts again, and imports again, goes on
where the last one ended.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from sqlalchemy import select

from ... import storage
from ...errors import VidactError
from ...progress import log
from ..context import Context
from ..store.models import Source, Task
from .rendering import recipe_of, render

WANTED = ("open", "gold")  # states of tasks that somebody may be handed
NICE = 10
LOOK_S = 0.2
# In a row: then their source is gone or broken, and each would cost another child.
MOST_FAILURES = 10


def begin_ahead(context: Context, project_id: int) -> None:
    """Let the pictures of a project's open tasks be made, behind what is being made already."""
    if project_id in context.ahead_waiting:
        return  # its tasks are listed when its turn comes: these will be among them
    context.ahead_waiting.add(project_id)
    with suppress(RuntimeError):  # the server ends
        context.ahead.submit(_make_all, context, project_id)


def make_ahead(context: Context, project_id: int) -> int:
    """Make the pictures of a project's open tasks, as long as there is room; returns how many."""
    with context.database.read() as session:
        order = (Task.priority.desc(), Task.gain.desc(), Task.id)
        wanted = select(Task.id).where(Task.project_id == project_id, Task.state.in_(WANTED))
        ids = session.scalars(wanted.order_by(*order)).all()
    made, failures = 0, 0
    for task_id in ids:
        while context.bundles.is_busy and not context.closing.wait(LOOK_S):
            pass
        is_over = context.closing.is_set() or failures == MOST_FAILURES
        if is_over or not context.bundles.has_room_ahead:
            break
        with context.database.read() as session:
            task = session.get_one(Task, task_id)
            source = session.get_one(Source, task.source_id)
            recipe = recipe_of(task, source)
        if storage.local_path(source.uri) is None:
            continue  # whole films are fetched for nobody
        try:
            if context.bundles.make_ahead(recipe, partial(render, context, nice=NICE)):
                made, failures = made + 1, 0
        except (VidactError, OSError, ValueError):
            failures += 1  # whoever opens the task is told why
    return made


def _make_all(context: Context, project_id: int) -> None:
    context.ahead_waiting.discard(project_id)
    try:
        make_ahead(context, project_id)
    # Whatever it is: nobody waits for it, and the next import may find the database back.
    except Exception as error:
        log(f"pictures of project {project_id}: {type(error).__name__}: {error}")
