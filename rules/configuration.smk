"""Configuration files, looked at before Snakemake reads them.

Of two keys of one name Snakemake takes the last without a word, and of what is not YAML it names
neither file nor line.
"""

from pathlib import Path

from susx.core.errors import InputError
from susx.core.yaml_files import load_config


class Refused(SystemExit):
    """Bad input, found while the run is planned; Snakemake ends with the message alone."""


try:
    for file in ["config.yaml", *workflow.overwrite_configfiles]:
        if Path(file).exists():
            load_config(file)
except InputError as error:
    raise Refused(str(error)) from None
