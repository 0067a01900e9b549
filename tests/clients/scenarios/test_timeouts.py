"""Time limits. Only lower bounds are held: how late an answer comes is the machine's."""

import pytest

from documented import TIMEOUTS
from harness.stage import hello
from harness.steps import Reply, always, events, hang

LIMIT = 0.3


def late(name, seconds):
    """A step: the head comes after so long."""
    return lambda hit: hello(name)(hit).but(delay=seconds)


@pytest.mark.parametrize("where", ["settings", "deployment", "body", "header"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_silent_upstream(stage, where, stream):
    settings = {"request_timeout": LIMIT} if where == "settings" else {}
    scene = stage.scene(
        {"m": [{"up": "a", **({"timeout": LIMIT} if where == "deployment" else {})}]}, num_retries=0, **settings
    )
    scene.up["a"].play(hang())
    wishes = {"body": {"timeout": LIMIT}, "header": {"headers": {"x-litellm-timeout": str(LIMIT)}}}
    answer = scene.chat("m", stream=stream, **wishes.get(where, {}))
    assert "timeout" in answer.error(408).lower()
    assert answer.seconds >= LIMIT
    [hit] = scene.hits
    assert hit.left.wait(5) and "timeout" not in hit.body


def test_a_timeout_falls_back(stage):
    scene = stage.scene({"a": ["a"], "b": ["b"]}, num_retries=0, request_timeout=LIMIT, fallbacks=[{"a": ["b"]}])
    scene.up["a"].play(hang())
    assert scene.chat("a").content == "hello from b"
    assert scene.order == ["a", "b"]


def test_an_answer_in_time(stage):
    scene = stage.scene({"m": ["a"]}, num_retries=0, request_timeout=20)
    scene.up["a"].play(late("a", LIMIT))
    assert scene.chat("m").content == "hello from a"


def test_stream_timeouts(stage):
    scene = stage.scene({"m": [{"up": "a", "timeout": 20, "stream_timeout": LIMIT}]}, num_retries=0)
    scene.up["a"].play(late("a", 2 * LIMIT))
    assert scene.chat("m").content == "hello from a"
    scene.up["a"].play(hang())
    answer = scene.chat("m", stream=True)
    assert "timeout" in answer.error(408).lower()
    assert LIMIT <= answer.seconds < 20


def test_a_trickle_of_headers(stage):
    scene = stage.scene({"m": [{"up": "a", "timeout": LIMIT}]}, num_retries=0)
    scene.up["a"].play(always(Reply(trickle=b"HTTP/1.1 200 OK\r\n" + b"x-more: and more\r\n" * 1000, interval=0.02)))
    assert "timeout" in scene.chat("m").error(408).lower()
    [hit] = scene.hits
    assert hit.left.wait(5)


def test_the_documented_limits(stage):
    scene = stage.documented(TIMEOUTS, AZURE_API_KEY="azure-env-key")
    answer = scene.chat("gpt-3.5-turbo")
    assert answer.content in ("hello from eu", "hello from ca")
    assert scene.hits[0].path.startswith("/openai/deployments/gpt-turbo-small-")
    for name in ("eu", "ca"):
        scene.up[name].play(hang())
    assert "timeout" in scene.chat("gpt-3.5-turbo").error(408).lower()
    assert {hit.name for hit in scene.hits} == {"eu", "ca"}


def test_a_stream_that_began_may_go_on(stage):
    scene = stage.scene({"m": [{"up": "a", "timeout": 1, "stream_timeout": 1}]}, num_retries=0)
    scene.up["a"].play(lambda hit: hello("a")(hit).but(interval=0.3))
    answer = scene.chat("m", stream=True)
    assert answer.content == "hello from a"
    [hit] = scene.hits
    assert hit.done_at - hit.at > 1


def test_a_stream_that_says_nothing(stage):
    scene = stage.scene({"m": [{"up": "a", "timeout": 20, "stream_timeout": LIMIT}]}, num_retries=0)
    # The head comes at once, and then comments only.
    scene.up["a"].play(always(events([b": wait\n\n"] * 1000).but(interval=0.02)))
    assert "timeout" in scene.chat("m", stream=True).error(408).lower()
