"""The application: routes, protection, the front end's files, and one shape for every refusal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.status import HTTP_200_OK, HTTP_404_NOT_FOUND

from ..progress import log
from .context import STATIC, Context
from .people.access import Anybody
from .people.hosts import Hosts
from .people.protection import Protection
from .problems import Problem
from .routes import auth, exports, live, projects, quality, reviews, tasks, uploads, users, work

THREADS = 40  # requests worked on at once; saving waits for the disk, not for the processor
PAGES = (
    "/",
    "/login",
    "/setup",
    "/welcome",
    "/work/{path:path}",
    "/projects/{path:path}",
    "/people",
    "/audit",
    "/settings",
    "/tour",
    "/tour/{path:path}",
    "/help",
)
DESCRIPTION = (
    "Everything the pages do, for scripts: send `Authorization: Bearer <token>` (Settings, Tokens)."
)
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is no JSON."},
    401: {"description": "Log in first."},
    403: {"description": "Not allowed."},
    404: {"description": "Not there, or not yours."},
    409: {"description": "In conflict with what is there; nothing was changed."},
    413: {"description": "The body is too long."},
    422: {"description": "A field is wrong; the message says which."},
}


def create_app(context: Context) -> FastAPI:
    """The ASGI application over an open context. The caller closes the context."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield

    app = FastAPI(
        title="vidact labelling tool",
        version=_version(),
        description=DESCRIPTION,
        openapi_url=None,  # what it says is for people who are logged in: `_describe`
        # Its page loads scripts from another site; the document itself is what tools need.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses=REFUSALS,
    )
    app.state.context = context
    for module in (auth, users, projects, reviews, quality, tasks, work, uploads, exports, live):
        app.include_router(module.router)
    app.add_api_route("/api/openapi.json", _describe, methods=["GET"], include_in_schema=False)
    app.exception_handler(Problem)(_problem)
    app.exception_handler(IntegrityError)(_taken)
    app.exception_handler(DataError)(_not_storable)
    app.exception_handler(OperationalError)(_no_database)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_http)
    app.add_middleware(
        Protection,
        hosts=Hosts(context.config.host, context.config.public_url, context.config.allow_host),
        public_url=context.config.public_url,
        upload_paths=("/api/uploads/",),
        upload_limit=context.upload_limit,
    )
    app.mount("/static", StaticFiles(directory=STATIC, check_dir=False), name="static")
    for page in PAGES:
        app.add_api_route(
            page, _page, methods=["GET"], include_in_schema=False, response_class=HTMLResponse
        )
    return app


def _page() -> HTMLResponse:
    """The one page of the front end; its script looks at the address."""
    return _front_end(HTTP_200_OK)


def _front_end(status: int) -> HTMLResponse:
    text = (STATIC / "index.html").read_text(encoding="utf-8")
    return HTMLResponse(text, status_code=status, headers={"cache-control": "no-cache"})


def _describe(request: Request, person: Anybody) -> JSONResponse:
    """The description of everything that the pages do."""
    return JSONResponse(request.app.openapi())


async def _taken(request: Request, error: IntegrityError) -> JSONResponse:
    """Two requests at the same time wanted what only one can have."""
    message = "Somebody else did the same a moment ago. Reload the page."
    return JSONResponse({"error": "taken", "message": message}, status_code=409)


async def _not_storable(request: Request, error: DataError) -> JSONResponse:
    message = "The database cannot store one of these values."
    return JSONResponse({"error": "invalid", "message": message}, status_code=422)


async def _no_database(request: Request, error: OperationalError) -> JSONResponse:
    """The database is away, locked, or has no room: pages keep what they have, and try again."""
    told = str(error.orig).strip()
    log(f"{request.method} {request.url.path}: {told}")
    full = "full" in told or "No space" in told
    message = (
        "The server's disk is full: nothing of this was saved. Tell an admin."
        if full
        else "The server's database cannot be used now: nothing of this was saved. Try again."
    )
    return JSONResponse(
        {"error": "disk" if full else "database", "message": message},
        status_code=507 if full else 503,
        headers={"retry-after": "10"},
    )


async def _problem(request: Request, error: Problem) -> JSONResponse:
    headers = (
        {"retry-after": str(error.more["retry_after_s"])} if "retry_after_s" in error.more else None
    )
    return JSONResponse(error.body(), status_code=error.status, headers=headers)


async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    status = 400 if first["type"] == "json_invalid" else 422
    told = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "literal_error":  # what may only be one of a few words is no secret
        told += f", got {first['input']!r:.60}"
    message = f"{where}: {told}" if where else told
    return JSONResponse({"error": "invalid", "message": message}, status_code=status)


async def _http(request: Request, error: HTTPException) -> Response:
    seen_by_people = "text/html" in request.headers.get("accept", "")
    if (
        error.status_code == HTTP_404_NOT_FOUND
        and seen_by_people
        and not request.url.path.startswith("/api/")
    ):
        return _front_end(HTTP_404_NOT_FOUND)  # a mistyped address leads home
    return JSONResponse(
        {"error": "http", "message": str(error.detail)},
        status_code=error.status_code,
        headers=error.headers,
    )


def _version() -> str:
    try:
        return version("vidact")
    except PackageNotFoundError:
        return "0"
