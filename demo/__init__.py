"""Offline demo world: synthetic national flags and a tiny CLIP trained on them."""
