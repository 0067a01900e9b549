"""Embeddings, legacy completions and the client for Azure, through the same layers as chat."""

import openai
import pytest

from harness.answers import says
from harness.operations import Completions, embeddings
from harness.stage import HI, MASTER_KEY, ONCE
from harness.steps import hang
from harness.wires import OpenAi

CHAT, TEXT = OpenAi(), Completions()
VECTORS = (0.5, -0.25, 0.125), (0.5, -0.25, 0.25)


@pytest.fixture(scope="module")
def upstreams(start):
    return {name: start.upstream(name) for name in ("openai", "azure", "huggingface")}


@pytest.fixture(scope="module")
def config(upstreams):
    params = {
        "openai": {"model": "openai/m", "api_base": f"{upstreams['openai'].origin}/v1"},
        "azure": {"model": "azure/m", "api_base": upstreams["azure"].origin, "api_version": "2024-10-21"},
        "huggingface": {"model": "huggingface/org/m", "api_base": f"{upstreams['huggingface'].origin}/v1"},
    }
    return {
        "model_list": [
            {"model_name": name, "litellm_params": {**given, "api_key": f"sk-{name}"}} for name, given in params.items()
        ],
        **ONCE,
    }


@pytest.fixture(scope="module")
def proxy(start, config):
    return start.proxy(config)


@pytest.fixture
def sdk(client, proxy):
    return client(proxy)


@pytest.fixture(params=["openai", "azure", "huggingface"])
def model(request):
    return request.param


@pytest.fixture
def upstream(upstreams, model):
    return upstreams[model]


@pytest.fixture
def azure(client, proxy):
    return client(proxy, openai.AzureOpenAI, azure_endpoint=proxy.address, api_version="2024-10-21")


@pytest.mark.parametrize("given", [{}, {"encoding_format": "float"}], ids=["packed", "floats"])
def test_embeddings(sdk, upstream, model, given):
    upstream.play(embeddings(*VECTORS))
    answer = sdk.embeddings.create(model=model, input=["first", "second"], dimensions=3, **given)
    assert [tuple(item.embedding) for item in answer.data] == list(VECTORS)
    assert (answer.model, answer.usage.total_tokens) == (model, 5)
    [hit] = upstream.hits
    assert hit.path.endswith("/embeddings") and (hit.body["input"], hit.body["dimensions"]) == (["first", "second"], 3)


def test_embeddings_fall_back(sdk, upstreams):
    upstreams["openai"].play(CHAT.fails(503, "overloaded"))
    upstreams["azure"].play(embeddings(VECTORS[0]))
    answer = sdk.embeddings.create(model="openai", input="first", extra_body={"fallbacks": ["azure"]})
    assert tuple(answer.data[0].embedding) == VECTORS[0]
    assert sdk.tap.last.headers["x-litellm-attempted-fallbacks"] == "1"


def test_embeddings_are_retried(sdk, upstreams):
    upstreams["openai"].play(CHAT.fails(500, "once"), embeddings(VECTORS[0]))
    answer = sdk.embeddings.create(model="openai", input="first", extra_body={"num_retries": 1})
    assert tuple(answer.data[0].embedding) == VECTORS[0] and len(upstreams["openai"].hits) == 2


def test_embeddings_time_out(sdk, upstreams):
    upstreams["openai"].play(hang())
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.embeddings.create(model="openai", input="first", extra_body={"timeout": 0.2})
    assert caught.value.status_code == 408


def test_embeddings_that_fail(sdk, upstream, model):
    upstream.play(CHAT.fails(429, "slow down"))
    with pytest.raises(openai.RateLimitError, match="slow down"):
        sdk.embeddings.create(model=model, input="first")


def test_completions(sdk, upstream, model):
    upstream.play(TEXT.answer(says("Hi ", "there.")))
    answer = sdk.completions.create(model=model, prompt="Say hi", max_tokens=5)
    assert (answer.choices[0].text, answer.object, answer.model) == ("Hi there.", "text_completion", model)
    [hit] = upstream.hits
    assert hit.path.endswith("/completions") and "chat" not in hit.path
    assert (hit.body["prompt"], hit.body["max_tokens"]) == ("Say hi", 5)


def test_completions_in_a_stream(sdk, upstream, model):
    upstream.play(TEXT.answer(says("Hi ", "there.")))
    chunks = list(
        sdk.completions.create(model=model, prompt="Say hi", stream=True, stream_options={"include_usage": True})
    )
    assert [choice.text for chunk in chunks for choice in chunk.choices if choice.text] == ["Hi ", "there."]
    assert {chunk.model for chunk in chunks} == {model} and chunks[-1].usage.total_tokens == 10


def test_completions_that_break_off(sdk, upstream, model):
    upstream.play(TEXT.breaks_off(says("Hi ", "there.")))
    with pytest.raises(openai.APIError):
        list(sdk.completions.create(model=model, prompt="Say hi", stream=True))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_completions_fall_back(sdk, upstreams, stream):
    upstreams["openai"].play(TEXT.fails(503, "overloaded"))
    upstreams["azure"].play(TEXT.answer(says("Hi ", "there.")))
    answer = sdk.completions.create(model="openai", prompt="Say hi", stream=stream, extra_body={"fallbacks": ["azure"]})
    text = "".join(chunk.choices[0].text for chunk in answer) if stream else answer.choices[0].text
    assert text == "Hi there."


def test_azure_chat(azure, upstream, model):
    upstream.play(CHAT.answer(says("Hi ", "there.")))
    assert azure.chat.completions.create(model=model, messages=HI).choices[0].message.content == "Hi there."
    words = [
        chunk.choices[0].delta.content or ""
        for chunk in azure.chat.completions.create(model=model, messages=HI, stream=True)
    ]
    assert "".join(words) == "Hi there."
    # The version that the client names is for the path it called; the deployment has its own.
    assert all("api-version" not in hit.query for hit in upstream.hits if model != "azure")


def test_azure_deployments_by_name(client, proxy, upstreams):
    upstreams["openai"].play(CHAT.answer(says("Hi ", "there.")))
    sdk = client(
        proxy, openai.AzureOpenAI, azure_endpoint=proxy.address, azure_deployment="openai", api_version="2024-10-21"
    )
    assert sdk.chat.completions.create(model="unused", messages=HI).choices[0].message.content == "Hi there."


def test_azure_embeddings_and_completions(azure, upstream, model):
    upstream.play(embeddings(VECTORS[0]), TEXT.answer(says("Hi ", "there.")))
    assert tuple(azure.embeddings.create(model=model, input="first").data[0].embedding) == VECTORS[0]
    assert azure.completions.create(model=model, prompt="Say hi").choices[0].text == "Hi there."


def test_azure_errors(azure, upstream, model):
    upstream.play(CHAT.fails(429, "slow down"))
    with pytest.raises(openai.RateLimitError, match="slow down"):
        azure.chat.completions.create(model=model, messages=HI)
    with pytest.raises(openai.BadRequestError):
        azure.chat.completions.create(model="nobody", messages=HI)


def test_azure_keys(start, client, config, upstreams):
    upstreams["openai"].play(CHAT.answer(says("Hi ", "there.")))
    proxy = start.proxy({**config, "general_settings": {"master_key": MASTER_KEY}})
    settings = {"azure_endpoint": proxy.address, "api_version": "2024-10-21"}
    served = client(proxy, openai.AzureOpenAI, api_key=MASTER_KEY, **settings)
    assert served.chat.completions.create(model="openai", messages=HI).choices[0].message.content == "Hi there."
    with pytest.raises(openai.AuthenticationError):
        client(proxy, openai.AzureOpenAI, api_key="sk-another", **settings).chat.completions.create(
            model="openai", messages=HI
        )


def test_engines(client, proxy, upstreams):
    sdk = client(proxy, base_url=f"{proxy.address}/engines/openai")
    upstreams["openai"].play(CHAT.answer(says("Hi ", "there.")))
    assert sdk.chat.completions.create(model="openai", messages=HI).choices[0].message.content == "Hi there."
