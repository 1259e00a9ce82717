"""The command `susx clip-benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from susx.cli.errors import reported_errors
from susx.cli.printing import AsJson, Quiet, many, print_json, say


def clip_benchmark(
    result: Annotated[Path, typer.Argument(help="results/{dataset}.json.")],
    folder: Annotated[Path, typer.Argument(help="Where the files go, one per row.")],
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the rows of a result as CLIP_benchmark does."""
    from susx.evaluation.clip_benchmark import write_benchmark_rows
    from susx.evaluation.schema import read_result

    with reported_errors():
        files = write_benchmark_rows(read_result(result), folder)
    if as_json:
        print_json({"files": [str(file) for file in files]})
    elif not quiet:
        say(f"{many(len(files), 'row')} in {folder}")
