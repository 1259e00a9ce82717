"""What a configuration may hold, given that results, reports and receipts show all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from susx.core.plain import SIGNATURE

ADDRESS = re.compile(r"(?:(?<=::)|\b)[a-z][a-z0-9+.-]*://\S*?(?=::[a-z]|\s|$)", re.IGNORECASE)
"""An address; fsspec chains several with `::`."""

KEY = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}|\bsk-(?:[A-Za-z0-9]+[-_]){0,4}[A-Za-z0-9]{16,}"
    r"|\bbearer\s+[\w.~+/=-]{16,}",
    re.IGNORECASE,
)
"""Keys as Hugging Face, OpenAI and others give them out: at least 16 letters or digits in a row,
which `hf_clip-vit-large` or a class `sk-fox` has not. Messages mask more."""
LOGIN = re.compile(r"(?:^|:/|//)(?!mailto:)[^\s/:@]+:[^\s/@]+@[\w.-]", re.IGNORECASE)
"""User and password before a host, also where an address lacks its scheme or a slash."""

STORAGE_OPTIONS = frozenset(
    {
        *("anon", "token", "project", "requester_pays", "endpoint_url", "region", "profile"),
        *("account_name", "use_ssl", "version_aware", "revision", "host", "port"),
        *("block_size", "default_block_size", "cache_type", "default_cache_type"),
        *("default_fill_cache", "use_listings_cache", "skip_instance_cache"),
    }
)
"""Options of fsspec's file systems (s3fs, gcsfs, adlfs, huggingface_hub, http) that say where files
are and how they are read, none of which is a key; `token` only as `anon`."""

REQUEST_FIELDS = frozenset(
    {
        *("max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "n", "stop"),
        *("presence_penalty", "frequency_penalty", "logit_bias", "response_format", "type"),
        *("reasoning_effort", "verbosity", "service_tier", "store", "stream"),
        *("reasoning", "effort", "enabled", "exclude", "summary"),
        *("thinking", "budget_tokens", "enable_thinking", "chat_template_kwargs", "think"),
        *("top_k", "min_p", "min_tokens", "repetition_penalty", "length_penalty", "ignore_eos"),
        *("stop_token_ids", "skip_special_tokens", "truncate_prompt_tokens"),
        *("options", "keep_alive", "num_ctx", "num_predict", "num_keep", "num_gpu", "num_thread"),
        *("repeat_penalty", "repeat_last_n", "mirostat", "mirostat_eta", "mirostat_tau"),
        *("tfs_z", "typical_p", "cache_prompt", "n_predict"),
    }
)
"""Fields of requests, and of mappings in them, that OpenAI, vLLM, Ollama and llama.cpp document and
that shape a reply; numbers, as in `logit_bias`, are tokens."""


def checked_texts(value: Any) -> Any:
    """A value of the configuration, unchanged; looked at are its texts, at any depth.

    Raises:
        ValueError: if a text looks like a key, or an address names a user, or has a query or a
            fragment.
    """
    for text in _texts(value):
        if KEY.search(text):
            raise ValueError(
                "holds what looks like a key, which would end up in results and reports; put it "
                "into an environment variable"
            )
        if (
            LOGIN.search(text)
            or SIGNATURE.search(text)
            or any(_tells(address) for address in ADDRESS.findall(text))
        ):
            raise ValueError(
                "holds credentials or a query, which would end up in results and reports; leave "
                "out the user, the password and what follows `?` or `#`. Keys belong into the "
                "environment or into ~/.netrc, and `*` or braces stand for a wildcard `?`"
            )
    return value


def checked_storage(options: Any) -> Any:
    """Options of a file system, unchanged.

    Raises:
        ValueError: if one is unknown, or may be a key.
    """
    for name, value in options.items() if isinstance(options, Mapping) else ():
        if name not in STORAGE_OPTIONS or (name == "token" and value != "anon"):
            raise ValueError(
                f"`{name}` would end up in results and reports; keys belong into the environment, "
                "where file systems look for them, other options into fsspec's own configuration. "
                f"Known are {', '.join(sorted(STORAGE_OPTIONS))} (`token: anon` only)"
            )
    return options


def checked_request(options: Any) -> Any:
    """Fields of a request to a language model, unchanged.

    Raises:
        ValueError: if one is unknown, at any depth.
    """
    for name in _names(options):
        if str(name) not in REQUEST_FIELDS and not str(name).isdecimal():
            raise ValueError(
                f"`{name}` would end up in results; put a key into an environment variable and "
                "name that under `api_key_variable`. Known are "
                f"{', '.join(sorted(REQUEST_FIELDS))}"
            )
    return options


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in [*value, *(value.values() if isinstance(value, Mapping) else ())]:
            yield from _texts(part)


def _tells(address: str) -> bool:
    parts = urlsplit(address)
    place = parts.netloc.rpartition("]")[2]  # without the colons of an IPv6 address
    port = place.partition(":")[2]
    odd_port = port != "" and not port.isdecimal()  # as in user:pass/word@host
    return odd_port or "@" in parts.netloc or "?" in address or "#" in address


def _names(value: Any) -> Iterator[Any]:
    """Names of mappings, at any depth."""
    if isinstance(value, Mapping):
        yield from value
    parts = value.values() if isinstance(value, Mapping) else value
    for part in parts if isinstance(value, Mapping | list) else ():
        yield from _names(part)
