"""What the hub says while a run is planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from susx.encoders.hub import HubFiles, HubRepository


class HubAnswers:
    """What the hub says of models and data sets: it is asked for each once, and no more if silent.

    What is wanted together is asked for at the same time.
    """

    def __init__(self) -> None:
        self._known: dict[HubRepository, HubFiles] = {}

    def of(self, repositories: Iterable[HubRepository]) -> Mapping[HubRepository, HubFiles]:
        """What it says of models and data sets, and of those that were wanted before."""
        wanted = dict.fromkeys(one for one in repositories if one not in self._known)
        if wanted:
            from susx.encoders.hub import hub_files  # which imports the hub's client

            silent = next((found for found in self._known.values() if found.silent), None)
            self._known |= dict.fromkeys(wanted, silent) if silent else hub_files(wanted)
        return self._known
