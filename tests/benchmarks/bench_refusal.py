"""What a call that cannot be planned takes until its error: ImageNet, which is not there.

    python -m tests.benchmarks.bench_refusal --runs 5
    python -m tests.benchmarks.bench_refusal --runs 5 --than ../earlier

Prints CPU seconds of whole processes, the least of some runs, whose bytecode lies there; with
`--than` also those with the code of another checkout, in turn with those of this one.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.checkouts import comparison
from tests.benchmarks.processes import processor_seconds
from tests.warm import clean_environment

RESULT = "results/imagenet.json"
SAYS = "datasets.imagenet.images.root: folder not found: data/imagenet"
SUSX = ("-c", "from susx.cli import app; app()")


def calls(repo: Path) -> dict[str, list[str]]:
    """Arguments of Python by what they do, and whether that ends with the error."""
    snakemake = ["-m", "snakemake", "--snakefile", str(repo / "Snakefile"), "--cores", "1"]
    return {
        "Snakemake's imports": ["-c", "import snakemake.cli"],
        "imports of planning": ["-c", "import susx.planning.setup"],
        "snakemake": [*snakemake, "--configfile", str(repo / "config.yaml"), "--", RESULT],
        "susx run": [*SUSX, "run", RESULT],
        "susx plan": [*SUSX, "plan", RESULT],
    }


def cpu_seconds(arguments: list[str], repo: Path, folder: Path) -> float:
    """CPU seconds of a Python with the code of a checkout, in an empty folder.

    Raises:
        RuntimeError: if it does not say what it should.
    """
    environment = clean_environment() | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(repo)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    (folder / "empty").mkdir(exist_ok=True)
    before = processor_seconds()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder / "empty",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    took = processor_seconds() - before
    said = " ".join(done.stdout.split())  # lines of `susx plan` are folded
    if RESULT in arguments and SAYS not in said:
        raise RuntimeError(done.stdout)
    return took


def main() -> None:
    """Run every call some times in turn, and once before, which writes its bytecode."""
    asked = comparison(__doc__, runs=5)
    with tempfile.TemporaryDirectory() as folder:
        for name in calls(asked.checkouts[0]):
            taken: dict[Path, list[float]] = {repo: [] for repo in asked.checkouts}
            for _ in range(asked.runs + 1):
                for repo in asked.checkouts:
                    taken[repo].append(cpu_seconds(calls(repo)[name], repo, Path(folder)))
            least = (min(seconds[1:]) for seconds in taken.values())
            print(*(f"{seconds:5.2f} s" for seconds in least), "", name, flush=True)


if __name__ == "__main__":
    main()
