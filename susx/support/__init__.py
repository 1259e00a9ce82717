"""Support sets: labelled images found from class names alone."""
