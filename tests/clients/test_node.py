"""The OpenAI SDK of Node: runs `node/openai.test.mjs` with Node's own test runner."""

import os
import subprocess
from pathlib import Path

from harness.answers import CALLS, Answer, says
from harness.stage import ONCE
from harness.steps import hang
from harness.wires import OpenAi

WIRE = OpenAi()
HELLO = says("hello ", "from node")
TOOLS = Answer(calls=CALLS)
SCRIPTS = {
    "hello": [WIRE.answer(HELLO)],
    "tools": [WIRE.answer(TOOLS)],
    "rounds": [WIRE.answer(TOOLS), WIRE.answer(says("Rain, and rain."))],
    "broken": [WIRE.fails(503, "the engine is overloaded")],
    "limited": [WIRE.fails(429, "slow down")],
    "cut": [WIRE.breaks_off(HELLO)],
    "silent": [hang()],
}
TESTS = Path(__file__).parent / "node/openai.test.mjs"
#: Seconds that all of them may take.
LIMIT = 60


def test_the_sdk_of_node(start):
    upstreams = {name: start.upstream(name, *steps) for name, steps in SCRIPTS.items()}
    deployments = [
        {
            "model_name": name,
            "litellm_params": {"model": "openai/m", "api_base": upstream.origin, "api_key": "sk-upstream"},
        }
        for name, upstream in upstreams.items()
    ]
    proxy = start.proxy({"model_list": deployments, **ONCE})
    environment = {**os.environ, "BASE_URL": proxy.base_url, "NO_PROXY": "127.0.0.1"}
    ran = subprocess.run(
        ["node", "--test", "--test-reporter=spec", TESTS],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "fail 0" in ran.stdout and "skipped 0" in ran.stdout
    # One call, one answer: at its defaults the SDK retries twice what it is not told to leave.
    assert len(upstreams["broken"].hits) == 2
    [hit] = upstreams["silent"].hits
    assert hit.left.wait(5)
