"""Why a model could not be loaded, in words, and models that are fetched as a folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from huggingface_hub import HfApi, errors, is_offline_mode, snapshot_download

from susx.core.errors import InputError
from susx.core.hub import snapshot_commit

HubModel = tuple[str, str | None]
"""Identifier and revision."""
NOT_DATA = (
    "its weights cannot be read as data only: they are broken, or a pickle that could run code; "
    "take safetensors"
)
"""Why a file of torch is refused."""
PATIENCE = 2.0
"""Seconds that the hub has to take a call, and to say whether it has a model: a call that cannot be
planned ends within five, of which Snakemake's start takes two. Jobs wait longer."""
UNREACHABLE = "it is not in the local cache of the hub, and the hub cannot be reached"
UNREACHED = {"ConnectError", "ConnectTimeout", "ProxyError"}
"""Errors of calls that nobody took, by name: the hub's client changed its HTTP library twice."""
GATED = "it is gated: accept its terms on its page, and set HF_TOKEN to a token of that account"
"""What is said of a model whose publisher asks for an agreement."""
REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (errors.GatedRepoError, GATED),
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
    (errors.LocalEntryNotFoundError, UNREACHABLE),
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

    What lies in the local cache is not asked for. A hub that takes the call and does not answer
    says nothing.

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
    except Exception as error:  # the library raises many kinds for the network's many failures
        found = _unanswered(error, model)
        return found.note if found.lacking else None
    return None


def hub_problems(models: Collection[HubModel]) -> dict[HubModel, str]:
    """Say which of some models cannot come from the hub, and why; all are asked for at once.

    Who has not answered after twice `PATIENCE`, as a name server that hangs, says nothing.

    Args:
        models: hub identifier and revision of each.
    """
    found: dict[HubModel, str | None] = {}

    def ask(model: HubModel) -> None:
        found[model] = hub_problem(*model)

    # Of a pool of threads Python would wait for the last one before it ends.
    threads = [threading.Thread(target=ask, args=(model,), daemon=True) for model in models]
    end = time.monotonic() + 2 * PATIENCE
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return {model: problem for model, problem in found.copy().items() if problem}


@dataclass(frozen=True)
class HubFiles:
    """What the hub says of the files of a model or data set.

    Attributes:
        sizes: bytes by path; None where it does not say.
        note: what one has to know or do, or nothing.
        lacking: whether a job could not get them.
        silent: whether the hub did not answer.
    """

    sizes: Mapping[str, int] | None = None
    note: str = ""
    lacking: bool = False
    silent: bool = False


def hub_files(name: str, revision: str | None, kind: str) -> HubFiles:
    """Ask the hub how large the files of a model or data set are.

    Args:
        name: hub identifier.
        revision: branch, tag or commit; None for the main branch.
        kind: `model` or `dataset`.
    """
    try:
        if is_offline_mode():
            raise errors.OfflineModeIsEnabled()
        info = HfApi().repo_info(
            name, revision=revision, repo_type=kind, timeout=PATIENCE, files_metadata=True
        )
    except Exception as error:  # the library raises many kinds for the network's many failures
        return _unanswered(error, name)
    sizes = {file.rfilename: file.size or 0 for file in getattr(info, "siblings", None) or []}
    return HubFiles(sizes, GATED if getattr(info, "gated", False) else "")


def _unanswered(error: Exception, name: str) -> HubFiles:
    """What the failure of a question to the hub tells of a model or data set."""
    if isinstance(error, FINAL):
        silent = isinstance(error, errors.OfflineModeIsEnabled)
        return HubFiles(note=load_failure(error, name), lacking=True, silent=silent)
    if any(type(cause).__name__ in UNREACHED for cause in _causes(error)):
        return HubFiles(note=UNREACHABLE, lacking=True, silent=True)
    status = getattr(getattr(error, "response", None), "status_code", None)
    kept = f"answers with status {status}" if status else "does not answer as a hub does"
    return HubFiles(note=f"the hub {kept}; its address is that of HF_ENDPOINT", silent=True)
