"""Recorded calls of the providers, as they lie beside the crates that translate them."""

import json
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from . import steps
from .answers import says
from .providers import ROOT, service_account
from .wires import Anthropic, OpenAi

#: Recordings whose upstream is known by its host name, which a loopback address cannot have.
BY_HOST = {"azure/url_cloudflare_gateway", "huggingface/router_default", "huggingface/router_provider_together"}
#: Recordings about what is missing in a deployment: an address added to it would be what is missing.
LEFT_AS_THEY_ARE = {"openai/missing_api_key", "azure/missing_api_base", "watsonx/missing_url"}


@dataclass
class Recording:
    """A recorded call: a deployment, a request and what the provider answered."""

    key: str
    recorded: dict = field(repr=False)

    @property
    def name(self):
        return self.key.replace("/", "-")

    @property
    def provider(self):
        return self.key.split("/")[0]

    @property
    def variables(self):
        return self.recorded.get("env") or {}

    @property
    def side_responses(self):
        return self.recorded.get("side_responses") or []

    def request(self, origin):
        """The client's request; pictures that the proxy would fetch lie at the upstream."""
        text = json.dumps(self.recorded["openai_request"])
        for side in self.recorded.get("side_requests") or []:
            if side["method"] == "GET" and side["origin"].startswith("http"):
                text = text.replace(side["origin"] + side["path"], origin + side["path"])
        return {**json.loads(text), "model": self.name}

    def deployment(self, origin):
        params = dict(self.recorded["litellm_params"])
        if params.get("vertex_credentials") == "{{SERVICE_ACCOUNT_JSON}}":
            params["vertex_credentials"] = service_account(f"{origin}/token")
        addresses = [name for name in ("api_base", "aws_bedrock_runtime_endpoint") if name in params]
        for name in addresses:
            params[name] = moved(params[name], origin)
        is_given = any("BASE" in name or name.endswith("_URL") for name in self.variables)
        if not (addresses or is_given or self.key in LEFT_AS_THEY_ARE):
            name = "aws_bedrock_runtime_endpoint" if self.provider == "bedrock" else "api_base"
            params[name] = f"{origin}/v1" if self.provider == "openai" else origin
        return {"model_name": self.name, "litellm_params": params}

    def environment(self, origin):
        variables = {
            name: moved(value, origin) if value.startswith("http") else value for name, value in self.variables.items()
        }
        if self.provider == "watsonx":
            variables.setdefault("WATSONX_IAM_URL", f"{origin}/identity/token")
        return variables

    def token(self):
        """What the token endpoint answers, if that was recorded: a step."""
        side = (
            side
            for side in self.side_responses
            if side.get("match") == "token_uri" or "identity" in side.get("match", "")
        )
        return next(map(steps.recorded, side), None)

    def step(self):
        """What the provider answers, also to requests that were not made when the call was recorded."""
        recorded = self.recorded.get("upstream_response")

        def step(hit):
            if hit.method == "GET":
                side = next(
                    (side for side in self.side_responses if re.search(side.get("match", "^$"), hit.path)), None
                )
                return steps.recorded(side or {"status": 404, "body": {"error": "not found"}})(hit)
            if recorded:
                return steps.recorded(recorded)(hit)
            wire = Anthropic() if hit.path.endswith("/messages") else OpenAi()
            return wire.answer(says("not recorded"))(hit)

        return step


def moved(url, origin):
    """Turns a URL to another origin."""
    to = urlsplit(origin)
    return urlsplit(url)._replace(scheme=to.scheme, netloc=to.netloc).geturl()


def read():
    files = sorted(ROOT.glob("crates/*/tests/fixtures/*/*.json"))
    recordings = [Recording(f"{file.parent.name}/{file.stem}", json.loads(file.read_text())) for file in files]
    return [recording for recording in recordings if recording.key not in BY_HOST]
