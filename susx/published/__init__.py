"""Published features of CLIP-like models."""
