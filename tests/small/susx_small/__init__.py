"""One small thing of every kind that a package can bring to susx."""
