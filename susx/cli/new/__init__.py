"""`susx new`: a configuration for someone's own class names and images."""

ENCODER = "openai/clip-vit-base-patch32"
"""The one of the first CLIP models that runs at a tolerable speed without a GPU."""
