"""Prompts that do not fit, and regions."""

import pytest

from documented import (
    KEYS,
    LONG,
    LONG_PROGRAM,
    REGION_PROGRAM,
    REGIONS,
    WINDOWS_ACROSS_GROUPS,
    WINDOWS_OF_A_GROUP,
    ZEPHYRS,
)
from harness import snippets
from harness.stage import HI
from harness.steps import always, document

TOO_LONG = always(
    document(
        400,
        {
            "error": {
                "message": "This model's maximum context length is 4097 tokens. Your messages resulted in 9000 tokens.",
                "type": "invalid_request_error",
                "param": "messages",
                "code": "context_length_exceeded",
            }
        },
    )
)


def about(text):
    return [{"role": "system", "content": text}, {"role": "user", "content": "Who was Alexander?"}]


def test_small_deployments_of_a_group_are_passed_over(stage):
    scene = stage.documented(WINDOWS_OF_A_GROUP, AZURE_API_BASE="{{azure}}", **KEYS)
    for _ in range(6):
        assert scene.chat("gpt-3.5-turbo", messages=about(LONG)).content == "hello from azure"
    assert scene.order == ["azure"] * 6
    hit = scene.hits[0]
    assert (hit.path, hit.query) == (
        "/openai/deployments/chatgpt-v-2/chat/completions",
        "api-version=2023-07-01-preview",
    )
    assert hit.headers["api-key"] == "azure-env-key"


def test_a_prompt_that_fits_goes_to_any(stage):
    scene = stage.documented(WINDOWS_OF_A_GROUP, AZURE_API_BASE="{{azure}}", **KEYS)
    for _ in range(40):
        assert scene.chat("gpt-3.5-turbo").content in ("hello from azure", "hello from openai")
    # One of the two is never asked in 40 calls: twice in 10 to the 12th.
    assert {hit.name for hit in scene.hits} == {"azure", "openai"}
    assert scene.up["openai"].hits[0].headers["authorization"] == "Bearer openai-env-key"


@pytest.mark.parametrize(("times", "who"), [(1, "small"), (4, "claude")], ids=["40,000 tokens", "160,000 tokens"])
def test_a_larger_group(stage, times, who):
    scene = stage.documented(WINDOWS_ACROSS_GROUPS, AZURE_API_BASE="{{small}}", **KEYS)
    assert scene.chat("gpt-3.5-turbo-small", messages=about(LONG * times)).content == f"hello from {who}"
    assert scene.order == [who]


def test_the_documented_program(stage):
    within = stage.documented(WINDOWS_OF_A_GROUP, AZURE_API_BASE="{{azure}}", **KEYS)
    ran = snippets.python(LONG_PROGRAM, within.proxy)
    assert ran.status == 0 and "hello from azure" in ran.out, ran.err
    # The configuration across groups has no group of the name that the program asks for.
    across = stage.documented(WINDOWS_ACROSS_GROUPS, AZURE_API_BASE="{{small}}", **KEYS)
    ran = snippets.python(LONG_PROGRAM, across.proxy)
    assert ran.status != 0 and "openai.BadRequestError" in ran.err and "gpt-3.5-turbo" in ran.err
    assert across.hits == []


def test_none_is_large_enough(stage):
    scene = stage.scene(
        {"m": [{"up": "a", "model": "openai/gpt-3.5-turbo-1106"}, {"up": "b", "model": "openai/gpt-4"}]},
        router={"enable_pre_call_checks": True},
    )
    assert "context window" in scene.chat("m", messages=about(LONG)).error(400)
    assert scene.order == []


def test_the_provider_says_that_it_does_not_fit(stage):
    scene = stage.scene(
        {"a": ["a"], "b": ["b"], "c": ["c"]},
        num_retries=2,
        fallbacks=[{"a": ["b"]}],
        context_window_fallbacks=[{"a": ["c"]}],
    )
    scene.up["a"].play(TOO_LONG)
    assert scene.chat("a").content == "hello from c"
    assert scene.order == ["a", "c"]
    scene.up["c"].play(TOO_LONG)
    assert "maximum context length" in scene.chat("c").error(400)
    assert len(scene.up["c"].hits) == 1


def test_the_documented_larger_model(stage):
    scene = stage.documented(ZEPHYRS)
    scene.up["gpt"].play(TOO_LONG)
    assert scene.chat("gpt-3.5-turbo").content == "hello from gpt16k"
    assert scene.order == ["gpt", "gpt16k"]


def test_a_region_that_is_asked_for(stage):
    scene = stage.documented(REGIONS, AZURE_API_BASE="{{azure}}", **KEYS)
    for _ in range(20):
        assert scene.chat("gpt-3.5-turbo", allowed_model_region="eu").content == "hello from azure"
    assert all(hit.body.keys() <= {"model", "messages"} for hit in scene.hits)


def test_no_region_is_asked_for(stage):
    scene = stage.documented(REGIONS, AZURE_API_BASE="{{azure}}", **KEYS)
    for _ in range(40):
        assert scene.chat("gpt-3.5-turbo", messages=HI).status == 200
    assert {hit.name for hit in scene.hits} == {"azure", "openai"}


def test_the_documented_program_for_regions(stage):
    scene = stage.documented(REGIONS, AZURE_API_BASE="{{azure}}", **KEYS)
    ran = snippets.python(REGION_PROGRAM, scene.proxy)
    assert ran.status == 0 and "response.headers.get('x-litellm-model-api-base')" in ran.out, ran.err
    assert len(scene.hits) == 1
