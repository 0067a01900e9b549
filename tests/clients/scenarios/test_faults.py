"""Upstreams that misbehave: the caller gets a clear error in OpenAI's shape."""

import socket

import pytest

from harness.answers import says
from harness.stage import fails
from harness.steps import Reply, always, document, events, html, reset
from harness.wires import OpenAi

TRUNCATED = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"id": "chatcmpl-1",'
FAULTS = {
    "reset": reset(),
    "garbage": always(Reply(raw=b"\x00\xff\x13 this is not http\r\n\r\n")),
    "truncated": always(Reply(raw=TRUNCATED)),
    "closed": always(Reply(raw=b"")),
    "html": html(502),
    "no json": always(document(200, b"{")),
    "empty": always(document(200, b"")),
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", FAULTS)
def test_faults(stage, fault, stream):
    scene = stage.scene({"m": ["a"]}, num_retries=0)
    scene.up["a"].play(FAULTS[fault])
    scene.chat("m", stream=stream).error(500, 502, 503)
    assert len(scene.hits) == 1


def test_nobody_listens(stage):
    # Bound, and never listening.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        scene = stage.scene({"m": [{"up": "a", "api_base": f"http://127.0.0.1:{port}"}]}, num_retries=0)
        scene.chat("m").error(500, 502, 503)


TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    422: "invalid_request_error",
    429: "throttling_error",
    500: "internal_server_error",
    503: "internal_server_error",
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("status", TYPES)
def test_errors_keep_their_status(stage, status, stream):
    scene = stage.scene({"m": ["a"]}, num_retries=0)
    scene.fail("a", status=status, message=f"the upstream said {status}")
    answer = scene.chat("m", stream=stream)
    assert f"the upstream said {status}" in answer.error(status)
    assert answer.json["error"]["type"] == TYPES[status]


def test_how_long_to_wait(stage):
    scene = stage.scene({"m": ["a"]}, num_retries=0)
    scene.up["a"].play(fails(429, retry_after="7"))
    answer = scene.chat("m")
    answer.error(429)
    assert answer.headers["retry-after"] == "7" and answer.headers["x-should-retry"] == "true"


def test_a_stream_that_is_cut(stage):
    scene = stage.scene({"m": ["a"]}, num_retries=0)
    words = [f"p{number} " for number in range(10)]
    scene.up["a"].play(OpenAi().breaks_off(says(*words)))
    answer = scene.chat("m", stream=True)
    *chunks, error, done = answer.events
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == "".join(words)
    assert error["error"]["message"] and error["error"]["code"] and done == "[DONE]"
    assert not any(choice.get("finish_reason") for chunk in chunks for choice in chunk["choices"])


def test_a_stream_that_ends_too_early(stage):
    scene = stage.scene({"m": ["a"]}, num_retries=0)
    scene.up["a"].play(lambda hit: events(OpenAi().stream(says("half ", "of it"), hit)[:2]))
    answer = scene.chat("m", stream=True)
    assert "error" in answer.events[-2]
