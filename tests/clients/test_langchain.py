"""LangChain's `ChatOpenAI`, as it is documented for proxies of LiteLLM."""

import asyncio

import openai
import pytest
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from harness.answers import CALLS, Answer, says
from harness.providers import PROVIDERS

MESSAGES = [
    SystemMessage(content="You are a helpful assistant that im using to make a test request to."),
    HumanMessage(content="tell me why it's amazing in 1 sentence"),
]


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"It rains in {city}."


class City(BaseModel):
    """A city."""

    name: str
    people: int


@pytest.fixture(params=PROVIDERS, ids=lambda provider: provider.name)
def provider(request):
    return request.param


@pytest.fixture
def chat(every_provider, provider):
    proxy, _ = every_provider
    return ChatOpenAI(openai_api_base=proxy.address, openai_api_key="anything", model=provider.name, max_retries=0)


@pytest.fixture
def upstream(every_provider, provider):
    return every_provider[1][provider.name]


def plays(provider, upstream, *answers):
    upstream.play(*(provider.wire.answer(answer) for answer in answers))


def test_invoke(chat, provider, upstream):
    plays(provider, upstream, says("Because ", "it is."))
    answer = chat.invoke(MESSAGES)
    assert answer.content == "Because it is."
    assert (
        answer.response_metadata["finish_reason"] == "stop" and answer.response_metadata["model_name"] == provider.name
    )
    usage = answer.usage_metadata
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (7, 3, 10)
    [hit] = upstream.hits
    assert b"helpful assistant" in hit.content


def test_stream(chat, provider, upstream):
    plays(provider, upstream, says("Because ", "it ", "is."))
    chunks = list(chat.stream(MESSAGES, stream_usage=True))
    assert [chunk.content for chunk in chunks if chunk.content] == ["Because ", "it ", "is."]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.usage_metadata["total_tokens"] == 10 and whole.response_metadata["finish_reason"] == "stop"


def test_asynchronously(chat, provider, upstream):
    plays(provider, upstream, says("Because ", "it ", "is."))

    async def ask():
        return [chunk.content async for chunk in chat.astream(MESSAGES) if chunk.content]

    assert asyncio.run(ask()) == ["Because ", "it ", "is."]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_tools(chat, provider, upstream, stream):
    plays(provider, upstream, Answer(calls=CALLS), says("Rain, and rain."))
    bound = chat.bind_tools([weather])
    if stream:
        asked = None
        for chunk in bound.stream(MESSAGES):
            asked = chunk if asked is None else asked + chunk
    else:
        asked = bound.invoke(MESSAGES)
    assert [(call["name"], call["args"]) for call in asked.tool_calls] == [
        ("weather", {"city": "Paris"}),
        ("weather", {"city": "Rome"}),
    ]
    results = [ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]) for call in asked.tool_calls]
    assert bound.invoke([*MESSAGES, asked, *results]).content == "Rain, and rain."
    second = upstream.hits[1].content
    assert second.index(b"It rains in Paris.") < second.index(b"It rains in Rome.")


def test_structured_output(chat, provider, upstream):
    plays(provider, upstream, says('{"name": "Paris", "people": 2100000}'))
    assert chat.with_structured_output(City, method="json_schema").invoke(MESSAGES) == City(
        name="Paris", people=2100000
    )


def test_fallbacks(every_provider):
    proxy, upstreams = every_provider
    first, second = PROVIDERS[0], PROVIDERS[1]
    upstreams[first.name].play(first.wire.fails(503, "overloaded"))
    plays(second, upstreams[second.name], says("from the second"))
    chat = ChatOpenAI(
        openai_api_base=proxy.address,
        openai_api_key="anything",
        model=first.name,
        extra_body={"fallbacks": [second.name]},
    )
    assert chat.invoke(MESSAGES).content == "from the second"


def test_errors(chat, provider, upstream):
    upstream.play(provider.wire.fails(429, "slow down"))
    with pytest.raises(openai.RateLimitError, match="slow down"):
        chat.invoke(MESSAGES)
