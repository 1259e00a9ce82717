"""Whether what `encoders` names as a model can be one, before any library is imported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from susx.config.encoders import HUB_PREFIX, EncoderSettings
from susx.core.errors import listing, suggestion

OF_OPEN_CLIP = "open_clip_config.json"
NORMALISATION = ("mean", "std")
"""Keys of `preprocess_cfg` that differ between models, and that all published ones have."""
OF_TRANSFORMERS = "config.json"
FILES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".npz")
"""Suffixes of checkpoint files, which no identifier of the hub ends with."""
RESERVED = ("models", "datasets", "spaces")
"""Pages of the hub, so that nobody there is called so."""
KINDS = dict.fromkeys(("clip", "metaclip_2", "siglip", "siglip2"), "transformers") | {
    "blip": "blip"
}
"""Library for every kind of model that transformers writes and one of ours reads."""
LARGEST = 2**20
"""Bytes of a configuration that is read; published ones have a few thousand."""


def model_problem(settings: EncoderSettings) -> tuple[str, str] | None:
    """Say why a model cannot be loaded, as far as that shows without loading it.

    Returns:
        Key of the encoder and what is wrong with its value, or None: a path leads nowhere, or a
        folder or file is one for another library.
    """
    for key, value in (("model", settings.model), ("tokenizer", settings.tokenizer)):
        if value and not Path(value).exists() and _is_path(value):
            return key, f"{value}: not found{_neighbour(value)}"
    problem = next(_problems(settings), None)
    return ("model", f"{settings.model}: {problem}") if problem else None


def encoder_extra(settings: EncoderSettings) -> str | None:
    """Extra of this package that an encoder needs, if that shows without loading it."""
    folder = Path(settings.model)
    if settings.library == "open-clip":
        return "open-clip"
    pieces = (folder / "spiece.model").exists() and not (folder / "tokenizer.json").exists()
    return "siglip" if settings.library == "transformers" and pieces else None


def _is_path(name: str) -> bool:
    """Whether a name can only be that of a file or folder here."""
    parts = name.removeprefix(HUB_PREFIX).split("/")
    return (
        len(parts) > 2
        or parts[0] in (*RESERVED, "", ".", "..")
        or Path(name).suffix.lower() in FILES
    )


def _neighbour(name: str) -> str:
    folder = Path(name).parent
    return suggestion(Path(name).name, (path.name for path in folder.glob("*")))


def _problems(settings: EncoderSettings) -> Iterator[str]:
    path = Path(settings.model)
    if path.is_file():
        if settings.library == "transformers":
            yield (
                "is a file, but `library: transformers` reads folders; for a checkpoint file of "
                "CLIP set `library: open-clip` and `architecture`"
            )
        if settings.library == "open-clip" and settings.architecture is None:
            yield (
                "is a checkpoint file; set `architecture` to open_clip's name for the model in it, "
                "such as RN50-quickgelu"
            )
    if path.is_dir():
        if settings.architecture is not None:
            yield "is a folder, which tells its architecture itself; remove `architecture`"
        if library := _other_library(path, settings.library):
            yield f"is a folder in the format of another library; set `library: {library}`"
        if settings.library == "open-clip" and (problem := normalisation_problem(path)):
            yield problem


def normalisation_problem(folder: Path) -> str | None:
    """Say so if a folder of open_clip does not tell how images are normalised.

    The library would take the values of OpenAI's models without a word.
    """
    config = _mapping(folder / OF_OPEN_CLIP)
    said = config.get("preprocess_cfg")
    missing = [key for key in NORMALISATION if not isinstance(said, dict) or said.get(key) is None]
    if not config or not missing:
        return None
    return (
        f"{OF_OPEN_CLIP} lacks {listing(missing)} in `preprocess_cfg`, by which images are "
        "normalised; write there what the model was trained with"
    )


def _other_library(folder: Path, library: str) -> str | None:
    """Library that a folder was written for, if it is not the one that is named."""
    kind = _of_transformers(folder)
    own = (folder / OF_OPEN_CLIP).exists()
    if library == "open-clip":
        return None if own else kind
    if kind is None:
        return "open-clip" if own else None
    return None if kind == library else kind


def _of_transformers(folder: Path) -> str | None:
    """Library for a folder that transformers wrote, by the kind of model."""
    kind = model_config(folder).get("model_type")
    return KINDS.get(kind) if isinstance(kind, str) else None


def model_config(folder: Path) -> dict[str, Any]:
    """What transformers wrote of a model into its folder; empty if it is not there or broken."""
    return _mapping(folder / OF_TRANSFORMERS)


def _mapping(file: Path) -> dict[str, Any]:
    """A configuration; empty if it is not there or broken, which whoever loads the model tells."""
    try:
        if file.stat().st_size > LARGEST:
            return {}
        data = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
