"""Asking again."""

import pytest

from harness.stage import fails, hello


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_retry_that_succeeds_is_not_seen(stage, stream):
    scene = stage.scene({"m": ["a"]}, num_retries=2)
    scene.up["a"].play(fails(500), fails(503), hello("a"))
    answer = scene.chat("m", stream=stream)
    assert (answer.content, answer.headers["x-litellm-attempted-retries"]) == ("hello from a", "2")


@pytest.mark.parametrize("retries", [0, 2])
def test_so_many_retries_and_then_the_error(stage, retries):
    scene = stage.scene({"m": ["a"]}, num_retries=retries)
    scene.fail("a", message="still broken")
    assert "still broken" in scene.chat("m").error(500)
    assert scene.order == ["a"] * (1 + retries)


def test_a_deployments_own_number(stage):
    scene = stage.scene({"m": [{"up": "a", "num_retries": 1}]}, num_retries=3)
    scene.fail("a")
    scene.chat("m").error(500)
    assert scene.order == ["a", "a"]


def test_max_retries_of_a_deployment(stage):
    scene = stage.scene({"m": [{"up": "a", "max_retries": 1}]})
    scene.fail("a", retry_after="0")
    scene.chat("m").error(500)
    assert scene.order == ["a", "a"]


def test_the_requests_own_number(stage):
    scene = stage.scene({"m": ["a"]}, num_retries=0)
    scene.fail("a")
    scene.chat("m", num_retries=1).error(500)
    scene.chat("m", headers={"x-litellm-num-retries": "1"}).error(500)
    assert scene.order == ["a"] * 4 and all("num_retries" not in hit.body for hit in scene.hits)


@pytest.mark.parametrize("status", [400, 401])
def test_what_a_retry_cannot_change(stage, status):
    scene = stage.scene({"m": ["a"]}, num_retries=2)
    scene.fail("a", status=status, message="no")
    assert "no" in scene.chat("m").error(status)
    assert scene.order == ["a"]


def test_a_rate_limit(stage):
    scene = stage.scene({"m": ["a"]}, num_retries=2)
    scene.up["a"].play(fails(429), hello("a"))
    assert scene.chat("m").content == "hello from a"


def test_what_the_provider_asks_to_wait(stage):
    scene = stage.scene({"m": ["a"]}, num_retries=2)
    scene.up["a"].play(fails(429, retry_after="1"), hello("a"))
    assert scene.chat("m").content == "hello from a"
    first, second = scene.hits
    assert second.at - first.at >= 0.99


def test_another_deployment_is_asked(stage):
    scene = stage.scene({"m": ["bad", "good"]}, num_retries=1, router={"disable_cooldowns": True})
    scene.fail("bad")
    for _ in range(40):
        assert scene.chat("m").content == "hello from good"
    # Never asked in 40 calls: once in 10 to the 12th.
    assert len(scene.up["good"].hits) == 40 and scene.up["bad"].hits
