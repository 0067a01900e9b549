"""The OpenAI Python SDK before deployments that speak OpenAI: what people set on it, and what the proxy makes of it."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from harness import snippets
from harness.answers import says
from harness.stage import MASTER_KEY, ONCE
from harness.steps import Reply, always, document, hang, html, reset
from harness.wires import OpenAi

WIRE = OpenAi()
HI = [{"role": "user", "content": "this is a test request, write a short poem"}]


def deployment(group, upstream, **params):
    given = {
        "model": f"openai/{upstream.name}",
        "api_base": f"{upstream.origin}/v1",
        "api_key": "sk-upstream",
        **params,
    }
    return {"model_name": group, "litellm_params": given}


@pytest.fixture(scope="module")
def upstreams(start):
    return {name: start.upstream(name) for name in ("zephyr", "gpt", "silent", "budget")}


@pytest.fixture(scope="module")
def proxy(start, upstreams):
    """One deployment per group, without retries but for `budget`, whose calls may be sent three times."""
    groups = [
        deployment(name, upstream, **({"num_retries": 2} if name == "budget" else {}))
        for name, upstream in upstreams.items()
    ]
    return start.proxy({"model_list": groups, **ONCE})


@pytest.fixture(autouse=True)
def scripts(upstreams):
    for name, upstream in upstreams.items():
        upstream.play(WIRE.answer(says("hello ", f"from {name}")))
    upstreams["silent"].play(hang())


@pytest.fixture
def sdk(client, proxy):
    return client(proxy)


def content(completion):
    return completion.choices[0].message.content


def test_raw_response(sdk):
    response = sdk.chat.completions.with_raw_response.create(model="gpt", messages=HI)
    assert content(response.parse()) == "hello from gpt"
    assert response.headers["x-litellm-model-group"] == "gpt"
    assert response.headers["x-litellm-attempted-fallbacks"] == "0"
    assert response.headers["content-type"] == "application/json"


def test_raw_response_of_a_stream(sdk):
    with sdk.chat.completions.with_streaming_response.create(model="gpt", messages=HI, stream=True) as response:
        assert response.headers["x-litellm-model-group"] == "gpt"
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"


def test_fields_of_the_provider_are_kept(sdk, upstreams):
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-4o-2024",
        "system_fingerprint": "fp_1",
        "service_tier": "default",
        "new_thing": {"deep": [1, 2]},
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "ja ☃", "new_too": 1},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
    }
    upstreams["gpt"].play(always(document(200, body)))
    completion = sdk.chat.completions.create(model="gpt", messages=HI)
    assert completion.to_dict() == {**body, "model": "gpt"}


def test_arguments_arrive_as_they_were_given(sdk, upstreams):
    asked = {
        "temperature": 0.1,
        "top_p": 0.9,
        "n": 1,
        "stop": ["a", "ü☃"],
        "seed": 7,
        "logit_bias": {"12481": 100},
        "user": "someone",
        "max_tokens": 5,
        "presence_penalty": 0.5,
        "logprobs": True,
        "top_logprobs": 2,
    }
    sdk.chat.completions.create(model="gpt", messages=HI, **asked, extra_body={"a_new_parameter": {"x": [1]}})
    [hit] = upstreams["gpt"].hits
    assert hit.body == {**asked, "messages": HI, "model": "gpt", "a_new_parameter": {"x": [1]}}
    assert hit.headers["authorization"] == "Bearer sk-upstream"
    assert not any(name.startswith("x-stainless") for name in hit.headers)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_fallbacks_in_the_body(sdk, upstreams, stream):
    upstreams["zephyr"].play(WIRE.fails(503, "the engine is overloaded"))
    answer = sdk.chat.completions.create(model="zephyr", messages=HI, stream=stream, extra_body={"fallbacks": ["gpt"]})
    text = "".join(chunk.choices[0].delta.content or "" for chunk in answer) if stream else content(answer)
    assert text == "hello from gpt"
    assert sdk.tap.last.headers["x-litellm-attempted-fallbacks"] == "1"
    [hit] = upstreams["gpt"].hits
    assert "fallbacks" not in hit.body


def test_retries_in_the_body(sdk, upstreams):
    upstreams["zephyr"].play(WIRE.fails(500, "once"), WIRE.fails(500, "twice"), WIRE.answer(says("third")))
    completion = sdk.chat.completions.create(model="zephyr", messages=HI, extra_body={"num_retries": 2})
    assert content(completion) == "third"
    assert sdk.tap.last.headers["x-litellm-attempted-retries"] == "2"
    assert all("num_retries" not in hit.body for hit in upstreams["zephyr"].hits)


@pytest.mark.parametrize(
    "given",
    [{"metadata": {"trace": "secret-trace"}}, {"extra_body": {"metadata": {"trace": "secret-trace"}}}],
    ids=["argument", "extra_body"],
)
def test_metadata_stays_here(sdk, upstreams, given):
    sdk.chat.completions.create(model="gpt", messages=HI, **given)
    [hit] = upstreams["gpt"].hits
    assert b"secret-trace" not in hit.content


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_timeout_in_the_body(sdk, upstreams, stream):
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.chat.completions.create(model="silent", messages=HI, stream=stream, extra_body={"timeout": 0.2})
    assert (caught.value.status_code, caught.value.code) == (408, "408")
    [hit] = upstreams["silent"].hits
    assert hit.left.wait(5) and "timeout" not in hit.body


def test_timeout_in_the_body_falls_back(sdk):
    completion = sdk.chat.completions.create(
        model="silent", messages=HI, extra_body={"timeout": 0.2, "fallbacks": ["gpt"]}
    )
    assert content(completion) == "hello from gpt"


def test_timeout_of_the_sdk(sdk, upstreams):
    # Either the client hangs up, or it was told before that.
    with pytest.raises((openai.APITimeoutError, openai.APIStatusError)) as caught:
        sdk.chat.completions.create(model="silent", messages=HI, timeout=0.5)
    assert isinstance(caught.value, openai.APITimeoutError) or caught.value.status_code == 408
    # Nobody waits for this answer: the proxy lets go of the provider too.
    [hit] = upstreams["silent"].hits
    assert hit.left.wait(5)


def test_a_stream_that_is_closed(sdk, upstreams):
    upstreams["gpt"].play(lambda hit: WIRE.answer(says(*("word " for _ in range(1000))))(hit).but(interval=0.02))
    stream = sdk.chat.completions.create(model="gpt", messages=HI, stream=True)
    words = (chunk.choices[0].delta.content for chunk in stream)
    assert next(word for word in words if word) == "word "
    stream.close()
    [hit] = upstreams["gpt"].hits
    assert hit.left.wait(5) and hit.done_at is None


# What fails whatever is tried: the SDK's own two retries must not multiply the proxy's.
HOPELESS = {
    "500": WIRE.fails(500, "broken"),
    "503": WIRE.fails(503, "overloaded"),
    "reset": reset(),
    "html": html(502),
    "garbage": always(Reply(raw=b"what is HTTP?\r\n\r\n")),
    "not json": always(document(200, b"<html>")),
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", HOPELESS)
def test_retries_do_not_multiply(client, proxy, upstreams, fault, stream):
    sdk = client(proxy, max_retries=openai.DEFAULT_MAX_RETRIES)
    upstreams["budget"].play(HOPELESS[fault])
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.chat.completions.create(model="budget", messages=HI, stream=stream)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(sdk.tap.answers) == 1 and len(upstreams["budget"].hits) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_a_retry_cannot_change_is_sent_once(client, proxy, upstreams, status):
    sdk = client(proxy, max_retries=openai.DEFAULT_MAX_RETRIES)
    upstreams["budget"].play(WIRE.fails(status, "no"))
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.chat.completions.create(model="budget", messages=HI)
    assert caught.value.status_code == status
    assert len(sdk.tap.answers) == 1 and len(upstreams["budget"].hits) == 1


@pytest.mark.parametrize("wait", [{"retry-after-ms": "50"}, {"retry-after": "1"}, {}], ids=["ms", "seconds", "none"])
@pytest.mark.parametrize("status", [429, 503])
def test_waits_are_within_the_budget(client, proxy, upstreams, status, wait):
    sdk = client(proxy, max_retries=openai.DEFAULT_MAX_RETRIES)
    upstreams["budget"].play(always(document(status, WIRE.error(status, "slow down"), **wait)))
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.chat.completions.create(model="budget", messages=HI)
    # The proxy has waited itself, and made all its retries: the SDK has none left.
    headers = caught.value.response.headers
    assert caught.value.status_code == status and headers["x-should-retry"] == "false"
    assert ("retry-after" in headers) == bool(wait)
    assert len(sdk.tap.answers) == 1 and len(upstreams["budget"].hits) == 3


def test_a_limit_without_retries_is_asked_once(client, proxy, upstreams):
    sdk = client(proxy, max_retries=openai.DEFAULT_MAX_RETRIES)
    upstreams["gpt"].play(always(document(429, WIRE.error(429, "slow down"), **{"retry-after": "1"})))
    with pytest.raises(openai.RateLimitError):
        sdk.chat.completions.create(model="gpt", messages=HI)
    assert len(sdk.tap.answers) == 1 and len(upstreams["gpt"].hits) == 1


def test_what_waiting_helps_is_asked_again(start, client):
    """A group that rests sends nothing, and says until when."""
    one, two = start.upstream("one"), start.upstream("two")
    for upstream in (one, two):
        limited = always(document(429, WIRE.error(429, "slow down"), **{"retry-after": "1"}))
        upstream.play(limited, WIRE.answer(says("rested")))
    settings = {"num_retries": 0, "cooldown_time": 1, "disable_cooldowns": False}
    proxy = start.proxy({"model_list": [deployment("m", one), deployment("m", two)], "router_settings": settings})
    sdk = client(proxy, max_retries=openai.DEFAULT_MAX_RETRIES)
    for _ in range(2):
        with pytest.raises(openai.RateLimitError):
            sdk.chat.completions.create(model="m", messages=HI)
    completion = sdk.chat.completions.create(model="m", messages=HI)
    assert content(completion) == "rested"
    [*_, refused, answered] = sdk.tap.answers
    assert (refused.status, refused.headers["x-should-retry"], answered.status) == (429, "true", 200)
    assert len(one.hits) + len(two.hits) == 3


def test_models(sdk, upstreams):
    assert {model.id for model in sdk.models.list()} == set(upstreams)


@pytest.mark.parametrize("asked", [{"model": "nobody"}, {"model": ""}], ids=["unknown", "empty"])
def test_models_that_are_not_there(sdk, asked):
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(messages=HI, **asked)
    assert caught.value.code == "400"


def test_paths_that_are_not_there(sdk):
    with pytest.raises(openai.NotFoundError):
        sdk.post("/no/such/path", cast_to=object, body={})


def test_long_prompts(sdk, upstreams):
    text = "ü" * 500_000
    completion = sdk.chat.completions.create(model="gpt", messages=[{"role": "user", "content": text}])
    assert content(completion) == "hello from gpt"
    [hit] = upstreams["gpt"].hits
    assert hit.body["messages"][0]["content"] == text


def test_many_at_once(sdk, upstreams):
    upstreams["gpt"].play(lambda hit: WIRE.answer(says(hit.body["messages"][0]["content"]))(hit))

    def ask(number):
        message = [{"role": "user", "content": f"number {number}"}]
        chunks = sdk.chat.completions.create(model="gpt", messages=message, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(ask, range(200))) == [f"number {number}" for number in range(200)]


def test_the_asynchronous_client(proxy):
    async def ask():
        async with openai.AsyncOpenAI(base_url=proxy.base_url, api_key="anything") as sdk:
            completion = await sdk.chat.completions.create(model="gpt", messages=HI)
            stream = await sdk.chat.completions.create(model="gpt", messages=HI, stream=True)
            return content(completion), "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(ask()) == ("hello from gpt", "hello from gpt")


def test_master_keys(start, client, upstreams):
    settings = {"general_settings": {"master_key": MASTER_KEY}}
    proxy = start.proxy({"model_list": [deployment("gpt", upstreams["gpt"])], **settings})
    assert (
        content(client(proxy, api_key=MASTER_KEY).chat.completions.create(model="gpt", messages=HI)) == "hello from gpt"
    )
    stranger = client(proxy, api_key="sk-another")
    with pytest.raises(openai.AuthenticationError):
        stranger.chat.completions.create(model="gpt", messages=HI)
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    assert MASTER_KEY not in json.dumps(proxy.log)


DOCUMENTED = """
import openai
client = openai.OpenAI(
    api_key="anything",
    base_url="http://0.0.0.0:4000"
)
response = client.chat.completions.create(
    model="zephyr",
    messages = [
        {
            "role": "user",
            "content": "this is a test request, write a short poem"
        }
    ],
    extra_body={
        "fallbacks": ["gpt"]
    }
)
print(response)
"""
DOCUMENTED_TIMEOUT = """
import openai
client = openai.OpenAI(
    api_key="anything",
    base_url="http://0.0.0.0:4000"
)
response = client.chat.completions.create(
    model="gpt",
    messages=[
        {"role": "user", "content": "what color is red"}
    ],
    logit_bias={12481: 100},
    timeout=1
)
print(response)
"""


def test_documented_programs(proxy, upstreams):
    upstreams["zephyr"].play(WIRE.fails(503, "the engine is overloaded"))
    for program in (DOCUMENTED, DOCUMENTED_TIMEOUT):
        ran = snippets.python(program, proxy)
        assert ran.status == 0, ran.err
        assert ran.out.startswith("ChatCompletion(") and "hello from gpt" in ran.out
    assert upstreams["gpt"].hits[1].body["logit_bias"] == {"12481": 100}
