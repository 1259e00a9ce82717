"""What a job costs before its first image and after its last: imports, loading, ending.

    python -m tests.benchmarks.bench_start --runs 5

Prints CPU seconds of whole processes, the least of some runs.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.helpers import save_tiny_clip
from tests.warm import clean_environment

ENCODER = """\
from susx.config.encoders import Encoder
from susx.encoders import load_encoder
load_encoder(Encoder(library="transformers", model={model!r}, device="cpu"))
"""
END = "from susx.core.compute import end_quickly; end_quickly()\n"


def programs(model: Path) -> dict[str, str]:
    """Programs by what they do."""
    encoder = ENCODER.format(model=str(model))
    return {
        "Python alone": "pass",
        "torch": "import torch",
        "a CLIP is loaded, as Python ends": encoder,
        "a CLIP is loaded, as jobs end": END + encoder,
    }


def cpu_seconds(program: str) -> float:
    """CPU seconds of a Python that runs a program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**clean_environment(), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program]
    subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Run every program some times in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        save_tiny_clip(Path(folder) / "model")
        wanted = programs(Path(folder) / "model")
        taken = [{name: cpu_seconds(code) for name, code in wanted.items()} for _ in range(runs)]
    for name in wanted:
        print(f"{min(one[name] for one in taken):5.2f} s  {name}")


if __name__ == "__main__":
    main()
