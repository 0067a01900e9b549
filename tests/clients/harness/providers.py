"""A deployment of each provider, whose upstream is scripted."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import wires

ROOT = Path(__file__).resolve().parents[3]
#: A key that is used for nothing else.
GOOGLE_KEY = ROOT / "crates/vertex/tests/keys/throwaway.pem"


@dataclass(frozen=True)
class Provider:
    """How a provider is reached, and what it speaks."""

    name: str
    wire: wires.Wire
    #: From the origin of the upstream to `litellm_params`.
    params: Callable[[str], dict]
    #: From the origin of the upstream to variables.
    environment: Callable[[str], dict] = field(default=lambda origin: {})
    thinks: bool = False


def service_account(token_uri):
    account = {
        "type": "service_account",
        "project_id": "sa-project",
        "private_key_id": "kid-1",
        "private_key": GOOGLE_KEY.read_text(),
        "client_email": "svc@sa-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_uri,
    }
    return json.dumps(account)


PROVIDERS = [
    Provider(
        "openai",
        wires.OpenAi(),
        lambda origin: {"model": "openai/gpt-4o", "api_base": f"{origin}/v1", "api_key": "sk-upstream"},
    ),
    Provider(
        "azure",
        wires.OpenAi(),
        lambda origin: {
            "model": "azure/chatgpt-v-2",
            "api_base": origin,
            "api_key": "az-upstream",
            "api_version": "2024-10-21",
        },
    ),
    Provider(
        "huggingface",
        wires.OpenAi(),
        lambda origin: {
            "model": "huggingface/HuggingFaceH4/zephyr-7b-beta",
            "api_base": origin,
            "api_key": "hf-upstream",
        },
    ),
    Provider(
        "anthropic",
        wires.Anthropic(),
        lambda origin: {
            "model": "anthropic/claude-sonnet-4-5-20250929",
            "api_base": origin,
            "api_key": "sk-ant-upstream",
        },
        thinks=True,
    ),
    Provider(
        "vertex_ai",
        wires.Gemini(),
        lambda origin: {
            "model": "vertex_ai/gemini-2.5-flash",
            "api_base": origin,
            "vertex_project": "adroit-crow-1234",
            "vertex_location": "us-east1",
            "vertex_credentials": service_account(f"{origin}/token"),
        },
        thinks=True,
    ),
    Provider(
        "gemini",
        wires.Gemini(),
        lambda origin: {"model": "gemini/gemini-2.5-flash", "api_base": origin, "api_key": "gem-upstream"},
        thinks=True,
    ),
    Provider(
        "bedrock",
        wires.Bedrock(),
        lambda origin: {
            "model": "bedrock/eu.anthropic.claude-3-7-sonnet-20250219-v1:0",
            "aws_region_name": "eu-central-1",
            "aws_bedrock_runtime_endpoint": origin,
            "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        },
        thinks=True,
    ),
    Provider(
        "watsonx",
        wires.Watsonx(),
        lambda origin: {
            "model": "watsonx/ibm/granite-3-8b-instruct",
            "api_base": origin,
            "api_key": "ibm-upstream",
            "project_id": "a-project",
        },
        lambda origin: {"WATSONX_IAM_URL": f"{origin}/identity/token"},
    ),
]
