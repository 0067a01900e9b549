"""The Anthropic Python SDK against `/v1/messages`, before every provider: Claude's bytes pass, others change."""

import anthropic
import pytest

from harness.answers import CALLS, PIXEL, Answer, says
from harness.providers import PROVIDERS
from harness.stage import HI, MASTER_KEY, ONCE

WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLASSES = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
}


@pytest.fixture(params=PROVIDERS, ids=lambda provider: provider.name)
def provider(request):
    return request.param


@pytest.fixture
def upstream(every_provider, provider):
    return every_provider[1][provider.name]


@pytest.fixture
def sdk(every_provider):
    proxy, _ = every_provider
    with anthropic.Anthropic(base_url=proxy.address, api_key="anything", max_retries=0) as sdk:
        yield sdk


def plays(provider, upstream, *answers):
    upstream.play(*(provider.wire.answer(answer) for answer in answers))


def asked(provider, **members):
    return {"model": provider.name, "max_tokens": 64, "messages": HI, **members}


def test_plain(sdk, provider, upstream):
    plays(provider, upstream, says("I am ", "a model."))
    message = sdk.messages.create(**asked(provider, system="Be brief.", stop_sequences=["THE END"]))
    assert [(block.type, block.text) for block in message.content] == [("text", "I am a model.")]
    assert (message.role, message.type, message.stop_reason, message.model) == (
        "assistant",
        "message",
        "end_turn",
        provider.name,
    )
    assert (message.usage.input_tokens, message.usage.output_tokens) == (7, 3)
    [hit] = upstream.hits
    assert b"Be brief." in hit.content and b"THE END" in hit.content


def test_stream(sdk, provider, upstream):
    plays(provider, upstream, says("I am ", "a ", "model."))
    with sdk.messages.stream(**asked(provider)) as stream:
        assert list(stream.text_stream) == ["I am ", "a ", "model."]
        message = stream.get_final_message()
    assert (message.stop_reason, message.model, message.usage.output_tokens) == ("end_turn", provider.name, 3)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_tools_there_and_back(sdk, provider, upstream, stream):
    plays(provider, upstream, Answer(calls=CALLS), says("Rain, and rain."))
    if stream:
        with sdk.messages.stream(**asked(provider, tools=[WEATHER])) as events:
            message = events.get_final_message()
    else:
        message = sdk.messages.create(**asked(provider, tools=[WEATHER]))
    uses = [block for block in message.content if block.type == "tool_use"]
    assert [(use.name, use.input) for use in uses] == [("weather", {"city": "Paris"}), ("weather", {"city": "Rome"})]
    assert message.stop_reason == "tool_use"
    results = [
        {"type": "tool_result", "tool_use_id": use.id, "content": f"rain in {use.input['city']}"} for use in uses
    ]
    turns = [*HI, {"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
    assert sdk.messages.create(**asked(provider, tools=[WEATHER], messages=turns)).content[0].text == "Rain, and rain."
    second = upstream.hits[1].content
    assert second.index(b"rain in Paris") < second.index(b"rain in Rome")


def test_images(sdk, provider, upstream):
    plays(provider, upstream, says("a pixel"))
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    turns = [{"role": "user", "content": [image, {"type": "text", "text": "what is this"}]}]
    assert sdk.messages.create(**asked(provider, messages=turns)).content[0].text == "a pixel"
    [hit] = upstream.hits
    assert PIXEL.encode() in hit.content


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("status", CLASSES)
def test_errors(sdk, provider, upstream, status, stream):
    upstream.play(provider.wire.fails(status, "what the provider said"))
    with pytest.raises(CLASSES[status], match="what the provider said") as caught:
        sdk.messages.create(**asked(provider, stream=stream))
    assert caught.value.status_code == status
    assert caught.value.body["type"] == "error" and caught.value.body["error"].keys() >= {"type", "message"}


def test_a_stream_that_breaks_off_raises(sdk, provider, upstream):
    upstream.play(provider.wire.breaks_off(says("I am ", "a ", "model.")))
    with pytest.raises(anthropic.APIError), sdk.messages.stream(**asked(provider)) as stream:
        stream.get_final_message()


@pytest.mark.parametrize("name", ["anthropic", "bedrock"])
def test_thinking_passes(sdk, every_provider, name):
    provider = next(provider for provider in PROVIDERS if provider.name == name)
    upstream = every_provider[1][name]
    plays(provider, upstream, Answer(words=("forty-two",), thinking="six times seven"))
    thinking = {"type": "enabled", "budget_tokens": 1024}
    with sdk.messages.stream(**asked(provider, max_tokens=2048, thinking=thinking)) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking == "six times seven" and message.content[0].signature
    [hit] = upstream.hits
    assert hit.body["thinking"] == thinking
    if name == "anthropic":
        assert hit.headers["anthropic-version"] and hit.headers["x-api-key"] == "sk-ant-upstream"
    else:
        assert hit.path.endswith("/invoke-with-response-stream")
        assert hit.body["anthropic_version"] == "bedrock-2023-05-31" and not hit.body.keys() & {"model", "stream"}


def test_features_in_trial_reach_bedrock(sdk, every_provider):
    provider = next(provider for provider in PROVIDERS if provider.name == "bedrock")
    upstream = every_provider[1]["bedrock"]
    plays(provider, upstream, says("hello"))
    betas = ["token-efficient-tools-2025-02-19", "files-api-2025-04-14"]
    assert sdk.beta.messages.create(**asked(provider, betas=betas)).content[0].text == "hello"
    [hit] = upstream.hits
    assert hit.body["anthropic_beta"] == betas[:1]


def test_keys(start, every_provider):
    upstream, provider = (
        every_provider[1]["anthropic"],
        next(provider for provider in PROVIDERS if provider.name == "anthropic"),
    )
    plays(provider, upstream, says("hello"))
    model = {"model_name": "anthropic", "litellm_params": provider.params(upstream.origin)}
    proxy = start.proxy({"model_list": [model], "general_settings": {"master_key": MASTER_KEY}, **ONCE})

    def sdk(key):
        return anthropic.Anthropic(base_url=proxy.address, api_key=key, max_retries=0)

    with sdk(MASTER_KEY) as served, sdk("sk-another") as refused:
        assert served.messages.create(**asked(provider)).content[0].text == "hello"
        with pytest.raises(anthropic.AuthenticationError):
            refused.messages.create(**asked(provider))
