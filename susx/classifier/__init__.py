"""Classifiers as files, and their predictions."""
