"""Asking another group."""

import pytest

from documented import CONTENT_POLICY, KEYS, ZEPHYRS
from harness.stage import HI
from harness.steps import always, document

GROUPS = {"a": ["a"], "b": ["b"], "c": ["c"]}
OF_A = {"fallbacks": [{"a": ["b"]}]}
POLICY = {
    "error": {
        "message": "Your request was rejected as a result of our safety system.",
        "type": "invalid_request_error",
        "param": None,
        "code": "content_policy_violation",
    }
}
FILTERED = {
    "error": {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
        },
    }
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_the_configured_group(stage, stream):
    scene = stage.scene(
        {"a": ["a"], "b": [{"up": "b", "model": "openai/other", "info": {"id": "the-b"}}]}, num_retries=0, **OF_A
    )
    scene.fail("a", status=502)
    answer = scene.chat("a", stream=stream, temperature=0.25)
    assert answer.content == "hello from b"
    assert (answer.headers["x-litellm-attempted-fallbacks"], answer.headers["x-litellm-model-id"]) == ("1", "the-b")
    first, second = scene.hits
    assert (first.body["model"], second.body["model"], second.headers["authorization"]) == (
        "model-a",
        "other",
        "Bearer sk-b",
    )
    assert second.body["messages"] == HI and second.body["temperature"] == 0.25


def test_none_after_a_success(stage):
    scene = stage.scene(GROUPS, num_retries=0, **OF_A)
    answer = scene.chat("a")
    assert (answer.content, answer.headers["x-litellm-attempted-fallbacks"]) == ("hello from a", "0")
    assert scene.order == ["a"]


@pytest.mark.parametrize(
    "settings",
    [
        {"fallbacks": [{"a": ["b", "c"]}]},
        {"fallbacks": [{"a": ["b"]}, {"b": ["c"]}]},
        {"fallbacks": [{"a": ["b"]}, {"*": ["c"]}]},
        {"fallbacks": [{"a": ["b"]}], "default_fallbacks": ["c"]},
    ],
    ids=["list", "chain", "wildcard", "default"],
)
def test_further_groups(stage, settings):
    scene = stage.scene(GROUPS, num_retries=0, **settings)
    scene.fail("a", "b")
    assert scene.chat("a").content == "hello from c"
    assert scene.order == ["a", "b", "c"]


def test_everything_fails(stage):
    scene = stage.scene(GROUPS, num_retries=0, **OF_A)
    scene.fail("a", "b")
    assert "broken" in scene.chat("a").error(500)
    assert scene.order == ["a", "b"]


def test_the_documented_configuration(stage):
    scene = stage.documented(ZEPHYRS)
    scene.fail("z1", "z2", "z3")
    assert scene.chat("zephyr-beta").content == "hello from gpt"
    *zephyrs, last = scene.order
    assert len(zephyrs) == 4 and set(zephyrs) == {"z1", "z2", "z3"} and last == "gpt"


@pytest.mark.parametrize("wish", [["b", "c"], [{"a": ["b", "c"]}]], ids=["list", "map"])
def test_the_requests_own_groups(stage, wish):
    scene = stage.scene(GROUPS, num_retries=0, fallbacks=[{"a": ["c"]}])
    scene.fail("a", "b")
    assert scene.chat("a", fallbacks=wish).content == "hello from c"
    assert scene.order == ["a", "b", "c"] and all("fallbacks" not in hit.body for hit in scene.hits)


def test_messages_of_a_fallback(stage):
    scene = stage.scene(GROUPS, num_retries=0)
    scene.fail("a")
    shorter = [{"role": "user", "content": "a shorter question"}]
    assert scene.chat("a", fallbacks=[{"model": "b", "messages": shorter}]).content == "hello from b"
    assert scene.hits[1].body["messages"] == shorter


def test_none_are_wished(stage):
    scene = stage.scene(GROUPS, num_retries=0, **OF_A)
    scene.fail("a")
    scene.chat("a", disable_fallbacks=True).error(500)
    [hit] = scene.hits
    assert "disable_fallbacks" not in hit.body


def test_content_policies(stage):
    scene = stage.scene(GROUPS, num_retries=2, content_policy_fallbacks=[{"a": ["b"]}], fallbacks=[{"a": ["c"]}])
    scene.up["a"].play(always(document(400, POLICY)))
    assert scene.chat("a").content == "hello from b"
    assert scene.order == ["a", "b"]


def test_content_policies_without_a_group_for_them(stage):
    scene = stage.scene(GROUPS, num_retries=2)
    scene.up["a"].play(always(document(400, POLICY)))
    assert "safety system" in scene.chat("a").error(400)
    assert scene.order == ["a"]


def test_the_documented_content_policy(stage):
    scene = stage.documented(CONTENT_POLICY, AZURE_API_BASE="{{azure}}", **KEYS)
    scene.up["azure"].play(always(document(400, FILTERED)))
    assert (
        scene.chat("gpt-3.5-turbo-small", messages=[{"role": "system", "content": "be nice"}, *HI]).content
        == "hello from claude"
    )
    assert scene.order == ["azure", "claude"]
    assert (scene.hits[1].path, scene.hits[1].headers["x-api-key"]) == ("/v1/messages", "anthropic-env-key")
