"""OpenAI's operations beside chat, as a scripted upstream answers them."""

import base64
import struct

from .steps import document
from .wires import OpenAi, sse


def embeddings(*vectors):
    """A step: vectors for as many inputs, as floats or packed, as was asked."""

    def step(hit):
        packed = hit.body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": pack(vector) if packed else list(vector)}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": 5, "total_tokens": 5}
        return document(200, {"object": "list", "data": data, "model": hit.body.get("model") or "m", "usage": usage})

    return step


def pack(vector):
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


class Completions(OpenAi):
    """Legacy completions."""

    def plain(self, answer, hit):
        return {
            **self._frame(hit, "text_completion"),
            "choices": [self._choice(answer.text, "stop")],
            "usage": self._usage(answer),
        }

    def stream(self, answer, hit):
        def chunk(text, finish=None):
            return sse({**self._frame(hit, "text_completion"), "choices": [self._choice(text, finish)]})

        chunks = [*map(chunk, answer.words), chunk("", "stop")]
        if self._sends_usage(hit):
            chunks.append(sse({**self._frame(hit, "text_completion"), "choices": [], "usage": self._usage(answer)}))
        return [*chunks, b"data: [DONE]\n\n"]

    @staticmethod
    def _choice(text, finish):
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
