"""A page on this machine that classifies the images that are dropped on it."""
