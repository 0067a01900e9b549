"""Paths, keys and requests that are wrong."""

import json

import pytest

from harness.stage import HI
from harness.stage import MASTER_KEY as KEY


@pytest.fixture
def scene(stage):
    return stage.scene({"m": ["a", "b"], "n": ["c"]}, num_retries=0)


@pytest.fixture
def guarded(stage):
    return stage.scene({"m": ["a"]}, general={"master_key": KEY})


def test_both_spellings(scene):
    for path in ("/v1/chat/completions", "/chat/completions"):
        assert scene.chat("n", path=path).content == "hello from c"


def test_models(scene):
    for path in ("/v1/models", "/models"):
        listed = scene.get(path).json
        assert listed["object"] == "list" and sorted(model["id"] for model in listed["data"]) == ["m", "n"]
        assert all(model["object"] == "model" for model in listed["data"])


def test_health(scene):
    for path in ("/health/liveliness", "/health/liveness", "/health/readiness"):
        assert scene.get(path).status == 200
    assert scene.hits == []


def test_a_wrong_method(scene):
    answer = scene.get("/chat/completions")
    answer.error(405)
    assert answer.headers["allow"] == "POST"


def test_a_wrong_path(scene):
    scene.post("/v1/chat/completion", {"model": "m"}).error(404)


WRONG = {
    "no json": b'{"model": "m", "messages": [',
    "empty": b"",
    "a list": b"[]",
    "no model": json.dumps({"messages": HI}).encode(),
    "a number as model": json.dumps({"model": 7, "messages": HI}).encode(),
    "deep": b'{"model": "m", "messages": ' + b"[" * 200 + b"]" * 199 + b"}",
}


@pytest.mark.parametrize("body", WRONG)
def test_wrong_bodies(scene, body):
    scene.post("/chat/completions", WRONG[body]).error(400)
    assert scene.hits == []


def test_an_unknown_model_is_named(scene):
    assert "no-such-model" in scene.chat("no-such-model").error(400)


def test_a_key_is_asked_for(guarded):
    guarded.chat("m").error(401)
    refused = guarded.chat("m", headers={"authorization": "Bearer sk-wrong"})
    refused.error(401)
    assert KEY not in refused.text and guarded.hits == []
    guarded.get("/v1/models").error(401)
    assert guarded.get("/health/liveliness").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"x-litellm-api-key": f"Bearer {KEY}"},
        {"x-litellm-api-key": KEY},
        {"api-key": KEY},
        {"x-api-key": KEY},
    ],
    ids=lambda headers: " ".join(headers),
)
def test_keys_in_headers(guarded, headers):
    assert guarded.chat("m", headers=headers).content == "hello from a"
    assert not any(KEY in value for value in guarded.hits[0].headers.values())
