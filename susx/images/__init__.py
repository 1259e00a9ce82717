"""Image files: their kinds, decoding, listing."""
