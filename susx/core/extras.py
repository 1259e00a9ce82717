"""The extras of this package, and whether what they bring is installed."""

from __future__ import annotations

from importlib.util import find_spec

EXTRAS = {
    "faiss": ("faiss",),
    "heic": ("pillow_heif",),
    "llm": ("httpx2", "openai"),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "open-clip": ("open_clip",),
    "pipeline": (
        *("ahocorasick_rs", "braceexpand", "fsspec", "h5py", "imagehash", "pyarrow", "scipy"),
        *("snakemake", "tqdm", "webdataset"),
    ),
    "report": ("altair", "jinja2", "vl_convert"),
    "s3": ("s3fs",),
    "sd": ("accelerate", "diffusers"),
    "serve": ("starlette", "uvicorn"),
    "siglip": ("sentencepiece",),
    "sklearn": ("sklearn",),
    "web": ("aiohttp", "idna", "img2dataset", "inflect", "protego"),
}
"""Modules of every extra that susx imports."""


def extra_problem(extra: str) -> str | None:
    """Say what an extra lacks and how to install it, or None if it is there.

    Nothing is imported: a package may be there and still not load.
    """
    lacking = next((module for module in EXTRAS[extra] if find_spec(module) is None), None)
    if lacking is None:
        return None
    return f"needs {lacking}, which is not installed: pip install 'susx[{extra}]'"
