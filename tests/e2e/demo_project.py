"""The demo as shipped, copied to a folder of its own."""

import shutil
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
RESULT = "results/flags.json"
REPORT = "results/flags/report.html"


def copy_demo(root: Path) -> None:
    """Copy configurations, class facts and models; images are left for the run to render."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPO / "config.yaml", root)
    skipped = shutil.ignore_patterns("data", "__pycache__")
    shutil.copytree(REPO / "demo", root / "demo", ignore=skipped)


def demo_command(root: Path, *arguments: str, cores: int = 2) -> list[str]:
    """Call `susx run` as `make demo` does, which asks for `REPORT`, too."""
    return [
        *(str(Path(sys.executable).parent / "susx"), "run"),
        *("--snakefile", str(REPO / "Snakefile")),
        *("--directory", str(root), "--cores", str(cores), RESULT, *arguments),
        *("--configfile", "demo/config.yaml"),
    ]
