"""What the Snakefile imports is light: every call of Snakemake waits for it."""

import ast
import json
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).parents[3]
RULES = (REPO / "rules").glob("*.smk")
HEAVY = {"h5py", "huggingface_hub", "numpy", "pandas", "PIL", "pyarrow", "scipy", "torch"}
"""Packages that jobs need, and planning does not."""
OF_SNAKEMAKE = "susx.workflow.graph"
"""Imports Snakemake, and what of these its plug-ins import."""


def imports(line: str) -> str:
    """An import of a rule file, or nothing if the line is none of susx."""
    if not line.startswith("from susx.") or OF_SNAKEMAKE in line:
        return ""
    (node,) = ast.parse(line).body
    return ast.unparse(node)


def test_planning_imports_nothing_that_only_jobs_need() -> None:
    lines = [imports(line) for path in RULES for line in path.read_text("utf-8").splitlines()]
    program = "\n".join(
        [
            *filter(None, lines),
            "from susx.planning.forecast import forecast",
            "import json, sys",
            "print(json.dumps([name.partition('.')[0] for name in sys.modules]))",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPO, capture_output=True, text=True, check=True
    )
    found = set(json.loads(done.stdout))
    assert found & HEAVY == set()
    assert {"susx", "pydantic"} <= found
