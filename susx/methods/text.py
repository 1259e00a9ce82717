"""Text-only classifiers: the mean of a class's prompt embeddings (CLIP section 3.1.4; CuPL)."""

from susx.methods.base import Method, zero_shot_terms

ZERO_SHOT = Method(
    name="zero-shot",
    paper="Radford et al., Learning Transferable Visual Models From Natural Language "
    "Supervision, ICML 2021",
    terms=zero_shot_terms,
    texts=("ensemble",),
)
CUPL = Method(
    name="cupl",
    paper="Pratt et al., What does a platypus look like?, ICCV 2023",
    terms=zero_shot_terms,
    texts=("cupl",),
)
CUPL_E = Method(
    name="cupl+e",
    paper="Udandarao et al., SuS-X, ICCV 2023 (CuPL sentences and the prompt ensemble together)",
    terms=zero_shot_terms,
    texts=("cupl+e",),
)
REAL_PROMPT = Method(
    name="real-prompt",
    paper="Parashar et al., The Neglected Tails in Vision-Language Models, CVPR 2024 (REAL-Prompt)",
    terms=zero_shot_terms,
    texts=("real-prompt",),
)
