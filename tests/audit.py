"""Known vulnerabilities of the locked packages: `python -m tests.audit`.

pip-audit asks the package index. Where that, or pip-audit, is not there, this says that nothing
was audited, and is no failure. A vulnerability that a newer version mends is one.
"""

import json
import subprocess
import sys
from typing import Any

COMMAND = [
    *(sys.executable, "-m", "pip_audit", "--requirement", "requirements.lock", "--no-deps"),
    *("--disable-pip", "--progress-spinner", "off", "--format", "json"),
]
PATIENCE = 600


def verdict(output: str, errors: str) -> tuple[list[str], bool]:
    """What pip-audit found, in lines, and whether it is a failure."""
    try:
        packages: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = errors.strip().splitlines()[-1:] or ["no output"]
        return [f"audit: NOT RUN ({last[0][:200]})"], False
    audited = [package for package in packages if "skip_reason" not in package]
    if not audited:
        reason = packages[0]["skip_reason"] if packages else "no packages"
        return [
            f"audit: NOT RUN, pip-audit knows none of {len(packages)} packages ({reason})"
        ], False
    found = [(package, flaw) for package in audited for flaw in package["vulns"]]
    lines = [f"audit: {len(audited)} of {len(packages)} packages audited, {len(found)} flaws known"]
    for package, flaw in found:
        mended = ", ".join(flaw["fix_versions"]) or "no version"
        lines.append(f"  {package['name']} {package['version']}: {flaw['id']}, mended in {mended}")
    return lines, any(flaw["fix_versions"] for _, flaw in found)


def main() -> int:
    """Run pip-audit on requirements.lock."""
    try:
        done = subprocess.run(
            COMMAND, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        lines, failed = verdict(done.stdout, done.stderr)
    except subprocess.TimeoutExpired:
        lines, failed = [f"audit: NOT RUN (no answer within {PATIENCE} s)"], False
    print("\n".join(lines))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
