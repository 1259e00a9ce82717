"""Hyper-parameter search: grid, intervals, continuous."""
