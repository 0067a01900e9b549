"""What a scripted upstream does with a request. Durations are seconds."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum

SSE = "text/event-stream"
FRAMES = "application/vnd.amazon.eventstream"


class End(Enum):
    """How a reply ends."""

    WHOLE = "whole"
    #: The connection is closed after the last piece, without the end of the body.
    CUT = "cut"
    RESET = "reset"
    #: Nothing more comes until the caller hangs up.
    SILENCE = "silence"


@dataclass(frozen=True)
class Reply:
    """Bytes to send. A reply in pieces is chunked, one in a single piece has a length."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: tuple[bytes, ...] = ()
    chunked: bool = False
    #: The bytes of the whole reply, its head too.
    raw: bytes | None = None
    #: The same, byte by byte, with `interval` between two.
    trickle: bytes = b""
    #: Before the head.
    delay: float = 0.0
    #: Between the head and the first piece.
    first_delay: float = 0.0
    #: After each piece.
    interval: float = 0.0
    end: End = End.WHOLE

    def but(self, **changes) -> "Reply":
        return replace(self, **changes)


#: From the request to the reply.
Step = Callable[..., Reply]


def document(status, body, content_type="application/json", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return Reply(status, {"content-type": content_type, **headers}, (data,))


def events(pieces, content_type=SSE, **headers):
    return Reply(200, {"content-type": content_type, **headers}, tuple(pieces), chunked=True)


def always(reply) -> Step:
    return lambda hit: reply


def hang() -> Step:
    """Never answers."""
    return always(Reply(end=End.SILENCE))


def reset() -> Step:
    """Resets the connection instead of an answer."""
    return always(Reply(end=End.RESET))


def html(status=502) -> Step:
    page = b"<html><head><title>Bad gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
    return always(document(status, page, "text/html"))


def recorded(response) -> Step:
    """A recorded answer, with the same pieces on the wire."""
    headers = {
        name: value
        for name, value in (response.get("headers") or {}).items()
        if name.lower() not in ("content-length", "transfer-encoding", "connection")
    }
    chunked = True
    if "sse" in response:
        data, content_type = response["sse"].encode(), SSE
        pieces = [event + b"\n\n" for event in data.split(b"\n\n") if event]
        if not data.endswith(b"\n\n") and pieces:
            pieces[-1] = pieces[-1][:-2]
    elif "eventstream_base64" in response:
        data, content_type = base64.b64decode(response["eventstream_base64"]), FRAMES
        pieces = [data]
    else:
        is_text = "text" in response
        data = response["text"].encode() if is_text else json.dumps(response.get("body"), ensure_ascii=False).encode()
        content_type, pieces, chunked = "text/plain" if is_text else "application/json", [data], False
    if size := response.get("wire_chunk_bytes"):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
    if not any(name.lower() == "content-type" for name in headers):
        headers["content-type"] = content_type
    end = End.CUT if response.get("abort") else End.WHOLE
    return always(Reply(response.get("status", 200), headers, tuple(pieces), chunked, end=end))
