"""Configurations as the documentation of LiteLLM's proxy prints them; only the addresses and keys are filled in."""

BALANCED = """
model_list:
- model_name: gpt-3.5-turbo
  litellm_params:
    model: azure/your-deployment-name
    api_base: {{a}}
    api_key: azure-key-a
    rpm: 6 # Rate limit for this deployment: in requests per minute (rpm)
- model_name: gpt-3.5-turbo
  litellm_params:
    model: azure/gpt-turbo-small-ca
    api_base: {{canada}}/
    api_key: azure-key-canada
    rpm: 6
- model_name: gpt-3.5-turbo
  litellm_params:
    model: azure/gpt-turbo-large
    api_base: {{france}}/
    api_key: azure-key-france
    rpm: 1440
"""

ZEPHYRS = """
model_list:
- model_name: zephyr-beta
  litellm_params:
    model: huggingface/HuggingFaceH4/zephyr-7b-beta
    api_base: {{z1}}
- model_name: zephyr-beta
  litellm_params:
    model: huggingface/HuggingFaceH4/zephyr-7b-beta
    api_base: {{z2}}
- model_name: zephyr-beta
  litellm_params:
    model: huggingface/HuggingFaceH4/zephyr-7b-beta
    api_base: {{z3}}
- model_name: gpt-3.5-turbo
  litellm_params:
    model: gpt-3.5-turbo
    api_base: {{gpt}}
    api_key: my-openai-key
- model_name: gpt-3.5-turbo-16k
  litellm_params:
    model: gpt-3.5-turbo-16k
    api_base: {{gpt16k}}
    api_key: my-openai-key
litellm_settings:
  num_retries: 3 # retry call 3 times on each model_name (e.g. zephyr-beta)
  request_timeout: 10 # raise Timeout error if call takes longer than 10s. Sets litellm.request_timeout
  fallbacks: [{"zephyr-beta": ["gpt-3.5-turbo"]}] # fallback to gpt-3.5-turbo if call fails num_retries
  context_window_fallbacks: [{"zephyr-beta": ["gpt-3.5-turbo-16k"]}, {"gpt-3.5-turbo": ["gpt-3.5-turbo-16k"]}] # fallback to gpt-3.5-turbo-16k if context window error
  allowed_fails: 3 # cooldown model if it fails > 1 call in a minute.
"""

WINDOWS_OF_A_GROUP = """
router_settings:
  enable_pre_call_checks: true # 1. Enable pre-call checks
model_list:
- model_name: gpt-3.5-turbo
  litellm_params:
    model: azure/chatgpt-v-2
    api_base: os.environ/AZURE_API_BASE
    api_key: os.environ/AZURE_API_KEY
    api_version: "2023-07-01-preview"
  model_info:
    base_model: azure/gpt-4-1106-preview # 2. (azure-only) SET BASE MODEL
- model_name: gpt-3.5-turbo
  litellm_params:
    model: gpt-3.5-turbo-1106
    api_base: {{openai}}
    api_key: os.environ/OPENAI_API_KEY
"""

WINDOWS_ACROSS_GROUPS = """
router_settings:
  enable_pre_call_checks: true # 1. Enable pre-call checks
model_list:
- model_name: gpt-3.5-turbo-small
  litellm_params:
    model: azure/chatgpt-v-2
    api_base: os.environ/AZURE_API_BASE
    api_key: os.environ/AZURE_API_KEY
    api_version: "2023-07-01-preview"
  model_info:
    base_model: azure/gpt-4-1106-preview # 2. (azure-only) SET BASE MODEL
- model_name: gpt-3.5-turbo-large
  litellm_params:
    model: gpt-3.5-turbo-1106
    api_base: {{large}}
    api_key: os.environ/OPENAI_API_KEY
- model_name: claude-opus
  litellm_params:
    model: claude-3-opus-20240229
    api_base: {{claude}}
    api_key: os.environ/ANTHROPIC_API_KEY
litellm_settings:
  context_window_fallbacks: [{"gpt-3.5-turbo-small": ["gpt-3.5-turbo-large", "claude-opus"]}]
"""

CONTENT_POLICY = """
model_list:
- model_name: gpt-3.5-turbo-small
  litellm_params:
    model: azure/chatgpt-v-2
    api_base: os.environ/AZURE_API_BASE
    api_key: os.environ/AZURE_API_KEY
    api_version: "2023-07-01-preview"
- model_name: claude-opus
  litellm_params:
    model: claude-3-opus-20240229
    api_base: {{claude}}
    api_key: os.environ/ANTHROPIC_API_KEY
litellm_settings:
  content_policy_fallbacks: [{"gpt-3.5-turbo-small": ["claude-opus"]}]
"""

REGIONS = """
router_settings:
  enable_pre_call_checks: true # 1. Enable pre-call checks
model_list:
- model_name: gpt-3.5-turbo
  litellm_params:
    model: azure/chatgpt-v-2
    api_base: os.environ/AZURE_API_BASE
    api_key: os.environ/AZURE_API_KEY
    api_version: "2023-07-01-preview"
    region_name: "eu" # SET EU-REGION
- model_name: gpt-3.5-turbo
  litellm_params:
    model: gpt-3.5-turbo-1106
    api_base: {{openai}}
    api_key: os.environ/OPENAI_API_KEY
- model_name: gemini-pro
  litellm_params:
    model: vertex_ai/gemini-pro-1.5
    vertex_project: adroit-crow-1234
    vertex_location: us-east1 # AUTOMATICALLY INFERS 'region_name'
"""

TIMEOUTS = """
model_list:
- model_name: gpt-3.5-turbo
  litellm_params:
    model: azure/gpt-turbo-small-eu
    api_base: {{eu}}/
    api_key: your-key
    timeout: 0.1 # timeout in (seconds)
    stream_timeout: 0.01 # timeout for stream requests (seconds)
    max_retries: 5
- model_name: gpt-3.5-turbo
  litellm_params:
    model: azure/gpt-turbo-small-ca
    api_base: {{ca}}/
    api_key:
    timeout: 0.1 # timeout in (seconds)
    stream_timeout: 0.01 # timeout for stream requests (seconds)
    max_retries: 5
"""

#: Variables that the configurations name.
KEYS = {"AZURE_API_KEY": "azure-env-key", "OPENAI_API_KEY": "openai-env-key", "ANTHROPIC_API_KEY": "anthropic-env-key"}
#: The prompt of its examples: about 40,000 tokens.
LONG = "What is the meaning of 42?" * 5000

LONG_PROGRAM = """
import openai
client = openai.OpenAI(
    api_key="anything",
    base_url="http://0.0.0.0:4000"
)
text = "What is the meaning of 42?" * 5000
# request sent to model set on litellm proxy, `litellm --model`
response = client.chat.completions.create(
    model="gpt-3.5-turbo",
    messages = [
        {"role": "system", "content": text},
        {"role": "user", "content": "Who was Alexander?"},
    ],
)
print(response)
"""

REGION_PROGRAM = """
import openai
client = openai.OpenAI(
    api_key="anything",
    base_url="http://0.0.0.0:4000"
)
# request sent to model set on litellm proxy, `litellm --model`
response = client.chat.completions.with_raw_response.create(
    model="gpt-3.5-turbo",
    messages = [{"role": "user", "content": "Who was Alexander?"}]
)
print(response)
print(f"response.headers.get('x-litellm-model-api-base')")
"""
