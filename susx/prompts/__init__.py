"""Prompts and descriptions: strategies, replies of language models, sentences."""
