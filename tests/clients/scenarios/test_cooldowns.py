"""Leaving a failing deployment alone."""

import time

import pytest

from harness.stage import fails, hello

PAIR = {"m": ["bad", "good"]}
LONG = {"cooldown_time": 30}
#: Neither of two deployments is left unasked in so many calls: once in 10 to the 12th.
ENOUGH = 40


@pytest.mark.parametrize("status", [401, 404, 429])
def test_at_once(stage, status):
    scene = stage.scene(PAIR, num_retries=0, router=LONG)
    scene.fail("bad", status=status)
    for _ in range(ENOUGH):
        scene.chat("m")
    assert len(scene.up["bad"].hits) == 1 and len(scene.up["good"].hits) == ENOUGH - 1


@pytest.mark.parametrize(
    "settings",
    [{"allowed_fails": 1, "router": LONG}, {"router": {**LONG, "allowed_fails": 1}}],
    ids=["litellm_settings", "router_settings"],
)
def test_after_so_many_failures(stage, settings):
    scene = stage.scene(PAIR, num_retries=0, **settings)
    scene.fail("bad")
    for _ in range(ENOUGH):
        scene.chat("m")
    assert len(scene.up["bad"].hits) == 2


def test_not_before_that(stage):
    scene = stage.scene(PAIR, num_retries=0, router={**LONG, "allowed_fails": 1})
    scene.up["bad"].play(fails(500), hello("bad"))
    for _ in range(ENOUGH):
        scene.chat("m")
    assert len(scene.up["bad"].hits) > 2


def test_the_callers_fault_cools_nothing(stage):
    scene = stage.scene({"m": ["a", "b"]}, num_retries=0, router={**LONG, "allowed_fails": 1})
    scene.fail("a", "b", status=400)
    for _ in range(20):
        scene.chat("m").error(400)
    assert len(scene.hits) == 20


def test_all_of_a_group(stage):
    scene = stage.scene({"m": ["a", "b"]}, num_retries=0, router=LONG)
    scene.fail("a", "b", status=429)
    for _ in range(ENOUGH):
        scene.chat("m").error(429)
    assert sorted(scene.order) == ["a", "b"]
    answer = scene.chat("m")
    message = answer.error(429)
    assert "No deployments available" in message and "try again in" in message.lower()
    assert 1 <= int(answer.headers["retry-after"]) <= 30


@pytest.mark.parametrize("where", ["router", "deployment"])
def test_the_way_back(stage, where):
    own = {"cooldown_time": 1} if where == "deployment" else {}
    scene = stage.scene(
        {"m": [{"up": "bad", **own}, "good"]}, num_retries=0, router=LONG if own else {"cooldown_time": 1}
    )
    bad = scene.up["bad"].play(fails(429), hello("bad"))
    until = time.monotonic() + 20
    while len(bad.hits) < 2 and time.monotonic() < until:
        scene.chat("m")
    assert bad.hits[1].at - bad.hits[0].at >= 1
    assert "cooldown_time" not in bad.hits[0].body
