"""The command `susx run`: Snakemake, with what it is called with looked at first."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import typer

from susx.cli.errors import reported_errors
from susx.cli.look import SNAKEFILES, plain_call, require_plannable
from susx.core.errors import InputError
from susx.core.pipeline import PIPELINE, SNAKEFILE
from susx.core.yaml_files import CONFIG, load_config
from susx.progress.job_output import WANTED


def run(context: typer.Context) -> None:
    """Make results: `snakemake` with all its options, on all cores unless told otherwise.

    Configuration files and options are looked at first; of a missing file Snakemake prints a
    traceback, of an unknown option all others. Where no Snakefile lies in this folder, the one of
    this installation is used, and so is its `config.yaml` where there is none. Stages are shown
    in place of jobs; `--verbose` shows all that Snakemake says.
    """
    with reported_errors():
        if call := plain_call(context.args):
            require_readable(call.configs)
            require_plannable(call)
    os.environ[WANTED] = "1"
    sys.exit(0 if snakemake_call(context.args)() else 1)


def snakemake_call(
    arguments: list[str], require: Callable[[Any], None] = lambda options: None
) -> Callable[[], bool]:
    """A call of Snakemake in this process, which tells whether it succeeded.

    Args:
        arguments: of its command line.
        require: looks at its options; raises ValueError if they cannot be taken.

    Raises:
        typer.Exit: after a line on what is wrong with the arguments.
    """
    with reported_errors():
        from snakemake.cli import args_to_api, parse_args, parse_config
        from snakemake.exceptions import CliException, print_exception
        from snakemake.utils import available_cpu_count

    said = io.StringIO()
    with reported_errors(CliException, ValueError):  # the latter: `--config` without `=`
        try:
            with redirect_stderr(said):
                parser, options = parse_args(_arguments(arguments))
        except SystemExit as end:
            if not end.code:  # --help
                raise
            # It stands below all options.
            reason = re.split("error: ", said.getvalue(), flags=re.IGNORECASE)[-1]
            raise InputError(" ".join(reason.split())) from None
        sys.stderr.write(said.getvalue())
        if not options.configfile and _lacks_config(options):
            options.configfile = [PIPELINE / CONFIG]
        require_readable(options.configfile)
        parse_config(options.config)
        require(options)
    if options.cores is None and options.jobs is None:
        options.cores = available_cpu_count()

    def call() -> bool:
        try:
            return bool(args_to_api(options, parser))
        except Exception as error:  # as Snakemake's own command does
            print_exception(error)
            return False

    return call


def require_readable(files: Iterable[str | Path]) -> None:
    """Look at configuration files.

    Raises:
        InputError: if one is missing, is neither JSON nor YAML, or has a key twice.
    """
    missing = [str(file) for file in files if not Path(file).is_file()]
    if missing:
        raise InputError(
            f"--configfile {missing[0]}: file not found; everything up to the next option is read "
            "as configuration files, so name results before it"
        )
    for file in files:
        load_config(file)


def _lacks_config(options: Any) -> bool:
    """Whether the workflow of this installation is used where no configuration lies."""
    folder = Path(options.directory or ".")
    is_ours = Path(options.snakefile or "").resolve() == SNAKEFILE
    return is_ours and not (folder / CONFIG).is_file()


def _arguments(given: list[str]) -> list[str]:
    """What Snakemake is called with: the workflow of this installation where none lies here."""
    named = any(word in ("-s", "--snakefile") for word in given)
    if named or any(Path(name).is_file() for name in SNAKEFILES):
        return given
    return ["--snakefile", str(SNAKEFILE), *given]
