"""A WebSocket that tells open pages how projects advance, so that nobody reloads to see it."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from ..context import Context
from ..people.access import Person, identify
from ..people.sessions import context_of
from ..problems import Problem
from ..store.models import Project
from ..store.rights import memberships_of, role_in
from ..work.progress import NO_PROGRESS, progress_of_each

router = APIRouter()

EVERY_S = 5.0


@router.websocket("/api/live")
async def live(socket: WebSocket) -> None:
    """Send `{"projects": {id: progress}}` at once and then whenever it has changed."""
    context = context_of(socket)
    try:
        person = await run_in_threadpool(identify, socket)
    except Problem:
        await socket.close(code=4401, reason="login needed")
        return
    if not context.live.enter(person.id):
        await socket.close(code=4429, reason="too many open pages")
        return
    await socket.accept()
    closed = asyncio.create_task(_until_closed(socket))
    said: dict[str, Any] | None = None
    try:
        while not closed.done():
            current = await run_in_threadpool(_progress, context, person)
            if current != said:
                said = current
                await socket.send_json({"projects": current})
            await asyncio.wait([closed], timeout=EVERY_S)
            await run_in_threadpool(identify, socket)  # logged out or deactivated in the meantime
    except (WebSocketDisconnect, RuntimeError):
        return  # the page is gone
    except Problem:
        await socket.close(code=4401, reason="login needed")
    finally:
        context.live.leave(person.id)
        closed.cancel()


async def _until_closed(socket: WebSocket) -> None:
    try:
        while True:
            await socket.receive_text()
    except (WebSocketDisconnect, RuntimeError, KeyError):
        return


def _progress(context: Context, person: Person) -> dict[str, Any]:
    with context.database.read() as session:
        mine = memberships_of(session, person.id)
        projects = {
            project.id: project
            for project in session.scalars(select(Project))
            if role_in(project, person.role, mine) not in NO_PROGRESS
        }

        def count(ids: list[int]) -> dict[int, Any]:
            return progress_of_each(session, [projects[project_id] for project_id in ids])

        found = context.live.progress(list(projects), count)
        return {str(project_id): progress for project_id, progress in found.items()}
