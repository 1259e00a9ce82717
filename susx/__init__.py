"""Training-free image classifiers from class names alone (SuS-X, ICCV 2023)."""

__version__ = "0.1.0"
