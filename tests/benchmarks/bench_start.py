"""What a job costs before its first image and after its last: imports, loading, ending.

    python -m tests.benchmarks.bench_start --runs 5
    python -m tests.benchmarks.bench_start --runs 5 --than ../earlier

Prints CPU seconds of whole processes, the least of some runs; with `--than` also those with the
code of another checkout, in turn with those of this one, and the share of them that is left.
"""

import ast
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.checkouts import comparison
from tests.benchmarks.processes import processor_seconds
from tests.helpers import save_tiny_clip
from tests.warm import clean_environment

JOBS = (
    *("class_manifest", "prompts", "image_manifest", "draw_support", "join_chunks"),
    *("select_support", "match_captions", "import_text", "embed_images"),
)
UNPACKED = "import snakemake.logging, snakemake.iocontainers"
"""What Snakemake lets a script import before its first line."""

ENCODER = """\
from susx.config.encoders import EncoderSettings
from susx.encoders import load_encoder
load_encoder(EncoderSettings(library="transformers", model={model!r}, device="cpu"))
"""
END = "from susx.core.compute import end_quickly; end_quickly()\n"


def imports(script: Path) -> str:
    """What a script imports, and its job before any work."""
    tree = ast.parse(script.read_text("utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    path = f"import sys; sys.path.append({str(script.parent)!r})"
    first = sorted(map(ast.unparse, found), key=lambda line: "susx_job" not in line)
    return "\n".join([UNPACKED, path, *first])


def programs(model: Path, repo: Path) -> dict[str, str]:
    """Programs by what they do."""
    encoder = ENCODER.format(model=str(model))
    jobs = {f"imports of {job}": imports(repo / f"workflow_scripts/{job}.py") for job in JOBS}
    return {
        **jobs,
        "Python alone": "pass",
        "torch": "import torch",
        "a CLIP is loaded, as Python ends": encoder,
        "a CLIP is loaded, as jobs end": END + encoder,
    }


def cpu_seconds(program: str, repo: Path) -> float:
    """CPU seconds of a Python that runs a program with the code of a checkout."""
    before = processor_seconds()
    environment = {**clean_environment(), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(repo)
    command = [sys.executable, "-c", program]
    subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
    return processor_seconds() - before


def main() -> None:
    """Run every program some times in turn."""
    asked = comparison(__doc__, runs=5)
    with tempfile.TemporaryDirectory() as folder:
        save_tiny_clip(Path(folder) / "model")
        wanted = [programs(Path(folder) / "model", repo) for repo in asked.checkouts]
        for name in wanted[0]:
            taken = [
                [
                    cpu_seconds(one[name], repo)
                    for one, repo in zip(wanted, asked.checkouts, strict=True)
                ]
                for _ in range(asked.runs)
            ]
            least = [min(runs) for runs in zip(*taken, strict=True)]
            share = [f"{least[0] / least[-1]:5.0%}"] if asked.earlier else []
            print(*(f"{seconds:5.2f} s" for seconds in least), *share, "", name)


if __name__ == "__main__":
    main()
