"""Every provider, read by the OpenAI SDK: whatever the upstream speaks, the client hears OpenAI."""

import base64
import json

import openai
import pytest
from pydantic import BaseModel

from harness.answers import CALLS, PIXEL, Answer, says
from harness.providers import PROVIDERS
from harness.stage import HI

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
CLASSES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
}


class City(BaseModel):
    """What structured answers are parsed into."""

    name: str
    people: int


class Stage:
    """A provider, its upstream and a client of the proxy."""

    def __init__(self, provider, upstream, client):
        self.provider, self.upstream, self.client = provider, upstream, client

    def plays(self, *answers):
        self.upstream.play(*(self.provider.wire.answer(answer) for answer in answers))

    def create(self, **asked):
        return self.client.chat.completions.create(**{"model": self.provider.name, "messages": HI, **asked})

    def stream(self, **asked):
        return self.client.chat.completions.stream(**{"model": self.provider.name, "messages": HI, **asked})

    @property
    def sent(self):
        """The only request that reached the upstream."""
        [hit] = self.upstream.hits
        return hit


@pytest.fixture(params=PROVIDERS, ids=lambda provider: provider.name)
def stage(request, every_provider, client):
    proxy, upstreams = every_provider
    return Stage(request.param, upstreams[request.param.name], client(proxy))


@pytest.fixture(params=[provider for provider in PROVIDERS if provider.thinks], ids=lambda provider: provider.name)
def thinker(request, every_provider, client):
    proxy, upstreams = every_provider
    return Stage(request.param, upstreams[request.param.name], client(proxy))


def test_plain(stage):
    stage.plays(says("I am ", "a model."))
    completion = stage.create(temperature=0.5, max_tokens=9)
    [choice] = completion.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", "I am a model.", "stop")
    assert (completion.object, completion.model) == ("chat.completion", stage.provider.name)
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens, completion.usage.total_tokens) == (
        7,
        3,
        10,
    )
    assert completion.id and completion.created > 0
    assert b"0.5" in stage.sent.content


def test_stream(stage):
    stage.plays(says("I am ", "a ", "model."))
    chunks = list(stage.create(stream=True))
    words = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert words == ["I am ", "a ", "model."]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"
    assert {chunk.model for chunk in chunks} == {stage.provider.name} and len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)
    assert stage.client.tap.last.content.endswith(b"data: [DONE]\n\n")


def test_usage_at_the_end_of_a_stream(stage):
    stage.plays(says("I am ", "a model."))
    *chunks, last = stage.create(stream=True, stream_options={"include_usage": True})
    assert all(chunk.usage is None for chunk in chunks)
    assert last.choices == []
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens) == (7, 3, 10)


def test_accumulated_stream(stage):
    stage.plays(says("I am ", "a model."))
    with stage.stream(stream_options={"include_usage": True}) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta" and event.delta]
        completion = stream.get_final_completion()
    assert deltas == ["I am ", "a model."]
    assert completion.choices[0].message.content == "I am a model."
    assert (completion.choices[0].finish_reason, completion.usage.total_tokens) == ("stop", 10)


def test_thinking_in_an_accumulated_stream(thinker):
    thinker.plays(Answer(words=("forty", "-two"), thinking="six times seven"))
    with thinker.stream() as stream:
        completion = stream.get_final_completion()
    message = completion.choices[0].message
    assert (message.content, message.reasoning_content) == ("forty-two", "six times seven")


def test_thinking(thinker):
    thinker.plays(Answer(words=("forty-two",), thinking="six times seven"))
    message = thinker.create().choices[0].message
    assert (message.content, message.reasoning_content) == ("forty-two", "six times seven")


def arguments(calls):
    return [(call.function.name, json.loads(call.function.arguments)) for call in calls]


def test_tools_there_and_back(stage):
    stage.plays(Answer(calls=CALLS[:1]), says("It rains in Paris."))
    asked = stage.create(tools=[WEATHER], tool_choice="auto")
    assert asked.choices[0].finish_reason == "tool_calls"
    [call] = asked.choices[0].message.tool_calls
    assert (call.type, arguments([call])) == ("function", [("weather", {"city": "Paris"})])
    results = [{"role": "tool", "tool_call_id": call.id, "content": "rain-in-paris"}]
    # The SDK's own message goes back as it came.
    told = stage.create(tools=[WEATHER], messages=[*HI, asked.choices[0].message, *results])
    assert told.choices[0].message.content == "It rains in Paris."
    _, second = stage.upstream.hits
    assert b"rain-in-paris" in second.content and b"Paris" in second.content


def test_parallel_tools_there_and_back(stage):
    stage.plays(Answer(calls=CALLS), says("Rain, and sun."))
    message = stage.create(tools=[WEATHER]).choices[0].message
    assert arguments(message.tool_calls) == [("weather", {"city": "Paris"}), ("weather", {"city": "Rome"})]
    assert len({call.id for call in message.tool_calls}) == 2
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f"result {at}"}
        for at, call in enumerate(message.tool_calls)
    ]
    stage.create(tools=[WEATHER], messages=[*HI, message, *results])
    second = stage.upstream.hits[1].content
    assert second.index(b"result 0") < second.index(b"result 1")


def test_tools_in_a_stream(stage):
    stage.plays(Answer(words=("Let me look.",), calls=CALLS))
    with stage.stream(tools=[WEATHER]) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        choice = stream.get_final_completion().choices[0]
    assert [json.loads(event.arguments) for event in done] == [{"city": "Paris"}, {"city": "Rome"}]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "Let me look.")
    assert arguments(choice.message.tool_calls) == [("weather", {"city": "Paris"}), ("weather", {"city": "Rome"})]
    assert all(call.id for call in choice.message.tool_calls)


def test_a_tool_by_name(stage):
    stage.plays(Answer(calls=CALLS[:1]))
    asked = stage.create(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "weather"}})
    assert arguments(asked.choices[0].message.tool_calls) == [("weather", {"city": "Paris"})]
    assert stage.sent.content.count(b'"weather"') >= 2


def test_a_parsed_schema(stage):
    stage.plays(says('{"name": "Paris", "people": 2100000}'))
    completion = stage.client.chat.completions.parse(model=stage.provider.name, messages=HI, response_format=City)
    assert completion.choices[0].message.parsed == City(name="Paris", people=2100000)
    assert completion.choices[0].finish_reason == "stop"
    assert b"people" in stage.sent.content


def test_a_parsed_schema_in_a_stream(stage):
    stage.plays(says('{"name": "Paris",', ' "people": 2100000}'))
    with stage.stream(response_format=City) as stream:
        completion = stream.get_final_completion()
    assert completion.choices[0].message.parsed == City(name="Paris", people=2100000)


def test_images(stage):
    stage.plays(says("a pixel"))
    parts = [
        {"type": "text", "text": "what is this"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    assert stage.create(messages=[{"role": "user", "content": parts}]).choices[0].message.content == "a pixel"
    assert PIXEL.encode() in stage.sent.content and base64.b64decode(PIXEL).startswith(b"\x89PNG")


def test_headers(stage):
    stage.plays(says("hello"))
    response = stage.client.chat.completions.with_raw_response.create(model=stage.provider.name, messages=HI)
    assert response.parse().choices[0].message.content == "hello"
    assert response.headers["x-litellm-model-group"] == stage.provider.name
    assert response.headers["x-litellm-model-id"] and response.headers["x-litellm-model-api-base"]
    assert response.headers["x-litellm-attempted-retries"] == "0"
    for name, value in stage.provider.wire.headers.items():
        assert response.headers[f"llm_provider-{name}"] == value
    if stage.provider.wire.headers:
        assert response.headers["x-ratelimit-remaining-requests"] == "41"


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("status", CLASSES)
def test_errors(stage, status, stream):
    stage.upstream.play(stage.provider.wire.fails(status, "what the provider said"))
    with pytest.raises(CLASSES[status]) as caught:
        stage.create(stream=stream)
    error = caught.value
    assert error.status_code == status and str(error.code) == str(status)
    assert "what the provider said" in error.message
    assert "type" in error.body and "param" in error.body


def test_a_stream_that_breaks_off_raises(stage):
    stage.upstream.play(stage.provider.wire.breaks_off(says("I am ", "a ", "model.")))
    words = []
    with pytest.raises(openai.APIError, match=".+"):
        for chunk in stage.create(stream=True):
            words.append(chunk.choices[0].delta.content or "")
    assert "".join(words) == "I am a model."
