"""Scripted upstreams: plain sockets, so that a script can cut, reset and stall as real providers do."""

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from .steps import End, Reply, document

#: The token endpoints of Google and of IBM.
TOKEN_PATHS = ("/token", "/identity/token")
#: How long tokens are good for, in seconds.
TOKEN_LIFE = 3600
#: A request head longer than this is a fault of the proxy.
MAX_HEAD = 1 << 20


@dataclass
class Hit:
    """A request that reached an upstream."""

    name: str
    at: float
    method: str
    path: str
    query: str
    headers: dict[str, str]
    content: bytes
    done_at: float | None = None
    #: When the other side hung up before its answer was complete.
    left_at: float | None = None
    #: Set once it did.
    left: threading.Event = field(default_factory=threading.Event)

    @property
    def body(self) -> Any:
        try:
            return json.loads(self.content)
        except ValueError:
            return None


class Upstream:
    """A provider on a port of its own. It plays the steps of its script, one for each request; the last one repeats."""

    def __init__(self, name, *steps):
        self.name, self._tasks = name, set()
        #: The step of its token endpoints, which are beside every script.
        self.grants = _grant
        self.play(*steps)

    def play(self, *steps):
        """Forgets what came, and starts a new script."""
        self.steps, self._next = list(steps), 0
        self.hits, self.tokens = [], []
        return self

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    async def start(self):
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=MAX_HEAD, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self):
        self._server.close()
        for task in list(self._tasks):
            task.cancel()

    async def _connection(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            early = b""
            while early is not None:
                early = await self._exchange(early, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, early, reader, writer):
        """Serves a request that begins with `early`. Returns the beginning of the next, `None` if there is none."""
        hit = await _read(self.name, early, reader, writer)
        if hit.path in TOKEN_PATHS:
            self.tokens.append(hit)
            return b"" if await _send(self.grants(hit), writer, asyncio.Event()) else None
        self.hits.append(hit)
        reply = self._step()(hit)
        gone = asyncio.Event()
        watch = asyncio.create_task(_watch(reader, hit, gone))
        try:
            keep = await _send(reply, writer, gone)
        except ConnectionError:
            _leaves(hit)
            keep = False
        if hit.left_at is None:
            hit.done_at = time.monotonic()
        if not keep:
            watch.cancel()
            return None
        return await watch

    def _step(self):
        if not self.steps:
            return lambda hit: document(500, {"error": {"message": f"nothing is scripted for {hit.name}"}})
        step = self.steps[min(self._next, len(self.steps) - 1)]
        self._next += 1
        return step


class Loop:
    """An event loop in a thread, for checks that call clients without one."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()


async def _read(name, early, reader, writer):
    head = (early + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    pairs = (line.split(":", 1) for line in head[1:] if ":" in line)
    headers = {key.strip().lower(): value.strip() for key, value in pairs}
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    content = b""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        while size := int((await reader.readline()).split(b";")[0], 16):
            content += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    else:
        content = await reader.readexactly(int(headers.get("content-length", 0)))
    path, _, query = target.partition("?")
    return Hit(name, time.monotonic(), method, path, query, headers, content)


def _grant(hit):
    asked = parse_qs(hit.content.decode())
    if not asked.get("assertion") and not asked.get("apikey"):
        return document(400, {"error": "invalid_request"})
    return document(200, {"access_token": "token-of-a-script", "token_type": "Bearer", "expires_in": TOKEN_LIFE})


async def _watch(reader, hit, gone):
    """Waits for the first byte after a request: of the next one, or the end of the connection, which is `None`."""
    try:
        early = await reader.read(1)
    except ConnectionError:
        early = b""
    if early:
        return early
    if hit.done_at is None:
        _leaves(hit)
    gone.set()
    return None


def _leaves(hit):
    hit.left_at = hit.left_at or time.monotonic()
    hit.left.set()


async def _send(reply: Reply, writer, gone):
    """Sends a reply. Says whether the connection may be used again."""
    if not await _passed(reply.delay, gone):
        return False
    if reply.end is End.SILENCE and not reply.pieces:
        await gone.wait()
        return False
    if reply.raw is not None:
        writer.write(reply.raw)
        await writer.drain()
        return False
    for byte in reply.trickle:
        writer.write(bytes([byte]))
        await writer.drain()
        if not await _passed(reply.interval, gone):
            return False
    if reply.pieces or reply.end is End.WHOLE:
        writer.write(_head(reply))
        await writer.drain()
    if not await _passed(reply.first_delay, gone):
        return False
    for piece in reply.pieces:
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if reply.chunked else piece)
        await writer.drain()
        if not await _passed(reply.interval, gone):
            return False
    return await _end(reply, writer, gone)


async def _end(reply, writer, gone):
    if reply.end is End.SILENCE:
        await gone.wait()
    if reply.end is End.RESET:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
    if reply.end is not End.WHOLE:
        return False
    if reply.chunked:
        writer.write(b"0\r\n\r\n")
        await writer.drain()
    return True


def _head(reply):
    try:
        reason = HTTPStatus(reply.status).phrase
    except ValueError:
        reason = "Other"
    length = "transfer-encoding: chunked" if reply.chunked else f"content-length: {sum(map(len, reply.pieces))}"
    lines = [
        f"HTTP/1.1 {reply.status} {reason}",
        *(f"{name}: {value}" for name, value in reply.headers.items()),
        length,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def _passed(seconds, gone):
    """Waits; says whether the other side is still there."""
    if seconds:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(gone.wait(), seconds)
    return not gone.is_set()
