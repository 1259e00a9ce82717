"""Where a result comes from, and how to make it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import yaml
from pydantic import ValidationError

from susx.config.schema import Config
from susx.evaluation.schema import Result

OF_ENCODER = (
    "library",
    "model",
    "revision",
    "weights_sha256",
    "precision",
    "logit_scale",
    "device",
    "git_commit",
)


def origin_facts(result: Result) -> Iterator[tuple[str, str]]:
    """What made a result, as named facts; those that are not known are left out."""
    made = result.provenance
    versions = ", ".join(f"{name} {v}" for name, v in made.get("versions", {}).items())
    known = [
        ("commit", made.get("git_commit")),
        ("versions", versions),
        ("Python", made.get("python")),
        ("machine", made.get("machine")),
        ("class list", made.get("classes_sha256")),
        ("configuration", made.get("config_sha256")),
        ("result", result.sha256),
    ]
    yield from ((name, str(value)) for name, value in known if value)


def encoder_facts(result: Result) -> dict[str, list[tuple[str, str]]]:
    """What is known of every encoder."""
    return {
        name: [
            (key.replace("_", " "), str(made))
            for key in OF_ENCODER
            if (made := getattr(encoder, key, None)) not in (None, "")
        ]
        for name, encoder in result.encoders.items()
    }


def input_hashes(result: Result) -> list[tuple[str, str]]:
    """SHA-256 of everything that was embedded, by encoder, kind and name."""
    return [
        (f"{name} / {cache}", str(sha256))
        for name, encoder in result.encoders.items()
        for cache, sha256 in encoder.inputs.items()
    ]


def configuration(result: Result) -> str:
    """The configuration that made a result, as YAML; what equals the defaults is left out."""
    stored = dict(result.provenance.get("config", {}))
    if "dataset" not in stored:
        return ""
    data = {"datasets": {result.dataset: stored.pop("dataset")}, **stored}
    with suppress(ValidationError):  # of another version
        data = Config.model_validate(data).model_dump(exclude_defaults=True, mode="json")
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
    return text
