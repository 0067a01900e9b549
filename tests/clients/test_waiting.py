"""What the SDKs make of signs of life before there is an answer, and of the event for what a fallback went around."""

import json

import anthropic
import openai
import pytest

from harness.answers import says
from harness.stage import HI
from harness.steps import events
from harness.wires import Anthropic, OpenAi

#: Seconds: the shortest interval there is, and an answer that takes longer than two of them.
EVERY, LATE = 1, 2.3


def part(kind, number, **members):
    data = {"type": kind, "sequence_number": number, **members}
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def responses():
    """A stream of OpenAI's Responses that says `hello`."""
    empty = {"id": "resp_1", "object": "response", "created_at": 1, "model": "x", "output": [], "status": "in_progress"}
    text = {"type": "output_text", "text": "", "annotations": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    whole = {**empty, "status": "completed", "output": [{**item, "content": [{**text, "text": "hello"}]}]}
    return events(
        [
            part("response.created", 0, response=empty),
            part("response.output_item.added", 1, output_index=0, item={**item, "content": []}),
            part("response.content_part.added", 2, **where, part=text),
            part("response.output_text.delta", 3, **where, delta="hello", logprobs=[]),
            part("response.completed", 4, response=whole),
        ]
    )


class Chat:
    errors = openai.APIError
    model, wire = "openai/x", OpenAi()

    def __init__(self, client, proxy):
        self.sdk = client(proxy, max_retries=openai.DEFAULT_MAX_RETRIES)
        self.tap = self.sdk.tap

    def answer(self, hit):
        return self.wire.answer(says("hel", "lo"))(hit)

    def read(self, model, **body):
        with self.sdk.chat.completions.stream(model=model, messages=HI, extra_body=body) as stream:
            for _ in stream:
                pass
            return stream.get_final_completion().choices[0].message.content


class Responses(Chat):
    def answer(self, hit):
        return responses()

    def read(self, model, **body):
        with self.sdk.responses.stream(model=model, input="hi", extra_body=body) as stream:
            for _ in stream:
                pass
            return stream.get_final_response().output_text


class Messages(Chat):
    errors = anthropic.APIError
    model, wire = "anthropic/claude-3-opus-20240229", Anthropic()

    def __init__(self, client, proxy):
        self.sdk = anthropic.Anthropic(base_url=proxy.address, api_key="anything")
        # Its transport is another one.
        self.tap = None

    def read(self, model, **body):
        with self.sdk.messages.stream(model=model, max_tokens=9, messages=HI, extra_body=body) as stream:
            return stream.get_final_text()


@pytest.fixture(params=[Chat, Responses, Messages], ids=lambda api: api.__name__.lower())
def api(request):
    return request.param


@pytest.fixture
def scene(start, client, api):
    """Two groups, the first of which falls back on the second, and a client of the API."""
    first, second = start.upstream("first"), start.upstream("second")
    models = [
        {
            "model_name": upstream.name,
            "litellm_params": {"model": api.model, "api_base": upstream.origin, "api_key": "sk-upstream"},
        }
        for upstream in (first, second)
    ]
    proxy = start.proxy(
        {
            "model_list": models,
            "general_settings": {"expose_fallback_errors_to_caller": True},
            "router_settings": {"num_retries": 0, "disable_cooldowns": True, "fallbacks": [{"first": ["second"]}]},
            "litellm_settings": {"sse_keepalive_ping_interval_seconds": EVERY},
        }
    )
    return api(client, proxy), first, second


def test_an_answer_after_pings(scene):
    api, first, _ = scene
    first.play(lambda hit: api.answer(hit).but(delay=LATE))
    assert api.read("first") == "hello"
    if api.tap:
        assert api.tap.last.content.startswith(b": ping\n\n" * 2)


def test_a_failure_after_pings(scene):
    api, first, second = scene
    first.play(lambda hit: api.wire.fails(500, "broken")(hit).but(delay=LATE))
    second.play(api.wire.fails(400, "no"))
    with pytest.raises(api.errors) as caught:
        api.read("first")
    assert "broken" in str(caught.value)
    # Its head said that all is well: it is no call to make again.
    assert len(first.hits) == 1 and len(second.hits) == 1


@pytest.mark.parametrize("delay", [0, LATE], ids=["soon", "late"])
def test_what_a_fallback_went_around(scene, delay):
    api, first, second = scene
    first.play(lambda hit: api.wire.fails(500, "broken")(hit).but(delay=delay))
    second.play(api.answer)
    assert api.read("first", include_fallback_errors=True) == "hello"
    if api.tap:
        assert b'"litellm_fallback":{"errors":[{"message":' in api.tap.last.content
        assert ("x-litellm-fallback-errors" in api.tap.last.headers) == (delay == 0)
