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

HubRepository = tuple[str, str | None, str]
"""Identifier; branch, tag or commit, None for the main branch; and kind, `model` or `dataset`."""
NOT_DATA = (
    "its weights cannot be read as data only: they are broken, or a pickle that could run code; "
    "take safetensors"
)
"""Why a file of torch is refused."""
PATIENCE = 2.0
"""Seconds that the hub has to take a call, and to say what a model has: a call that cannot be
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


@dataclass(frozen=True)
class HubFiles:
    """What the hub says of the files of a model or data set.

    Attributes:
        sizes: bytes by path; None where it does not say.
        note: what one has to know or do, or nothing.
        lacking: whether a job could not get them.
        silent: whether the hub did not answer.
        is_unreached: whether this machine cannot reach it, which others may.
    """

    sizes: Mapping[str, int] | None = None
    note: str = ""
    lacking: bool = False
    silent: bool = False
    is_unreached: bool = False


def hub_files(repositories: Collection[HubRepository]) -> dict[HubRepository, HubFiles]:
    """Ask the hub how large the files of models and data sets are, all at once.

    Who has not answered after twice `PATIENCE`, as a name server that hangs, is silent.
    """
    found: dict[HubRepository, HubFiles] = {}

    def ask(repository: HubRepository) -> None:
        found[repository] = _told(*repository)

    # Of a pool of threads Python would wait for the last one before it ends.
    threads = [threading.Thread(target=ask, args=(one,), daemon=True) for one in repositories]
    end = time.monotonic() + 2 * PATIENCE
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    answered = found.copy()
    return {one: answered.get(one, SILENT) for one in repositories}


def _told(name: str, revision: str | None, kind: str) -> HubFiles:
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
        return HubFiles(note=UNREACHABLE, lacking=True, silent=True, is_unreached=True)
    status = getattr(getattr(error, "response", None), "status_code", None)
    return _silent(f"answers with status {status}") if status else SILENT


def _silent(does: str) -> HubFiles:
    return HubFiles(note=f"the hub {does}; its address is that of HF_ENDPOINT", silent=True)


SILENT = _silent("does not answer as a hub does")
