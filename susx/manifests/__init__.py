"""Manifests: classes, images, support images."""
