"""Choosing a deployment. Bounds are five standard deviations wide."""

from concurrent.futures import ThreadPoolExecutor

from documented import BALANCED
from harness.stage import HI, tells


def ask(scene, model, times):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: scene.chat(model), range(times)))
    assert all(answer.status == 200 for answer in answers)
    return {name: len(upstream.hits) for name, upstream in scene.up.items()}


def test_evenly(stage):
    shares = ask(stage.scene({"m": ["a", "b", "c"]}), "m", 120)
    assert sum(shares.values()) == 120 and all(14 <= share <= 66 for share in shares.values())


def test_by_requests_per_minute(stage):
    shares = ask(stage.documented(BALANCED), "gpt-3.5-turbo", 120)
    assert shares["france"] >= 110


def test_by_weight_before_that(stage):
    shares = ask(
        stage.scene({"m": [{"up": "heavy", "weight": 9, "rpm": 100}, {"up": "light", "weight": 1, "rpm": 900}]}),
        "m",
        80,
    )
    assert shares["heavy"] >= 57


def test_who_answered(stage):
    scene = stage.scene({"m": ["a", {"up": "b", "info": {"id": "the-second"}}]}, num_retries=0)
    seen = set()
    for _ in range(40):
        answer = scene.chat("m")
        name = answer.content.split()[-1]
        assert answer.headers["x-litellm-model-api-base"].startswith(scene.up[name].origin)
        seen.add((name, answer.headers["x-litellm-model-id"]))
    assert len(seen) == 2 and ("b", "the-second") in seen


def test_aliases(stage):
    scene = stage.scene({"real": ["a"]}, router={"model_group_alias": {"alias": "real"}})
    assert scene.chat("alias").content == "hello from a"


def test_many_at_once_get_their_own_answers(stage):
    scene = stage.scene({"m": ["a", "b"]}, num_retries=0)
    for upstream in scene.up.values():
        upstream.play(lambda hit: tells("echo ", hit.body["messages"][0]["content"])(hit).but(delay=0.2))
    questions = [[{**HI[0], "content": f"question {number}"}] for number in range(120)]
    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda messages: scene.chat("m", messages=messages).content, questions))
    assert answers == [f"echo question {number}" for number in range(120)]
