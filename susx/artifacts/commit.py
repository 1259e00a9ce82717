"""The commit of the code that makes an artifact."""

from __future__ import annotations

from functools import cache


@cache
def own_commit() -> str | None:
    """Commit of this package's repository, `+` if it was edited; None if it has none of its own."""
    from susx.results import git_commit

    return git_commit()
