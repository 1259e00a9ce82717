"""docs/licences.md: licences of all packages that requirements.lock names, by their metadata.

`python -m docs.generate_licences` writes the page; packages must be installed.
"""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/licences.md"
NOT_INSTALLED = {"timm": "Apache Software License", "torchvision": "BSD"}
"""What open-clip-torch asks for, but is installed without."""
LONGEST = 80
HEAD = """# Licences of dependencies

Written by `python -m docs.generate_licences` from the metadata of the packages that
`requirements.lock` names: their licence expression, or else their classifiers, licence field or
licence file. Where
several stand, the package's own files say which of them applies to what. susx itself is under the
MIT licence. Model weights and datasets have licences of their own; their pages and the dataset
cards name them.

| package | version | licence |
|---|---|---|
"""


def locked(lock: str) -> dict[str, str]:
    """Version by name of all packages of a lock file."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", lock, re.MULTILINE))


def licence(name: str) -> str:
    """The licence of a package, in one line."""
    try:
        package = distribution(name)
    except PackageNotFoundError:
        return NOT_INSTALLED.get(name, "not installed")
    metadata: Any = package.metadata
    classifiers = metadata.get_all("Classifier") or []
    stated = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License :: ")]
    field = metadata.get("License") or ""
    short = field if "\n" not in field and len(field) <= LONGEST else ""
    found: str = (
        metadata.get("License-Expression")
        or "; ".join(stated)
        or short
        or _title(package)
        or "not stated"
    )
    return found


def _title(package: Distribution) -> str:
    """First line of the licence file."""
    for file in package.files or []:
        if file.stem.upper() in ("LICENSE", "LICENCE", "COPYING"):
            text = Path(str(package.locate_file(file))).read_text("utf-8", "replace")
            return text.strip().partition("\n")[0].strip()[:LONGEST]
    return ""


def page(lock: str) -> str:
    """The page for a lock file."""
    rows = [f"| {name} | {version} | {licence(name)} |" for name, version in locked(lock).items()]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page((ROOT / "requirements.lock").read_text("utf-8")), "utf-8")
