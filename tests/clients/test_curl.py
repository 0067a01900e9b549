"""curl, with the command lines that the documentation of LiteLLM's proxy prints, mistakes and all."""

import json

import pytest

from harness import snippets
from harness.answers import says
from harness.steps import hang
from harness.wires import OpenAi

WIRE = OpenAi()
CONFIG = """
model_list:
- model_name: zephyr-beta
  litellm_params:
    model: huggingface/HuggingFaceH4/zephyr-7b-beta
    api_base: {z1}
- model_name: zephyr-beta
  litellm_params:
    model: huggingface/HuggingFaceH4/zephyr-7b-beta
    api_base: {z2}
- model_name: zephyr-beta
  litellm_params:
    model: huggingface/HuggingFaceH4/zephyr-7b-beta
    api_base: {z3}
- model_name: gpt-3.5-turbo
  litellm_params:
    model: gpt-3.5-turbo
    api_base: {gpt}
    api_key: my-openai-key
router_settings:
  disable_cooldowns: true
"""

PLAIN = """
curl --location 'http://0.0.0.0:4000/chat/completions' \\
--header 'Content-Type: application/json' \\
--data '{
  "model": "gpt-3.5-turbo",
  "messages": [
    {
      "role": "user",
      "content": "what llm are you"
    }
  ]
}'
"""
#: With a stray quote, as printed.
FALLBACKS_AS_PRINTED = """
curl --location 'http://0.0.0.0:4000/chat/completions' \\
--header 'Content-Type: application/json' \\
--data '{
  "model": "zephyr-beta"",
  "messages": [
    {
      "role": "user",
      "content": "what llm are you"
    }
  ],
  "fallbacks": ["gpt-3.5-turbo"]
}'
"""
FALLBACKS = FALLBACKS_AS_PRINTED.replace('"zephyr-beta"",', '"zephyr-beta",')
EVERY_WISH = """
curl --location 'http://0.0.0.0:8000/chat/completions' \\
--header 'Content-Type: application/json' \\
--data ' {
  "model": "zephyr-beta",
  "messages": [
    {
      "role": "user",
      "content": "what llm are you"
    }
  ],
  "fallbacks": [{"zephyr-beta": ["gpt-3.5-turbo"]}],
  "context_window_fallbacks": [{"zephyr-beta": ["gpt-3.5-turbo"]}],
  "num_retries": 2,
  "timeout": 10
}
'
"""
#: With a name that is no string, as printed.
TIMEOUT_AS_PRINTED = """
curl --location 'http://0.0.0.0:4000/chat/completions' \\
--header 'Content-Type: application/json' \\
--data-raw '{
  "model": "gpt-3.5-turbo",
  "messages": [
    {"role": "user", "content": "what color is red"}
  ],
  "logit_bias": {12481: 100},
  "timeout": 1
}'
"""
TIMEOUT = TIMEOUT_AS_PRINTED.replace("12481", '"12481"')


@pytest.fixture(scope="module")
def upstreams(start):
    return {name: start.upstream(name) for name in ("z1", "z2", "z3", "gpt")}


@pytest.fixture(scope="module")
def proxy(start, upstreams):
    return start.proxy(CONFIG.format(**{name: upstream.origin for name, upstream in upstreams.items()}))


@pytest.fixture(autouse=True)
def scripts(upstreams):
    for name, upstream in upstreams.items():
        upstream.play(WIRE.answer(says("hello ", f"from {name}")))


def fail_all_zephyrs(upstreams):
    for name in ("z1", "z2", "z3"):
        upstreams[name].play(WIRE.fails(503, "the engine is overloaded"))


def hits(upstreams):
    return [hit for upstream in upstreams.values() for hit in upstream.hits]


def content(answer):
    return json.loads(answer)["choices"][0]["message"]["content"]


def test_plain(proxy, upstreams):
    status, answer = snippets.curl(PLAIN, proxy)
    assert (status, content(answer)) == (200, "hello from gpt")
    [hit] = hits(upstreams)
    assert hit.body["messages"] == [{"role": "user", "content": "what llm are you"}]


def test_client_side_fallbacks(proxy, upstreams):
    fail_all_zephyrs(upstreams)
    status, answer = snippets.curl(FALLBACKS, proxy)
    assert (status, content(answer)) == (200, "hello from gpt")
    assert json.loads(answer)["model"] == "gpt-3.5-turbo"


def test_every_wish_in_one_body(proxy, upstreams):
    fail_all_zephyrs(upstreams)
    status, answer = snippets.curl(EVERY_WISH, proxy)
    assert (status, content(answer)) == (200, "hello from gpt")
    assert len(hits(upstreams)) == 4
    for hit in hits(upstreams):
        assert hit.body.keys() <= {"model", "messages"}


def test_a_timeout(proxy, upstreams):
    upstreams["gpt"].play(hang())
    status, answer = snippets.curl(TIMEOUT.replace('"timeout": 1', '"timeout": 0.3'), proxy)
    assert (status, json.loads(answer)["error"]["code"]) == (408, "408")
    upstreams["gpt"].play(WIRE.answer(says("red")))
    status, answer = snippets.curl(TIMEOUT, proxy)
    assert (status, content(answer)) == (200, "red")
    [hit] = upstreams["gpt"].hits
    assert hit.body["logit_bias"] == {"12481": 100} and "timeout" not in hit.body


@pytest.mark.parametrize(
    "printed", [FALLBACKS_AS_PRINTED, TIMEOUT_AS_PRINTED], ids=["a stray quote", "a name that is no string"]
)
def test_what_is_printed_and_is_no_json(proxy, upstreams, printed):
    status, answer = snippets.curl(printed, proxy)
    error = json.loads(answer)["error"]
    assert (status, error["code"]) == (400, "400") and error["message"]
    assert hits(upstreams) == []


def test_streams(proxy):
    command = PLAIN.replace('"messages"', '"stream": true, "messages"')
    status, answer = snippets.curl(command, proxy)
    assert status == 200
    *events, done = [line.removeprefix("data: ") for line in answer.splitlines() if line]
    words = [json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events]
    assert (done, "".join(words)) == ("[DONE]", "hello from gpt")
