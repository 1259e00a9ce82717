"""Imports what jobs of the shipped configuration import, for processes that start warm."""

from importlib import import_module

from tests.torchvision_stand_in import import_open_clip

LIBRARIES = (
    *("accelerate.utils.memory", "diffusers.pipelines.auto_pipeline"),
    *("huggingface_hub.hf_file_system", "ahocorasick_rs"),
    *("img2dataset.downloader", "img2dataset.writer"),
    *("transformers.models.qwen3.modeling_qwen3", "transformers.models.qwen2.tokenization_qwen2"),
)

import_open_clip()
for library in LIBRARIES:
    import_module(library)
