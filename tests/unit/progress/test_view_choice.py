"""Which output a run has."""

import logging
import os
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest

from susx.progress.job_output import VARIABLE, WANTED, is_kept_in_logs
from susx.progress.view_choice import STREAM, run_view

Quiet = Enum("Quiet", ["HOST", "PROGRESS", "RULES", "ALL", "REASON"])
ASKED_FOR = ("verbose", "debug_dag", "printshellcmds")


@pytest.fixture
def logger(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """Snakemake's, with the handler that writes to the terminal, in a run of `susx run`."""
    monkeypatch.setenv(WANTED, "1")
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.delenv(VARIABLE)
    made = logging.Logger("snakemake")
    stream = logging.StreamHandler()
    stream.name = STREAM
    made.addHandler(stream)
    return made


def settings(*quiet: str, **asked: bool) -> Any:
    names = {Quiet[name] for name in quiet}
    return SimpleNamespace(quiet=names, nocolor=True, **dict.fromkeys(ASKED_FOR, False) | asked)


@pytest.mark.parametrize(
    ("quiet", "is_quiet"),
    [((), False), (("HOST",), False), (("PROGRESS", "RULES"), True), (("ALL",), True)],
)
def test_our_view_takes_the_place_of_snakemakes_output(
    logger: logging.Logger, quiet: tuple[str, ...], is_quiet: bool
) -> None:
    view = run_view(settings(*quiet), logger)
    assert view is not None and view.is_quiet is is_quiet
    assert logger.handlers == []
    assert is_kept_in_logs()
    assert WANTED not in os.environ  # of runs that a job starts


@pytest.mark.parametrize("asked", ASKED_FOR)
def test_snakemakes_own_output_is_there_if_asked_for(logger: logging.Logger, asked: str) -> None:
    assert run_view(settings(**{asked: True}), logger) is None
    assert len(logger.handlers) == 1
    assert not is_kept_in_logs()


def test_other_wishes_are_left_to_snakemake(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_view(settings("REASON"), logger) is None
    monkeypatch.setenv(WANTED, "1")
    assert run_view(settings(), logging.Logger("of a plugin")) is None
    assert run_view(settings(), logger) is None  # plain `snakemake`
    assert len(logger.handlers) == 1
