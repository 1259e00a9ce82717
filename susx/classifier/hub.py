"""Where a classifier lies in a repository of the Hugging Face hub, and how it is fetched."""

from __future__ import annotations

from pathlib import Path

from susx.config.encoders import HUB_PREFIX
from susx.core.errors import InputError

CLASSIFIER = "classifier.safetensors"
"""Its file in a repository."""


def local_path(path: str | Path) -> str:
    """Where the file of a classifier is that may be on the hub, from which it is fetched.

    Raises:
        InputError: if it cannot be fetched; it says why.
    """
    place = str(path)
    return str(fetched(place)) if place.startswith(HUB_PREFIX) else place


def fetched(address: str) -> Path:
    """The local copy of a classifier file of the hub.

    Args:
        address: `hf-hub:owner/name`, or `hf-hub:owner/name@revision`.

    Raises:
        InputError: if there is none, or the hub cannot be asked; it says why.
    """
    from huggingface_hub import hf_hub_download

    from susx.encoders.hub import load_failure

    name, _, revision = address.removeprefix(HUB_PREFIX).partition("@")
    try:
        return Path(hf_hub_download(name, CLASSIFIER, revision=revision or None))
    except Exception as error:  # the library raises many kinds for the network's many failures
        raise InputError(f"classifier {address}: {load_failure(error, name)}") from None
