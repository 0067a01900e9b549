"""What a model says, before a provider's wire format gives it a shape."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """A call of a tool."""

    id: str
    name: str
    arguments: dict

    @property
    def text(self):
        return json.dumps(self.arguments)

    @property
    def halves(self):
        middle = len(self.text) // 2
        return self.text[:middle], self.text[middle:]


@dataclass(frozen=True)
class Answer:
    """A model's answer; in a stream each word is a chunk."""

    words: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    thinking: str = ""
    prompt_tokens: int = 7
    completion_tokens: int = 3

    @property
    def text(self):
        return "".join(self.words)

    @property
    def tokens(self):
        return self.prompt_tokens + self.completion_tokens


def says(*words):
    return Answer(words=words)


#: Two calls at once.
CALLS = (Call("call_paris", "weather", {"city": "Paris"}), Call("call_rome", "weather", {"city": "Rome"}))
#: A picture of one pixel, as base64.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
