"""What every request passes: body limits, origin checks, security headers.

It is plain ASGI, so that WebSockets pass it too.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..problems import Problem
from .hosts import Hosts

BODY_LIMIT = 1024 * 1024  # bytes: a batch of operations is some kB
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'self'"
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Protection:
    """Wraps the application.

    Args:
        app: what to protect.
        hosts: the hosts that requests may name.
        public_url: the address behind which a proxy serves it, or None; its origin is allowed
        beside the Host's own.
        upload_paths: prefixes whose bodies may be as long as `upload_limit`.
        upload_limit: bytes.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Hosts,
        public_url: str | None = None,
        upload_paths: tuple[str, ...] = (),
        upload_limit: int = 0,
    ):
        self.app = app
        self.hosts = hosts
        self.public_origin = (
            "{0.scheme}://{0.netloc}".format(urlsplit(public_url)).lower() if public_url else None
        )
        self.upload_paths = upload_paths
        self.upload_limit = upload_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            if not (self.host_is_ours(scope) and self.origin_is_ours(scope, required=True)):
                await receive()  # the connect message
                await send({"type": "websocket.close", "code": 4403, "reason": "foreign origin"})
                return
            await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def host_is_ours(self, scope: Scope) -> bool:
        """Return whether the request names a host of ours."""
        return self.hosts.allow(dict(scope["headers"]).get(b"host", b"").decode("latin-1"))

    def origin_is_ours(self, scope: Scope, *, required: bool = False) -> bool:
        """Return whether the request comes from a page of ours.

        Scripts send no Origin; browsers always do where it counts.
        """
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        if not origin:
            return not required
        host = headers.get(b"host", b"").decode("latin-1").lower()
        return origin in (f"http://{host}", f"https://{host}") or origin == self.public_origin

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        async def refuse(problem: Problem) -> None:
            answer = JSONResponse(problem.body(), status_code=problem.status)
            await answer(scope, receive, send_with_headers)

        if not self.host_is_ours(scope):
            unknown = (
                "This server is not known by that name; whoever runs it can allow the name with "
                "--allow-host."
            )
            await refuse(Problem(421, "unknown_host", unknown))
            return
        if scope["method"] not in SAFE_METHODS and not self.origin_is_ours(scope):
            foreign = "This request comes from another site's page."
            await refuse(Problem(403, "foreign_origin", foreign))
            return
        limit = self.upload_limit if scope["path"].startswith(self.upload_paths) else BODY_LIMIT
        too_large = Problem(413, "too_large", f"The body is longer than {limit} bytes.")
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > limit:
            await refuse(too_large)
            return
        # A chunked body declares no length: count what really comes.
        received, overrun, started = 0, False, False

        async def counting_receive() -> Message:
            nonlocal received, overrun
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limit:
                    overrun = True
                    return {"type": "http.disconnect"}
            return message

        async def watching_send(message: Message) -> None:
            nonlocal started
            if overrun and not started:
                return  # whatever the application says to a body cut short
            started = True
            await send_with_headers(message)

        try:
            await self.app(scope, counting_receive, watching_send)
        except Exception:
            if not overrun:
                raise
        if overrun and not started:
            await refuse(too_large)
