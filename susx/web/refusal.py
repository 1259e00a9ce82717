"""What is raised when an address may not be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


class RefusedResponse(OSError):
    """A response that will not be better next time."""
