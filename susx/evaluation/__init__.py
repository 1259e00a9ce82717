"""Evaluation of methods, and its result."""
