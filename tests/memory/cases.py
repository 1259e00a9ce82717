"""All cases, in the order of the pipeline."""

from tests.memory import images, pools, results, texts

CASES = [*texts.CASES, *images.CASES, *pools.CASES, *results.CASES]
