"""Configuration files, looked at before Snakemake reads them.

Of two keys of one name Snakemake takes the last without a word, and of what is not YAML it names
neither file nor line.
"""

from pathlib import Path

from susx.core.yaml_files import load_config
from susx.workflow.functions import refusals

with refusals():
    for file in ["config.yaml", *workflow.overwrite_configfiles]:
        if Path(file).exists():
            load_config(file)
