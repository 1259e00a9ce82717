"""Imports what runs of the pipeline import: what others wrote, and the whole package."""

import sys
from importlib import import_module
from pkgutil import walk_packages

LIBRARIES = [
    *("snakemake.cli", "snakemake.workflow", "snakemake.script", "snakemake.benchmark", "yaml"),
    *("numpy", "h5py", "scipy.optimize", "scipy.special", "scipy.stats", "scipy.fftpack"),
    *("pyarrow.parquet", "pyarrow.dataset", "pyarrow.pandas_compat", "git", "threadpoolctl"),
    *("torch", "tokenizers", "safetensors.torch", "transformers.models.auto"),
    *(f"transformers.models.{kind}.modeling_{kind}" for kind in ("clip", "siglip", "siglip2")),
    *(f"transformers.models.{kind}.image_processing_pil_{kind}" for kind in ("clip", "siglip")),
    *("transformers.models.siglip2.image_processing_pil_siglip2", "ftfy", "braceexpand"),
    *("transformers.models.metaclip_2.modeling_metaclip_2", "altair", "vl_convert", "jinja2"),
    *("snakemake.report.html_reporter", "snakemake.storage", "smart_open", "nbformat", "yte"),
    *("diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion", "imagehash"),
    *("text_unidecode", "encodings.utf_8_sig", "graphlib"),
]
PACKAGE, OURS = "susx", "susx_job"
"""All that jobs import of ours, and what they import before they do anything."""

for library in LIBRARIES:
    import_module(library)
import_module(OURS)
del sys.modules[OURS]  # which changes the path
for module in walk_packages(import_module(PACKAGE).__path__, f"{PACKAGE}."):
    import_module(module.name)
import_module("PIL.Image").init()  # imports a module per format
import_module("snakemake.cli").get_argument_parser()  # looks for plugins, once per process
import_module("threadpoolctl").ThreadpoolController()  # remembers where all libraries lie
