"""Upstreams and proxies that live together, and calls of them without an SDK."""

import contextlib
import json
import re

import httpx

from . import wires
from .answers import says
from .proxy import Proxy
from .upstream import Upstream

#: Settings under which a call is sent once: what a check counts is not hidden by a second attempt.
ONCE = {"litellm_settings": {"num_retries": 0}, "router_settings": {"disable_cooldowns": True}}
HI = [{"role": "user", "content": "what llm are you"}]
MASTER_KEY = "sk-a-master-key-of-checks"
#: Seconds after which a call hangs.
LIMIT = 30


class Stage:
    """Starts upstreams and proxies, and stops them when it is left."""

    def __init__(self, loop):
        self._loop, self._stack = loop, contextlib.ExitStack()
        #: Enters a context that ends with the stage.
        self.keep = self._stack.enter_context

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self._stack.close()

    def upstream(self, name, *steps):
        upstream = self._loop.run(Upstream(name, *steps).start())
        self._stack.callback(lambda: self._loop.run(upstream.stop()))
        return upstream

    def proxy(self, config, environment=None):
        proxy = Proxy(config, environment)
        self._stack.callback(proxy.stop)
        return proxy

    def scene(self, groups, *, router=None, general=None, environment=None, **settings):
        """Deployments by group, of OpenAI unless they say otherwise: `scene({"group": ["a", {"up": "b", "rpm": 3}]})`.

        Further arguments are settings of `litellm_settings`.
        """
        scene, deployments = Scene(self), []
        for group, members in groups.items():
            for member in members:
                params = dict(member) if isinstance(member, dict) else {"up": member}
                name, info = params.pop("up"), params.pop("info", None)
                given = {
                    "model": f"openai/model-{name}",
                    "api_base": scene.add(name).origin,
                    "api_key": f"sk-{name}",
                    **params,
                }
                kept = {key: value for key, value in given.items() if value is not None}
                deployments.append(
                    {"model_name": group, "litellm_params": kept, **({"model_info": info} if info else {})}
                )
        sections = {"litellm_settings": settings, "router_settings": router, "general_settings": general}
        given = {name: section for name, section in sections.items() if section}
        return scene.open({"model_list": deployments, **given}, environment)

    def documented(self, yaml, **environment):
        """A configuration with the addresses of upstreams as `{{name}}`, also in variables."""
        scene = Scene(self)

        def filled(text):
            return re.sub(r"\{\{(\w+)\}\}", lambda found: scene.add(found[1]).origin, text)

        return scene.open(filled(yaml), {name: filled(value) for name, value in environment.items()})


class Scene:
    """A proxy, and the upstreams behind it by name. Each says `hello from` its name, as its path wants it."""

    def __init__(self, stage):
        self._stage, self.up = stage, {}

    def add(self, name):
        if name not in self.up:
            self.up[name] = self._stage.upstream(name, hello(name))
        return self.up[name]

    def open(self, config, environment):
        self.proxy = self._stage.proxy(config, environment)
        self._http = self._stage.keep(httpx.Client(base_url=self.proxy.address, timeout=LIMIT))
        return self

    def fail(self, *names, status=500, message="broken", **headers):
        for name in names:
            self.up[name].play(fails(status, message, **headers))

    def chat(self, model, *, path="/chat/completions", headers=None, messages=HI, **members):
        return self.post(path, {"model": model, "messages": messages, **members}, headers=headers)

    def post(self, path, body, headers=None):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._said(
            self._http.post(path, content=content, headers={"content-type": "application/json", **(headers or {})})
        )

    def get(self, path, headers=None):
        return self._said(self._http.get(path, headers=headers))

    def stream(self, model, **members):
        """A stream that is read by whoever asked for it."""
        return self._http.stream(
            "POST", "/chat/completions", json={"model": model, "messages": HI, "stream": True, **members}
        )

    @property
    def hits(self):
        return sorted((hit for upstream in self.up.values() for hit in upstream.hits), key=lambda hit: hit.at)

    @property
    def order(self):
        return [hit.name for hit in self.hits]

    @staticmethod
    def _said(response):
        return Said(response.status_code, response.headers, response.text, response.elapsed.total_seconds())


class Said:
    """A whole answer."""

    def __init__(self, status, headers, text, seconds):
        self.status, self.headers, self.text, self.seconds = status, headers, text, seconds

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def events(self):
        data = [line.removeprefix("data: ") for line in self.text.split("\n") if line.startswith("data: ")]
        return [event if event == "[DONE]" else json.loads(event) for event in data]

    @property
    def content(self):
        assert self.status == 200, self.text
        if not self.headers["content-type"].startswith("text/event-stream"):
            return self.json["choices"][0]["message"]["content"]
        assert self.events[-1] == "[DONE]", self.text
        choices = [choice for event in self.events[:-1] for choice in event["choices"]]
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    def error(self, *statuses):
        """Checks that it is an error, in OpenAI's shape, with one of these statuses. Returns the message."""
        assert self.status in statuses, f"{self.status}: {self.text}"
        assert self.headers["content-type"].startswith("application/json")
        error = self.json["error"]
        assert error.keys() >= {"message", "type", "param", "code"} and error["message"], self.text
        assert error["code"] == str(self.status)
        return error["message"]


def hello(name):
    """A step."""
    return tells("hello ", f"from {name}")


def tells(*words):
    """A step: an answer in the format of the path."""
    return lambda hit: spoken(hit).answer(says(*words))(hit)


def fails(status, message="broken", **headers):
    """A step: an error in the format of the path."""
    return lambda hit: _with(spoken(hit).fails(status, message)(hit), headers)


def _with(reply, headers):
    return reply.but(headers={**reply.headers, **{name.replace("_", "-"): value for name, value in headers.items()}})


def spoken(hit):
    if hit.path.endswith("/messages"):
        return wires.Anthropic()
    return wires.Gemini() if "enerateContent" in hit.path else wires.OpenAi()
