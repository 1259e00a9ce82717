"""What a configuration may hold: nothing that a result must not show."""

from typing import Any

import pytest

from susx.config import parse_config
from susx.config.shown import evaluated_config
from susx.core.errors import InputError

KEY = "hunter2"
ENCODER = {"library": "transformers", "model": "x"}
SERVER = {"backend": "openai", "base_url": "http://h/v1", "model": "m"}
POOL = {"layout": "captions", "path": "s3://b/x"}


def parsed(**sections: Any) -> Any:
    dataset = {"classes": ["cat", "dog"], "images": {"test": "photos"}}
    return parse_config({"datasets": {"pets": dataset}, "encoders": {"c": ENCODER}, **sections})


@pytest.mark.parametrize(
    "address",
    [
        *("https://me:hunter2@h/x", "https://hunter2@h/x", "https://me:hun/hunter2@h/x"),
        *("s3://b/x?sig=hunter2", "s3://b/x?hunter2", "https://h/x#access=hunter2"),
        *("simplecache::https://me:hunter2@h/x", "zip://a::s3://b/x?k=hunter2", "HTTP://hunter2@h"),
    ],
)
@pytest.mark.parametrize("place", ["folder", "captions", "encoder", "storage", "features", "agent"])
def test_addresses_that_tell_more_than_a_place_are_refused(place: str, address: str) -> None:
    sections: dict[str, Any] = {
        "folder": {"pools": {"p": {"layout": "webdataset", "path": address}}},
        "captions": {"pools": {"p": {**POOL, "path": address}}},
        "encoder": {"encoders": {"c": {**ENCODER, "model": address}}},
        "storage": {"pools": {"p": {**POOL, "storage": {"endpoint_url": address}}}},
        "features": {"datasets": {"d": {"features": {
            "layout": "susx", "root": address, "backbone": "RN50"}}}},
        "agent": {"download": {"user_agent": f"me (+{address})"}},
    }  # fmt: skip
    with pytest.raises(InputError, match="holds credentials or a query") as caught:
        parsed(**sections[place])
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        *("hf://datasets/o/n@main", "s3://b/a@2x/{00..07}/*.npy", "http://localhost:1234"),
        *("http://[::1]:8000/x", "simplecache::s3://b/x", "file:///a/b", "a b/c?d#e"),
    ],
)
def test_addresses_of_places_are_taken(address: str) -> None:
    made = parsed(pools={"p": {**POOL, "path": address}})
    assert made.pools["p"].path == address


@pytest.mark.parametrize(
    "name",
    [
        *("key", "secret", "token", "sas_token", "password", "account_key", "passwd", "auth"),
        *("connection_string", "aws_session", "credential", "pat", "client_kwargs", "headers"),
        *("signature", "KEY", "username", "x-api"),
    ],
)
@pytest.mark.parametrize("value", [KEY, {"Authorization": KEY}])
def test_options_of_a_file_system_that_are_not_known_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"storage: `{name}` would end up in results") as caught:
        parsed(pools={"p": {**POOL, "storage": {name: value}}})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        *({name: KEY} for name in ("api_key", "apikey", "token", "bearer", "auth", "user")),
        {"extra_headers": {"X-Key": KEY}},
        {"extra_body": {"key": KEY}},
        {"reasoning": {"effort": "low", "access": KEY}},
        {"options": {"num_ctx": 9, "deep": [{"pass": KEY}]}},
    ],
)
def test_fields_of_requests_that_are_not_known_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"options: `.*` would end up in results") as caught:
        parsed(language_models={"m": {**SERVER, "options": options}})
    assert KEY not in str(caught.value)


def test_known_options_are_taken() -> None:
    storage = {"anon": True, "token": "anon", "endpoint_url": "http://h:9000"}
    options = {"max_tokens": None, "logit_bias": {"50256": -100}, "reasoning": {"effort": "low"}}
    made = parsed(
        pools={"p": {**POOL, "storage": storage}},
        language_models={"m": {**SERVER, "options": options}},
    )
    assert made.pools["p"].storage == storage
    assert made.language_models["m"].options == options


def test_results_show_the_listed_sections_and_not_who_runs_them() -> None:
    made = parsed(
        language_models={"m": {**SERVER, "api_key_variable": "MY_KEY"}},
        download={"user_agent": "me@example.org"},
    )
    shown = evaluated_config(made, "pets")
    assert list(shown) == [
        *("prompts", "language_models", "encoders", "pools", "download", "supports"),
        *("evaluation", "dataset"),
    ]
    assert "MY_KEY" not in str(shown)
    assert "me@example.org" not in str(shown)


TOKENS = [
    *(
        "hf_" + "aBcD1" * 6,
        "sk-" + "abcdef" * 4,
        "sk-proj-" + "aB3" * 12,
        "sk-ant-api03-" + "x9" * 20,
    ),
    *("Bearer sk-" + "abcdef" * 4, "bearer " + "eyJh.bGci" * 3),
]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("place", ["model", "stop", "format", "revision", "path", "template"])
def test_keys_are_refused_wherever_they_stand(place: str, token: str) -> None:
    dataset = {"classes": ["cat", "dog"], "images": {"test": "photos"}}
    sections: dict[str, Any] = {
        "model": {"language_models": {"s": {**SERVER, "model": token}}},
        "stop": {"language_models": {"s": {**SERVER, "options": {"stop": [token]}}}},
        "format": {
            "language_models": {"s": {**SERVER, "options": {"response_format": {"type": token}}}}
        },
        "revision": {"encoders": {"c": {**ENCODER, "revision": token}}},
        "path": {"pools": {"p": {**POOL, "path": f"s3://b/{token}/x.parquet"}}},
        "template": {"datasets": {"d": {**dataset, "template": f"{token} {{}}"}}},
    }
    with pytest.raises(InputError, match="holds what looks like a key") as caught:
        parsed(**sections[place])
    assert token.split()[-1] not in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        *("https://h/x;token=hunter2", "https:/me:hunter2@h/x", "//me:hunter2@h/x"),
        *("me:hunter2@h:/x", "simplecache::https:/me:hunter2@h"),
    ],
)
def test_logins_and_signatures_are_refused_however_an_address_is_written(path: str) -> None:
    with pytest.raises(InputError, match="holds credentials or a query") as caught:
        parsed(pools={"p": {**POOL, "path": path}})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        *("sk-fox", "sk-learn_random-forest-classifier", "hf_clip-vit-large-patch14", "task-force"),
        *("standard bearer monument", "hf_short", "ratio 1:2", "me@example.org", "a; b=c"),
    ],
)
def test_names_that_resemble_keys_are_taken(text: str) -> None:
    dataset = {"classes": [text, "dog"], "images": {"test": f"photos/{text}"}}
    made = parsed(datasets={"d": dataset}, download={"user_agent": "susx (mailto:me@example.org)"})
    assert made.datasets["d"].images.test == f"photos/{text}"
