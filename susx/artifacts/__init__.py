"""Artifacts known by their content: what each was made from, where it is kept, what is stale.

Every file that the pipeline makes is an object of a store, found by the *key* of its recipe: the
stage, the version of the stage's code, the settings that count, and the content of all inputs. What
has a readable name in `work` and `cache` is a link to an object. Neither modification times nor
Snakemake's records are asked.
"""
