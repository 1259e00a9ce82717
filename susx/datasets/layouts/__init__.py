"""Layouts in which a dataset may lie on disk: one module each, one registry entry each."""
