"""Streams as they come."""

from harness.answers import says
from harness.stage import tells
from harness.steps import End, events
from harness.wires import OpenAi

WIRE = OpenAi()


def test_deltas_are_neither_changed_nor_joined(stage):
    words = ["The", " quick", "  brown\n", "\tfox", " – ünïcödé ✓", " 🦊", "", " end."]
    scene = stage.scene({"m": [{"up": "a", "info": {"id": "the-a"}}]})
    scene.up["a"].play(tells(*words))
    answer = scene.chat("m", stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-litellm-model-id"] == "the-a"
    *chunks, done = answer.events
    deltas = [choice["delta"].get("content") for chunk in chunks for choice in chunk["choices"]]
    assert [delta for delta in deltas if delta] == [word for word in words if word]
    finishes = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    assert [finish for finish in finishes if finish] == ["stop"] and finishes[-1] == "stop"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"} and {
        chunk["model"] for chunk in chunks
    } == {"m"}
    assert done == "[DONE]"


def test_nothing_is_held_back(stage):
    scene = stage.scene({"m": ["a"]})
    # The upstream falls silent after its first word, which must come all the same.
    scene.up["a"].play(lambda hit: events(WIRE.stream(says("first ", "second"), hit)[:2]).but(end=End.SILENCE))
    with scene.stream("m") as response:
        assert "first " in next(line for line in response.iter_lines() if '"first ' in line)
    [hit] = scene.hits
    assert hit.left.wait(5)


def test_a_client_that_leaves(stage):
    scene = stage.scene({"m": ["a"]})
    scene.up["a"].play(lambda hit: tells(*("word " for _ in range(1000)))(hit).but(interval=0.02))
    with scene.stream("m") as response:
        next(response.iter_lines())
    [hit] = scene.hits
    assert hit.left.wait(5) and hit.done_at is None


def test_comments_do_not_disturb(stage):
    scene = stage.scene({"m": ["a"]})

    def step(hit):
        pieces = WIRE.stream(says("Hel", "lo"), hit)
        return events([b": keep-alive\n\n", *(part for piece in pieces for part in (piece, b": keep-alive\r\n\r\n"))])

    scene.up["a"].play(step)
    assert scene.chat("m", stream=True).content == "Hello"


def test_events_in_any_pieces(stage):
    scene = stage.scene({"m": ["a"]})
    words = ["ünï", "cödé ", "🦊", " end"]

    def step(hit):
        whole = b"".join(WIRE.stream(says(*words), hit)).replace(b"\n", b"\r\n")
        return events([bytes([byte]) for byte in whole])

    scene.up["a"].play(step)
    assert scene.chat("m", stream=True).content == "".join(words)


def test_anthropics_events_become_chunks(stage):
    scene = stage.scene({"m": [{"up": "a", "model": "claude-3-opus-20240229"}]})
    scene.up["a"].play(tells("Bon", "jour", " !"))
    assert scene.chat("m", stream=True).content == "Bonjour !"
    [hit] = scene.hits
    assert (hit.path, hit.body["stream"], hit.headers["x-api-key"]) == ("/v1/messages", True, "sk-a")
