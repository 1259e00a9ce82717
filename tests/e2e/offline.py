"""Running processes that must not reach for the network."""

import os
from dataclasses import dataclass
from pathlib import Path

HOOK = Path(__file__).parent / "no_network"


@dataclass(frozen=True)
class Offline:
    """Folder with the records of watched processes."""

    log: Path

    def __post_init__(self) -> None:
        self.log.mkdir(parents=True, exist_ok=True)

    @property
    def env(self) -> dict[str, str]:
        """Environment that installs the hook; the hub is not switched off."""
        paths = os.pathsep.join([str(HOOK), os.environ.get("PYTHONPATH", "")])
        return {"PYTHONPATH": paths.rstrip(os.pathsep), "NO_NETWORK_LOG": str(self.log)}

    def _lines(self, name: str) -> list[str]:
        path = self.log / name
        return path.read_text("utf-8").splitlines() if path.exists() else []

    @property
    def processes(self) -> list[str]:
        """Command lines of the Python processes that were watched."""
        return self._lines("processes")

    @property
    def attempts(self) -> list[str]:
        """Forbidden calls."""
        return self._lines("attempts")
