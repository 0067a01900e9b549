// The OpenAI SDK of Node, before upstreams that the caller of this file has scripted: see test_node.py.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

const OpenAI = createRequire(`${process.env.NODE_CLIENTS}/`)("openai");

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "anything" });
const messages = [{ role: "user", content: "what llm are you" }];
const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } } }];

test("plain", async () => {
  const completion = await client.chat.completions.create({ model: "hello", messages });
  assert.equal(completion.choices[0].message.content, "hello from node");
  assert.equal(completion.model, "hello");
  assert.equal(completion.usage.total_tokens, 10);
});

test("headers", async () => {
  const { data, response } = await client.chat.completions.create({ model: "hello", messages }).withResponse();
  assert.equal(data.object, "chat.completion");
  assert.equal(response.headers.get("x-litellm-model-group"), "hello");
});

test("stream", async () => {
  const stream = await client.chat.completions.create({ model: "hello", messages, stream: true, stream_options: { include_usage: true } });
  const words = [];
  let usage;
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) words.push(chunk.choices[0].delta.content);
    usage = chunk.usage ?? usage;
  }
  assert.deepEqual(words, ["hello ", "from node"]);
  assert.equal(usage.total_tokens, 10);
});

test("accumulated stream", async () => {
  const completion = await client.chat.completions.stream({ model: "hello", messages }).finalChatCompletion();
  assert.equal(completion.choices[0].message.content, "hello from node");
});

test("tools", async () => {
  const asked = await client.chat.completions.create({ model: "tools", messages, tools });
  assert.equal(asked.choices[0].finish_reason, "tool_calls");
  assert.deepEqual(asked.choices[0].message.tool_calls.map((call) => JSON.parse(call.function.arguments)), [{ city: "Paris" }, { city: "Rome" }]);
});

test("tools in a stream", async () => {
  const asked = await client.chat.completions.stream({ model: "tools", messages, tools }).finalChatCompletion();
  assert.deepEqual(asked.choices[0].message.tool_calls.map((call) => JSON.parse(call.function.arguments)), [{ city: "Paris" }, { city: "Rome" }]);
});

test("tools that run", async () => {
  const weather = { type: "function", function: { ...tools[0].function, parse: JSON.parse, function: ({ city }) => `It rains in ${city}.` } };
  const runner = client.chat.completions.runTools({ model: "rounds", messages, tools: [weather] });
  assert.equal(await runner.finalContent(), "Rain, and rain.");
});

test("errors", async () => {
  await assert.rejects(client.chat.completions.create({ model: "broken", messages }), (error) => {
    assert.ok(error instanceof OpenAI.InternalServerError);
    assert.equal(error.status, 503);
    assert.match(error.message, /the engine is overloaded/);
    return true;
  });
  await assert.rejects(client.chat.completions.create({ model: "limited", messages }, { maxRetries: 0 }), OpenAI.RateLimitError);
  await assert.rejects(client.chat.completions.create({ model: "nobody", messages }), OpenAI.BadRequestError);
});

test("errors in a stream", async () => {
  const stream = await client.chat.completions.create({ model: "cut", messages, stream: true });
  const words = [];
  await assert.rejects(async () => {
    for await (const chunk of stream) words.push(chunk.choices[0]?.delta.content ?? "");
  }, OpenAI.APIError);
  assert.equal(words.join(""), "hello from node");
});

test("fallbacks", async () => {
  const completion = await client.chat.completions.create({ model: "broken", messages, fallbacks: ["hello"] });
  assert.equal(completion.choices[0].message.content, "hello from node");
});

test("a client that hangs up", async () => {
  await assert.rejects(client.chat.completions.create({ model: "silent", messages }, { timeout: 300, maxRetries: 0 }), (error) => {
    return error instanceof OpenAI.APIConnectionTimeoutError || error.status === 408;
  });
});
