"""What the audit of dependencies says."""

import json

import pytest

from tests.audit import verdict

SKIPPED = {"name": "rich", "skip_reason": "Dependency not found on PyPI"}
FOUND = "audit: 1 of 1 packages audited, 1 flaws known"
SOUND = {"name": "rich", "version": "15.0", "vulns": []}


def flawed(*versions: str) -> dict:
    flaw = {"id": "CVE-1", "fix_versions": list(versions), "aliases": [], "description": ""}
    return {"name": "rich", "version": "15.0", "vulns": [flaw]}


@pytest.mark.parametrize(
    ("packages", "says", "failed"),
    [
        ([SOUND, SOUND], ["audit: 2 of 2 packages audited, 0 flaws known"], False),
        ([SOUND, SKIPPED], ["audit: 1 of 2 packages audited, 0 flaws known"], False),
        (
            [flawed("15.1", "16.0")],
            [FOUND, "  rich 15.0: CVE-1, mended in 15.1, 16.0"],
            True,
        ),
        (
            [flawed()],
            [FOUND, "  rich 15.0: CVE-1, mended in no version"],
            False,
        ),
        (
            [SKIPPED],
            ["audit: NOT RUN, pip-audit knows none of 1 packages (Dependency not found on PyPI)"],
            False,
        ),
        ([], ["audit: NOT RUN, pip-audit knows none of 0 packages (no packages)"], False),
    ],
)
def test_the_verdict(packages: list, says: list[str], failed: bool) -> None:
    assert verdict(json.dumps({"dependencies": packages, "fixes": []}), "") == (says, failed)


@pytest.mark.parametrize("output", ["", "[]", "{}", "Traceback"])
def test_an_audit_that_could_not_run_is_no_failure(output: str) -> None:
    lines, failed = verdict(output, "Traceback\nConnectionError: no route\n")
    assert (lines, failed) == (["audit: NOT RUN (ConnectionError: no route)"], False)
    assert verdict(output, "") == (["audit: NOT RUN (no output)"], False)
