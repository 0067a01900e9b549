"""Keeps what a client read off the wire, so that its own reading can be held against it."""

import json

import httpx


class Tap(httpx.BaseTransport):
    """A transport that notes each answer."""

    def __init__(self):
        self._inner = httpx.HTTPTransport()
        self.answers = []

    def handle_request(self, request):
        response = self._inner.handle_request(request)
        answer = Wired(response.status_code, dict(response.headers))
        self.answers.append(answer)
        response.stream = _Noted(response.stream, answer)
        return response

    def close(self):
        self._inner.close()

    @property
    def last(self):
        return self.answers[-1]


class Wired:
    """An answer as it was on the wire."""

    def __init__(self, status, headers):
        self.status, self.headers, self.content = status, headers, b""

    @property
    def is_stream(self):
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def json(self):
        return json.loads(self.content)

    @property
    def events(self):
        """The data of each event but `[DONE]`."""
        data = (line.removeprefix("data: ") for line in self.content.decode().split("\n") if line.startswith("data: "))
        return [json.loads(event) for event in data if event != "[DONE]"]

    @property
    def error(self):
        """The error that the answer is, or that its stream ended with."""
        if self.is_stream:
            return next((event["error"] for event in self.events if "error" in event), None)
        return self.json.get("error")


class _Noted(httpx.SyncByteStream):
    def __init__(self, inner, answer):
        self._inner, self._answer = inner, answer

    def __iter__(self):
        for piece in self._inner:
            self._answer.content += piece
            yield piece

    def close(self):
        self._inner.close()
