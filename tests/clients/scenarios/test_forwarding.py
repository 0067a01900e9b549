"""What goes upstream, and what does not."""

import pytest

from harness.stage import HI, tells


def test_settings_of_a_deployment_stay_here(stage):
    own = {
        "rpm": 100,
        "tpm": 100000,
        "timeout": 9,
        "stream_timeout": 8,
        "max_retries": 1,
        "region_name": "eu",
        "weight": 2,
    }
    scene = stage.scene({"m": [{"up": "a", **own}]})
    assert scene.chat("m").content == "hello from a"
    assert scene.hits[0].body == {"model": "model-a", "messages": HI}


def test_wishes_of_a_request_stay_here(stage):
    scene = stage.scene({"m": ["a"], "n": ["b"]})
    chain = [{"m": ["n"]}]
    wishes = {
        "fallbacks": chain,
        "context_window_fallbacks": chain,
        "content_policy_fallbacks": chain,
        "num_retries": 1,
        "timeout": 9,
        "stream_timeout": 9,
        "request_timeout": 9,
        "metadata": {"trace": "abc"},
    }
    assert scene.chat("m", **wishes).content == "hello from a"
    assert scene.hits[0].body == {"model": "model-a", "messages": HI}


def test_parameters_of_a_deployment_are_defaults(stage):
    scene = stage.scene({"m": [{"up": "a", "temperature": 0.15, "max_tokens": 33}]})
    scene.chat("m")
    scene.chat("m", temperature=0.9)
    assert [(hit.body["temperature"], hit.body["max_tokens"]) for hit in scene.hits] == [(0.15, 33), (0.9, 33)]


def test_what_is_not_known_goes_on(stage):
    scene = stage.scene({"m": ["a"]})
    asked = {
        "logit_bias": {"12481": 100},
        "seed": 7,
        "top_p": 0.5,
        "stop": ["a", "b"],
        "presence_penalty": -0.5,
        "user": "u-1",
        "x_custom_flag": {"deep": [1, None, "é"]},
        "another_unknown": 3.25,
    }
    assert scene.chat("m", **asked).content == "hello from a"
    assert scene.hits[0].body == {"model": "model-a", "messages": HI, **asked}


def test_keys(stage):
    scene = stage.scene({"m": ["a"], "n": [{"up": "b", "model": "huggingface/org/model", "api_key": None}]})
    scene.chat("m", headers={"authorization": "Bearer of-the-client"})
    scene.chat("n", headers={"authorization": "Bearer of-the-client"})
    first, second = scene.hits
    assert first.headers["authorization"] == "Bearer sk-a" and "authorization" not in second.headers
    assert not any("of-the-client" in value for hit in scene.hits for value in hit.headers.values())


def test_text_survives_both_ways(stage):
    scene = stage.scene({"m": ["a"]})
    scene.up["a"].play(lambda hit: tells(hit.body["messages"][0]["content"])(hit))
    text = 'Grüße 你好 שלום 🦀👩‍👩‍👧 \u0000 \u2028 \\n "quoted" </script>'
    for stream in (False, True):
        assert scene.chat("m", messages=[{"role": "user", "content": text}], stream=stream).content == text


@pytest.mark.parametrize("size", [1_000_000, 12_000_000])
def test_long_prompts(stage, size):
    scene = stage.scene({"m": ["a"]})
    text = "ä" * (size // 2)
    answer = scene.chat("m", messages=[{"role": "user", "content": text}])
    if size > 10_000_000 and answer.status == 413:
        return
    assert answer.content == "hello from a" and scene.hits[0].body["messages"][0]["content"] == text


def test_variables(stage):
    config = """
model_list:
- model_name: m
  litellm_params:
    model: openai/a-model
    api_base: os.environ/A_BASE
    api_key: os.environ/A_KEY
"""
    scene = stage.documented(config, A_BASE="{{a}}", A_KEY="key-of-the-environment")
    assert scene.chat("m").content == "hello from a"
    assert scene.hits[0].headers["authorization"] == "Bearer key-of-the-environment"


def test_azure(stage):
    scene = stage.scene({"m": [{"up": "a", "model": "azure/my-deployment", "api_version": "2023-07-01-preview"}]})
    scene.chat("m", temperature=0.5)
    [hit] = scene.hits
    assert (hit.path, hit.query) == (
        "/openai/deployments/my-deployment/chat/completions",
        "api-version=2023-07-01-preview",
    )
    assert hit.headers["api-key"] == "sk-a" and hit.body["temperature"] == 0.5


def test_anthropic(stage):
    scene = stage.scene({"m": [{"up": "a", "model": "anthropic/claude-3-opus-20240229"}]})
    answer = scene.chat("m", messages=[{"role": "system", "content": "be brief"}, *HI], stop=["END"])
    assert answer.content == "hello from a" and answer.json["usage"]["total_tokens"] == 10
    body = scene.hits[0].body
    assert "be brief" in str(body["system"]) and [message["role"] for message in body["messages"]] == ["user"]
    assert body["max_tokens"] > 0 and body["stop_sequences"] == ["END"] and scene.hits[0].headers["anthropic-version"]
