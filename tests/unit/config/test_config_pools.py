"""Sections of pools without images."""

import copy
from typing import Any

import pytest

from susx.config import parse_config
from tests.made.config import FULL, message

POOLS: dict[str, dict[str, Any]] = {
    "embeddings": {"layout": "embeddings", "path": "laion", "encoder": "clip"},
    "captions": {"layout": "captions", "path": "*.parquet"},
    "service": {"layout": "service", "url": "http://localhost:1234", "index": "laion"},
}


def with_pool(pool: dict[str, Any], **support: Any) -> dict[str, Any]:
    """FULL with another pool; None removes a key of the support set."""
    config = copy.deepcopy(FULL)
    config["pools"]["web"] = pool
    section = {**config["supports"]["lc"], "select": "top", "max_cosine": None, **support}
    config["supports"]["lc"] = {key: value for key, value in section.items() if value is not None}
    return config


@pytest.mark.parametrize(
    ("layout", "encoder"),
    [("embeddings", None), ("captions", "clip"), ("service", "clip"), ("service", None)],
)
def test_every_layout_can_be_configured(layout: str, encoder: str | None) -> None:
    config = parse_config(with_pool(POOLS[layout], encoder=encoder))
    assert config.pools["web"].layout == layout
    assert not config.download.allow_private


@pytest.mark.parametrize(
    ("layout", "encoder", "says"),
    [
        ("embeddings", "clip", "pools.web names the encoder of its embeddings; remove this"),
        ("captions", None, "missing; it ranks the downloaded images"),
    ],
)
def test_an_encoder_that_does_not_fit_the_layout_is_named(
    layout: str, encoder: str | None, says: str
) -> None:
    config = with_pool(POOLS[layout], encoder=encoder)
    assert message(config) == f"config.yaml: supports.lc.encoder: {says}"


@pytest.mark.parametrize(
    ("layout", "key", "value", "says"),
    [
        ("embeddings", "encoder", "clop", 'no entry "clop" under encoders; did you mean "clip"?'),
        ("embeddings", "image_column", "x", "unknown key"),
        ("captions", "encoder", "clip", "unknown key"),
        ("captions", "url_colum", "u", 'unknown key; did you mean "url_column"?'),
        ("service", "url", "localhost:1234", "String should match"),
        ("service", "index", None, "missing"),
        ("captions", "layout", "caption", "expected one of"),
    ],
)
def test_bad_keys_are_named(layout: str, key: str, value: Any, says: str) -> None:
    pool = {k: v for k, v in {**POOLS[layout], key: value}.items() if v is not None}
    encoder = None if layout == "embeddings" else "clip"
    assert message(with_pool(pool, encoder=encoder)).startswith(f"config.yaml: pools.web.{key}: ")
    assert says in message(with_pool(pool, encoder=encoder))


CHOICES = pytest.mark.parametrize("choice", [{"select": "diverse"}, {"max_cosine": 0.98}], ids=str)


@CHOICES
@pytest.mark.parametrize(
    ("layout", "encoder"), [("embeddings", None), ("captions", "clip"), ("service", "clip")]
)
def test_downloaded_images_can_be_chosen_by_their_embeddings(
    layout: str, encoder: str | None, choice: dict[str, Any]
) -> None:
    config = parse_config(with_pool(POOLS[layout], encoder=encoder, **choice))
    assert config.supports["lc"].model_dump().items() >= choice.items()


@CHOICES
def test_a_choice_by_embeddings_needs_an_encoder(choice: dict[str, Any]) -> None:
    (key,) = choice
    assert message(with_pool(POOLS["service"], encoder=None, **choice)) == (
        f"config.yaml: supports.lc.encoder: missing; `{key}` compares embeddings of the "
        "downloaded images"
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [("wave_factor", 0.5), ("threads", 0), ("max_aspect_ratio", 0.1), ("allow_privat", True)],
)
def test_bad_download_settings_are_named(key: str, value: Any) -> None:
    assert message({**FULL, "download": {key: value}}).startswith(f"config.yaml: download.{key}: ")
