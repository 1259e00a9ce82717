"""Image pools: shards on disk and on the web."""
