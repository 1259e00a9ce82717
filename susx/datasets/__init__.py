"""Datasets on disk: one loader per layout, and what is known of the datasets in cards."""
