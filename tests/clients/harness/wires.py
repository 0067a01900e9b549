"""Wire formats of providers: each turns an answer into a reply, plain or as a stream, as it was asked for."""

import base64
import json
import struct
import zlib
from dataclasses import replace

from .answers import Call
from .steps import FRAMES, SSE, End, document, events

#: The tool that stands in for a JSON schema on formats without one.
JSON_TOOL = "json_tool_call"
SIGNATURE = base64.b64encode(b"signed").decode()


def sse(data, event=None):
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


class Wire:
    """Answers a request in a format. Formats fill in `plain`, `stream`, `error` and `asks_for_stream`."""

    #: Of every answer.
    headers: dict[str, str] = {}
    #: Of streams.
    content_type = SSE

    def answer(self, answer):
        """A step."""

        def step(hit):
            said = self.through_tool(answer, hit)
            if self.asks_for_stream(hit):
                return events(self.framed(self.stream(said, hit)), self.content_type, **self.headers)
            return document(200, self.plain(said, hit), **self.headers)

        return step

    def breaks_off(self, answer):
        """A step: a stream that is cut after its last word."""

        def step(hit):
            pieces = self.stream(answer, hit)
            last = max(at for at, piece in enumerate(pieces) if answer.words[-1].encode() in piece)
            return events(self.framed(pieces[: last + 1]), self.content_type).but(end=End.CUT)

        return step

    def fails(self, status, message):
        """A step."""
        return lambda hit: document(status, self.error(status, message), **self.headers)

    def through_tool(self, answer, hit):
        """A schema that was made a tool is answered by its call."""
        if JSON_TOOL in hit.content.decode() and not answer.calls:
            return replace(answer, words=(), calls=(Call("call_json", JSON_TOOL, json.loads(answer.text)),))
        return answer

    def framed(self, pieces):
        """The pieces of a stream, as they are sent."""
        return pieces

    def asks_for_stream(self, hit):
        return hit.body.get("stream") is True


class OpenAi(Wire):
    """Chat completions, as OpenAI, Azure and Hugging Face have them."""

    headers = {"x-ratelimit-remaining-requests": "41", "x-request-id": "req-of-a-script"}
    says_done = True

    def plain(self, answer, hit):
        message = {"role": "assistant", "content": answer.text or None}
        if answer.calls:
            message["tool_calls"] = [self._call(call) for call in answer.calls]
        finish = "tool_calls" if answer.calls else "stop"
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return {**self._frame(hit, "chat.completion"), "choices": [choice], "usage": self._usage(answer)}

    def stream(self, answer, hit):
        def chunk(delta, finish=None):
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return sse({**self._frame(hit, "chat.completion.chunk"), "choices": [choice]})

        chunks = [chunk({"role": "assistant", "content": ""})]
        chunks += [chunk({"content": word}) for word in answer.words]
        for index, call in enumerate(answer.calls):
            whole, (first, second) = self._call(call), call.halves
            whole["function"]["arguments"] = first
            chunks.append(chunk({"tool_calls": [{"index": index, **whole}]}))
            chunks.append(chunk({"tool_calls": [{"index": index, "function": {"arguments": second}}]}))
        chunks.append(chunk({}, "tool_calls" if answer.calls else "stop"))
        if self._sends_usage(hit):
            chunks.append(
                sse({**self._frame(hit, "chat.completion.chunk"), "choices": [], "usage": self._usage(answer)})
            )
        return chunks + [b"data: [DONE]\n\n"] * self.says_done

    def error(self, status, message):
        return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}

    def _sends_usage(self, hit):
        return (hit.body.get("stream_options") or {}).get("include_usage") is True

    @staticmethod
    def _frame(hit, kind):
        return {
            "id": "chatcmpl-of-a-script",
            "object": kind,
            "created": 1700000000,
            "model": hit.body.get("model") or "m",
        }

    @staticmethod
    def _call(call):
        return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}

    @staticmethod
    def _usage(answer):
        return {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "total_tokens": answer.tokens,
        }


class Watsonx(OpenAi):
    """Like OpenAI's, on a path for streams, with usage unasked and no `[DONE]`."""

    headers = {}
    says_done = False

    def asks_for_stream(self, hit):
        return hit.path.endswith("/chat_stream")

    def error(self, status, message):
        return {"errors": [{"code": "error_of_a_script", "message": message}], "trace": "0", "status_code": status}

    def _sends_usage(self, hit):
        return True


class Anthropic(Wire):
    """Messages."""

    headers = {"anthropic-ratelimit-requests-remaining": "41"}

    def plain(self, answer, hit):
        return {
            **self._message(hit),
            "content": self._blocks(answer),
            "stop_reason": self._stop(answer),
            "usage": {"input_tokens": answer.prompt_tokens, "output_tokens": answer.completion_tokens},
        }

    def stream(self, answer, hit):
        def event(kind, **members):
            return sse({"type": kind, **members}, kind)

        usage = {"input_tokens": answer.prompt_tokens, "output_tokens": 1}
        out = [event("message_start", message={**self._message(hit), "content": [], "usage": usage})]
        for index, block in enumerate(self._blocks(answer)):
            out.append(event("content_block_start", index=index, content_block=_emptied(block)))
            out += [event("content_block_delta", index=index, delta=delta) for delta in self._deltas(block, answer)]
            out.append(event("content_block_stop", index=index))
        ends = {"stop_reason": self._stop(answer), "stop_sequence": None}
        out.append(event("message_delta", delta=ends, usage={"output_tokens": answer.completion_tokens}))
        return [*out, event("message_stop")]

    def error(self, status, message):
        return {"type": "error", "error": {"type": "error_of_a_script", "message": message}}

    @staticmethod
    def _message(hit):
        model = hit.body.get("model", "m")
        return {
            "id": "msg_of_a_script",
            "type": "message",
            "role": "assistant",
            "model": model,
            "stop_reason": None,
            "stop_sequence": None,
        }

    @staticmethod
    def _stop(answer):
        return "tool_use" if answer.calls else "end_turn"

    @staticmethod
    def _blocks(answer):
        thinking = (
            [{"type": "thinking", "thinking": answer.thinking, "signature": SIGNATURE}] if answer.thinking else []
        )
        text = [{"type": "text", "text": answer.text}] if answer.words else []
        return (
            thinking
            + text
            + [{"type": "tool_use", "id": c.id, "name": c.name, "input": c.arguments} for c in answer.calls]
        )

    @staticmethod
    def _deltas(block, answer):
        if block["type"] == "thinking":
            middle = len(block["thinking"]) // 2
            halves = block["thinking"][:middle], block["thinking"][middle:]
            return [
                *({"type": "thinking_delta", "thinking": half} for half in halves),
                {"type": "signature_delta", "signature": SIGNATURE},
            ]
        if block["type"] == "text":
            return [{"type": "text_delta", "text": word} for word in answer.words]
        call = next(call for call in answer.calls if call.id == block["id"])
        return [{"type": "input_json_delta", "partial_json": half} for half in call.halves]


def _emptied(block):
    blank = {"thinking": {"thinking": "", "signature": ""}, "text": {"text": ""}, "tool_use": {"input": {}}}
    return {**block, **blank[block["type"]]}


class Gemini(Wire):
    """`generateContent`, of Vertex AI and of Google AI Studio."""

    def asks_for_stream(self, hit):
        return hit.path.endswith(":streamGenerateContent")

    def plain(self, answer, hit):
        return self._response(self._thoughts(answer) + self._text(answer.text) + self._calls(answer), answer, "STOP")

    def stream(self, answer, hit):
        parts = [[part] for part in self._thoughts(answer)] + [self._text(word) for word in answer.words]
        out = [sse(self._response(part, answer, None)) for part in parts]
        return [*out, sse(self._response(self._calls(answer), answer, "STOP"))]

    def error(self, status, message):
        return {"error": {"code": status, "message": message, "status": "STATUS_OF_A_SCRIPT"}}

    @staticmethod
    def _response(parts, answer, finish):
        candidate = {"index": 0, "content": {"role": "model", "parts": parts}}
        if finish:
            candidate["finishReason"] = finish
        usage = {
            "promptTokenCount": answer.prompt_tokens,
            "candidatesTokenCount": answer.completion_tokens,
            "totalTokenCount": answer.tokens,
        }
        return {
            "candidates": [candidate],
            "usageMetadata": usage,
            "modelVersion": "gemini",
            "responseId": "response-of-a-script",
        }

    @staticmethod
    def _thoughts(answer):
        return [{"text": answer.thinking, "thought": True}] if answer.thinking else []

    @staticmethod
    def _text(text):
        return [{"text": text}] if text else []

    @staticmethod
    def _calls(answer):
        return [{"functionCall": {"name": call.name, "args": call.arguments}} for call in answer.calls]


class Invoke(Anthropic):
    """Bedrock's InvokeModel: Anthropic's events in binary frames."""

    headers = {}
    content_type = FRAMES

    def asks_for_stream(self, hit):
        return hit.path.endswith("/invoke-with-response-stream")

    def framed(self, pieces):
        return [frame("chunk", {"bytes": base64.b64encode(_data(piece)).decode(), "p": "abc"}) for piece in pieces]

    def error(self, status, message):
        return {"message": message}


def _data(event):
    return event.partition(b"data: ")[2].strip()


class Converse(Wire):
    """Bedrock's Converse, with streams in binary frames."""

    content_type = FRAMES

    def asks_for_stream(self, hit):
        return hit.path.endswith("/converse-stream")

    def plain(self, answer, hit):
        message = {"role": "assistant", "content": self._blocks(answer)}
        return {
            "output": {"message": message},
            "stopReason": self._stop(answer),
            "usage": self._usage(answer),
            "metrics": {"latencyMs": 1},
        }

    def stream(self, answer, hit):
        out = [frame("messageStart", {"role": "assistant"})]
        for index, block in enumerate(self._blocks(answer)):
            at = {"contentBlockIndex": index}
            if "toolUse" in block:
                use = block["toolUse"]
                start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
                out.append(frame("contentBlockStart", {**at, "start": start}))
            out += [frame("contentBlockDelta", {**at, "delta": delta}) for delta in self._deltas(block, answer)]
            out.append(frame("contentBlockStop", at))
        out.append(frame("messageStop", {"stopReason": self._stop(answer)}))
        return [*out, frame("metadata", {"usage": self._usage(answer), "metrics": {"latencyMs": 1}})]

    def error(self, status, message):
        return {"message": message}

    @staticmethod
    def _stop(answer):
        return "tool_use" if answer.calls else "end_turn"

    @staticmethod
    def _usage(answer):
        return {
            "inputTokens": answer.prompt_tokens,
            "outputTokens": answer.completion_tokens,
            "totalTokens": answer.tokens,
        }

    @staticmethod
    def _blocks(answer):
        thinking = (
            [{"reasoningContent": {"reasoningText": {"text": answer.thinking, "signature": SIGNATURE}}}]
            if answer.thinking
            else []
        )
        text = [{"text": answer.text}] if answer.words else []
        uses = [{"toolUse": {"toolUseId": c.id, "name": c.name, "input": c.arguments}} for c in answer.calls]
        return thinking + text + uses

    @staticmethod
    def _deltas(block, answer):
        if "reasoningContent" in block:
            text = block["reasoningContent"]["reasoningText"]["text"]
            middle = len(text) // 2
            pieces = {"text": text[:middle]}, {"text": text[middle:]}, {"signature": SIGNATURE}
            return [{"reasoningContent": piece} for piece in pieces]
        if "text" in block:
            return [{"text": word} for word in answer.words]
        call = next(call for call in answer.calls if call.id == block["toolUse"]["toolUseId"])
        return [{"toolUse": {"input": half}} for half in call.halves]


class Bedrock(Wire):
    """Bedrock, each of whose operations has a format of its own."""

    def answer(self, answer):
        return self._by_operation("answer", answer)

    def breaks_off(self, answer):
        return self._by_operation("breaks_off", answer)

    def fails(self, status, message):
        return self._by_operation("fails", status, message)

    @staticmethod
    def _by_operation(step, *args):
        converse, invoke = (getattr(wire, step)(*args) for wire in (Converse(), Invoke()))
        return lambda hit: (converse if "/converse" in hit.path else invoke)(hit)


def frame(kind, payload):
    """A frame of `application/vnd.amazon.eventstream`."""
    headers = b""
    for name, value in ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event")):
        headers += (
            struct.pack("!B", len(name)) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
        )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack("!I", zlib.crc32(message))
