"""Every recorded call of the providers, read by the OpenAI SDK without loss."""

import inspect

import openai
import pytest
from openai.resources.chat import Completions
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from harness import recordings
from harness.stage import ONCE

RECORDINGS = recordings.read()
#: Members of a request that the SDK has arguments for; others go through `extra_body`.
ARGUMENTS = set(inspect.signature(Completions.create).parameters)
CLASSES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}
#: The status of ours where it is not the recorded one and the recording does not call that better: a deployment
#: that lacks what it needs is left out, Bedrock's pictures are never fetched, `max_completion_tokens` is understood.
OURS = {
    "anthropic/missing_key": 400,
    "bedrock/auth_missing": 400,
    "watsonx/missing_project": 400,
    "watsonx/missing_url": 400,
    "bedrock/image_remote_url_downloaded": 400,
    "watsonx/max_completion_tokens": 200,
}


def test_there_are_recordings():
    counts = {
        provider: sum(recording.provider == provider for recording in RECORDINGS)
        for provider in ("anthropic", "azure", "bedrock", "huggingface", "openai", "vertex_ai", "watsonx")
    }
    assert all(count > 40 for count in counts.values()), counts


@pytest.fixture(scope="session")
def stage(start):
    """Gives a recording's upstream and proxy. Variables hold for a whole proxy: who has some has one of its own."""
    upstreams = {recording.key: start.upstream(recording.key, recording.step()) for recording in RECORDINGS}
    for recording in RECORDINGS:
        upstreams[recording.key].grants = recording.token() or upstreams[recording.key].grants

    def proxy(served, variables):
        deployments = [recording.deployment(upstreams[recording.key].origin) for recording in served]
        return start.proxy({"model_list": [*deployments, spare(start)], **ONCE}, variables)

    iam = start.upstream("iam")
    common = proxy(
        [recording for recording in RECORDINGS if not is_apart(recording)],
        {"WATSONX_IAM_URL": f"{iam.origin}/identity/token"},
    )

    def of(recording):
        upstream = upstreams[recording.key]
        return upstream, proxy([recording], recording.environment(upstream.origin)) if is_apart(recording) else common

    return of


def is_apart(recording):
    return recording.variables or (recording.provider == "watsonx" and recording.token())


def spare(start):
    """A deployment that serves, for a proxy does not start without one."""
    origin = start.upstream("spare").origin
    return {
        "model_name": "spare",
        "litellm_params": {"model": "openai/spare", "api_base": origin, "api_key": "sk-spare"},
    }


def asked(recording, origin):
    """The recorded request as arguments of the SDK."""
    members = recording.request(origin)
    extra = {name: members.pop(name) for name in list(members) if name not in ARGUMENTS}
    return {**members, "extra_body": extra} if extra else members


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.key)
def test_nothing_is_lost(stage, client, recording):
    upstream, proxy = stage(recording)
    sdk = client(proxy)
    arguments = asked(recording, upstream.origin)
    read, raised = [], None
    try:
        answer = sdk.chat.completions.create(**arguments)
        for part in answer if arguments.get("stream") else [answer]:
            read.append(part)
    except openai.APIError as error:
        raised = error
    wired = sdk.tap.last
    if "better" not in recording.recorded:
        assert wired.status == OURS.get(recording.key, recording.recorded["proxy_response"]["status"]), wired.content
    if wired.error is not None:
        check_error(raised, wired)
    else:
        assert raised is None
    if wired.is_stream:
        on_the_wire, kind = [event for event in wired.events if "error" not in event], ChatCompletionChunk
    else:
        on_the_wire, kind = [] if wired.error else [wired.json], ChatCompletion
    assert [part.to_dict(mode="json") for part in read] == on_the_wire
    for part in on_the_wire:
        # The SDK reads leniently; its own types say whether what it read is what it knows.
        kind.model_validate(part)


def check_error(raised, wired):
    error = wired.error
    assert raised is not None and raised.body == error
    assert isinstance(error["message"], str) and error["message"]
    assert {"message", "type", "param", "code"} <= error.keys()
    if wired.is_stream:
        return
    assert type(raised) is CLASSES.get(
        wired.status, openai.InternalServerError if wired.status >= 500 else openai.APIStatusError
    )
    assert (raised.status_code, raised.code) == (wired.status, str(wired.status))
    assert error["message"] in raised.message


STREAMS = [recording for recording in RECORDINGS if recording.recorded["openai_request"].get("stream")]


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.key)
def test_streams_add_up(stage, client, recording):
    upstream, proxy = stage(recording)
    sdk = client(proxy)
    arguments = asked(recording, upstream.origin)
    del arguments["stream"]
    completion, raised = None, None
    try:
        with sdk.chat.completions.stream(**arguments) as stream:
            # The final completion is refused if it ends for its length; this is the same without the judgement.
            completion = stream.until_done().current_completion_snapshot
    except openai.APIError as error:
        raised = error
    wired = sdk.tap.last
    if wired.error is not None:
        check_error(raised, wired)
        return
    assert raised is None
    expected = sums(wired.events)
    for choice in completion.choices:
        calls = [(call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls or []]
        said = (choice.message.content or "", calls, choice.finish_reason)
        assert said == expected.pop(choice.index)
    assert not expected


def sums(events):
    """What the deltas of a stream add up to, by choice."""
    texts, calls, finishes = {}, {}, {}
    for choice in (choice for event in events for choice in event["choices"]):
        index, delta = choice["index"], choice["delta"]
        texts[index] = texts.get(index, "") + (delta.get("content") or "")
        finishes[index] = choice.get("finish_reason") or finishes.get(index)
        for part in delta.get("tool_calls") or []:
            call = calls.setdefault(index, {}).setdefault(part["index"], {"id": None, "name": None, "arguments": ""})
            function = part.get("function") or {}
            call["id"], call["name"] = call["id"] or part.get("id"), call["name"] or function.get("name")
            call["arguments"] += function.get("arguments") or ""
    return {
        index: (text, [tuple(call.values()) for call in calls.get(index, {}).values()], finishes[index])
        for index, text in texts.items()
    }
