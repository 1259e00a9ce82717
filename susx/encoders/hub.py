"""Why a model could not be loaded, in words, and models that are fetched as a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import shorten

from huggingface_hub import HfApi, errors, is_offline_mode, snapshot_download

from susx.core.errors import InputError
from susx.core.hub import snapshot_commit

NOT_DATA = (
    "its weights cannot be read as data only: they are broken, or a pickle that could run code; "
    "take safetensors"
)
"""Why a file of torch is refused."""
PATIENCE = 5.0
"""Seconds that the hub has to say whether it has a model; the job that loads it waits longer."""
REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (
        errors.GatedRepoError,
        "it is gated: accept its terms on its page, and set HF_TOKEN to a token of that account",
    ),
    (errors.RevisionNotFoundError, "it has no such revision; correct `revision`"),
    (
        errors.RepositoryNotFoundError,
        "there is no such folder here and no such model on the hub, or it is private: check the "
        "spelling, or set HF_TOKEN",
    ),
    (
        errors.OfflineModeIsEnabled,
        "it is not in the local cache of the hub, and HF_HUB_OFFLINE is set",
    ),
    (
        errors.LocalEntryNotFoundError,
        "it is not in the local cache of the hub, and the hub cannot be reached",
    ),
    (errors.EntryNotFoundError, "it lacks a file that is needed"),
    (errors.HFValidationError, "there is no such folder here, and it is no hub identifier"),
)

FINAL = (
    errors.RepositoryNotFoundError,  # gated ones too
    errors.RevisionNotFoundError,
    errors.HFValidationError,
    errors.OfflineModeIsEnabled,
)
"""Errors that a job would meet as well."""


def load_failure(error: BaseException, model: str) -> str:
    """Say on one line why a model could not be loaded: the hub's reason if one is behind it."""
    chain = [] if Path(model).exists() else list(_causes(error))
    for kind, words in REASONS:
        if any(isinstance(cause, kind) for cause in chain):
            return words
    return f"{type(error).__name__}: {shorten(str(error), 300)}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def folder_of(model: str, revision: str | None, patterns: Sequence[str]) -> Path:
    """Return a local folder, or fetch the matching files of a hub model (or find them cached).

    Raises:
        InputError: if there is neither; it says why.
    """
    if Path(model).is_dir():
        return Path(model)
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(patterns)))
    except Exception as error:  # the library raises many kinds for the network's many failures
        raise InputError(
            f"encoder model {model}: cannot be loaded: {load_failure(error, model)}"
        ) from None


def hub_problem(model: str, revision: str | None) -> str | None:
    """Say why a model cannot come from the hub, or None if it may.

    What lies in the local cache is not asked for. A hub that does not answer says nothing.

    Args:
        model: hub identifier.
        revision: branch, tag or commit; None for the main branch.
    """
    if snapshot_commit(model, revision):
        return None
    try:
        if is_offline_mode():
            raise errors.OfflineModeIsEnabled()
        HfApi().model_info(model, revision=revision, timeout=PATIENCE)
    except FINAL as error:
        return load_failure(error, model)
    except Exception:  # of the network's many failures none tells anything of the model
        return None
    return None
