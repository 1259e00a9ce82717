"""Configuration files, looked at before Snakemake reads them.

Of two keys of one name Snakemake takes the last without a word, and of what is not YAML it names
neither file nor line.
"""

import json
from pathlib import Path

from susx.core.errors import InputError
from susx.core.yaml_files import load_yaml


class Refused(SystemExit):
    """Bad input, found while the run is planned; Snakemake ends with the message alone."""


def require_readable(path):
    """Stop with an error if a configuration file is not YAML, or has a key twice."""
    try:
        json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError):
        load_yaml(path)


try:
    for file in ["config.yaml", *workflow.overwrite_configfiles]:
        if Path(file).exists():
            require_readable(file)
except InputError as error:
    raise Refused(str(error)) from None
