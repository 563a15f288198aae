"""Where the well-known providers keep their keys, known without loading a provider's library."""

from __future__ import annotations

import os

from msgspec import Struct

_VARIABLES: dict[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "xai": ("XAI_API_KEY",),
    "ollama": (),
    "ollama_chat": (),
    "scripted": (),
}
_BARE_NAMES = {
    "gpt-": "openai",
    "chatgpt-": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "claude-": "anthropic",
}


# https://docs.litellm.ai/docs/providers (1.105.0): with an address of one's own, a name that begins with none of these
# is the server's own name for a model, as in "Qwen/Qwen2.5-Coder".
_LITELLM_PROVIDERS = """
    a2a a2a_agent ai21 ai21_chat aiml aiohttp_openai amazon_nova anthropic anthropic_text apertis assemblyai
    auto_router aws_polly aws_textract azure azure_ai azure_speech azure_text baseten bedrock bedrock_mantle
    black_forest_labs bytez cerebras charity_engine chatgpt chutes clarifai cloudflare codestral cognition
    cohere cohere_chat cometapi compactifai cortecs cursor custom custom_openai darkbloom dashscope databricks
    datarobot deepgram deepinfra deepseek docker_model_runner dotprompt edenai elevenlabs empower fal_ai
    featherless_ai fireworks_ai friendliai galadriel gdc gemini gigachat github github_copilot gradient_ai groq
    helicone heroku hosted_vllm huggingface humanloop hyperbolic inception infinity jina_ai lambda_ai langflow
    langfuse langgraph lemonade libertai litellm_agent litellm_proxy llamafile lm_studio manus maritalk meta
    meta_llama milvus minimax mistral modelscope mongodb moonshot morph nadir nano-gpt nebius neosantara
    nlp_cloud novita nscale nvidia_nim nvidia_riva oci ollama ollama_chat oobabooga openai openai_like
    openrouter ovhcloud parasail perplexity petals pg_vector pinstripes poe predibase prism publicai
    qwen_ai_platform qwencloud ragflow recraft reducto replicate runwayml s3_vectors sagemaker sagemaker_chat
    sagemaker_nova sail sambanova sap scaleway scx-ai snowflake soniox stability strands_decider synthetic
    tencent tensormesh text-completion-codestral text-completion-inception text-completion-openai together_ai
    topaz transcribe triton typesafe v0 valkey vercel_ai_gateway vertex_ai vertex_ai_beta vllm volcengine voyage
    wandb watsonx watsonx_text xai xiaomi_mimo xinference zai
    """


class ProviderKey(Struct, frozen=True):
    """A provider and the environment variable its key is read from: "" if it needs none or is not one we know."""

    provider: str
    variable: str
    is_set: bool
    known: bool


def provider_of(name: str) -> str:
    """Return the provider a model's name begins with, or that its bare name belongs to; "" when neither says."""
    prefix, separator, _ = name.partition("/")
    if separator:
        return prefix
    if name.startswith("scripted:"):
        return "scripted"
    return next((provider for start, provider in _BARE_NAMES.items() if name.startswith(start)), "")


def is_openai_name(name: str, *, at_own_server: bool) -> bool:
    """Say whether chat completions of OpenAI's kind are the protocol of the model called `name`.

    `at_own_server` says that an address is configured for it.
    """
    provider = provider_of(name)
    return provider == "openai" or (at_own_server and provider not in _LITELLM_PROVIDERS.split())


def provider_key(name: str) -> ProviderKey:
    """Say which variable holds the key of the model called `name`, and whether it is set. Loads nothing, asks nobody.

    Of several variables that a provider reads, the one that is set is named, else the first.
    """
    provider = provider_of(name)
    variables = _VARIABLES.get(provider)
    if not variables:
        return ProviderKey(provider, "", is_set=variables is not None, known=variables is not None)
    filled = next((variable for variable in variables if os.environ.get(variable)), "")
    return ProviderKey(provider, filled or variables[0], is_set=bool(filled), known=True)


def openai_base(api_base: str | None = None) -> str:
    """Return where requests to `openai/` names go: the address configured, else the variables', else "" (OpenAI's)."""
    return api_base or os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE") or ""
