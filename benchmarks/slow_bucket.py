"""A bucket in memory that speaks as much of S3 as vidact uses, answers each request after a while,
and counts what it is asked for: 128,000 objects stand in seconds, most of them without bytes.
"""

from __future__ import annotations

import asyncio
import bisect
import hashlib
import re
import threading
from collections import Counter
from collections.abc import Callable
from xml.sax.saxutils import escape

from aiohttp import web

BUCKET = "bucket"
TIME = "2026-01-01T00:00:00.000Z"
WRITTEN_S = 1_767_225_600.0  # the same as Unix time
PAGE = 1000  # names in a listing, as S3 gives them
NUMBER = re.compile(r"\d{3,}|[0-9a-f]{12,}")


class SlowBucket:
    """Objects by key: their bytes, or a size and entity tag of what nobody should read.

    Args:
        latency_s: before each answer.
        read: gives the bytes of an object that has none.
    """

    def __init__(self, latency_s: float, read: Callable[[str], bytes]):
        self._latency_s, self._read = latency_s, read
        self.objects: dict[str, bytes | tuple[int, str]] = {}
        self.asked: Counter[str] = Counter()
        """Requests, by method and the beginning of the key."""
        self._keys: list[str] = []

    def __enter__(self) -> str:
        self._keys = sorted(self.objects)
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._serve, args=(ready,), daemon=True).start()
        ready.wait()
        return f"http://127.0.0.1:{self._port}"

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)

        async def start() -> None:
            app = web.Application(client_max_size=1 << 30)
            app.router.add_route("*", "/{tail:.*}", self._answer)
            runner = web.AppRunner(app)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self._port = runner.addresses[0][1]
            ready.set()

        self._loop.run_until_complete(start())
        self._loop.run_forever()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        bucket, _, key = request.path.lstrip("/").partition("/")
        await asyncio.sleep(self._latency_s)
        body = await request.read()
        listing = request.method == "GET" and not key
        place = request.query.get("prefix", "") if listing else key
        self.asked[f"{'LIST' if listing else request.method} {_kind(place)}"] += 1
        if bucket != BUCKET:
            return _error(404, "NoSuchBucket")
        if listing:
            return self._listing(request)
        if request.method == "PUT":
            return self._put(key, body, request)
        if request.method == "DELETE":
            self._remove(key)
            return web.Response(status=204)
        if request.method == "POST":
            for one in re.findall(r"<Key>(.*?)</Key>", body.decode()):
                self._remove(one)
            return web.Response(text="<DeleteResult/>", content_type="application/xml")
        return self._get(key, request)

    def _get(self, key: str, request: web.Request) -> web.Response:
        if key not in self.objects:
            return _error(404, "NoSuchKey")
        size, tag = self._size_and_tag(key)
        headers = {"ETag": f'"{tag}"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        if request.method == "HEAD":
            return web.Response(headers={**headers, "Content-Length": str(size)})
        found = self.objects[key]
        data = found if isinstance(found, bytes) else self._read(key)
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        if part is None:
            return web.Response(body=data, headers=headers)
        begin, end = int(part[1]), min(int(part[2] or len(data)), len(data) - 1)
        headers["Content-Range"] = f"bytes {begin}-{end}/{len(data)}"
        return web.Response(status=206, body=data[begin : end + 1], headers=headers)

    def _put(self, key: str, body: bytes, request: web.Request) -> web.Response:
        there = key in self.objects
        wanted = request.headers.get("If-Match", "").strip('"')
        if (there and request.headers.get("If-None-Match")) or (
            wanted and (not there or wanted != self._size_and_tag(key)[1])
        ):
            return _error(412, "PreconditionFailed")
        if not there:
            bisect.insort(self._keys, key)
        self.objects[key] = body
        return web.Response(headers={"ETag": f'"{self._size_and_tag(key)[1]}"'})

    def _remove(self, key: str) -> None:
        if self.objects.pop(key, None) is not None:
            del self._keys[bisect.bisect_left(self._keys, key)]

    def _listing(self, request: web.Request) -> web.Response:
        prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
        after = request.query.get("continuation-token", "")
        most = int(request.query.get("max-keys", PAGE))
        lines: list[str] = []
        folders: list[str] = []
        at = max(bisect.bisect_left(self._keys, prefix), bisect.bisect_right(self._keys, after))
        while at < len(self._keys) and len(lines) + len(folders) < most:
            key = self._keys[at]
            if not key.startswith(prefix):
                break
            inner = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if inner[1]:
                folders.append(prefix + inner[0] + delimiter)
                # Behind everything in the folder.
                at = bisect.bisect_left(self._keys, folders[-1] + "\U0010ffff")
                continue
            size, tag = self._size_and_tag(key)
            lines.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>{TIME}</LastModified>"
                f"<ETag>&quot;{tag}&quot;</ETag><Size>{size}</Size></Contents>"
            )
            at += 1
        more = at < len(self._keys) and self._keys[at].startswith(prefix)
        token = f"<NextContinuationToken>{escape(self._keys[at - 1])}</NextContinuationToken>"
        shown = [f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in folders]
        text = (
            f"<ListBucketResult><Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<KeyCount>{len(lines) + len(folders)}</KeyCount><MaxKeys>{most}</MaxKeys>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token if more else ''}"
            f"{''.join(lines)}{''.join(shown)}</ListBucketResult>"
        )
        return web.Response(text=text, content_type="application/xml")

    def _size_and_tag(self, key: str) -> tuple[int, str]:
        found = self.objects[key]
        if isinstance(found, tuple):
            return found
        return len(found), hashlib.md5(found).hexdigest()


def _kind(key: str) -> str:
    """The beginning of a key, without what tells it from its neighbors."""
    return NUMBER.sub("*", "/".join(key.split("/")[:3]))


def _error(status: int, code: str) -> web.Response:
    text = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml")
